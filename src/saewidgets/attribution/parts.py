"""A gradient, taken apart: so much of value times gradient is each feature's, so much the bias', so much the error's.

Only active features are ever made: nothing here is as wide as the dictionary for more than a few tokens at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from ..engine.arrays import Doubles, Floats, Ints
from ..engine.dictionary.base import Dictionary
from ..errors import NonFiniteError

__all__ = ["Parts", "parts_of", "rest_of"]

# Dense activations, and gathered decoder rows, at once, in numbers: 128 MB of float32 each.
_BUDGET = 2**25


@dataclass(frozen=True)
class Parts:
    """Of one dictionary on one text of `pos` tokens.

    Attributes:
        positions, features: [nnz] the active ones, by position and feature.
        activations, gradients: [nnz] a and ∂metric/∂a.
        error, bias, total: [pos] err · g, what the decoder adds besides its features · g, and y · g.
    """

    positions: Ints
    features: Ints
    activations: Floats
    gradients: Floats
    error: Doubles
    bias: Doubles
    total: Doubles


def parts_of(dictionary: Dictionary, x: Tensor, y: Tensor, gradient: Tensor) -> Parts:
    """The parts of one text: `x` [pos, d_in] is read, `y` [pos, d_out] is what features are a part of, `gradient` of y."""
    if dictionary.device is not None:
        x, y, gradient = (one.to(dictionary.device) for one in (x, y, gradient))
    n = len(x)
    step = n if dictionary.per_text else max(1, _BUDGET // max(1, dictionary.n_features))
    pieces = [_some(dictionary, x[i : i + step], y[i : i + step], gradient[i : i + step], i) for i in range(0, n, step)]
    return Parts(*(np.concatenate([getattr(p, name) for p in pieces]) for name in Parts.__dataclass_fields__))


def rest_of(dictionary: Dictionary, x: Tensor, y: Tensor) -> Tensor:
    """What of `y` [pos, d_out] is neither the features' nor the error: b_dec, a skip, what a norm puts back; 0 without any."""
    if dictionary.device is not None:
        x, y = x.to(dictionary.device), y.to(dictionary.device)
    rest = torch.zeros_like(y)
    step = len(x) if dictionary.per_text else max(1, _BUDGET // max(1, dictionary.n_features))
    for i in range(0, len(x), step):
        acts, rebuilt = dictionary.autoencode(x[None, i : i + step])
        if rebuilt is None:
            continue
        rows, columns = acts[0].nonzero(as_tuple=True)
        scale = dictionary.decoder_scale(x[i : i + step])[..., 0]
        unique, which = _distinct(columns)
        vectors = dictionary.contribution(unique).to(x.device)
        # As a product with the features that are active on these tokens: no gathered row for every activation.
        few = torch.zeros(len(scale), len(unique), device=x.device)
        few[rows, which] = acts[0][rows, columns].float() * scale[rows]
        made = few @ vectors
        rest[i : i + step] = rebuilt[0].float().reshape(made.shape) - made
    return rest


def _some(dictionary: Dictionary, x: Tensor, y: Tensor, gradient: Tensor, first: int) -> Parts:
    with torch.no_grad():
        acts, rebuilt = dictionary.autoencode(x[None])
        acts = acts[0]
        rows, columns = acts.nonzero(as_tuple=True)
        values = acts[rows, columns].float()
        if not torch.isfinite(values).all():
            raise NonFiniteError(f"Activations of {dictionary.name!r} are NaN or infinite.")
        scale = dictionary.decoder_scale(x)[..., 0]
        gradients = _gradients(dictionary, gradient, rows, columns) * scale[rows]
        g = gradient.double()
        total = (y.double() * g).sum(-1)
        of_features = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        of_features.index_add_(0, rows, values.double() * gradients.double())
        if rebuilt is None:
            error, bias = total - of_features, torch.zeros_like(total)
        else:
            rebuilt = rebuilt[0].reshape(y.shape)
            error = ((y.double() - rebuilt.double()) * g).sum(-1)
            bias = (rebuilt.double() * g).sum(-1) - of_features
    return Parts(
        rows.cpu().numpy() + first,
        columns.cpu().numpy(),
        values.cpu().numpy(),
        gradients.float().cpu().numpy(),
        error.cpu().numpy(),
        bias.cpu().numpy(),
        total.cpu().numpy(),
    )


def _gradients(dictionary: Dictionary, gradient: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """[nnz] gradient [pos, d_out] along each active feature's decoder direction."""
    if dictionary.dense:
        return dictionary.along(gradient)[rows, columns]
    unique, which = _distinct(columns)
    vectors = dictionary.contribution(unique).to(gradient.device)
    if len(unique) * len(gradient) <= 4 * len(rows):  # most of the product is wanted
        return (gradient @ vectors.T)[rows, which]
    found = torch.empty(len(rows), device=gradient.device)
    step = max(1, _BUDGET // vectors.shape[1])
    for i in range(0, len(rows), step):
        part = slice(i, i + step)
        found[part] = (vectors[which[part]] * gradient[rows[part]]).sum(-1)
    return found


def _distinct(columns: Tensor) -> tuple[Tensor, Tensor]:
    """The different ones, and which of them each is."""
    return cast("tuple[Tensor, Tensor]", torch.unique(columns, return_inverse=True))

"""Dictionaries that are no SAE: raw directions, and the neuron basis of a hook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import NonFiniteError, SaeMismatchError
from ..labels import Labels, labels_from
from .base import Dictionary

if TYPE_CHECKING:
    from ..labels import LabelsLike


class Directions(Dictionary):
    """Raw directions as features: the activation is the dot product with the value at the hook.

    Probes, steering vectors, decoder rows of something that is no SAE. No threshold, so every token is active.

    Args:
        vectors: [n, d_in], used as given (not normalised).
        hook_name: where to read.
        names: a label for each direction, or for some of them in any form that `labels_from` takes.
        name: how to call the set.

    Example:
        >>> probe = sw.Directions(weight, "blocks.7.hook_resid_post", names=["sentiment"])
        >>> engine = sw.Engine(model, probe)
    """

    architecture = "directions"
    activation_name = "dot product"
    signed = True

    def __init__(
        self, vectors: Tensor, hook_name: str, names: LabelsLike | None = None, name: str = "directions"
    ) -> None:
        vectors = torch.as_tensor(vectors).detach()
        vectors = vectors[None] if vectors.ndim == 1 else vectors
        if vectors.ndim != 2:
            raise SaeMismatchError(f"Directions must be [n, d_in], not {tuple(vectors.shape)}.")
        one_each = isinstance(names, (list, tuple)) and all(name is None or isinstance(name, str) for name in names)
        if isinstance(names, (list, tuple)) and one_each and len(names) != len(vectors):
            raise SaeMismatchError(f"{len(names)} names were given for {len(vectors)} directions.")
        if not torch.isfinite(vectors).all():
            raise NonFiniteError(f"The directions {name!r} hold NaN or infinity.")
        self.vectors = vectors
        self.name, self.hook_name = name, hook_name
        self.n_features, self.d_in = vectors.shape
        self.labels = Labels(labels_from(names, self.n_features, name, "names"))

    @property
    def kind(self) -> str:
        return "directions"

    @property
    def device(self) -> torch.device | None:
        return self.vectors.device

    def encode(self, x: Tensor, columns: Tensor | None = None) -> Tensor:
        vectors = self.vectors if columns is None else self.vectors[columns.to(self.vectors.device)]
        return x.to(vectors.dtype) @ vectors.T


class Neurons(Dictionary):
    """The neuron basis of a hook as a dictionary, for a fair comparison: feature i is the i-th coordinate.

    Args:
        hook_name: for example "blocks.3.mlp.hook_post".
        n_features: width of the hook; found out on first use if not given.

    Example:
        >>> engine = sw.Engine(model, sw.Neurons("blocks.3.mlp.hook_post"))
    """

    architecture = "neurons"
    activation_name = "neuron value"
    signed = True

    def __init__(self, hook_name: str, n_features: int | None = None, name: str | None = None) -> None:
        self.hook_name = hook_name
        self.name = name or f"neurons of {hook_name}"
        self.n_features = self.d_in = n_features or 0
        self.labels = Labels()

    @property
    def kind(self) -> str:
        return "neurons"

    def encode(self, x: Tensor, columns: Tensor | None = None) -> Tensor:
        return x if columns is None else x[..., columns.to(x.device)]

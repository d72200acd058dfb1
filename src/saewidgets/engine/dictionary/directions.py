"""Dictionaries that are no SAE: raw directions, and the neuron basis of a hook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...errors import NonFiniteError, SaeMismatchError
from ..given_labels import labels_from
from ..labels import Labels
from .base import Dictionary, rows_of

if TYPE_CHECKING:
    from ..given_labels import LabelsLike


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
    dense = True
    direction_name = "direction"

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

    @property
    def alone(self) -> bool:
        return True

    def encode(self, x: Tensor, columns: Tensor | None = None) -> Tensor:
        vectors = self.vectors if columns is None else self.vectors[columns.to(self.vectors.device)]
        return x.to(vectors.dtype) @ vectors.T

    def decoder(self, columns: Tensor | None = None) -> Tensor:
        return rows_of(self.vectors, columns)

    def stored(self, columns: Tensor) -> Tensor:
        return rows_of(self.vectors, columns)

    def contribution(self, columns: Tensor) -> Tensor:
        rows = self.decoder(columns)
        return rows / rows.square().sum(-1, keepdim=True)

    def code_vectors(self) -> list[str]:
        return [
            f"W = torch.tensor({[list(map(float, row)) for row in self.vectors.tolist()]})",
            "D = W / W.square().sum(-1, keepdim=True)",
            "size = torch.ones(x.shape[:2], device=x.device)",
        ]

    def code_encoding(self, rebuild: bool, past: str) -> list[str]:
        return ["a = x.float() @ W.T"]

    def weights(self) -> dict[str, Tensor]:
        return {"vectors": self.vectors}


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
    dense = True
    direction_name = "neuron"
    has_decoder = False

    def __init__(self, hook_name: str, n_features: int | None = None, name: str | None = None) -> None:
        self.hook_name = hook_name
        self.name = name or f"neurons of {hook_name}"
        self.n_features = self.d_in = n_features or 0
        self.labels = Labels()

    @property
    def kind(self) -> str:
        return "neurons"

    @property
    def alone(self) -> bool:
        return True

    def encode(self, x: Tensor, columns: Tensor | None = None) -> Tensor:
        return x if columns is None else x[..., columns.to(x.device)]

    def decoder(self, columns: Tensor | None = None) -> Tensor:
        # Built from the indices, so that a few of many cost little.
        wanted = torch.arange(self.n_features) if columns is None else columns.cpu()
        return torch.zeros(len(wanted), self.n_features).scatter_(1, wanted[:, None], 1.0)

    def along(self, vectors: Tensor) -> Tensor:
        return vectors.float()  # they are the basis itself

    def fit(self, width: int) -> None:
        if not self.n_features:
            self.n_features = self.d_in = width

    def code_vectors(self) -> list[str]:
        return [
            f"W = D = torch.eye({self.n_features})",
            "size = torch.ones(x.shape[:2], device=x.device)",
        ]

    def code_encoding(self, rebuild: bool, past: str) -> list[str]:
        return ["a = x.float()"]

"""Dictionary: a named set of features read at one hook, whatever they are made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import FeatureIndexError
from ..labels import Labels


class Dictionary(ABC):
    """A named set of features read at one hook.

    Attributes:
        name: how the user calls it.
        hook_name: where it reads, as the user wrote it.
        hook_name_out: where a transcoder writes; None if it is the same place.
        d_in: width of what it reads.
        n_features: number of features.
        activation_name: what the numbers are, for labels.
        labels: feature index to label, living (see `Labels`): asked wherever a name is shown, copied nowhere.
        per_text: True if texts must be encoded one by one (the result depends on what else is in the batch).
    """

    name: str
    hook_name: str
    hook_name_out: str | None = None
    d_in: int
    n_features: int
    activation_name: str = "activation"
    labels: Labels
    architecture: str
    signed: bool = False

    @property
    def per_text(self) -> bool:
        """Whether each text must be encoded alone, as [1, pos, d_in]."""
        return False

    @property
    def causal(self) -> bool:
        """Whether a token's activations depend on no later token."""
        return True

    @property
    def device(self) -> torch.device | None:
        """Where the weights are; None if there are none."""
        return None

    @abstractmethod
    def encode(self, x: Tensor, columns: Tensor | None = None) -> Tensor:
        """Activations [..., n_features], or [..., len(columns)] of the wanted features, of `x` [..., d_in]."""

    def autoencode(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """All activations of `x`, and what the dictionary makes of `x` (None if it is no autoencoder)."""
        return self.encode(x), None

    def facts(self) -> dict[str, str]:
        """Provenance: what a reader must know to compare the numbers."""
        return {self.kind: self.name, "architecture": self.architecture, "hook": self.hook_name}

    @property
    def kind(self) -> str:
        """ "SAE", "transcoder", "directions" or "neurons": the label of the name."""
        return "SAE"

    def check_features(self, features: Sequence[int]) -> list[int]:
        """`features` as plain integers inside the dictionary.

        Raises:
            FeatureIndexError: for an index outside 0 .. n_features-1.
        """
        plain = [int(f) for f in features]
        wrong = next((f for f in plain if not 0 <= f < self.n_features), None)
        if wrong is not None:
            raise FeatureIndexError(
                f"Feature {wrong} is outside {self.name!r}, which has {self.n_features} features (0 to {self.n_features - 1})."
            )
        return plain

"""What the view of a comparison asks, one class a channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from ..wire import Json

if TYPE_CHECKING:
    from ...engine.comparison.places import At

__all__ = ["AT", "AskedDifferences", "AskedPredictions", "AskedTokens", "Where"]

Where: TypeAlias = Literal["last", "max", "sum", "chosen"]
AT: tuple[Where, ...] = ("last", "max", "sum", "chosen")


@dataclass(frozen=True)
class AskedDifferences:
    """Features by how much they differ.

    Attributes:
        texts, sae: of the traits. at, limit: as the traits.
        positions: of "chosen"; where a text has no such token, or none was chosen, its last one.
        pair: which two texts; all_of, none_of: in which texts a feature is active, in which not. Those that are not there (any
            more) are passed over.
        features: those that are asked for beside the listed ones.
    """

    texts: Json = None
    sae: str | None = None
    at: Where = "last"
    positions: tuple[int, ...] = ()
    pair: tuple[int, ...] = (0, 1)
    all_of: tuple[int, ...] = ()
    none_of: tuple[int, ...] = ()
    limit: int = 25
    features: tuple[int, ...] = ()

    def place(self, lengths: Sequence[int]) -> At:
        """Where texts of these lengths are compared."""
        if self.at != "chosen":
            return -1 if self.at == "last" else self.at
        return {i: at for i, (at, n) in enumerate(zip(self.positions, lengths, strict=False)) if at < n}

    def two(self, n_texts: int) -> tuple[int, int]:
        """The texts of the difference."""
        a, b = (*self.pair, 0, 1)[:2]
        return (a, b) if a != b and max(a, b) < n_texts and min(a, b) >= 0 else (0, 1)

    def filters(self, n_texts: int) -> tuple[list[int], list[int]]:
        """The texts of `all_of` and of `none_of` that are there."""
        wanted = [text for text in self.all_of if 0 <= text < n_texts]
        return wanted, [text for text in self.none_of if 0 <= text < n_texts and text not in wanted]


@dataclass(frozen=True)
class AskedTokens:
    """The texts, the dictionary, and the ranking that is wanted of them: its own texts and dictionary are not read."""

    texts: Json = None
    sae: str | None = None
    rank: AskedDifferences | None = None


@dataclass(frozen=True)
class AskedPredictions:
    """What follows each text."""

    texts: Json = None

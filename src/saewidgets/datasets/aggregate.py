"""From the activations of a document's counted tokens to one number a feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ..engine.arrays import Doubles, Floats, Ints

__all__ = ["AGGREGATES", "Aggregate", "Rows", "Sums", "finished", "reduced"]

Aggregate: TypeAlias = Literal["max", "sum", "mean", "count", "share"]

AGGREGATES: dict[Aggregate, str] = {
    "max": "the activation largest in magnitude",
    "sum": "the sum of the activations",
    "mean": "the mean activation, silent tokens counting as 0",
    "count": "the number of tokens where the feature is active",
    "share": "the share of tokens where the feature is active",
}
"""Each aggregate in words; all are over the counted tokens of a document."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Documents as rows of a matrix.

    Attributes:
        counts: [documents] stored values of each; a stored value is a feature that is active in the document.
        features, values: [stored] document by document, features ascending.
        tokens: [documents] counted tokens of each. lengths: [documents] all of its tokens.
        outliers: [documents] its norm outliers.
    """

    counts: Ints
    features: Ints
    values: Floats
    tokens: Ints
    lengths: Ints
    outliers: Ints

    def __len__(self) -> int:
        return len(self.counts)

    @classmethod
    def joined(cls, several: Sequence[Rows]) -> Rows:
        """The rows of all, one after another."""
        if not several:
            none = np.zeros(0, np.int64)
            return cls(none, none, np.zeros(0, np.float32), none, none, none)
        return cls(
            counts=np.concatenate([one.counts for one in several]),
            features=np.concatenate([one.features for one in several]),
            values=np.concatenate([one.values for one in several]),
            tokens=np.concatenate([one.tokens for one in several]),
            lengths=np.concatenate([one.lengths for one in several]),
            outliers=np.concatenate([one.outliers for one in several]),
        )


@dataclass(frozen=True, eq=False)
class Sums:
    """One value for each document and feature that is active in it: what can be joined with that of other tokens.

    Attributes:
        key: [pairs] document * features + feature, ascending.
        value: [pairs] largest, sum or count.
    """

    key: Ints
    value: Doubles


def reduced(key: Ints, value: npt.NDArray[np.floating], aggregate: Aggregate, *, again: bool = False) -> Sums:
    """The values of each key as one.

    Args:
        key, value: [n], in any order.
        again: whether they are parts of what was reduced before.
    """
    if not len(key):
        return Sums(np.zeros(0, np.int64), np.zeros(0))
    order = np.argsort(key)  # not stable, and several times as fast: what follows depends on no order
    key = key[order]
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    if aggregate in ("count", "share") and not again:
        made = np.diff(starts, append=len(key)).astype(np.float64)
    elif aggregate == "max":
        value = value[order]
        high, low = np.maximum.reduceat(value, starts), np.minimum.reduceat(value, starts)
        # Of two that are equally large, the positive one.
        made = np.where(high >= -low, high, low).astype(np.float64)
    else:
        made = np.add.reduceat(value[order], starts, dtype=np.float64)
    return Sums(key[starts], made)


def finished(sums: Sums, aggregate: Aggregate, n_features: int, tokens: Ints, lengths: Ints, outliers: Ints) -> Rows:
    """The rows of `len(tokens)` documents."""
    document, feature = np.divmod(sums.key, n_features)
    value = sums.value
    if aggregate in ("mean", "share"):
        value = value / tokens[document]
    counts = np.bincount(document, minlength=len(tokens)).astype(np.int64)
    return Rows(counts, feature, value.astype(np.float32), tokens, lengths, outliers)

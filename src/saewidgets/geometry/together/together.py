"""On how many tokens features fire together, and what that says: the measures of co-occurrence, each in one line."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from ...engine.arrays import Doubles, Ints
from ...index.scan.every import Every

__all__ = ["Count", "jaccard", "lift", "phi", "share", "together_with"]

Count: TypeAlias = Ints | int
"""Tokens where a feature fires: of one, or of several."""


def together_with(every: Every, feature: int) -> Ints:
    """[F] tokens of the scan where each feature fires and this one too: of itself all on which it fires."""
    found = np.zeros(every.n_features, np.int64)
    for shard in every.shards:
        _, position, _ = shard.entries(feature, feature + 1)
        on = np.zeros(len(shard), bool)
        on[position] = True
        ptr, where, _ = shard.entries(0, every.n_features)
        at = np.flatnonzero(on[where])
        found += np.bincount(np.searchsorted(ptr, at, side="right") - 1, minlength=every.n_features)
    return found


def share(together: Ints, count: Count) -> Doubles:
    """P(the other fires | this one does): together / count; NaN where it never fires."""
    return _ratio(together, count)


def jaccard(together: Ints, count_a: Count, count_b: Count) -> Doubles:
    """Tokens where both fire, as a share of those where either does; NaN where neither ever fires."""
    return _ratio(together, np.asarray(count_a, np.float64) + np.asarray(count_b) - together)


def lift(together: Ints, count_a: Count, count_b: Count, n: int) -> Doubles:
    """Tokens where both fire / those expected if they were independent, count_a * count_b / n; NaN where one never fires."""
    return _ratio(np.asarray(together, np.float64) * n, np.asarray(count_a, np.float64) * np.asarray(count_b))


def phi(together: Ints, count_a: Count, count_b: Count, n: int) -> Doubles:
    """Pearson's r of "fires" (1) and "does not" (0) over n tokens; NaN where one always or never does."""
    a, b = np.asarray(count_a, np.float64), np.asarray(count_b, np.float64)
    return _ratio(np.asarray(together, np.float64) * n - a * b, np.sqrt(a * (n - a) * b * (n - b)))


def _ratio(above: Ints | Doubles, below: Count | Doubles) -> Doubles:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(np.asarray(below) > 0, above / np.asarray(below, np.float64), np.nan))

"""What it says on how many tokens features fire together: the measures of co-occurrence, each in one line."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from ...engine.arrays import Doubles, Ints

__all__ = ["Count", "jaccard", "lift", "phi", "share"]

Count: TypeAlias = Ints | int
"""Tokens where a feature fires: of one, or of several."""


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

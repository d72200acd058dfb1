"""Means of sparse columns, and the difference of two of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...engine.arrays import Bools, Doubles, Ints

if TYPE_CHECKING:
    import scipy.sparse

__all__ = ["Moments", "moments", "welch"]

# Spread below this part of the mean is what rounding leaves of equal values.
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Moments:
    """Of each of some columns.

    Attributes:
        n: rows.
        active: [columns] rows with a stored value. mean: [columns] over all rows.
        variance: [columns] unbiased, 0 where all rows are equal; NaN for one row.
    """

    n: int
    active: Ints
    mean: Doubles
    variance: Doubles


def moments(matrix: scipy.sparse.csr_array, columns: Ints) -> Moments:
    """The moments of columns of a sparse matrix, in float64 and in two passes."""
    n, width = matrix.shape
    value = matrix.data.astype(np.float64)
    active = np.bincount(matrix.indices, minlength=width)
    mean = np.bincount(matrix.indices, weights=value, minlength=width) / n
    squares = np.bincount(matrix.indices, weights=(value - mean[matrix.indices]) ** 2, minlength=width)
    squares += (n - active) * mean**2
    squares[squares <= n * (_ROUNDING * mean) ** 2] = 0
    variance = squares / (n - 1) if n > 1 else np.full(width, np.nan)
    return Moments(n, active[columns].astype(np.int64), mean[columns], variance[columns])


def welch(a: Moments, b: Moments, confidence: float) -> tuple[Doubles, Doubles, Doubles, Bools]:
    """Welch's t of each mean of `a` less that of `b`: low, high, two-sided p, and where there is no spread in either.

    Without spread there is no interval (NaN), and p is 1: nothing is known of what other texts would give.
    """
    from scipy.special import stdtr, stdtrit

    flat = (a.variance == 0) & (b.variance == 0)
    of_a, of_b = a.variance / a.n, b.variance / b.n
    error = np.sqrt(np.where(flat, 1, of_a + of_b))
    freedom = error**4 / np.where(flat, 1, of_a**2 / (a.n - 1) + of_b**2 / (b.n - 1))
    difference = a.mean - b.mean
    half = error * stdtrit(freedom, 0.5 + confidence / 2)
    p = 2 * stdtr(freedom, -np.abs(difference) / error)
    low, high = (np.where(flat, np.nan, difference + side) for side in (-half, half))
    return low, high, np.where(flat, 1, p), flat

"""Correlations of sparse columns with one column of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ...engine.arrays import Doubles, Ints

if TYPE_CHECKING:
    import scipy.sparse

__all__ = ["METHODS", "Method", "correlate", "interval", "p_of"]

Method: TypeAlias = Literal["spearman", "pearson"]

METHODS: tuple[Method, ...] = ("spearman", "pearson")

# Spread below this part of the mean is what rounding leaves of equal values.
_ROUNDING = 1e-12


def correlate(matrix: scipy.sparse.csr_array, columns: Ints, numbers: Doubles, method: Method) -> Doubles:
    """r of each column with `numbers` [rows]; NaN for a column that is the same in every row.

    Spearman's is Pearson's of ranks, equal values sharing the mean of theirs.
    """
    from scipy.stats import rankdata

    n, width = matrix.shape
    by_column = matrix.tocsc()
    by_column.sort_indices()
    column = np.repeat(np.arange(width), np.diff(by_column.indptr))
    value = by_column.data.astype(np.float64)
    if method == "spearman":
        value, numbers = _ranks(value, column, n, width), rankdata(numbers)
    numbers = numbers - numbers.mean()
    mean = np.bincount(column, weights=value, minlength=width) / n
    stored = np.bincount(column, minlength=width)
    squares = np.bincount(column, weights=(value - mean[column]) ** 2, minlength=width) + (n - stored) * mean**2
    # The numbers sum to 0, so that the rows without a value add nothing.
    products = np.bincount(column, weights=value * numbers[by_column.indices], minlength=width)
    varies = squares > n * (_ROUNDING * mean) ** 2
    scale = np.sqrt(np.where(varies, squares, 1) * (numbers**2).sum())
    return np.where(varies, np.clip(products / scale, -1, 1), np.nan)[columns]


def _ranks(value: Doubles, column: Ints, n: int, width: int) -> Doubles:
    """The rank of each stored value in its column, less the rank of the column's zeros: so that it stays sparse."""
    order = np.lexsort((value, column))
    ordered, of = value[order], column[order]
    fresh = np.ones(len(value), bool)
    fresh[1:] = (of[1:] != of[:-1]) | (ordered[1:] != ordered[:-1])
    starts = np.flatnonzero(fresh)
    sizes = np.diff(starts, append=len(value))
    # From the column's beginning, 1 for its first; of equal values the mean.
    first = np.searchsorted(of, np.arange(width))
    among = np.repeat(starts + (sizes + 1) / 2, sizes) - first[of]
    stored = np.bincount(column, minlength=width)
    below = np.bincount(column[value < 0], minlength=width)
    explicit = np.bincount(column[value == 0], minlength=width)
    zeros = n - stored
    # Values above 0 come after the zeros that are not stored; those that are stored are of the same rank as these.
    rank = among + np.where(ordered > 0, zeros[of], 0)
    of_zeros = below + (zeros + explicit + 1) / 2
    rank = np.where(ordered == 0, of_zeros[of], rank)
    found = np.empty(len(value))
    found[order] = rank - of_zeros[of]
    return found


def p_of(r: Doubles, n: int) -> Doubles:
    """Two-sided p of each r over `n` pairs, from t = r sqrt((n - 2) / (1 - r^2)); 1 where r is NaN."""
    from scipy.special import stdtr

    known = np.nan_to_num(r)
    with np.errstate(divide="ignore"):
        t = np.abs(known) * np.sqrt((n - 2) / np.maximum(1 - known**2, 0))
    return np.where(np.isnan(r), 1, 2 * stdtr(n - 2, -t))


def interval(r: Doubles, n: int, method: Method, confidence: float) -> tuple[Doubles, Doubles]:
    """The interval of each r over `n` pairs by Fisher's z = atanh r, whose variance is 1 / (n - 3), and for Spearman's r
    (1 + r^2 / 2) / (n - 3) (Bonett and Wright 2000)."""
    from scipy.special import ndtri

    spread = np.sqrt((1 + r**2 / 2 if method == "spearman" else np.ones(len(r))) / (n - 3))
    with np.errstate(divide="ignore"):
        z = np.arctanh(r)
    half = float(ndtri(0.5 + confidence / 2)) * spread
    return np.tanh(z - half), np.tanh(z + half)

"""The statistics of one feature, from all its activations.

Everything here is a plain function of the non-zero activations on counted tokens, in the order of the corpus, so each
number can be checked against the definition in one line of NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..engine.ranking import Floats, Ints
from .files import Array

BINS, INTERVALS = 50, 10


@dataclass(frozen=True)
class Summary:
    """Statistics of one feature over the counted tokens where its activation is not 0.

    Attributes:
        count: of active tokens.
        total, squares: sum of the activations, and of their squares.
        low, high: smallest and largest activation; NaN for a feature that never fires.
        bins: [50] active tokens in equal bins over [low, high]. All equal: all of them in the first bin.
        bin_sums: [50] sum of the activations of each bin (the expected-value weighting).
        intervals: [10] active tokens in equal-width intervals of (0, high], lowest first.
    """

    count: int
    total: float
    squares: float
    low: float
    high: float
    bins: Ints
    bin_sums: Array
    intervals: Ints


def summarise(values: Floats) -> Summary:
    """The summary of a feature with these activations."""
    exact = values.astype(np.float64)
    if not len(exact):
        nothing = np.zeros(BINS, np.int64)
        return Summary(0, 0.0, 0.0, np.nan, np.nan, nothing, np.zeros(BINS), np.zeros(INTERVALS, np.int64))
    low, high = float(exact.min()), float(exact.max())
    if low == high:
        where = np.zeros(len(exact), np.int64)
    else:
        edges = np.linspace(low, high, BINS + 1)
        where = np.minimum(np.searchsorted(edges, exact, side="right") - 1, BINS - 1)
    bins, sums = np.bincount(where, minlength=BINS), np.bincount(where, exact, BINS)
    inside = interval_of(values, high)
    intervals = np.bincount(inside[inside >= 0], minlength=INTERVALS)
    return Summary(len(exact), float(exact.sum()), float((exact**2).sum()), low, high, bins, sums, intervals)


def interval_edges(high: float) -> Array:
    """The 11 edges of the ten intervals of (0, high]."""
    edges = high * np.arange(INTERVALS + 1) / INTERVALS
    edges[-1] = high
    return edges


def interval_of(values: Floats, high: float) -> Ints:
    """The interval (0 to 9) of each activation: edge[i] < value <= edge[i+1]. -1 for negative ones."""
    if not high > 0:
        return np.full(len(values), -1)
    return np.searchsorted(interval_edges(high), values.astype(np.float64), side="left") - 1


def strongest(values: Floats, k: int) -> Ints:
    """Indices of the k largest values, largest first; equal ones in their order."""
    if k < len(values):
        # All that are as large as the k-th, so that ties are decided by order and not by the partition.
        bound = np.partition(values, len(values) - k)[len(values) - k]
        found = np.flatnonzero(values >= bound)
    else:
        found = np.arange(len(values))
    return found[np.argsort(-values[found], kind="stable")][:k]


def largest(rows: Array, k: int) -> Ints:
    """Columns of the k largest numbers of each row of float32 [n, m], largest first; of equal ones the earlier."""
    bits = (rows.astype(np.float32) + np.float32(0)).view(np.uint32)  # -0 is 0
    # Floats as integers of the same order, and the column below them: no two keys are equal.
    order = np.where(bits >> 31, ~bits, bits | np.uint32(2**31)).astype(np.uint64)
    keys = (order << np.uint64(32)) | (np.uint64(2**32 - 1) - np.arange(rows.shape[1], dtype=np.uint64))
    if k < rows.shape[1]:
        found = np.argpartition(keys, rows.shape[1] - k, axis=1)[:, rows.shape[1] - k :]
    else:
        found = np.broadcast_to(np.arange(rows.shape[1]), rows.shape)
    inside = np.argsort(np.take_along_axis(keys, found, 1), axis=1)[:, ::-1]
    return np.take_along_axis(found, inside, 1)


@dataclass(frozen=True)
class TokenStatistics:
    """The tokens that a feature fires on, by the sum of its activations on them.

    Attributes:
        token: [n] token ids; count: [n] occurrences where it fires; total: [n] sum of its activations on them.
    """

    token: Ints
    count: Ints
    total: Array


def token_statistics(tokens: Array, values: Floats, k: int) -> TokenStatistics:
    """The k tokens with the largest sum of |activation|, given the token of each activation."""
    found, inverse, counts = np.unique(tokens, return_inverse=True, return_counts=True)
    total = np.bincount(inverse, values.astype(np.float64), len(found))
    size = np.bincount(inverse, np.abs(values.astype(np.float64)), len(found))
    best = np.argsort(-size, kind="stable")[:k]
    return TokenStatistics(found[best].astype(np.int64), counts[best], total[best])


def scatter(n: int, total: Array, squares: Array) -> Array:
    """n squared times the variance, from sums over n tokens; 0 where it would be nothing but rounding."""
    variance: Array = n * squares - total * total
    return np.where(variance > 1e-11 * n * squares, variance, 0)

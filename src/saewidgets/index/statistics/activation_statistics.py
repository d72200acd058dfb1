"""The statistics of features, from all their activations.

Everything here is a plain function of the non-zero activations on counted tokens, in the order of the corpus, so each
number can be checked against the definition in one line of NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...engine.arrays import Floats, Ints
from ...storage.array_folder import Array

BINS, INTERVALS = 50, 10


@dataclass(frozen=True)
class Entries:
    """The activations of some features that follow each other, by feature and, of each, by position.

    Attributes:
        first: the first of the features.
        ptr: [features + 1] where each feature's activations begin.
        position, value: [entries], positions in the whole corpus.
    """

    first: int
    ptr: Ints
    position: Ints
    value: Floats

    def __len__(self) -> int:
        return len(self.ptr) - 1

    @cached_property
    def count(self) -> Ints:
        """[features] activations of each."""
        return np.diff(self.ptr)

    @cached_property
    def of(self) -> Ints:
        """[entries] whose activation it is, counted from `first`."""
        return np.repeat(np.arange(len(self)), self.count)

    @cached_property
    def exact(self) -> Array:
        """[entries] the values in float64."""
        return self.value.astype(np.float64)


@dataclass(frozen=True)
class Summaries:
    """Statistics of features over the counted tokens where their activation is not 0.

    Attributes:
        count: [n] of active tokens.
        total, squares: [n] sum of the activations, and of their squares.
        low, high: [n] smallest and largest activation; NaN for a feature that never fires.
        bins: [n, 50] active tokens in equal bins over [low, high]. All equal: all of them in the first bin.
        bin_sums: [n, 50] sum of the activations of each bin (the expected-value weighting).
        intervals: [n, 10] active tokens in equal-width intervals of (0, high], lowest first.
    """

    count: Ints
    total: Array
    squares: Array
    low: Array
    high: Array
    bins: Ints
    bin_sums: Array
    intervals: Ints


def summarise(entries: Entries) -> Summaries:
    """The summary of each of the features."""
    n, exact, of = len(entries), entries.exact, entries.of
    alive = np.flatnonzero(entries.count)
    starts = entries.ptr[alive]
    total, squares, low, high = np.zeros(n), np.zeros(n), np.full(n, np.nan), np.full(n, np.nan)
    if len(alive):
        total[alive], squares[alive] = np.add.reduceat(exact, starts), np.add.reduceat(exact**2, starts)
        low[alive], high[alive] = np.minimum.reduceat(exact, starts), np.maximum.reduceat(exact, starts)
    where = of * BINS + _bin_of(exact, of, low, high)
    inside = _interval_of(exact, of, high)
    counted = inside >= 0
    return Summaries(
        count=entries.count,
        total=total,
        squares=squares,
        low=low,
        high=high,
        bins=np.bincount(where, minlength=n * BINS).reshape(n, BINS),
        bin_sums=np.bincount(where, exact, n * BINS).reshape(n, BINS),
        intervals=np.bincount(of[counted] * INTERVALS + inside[counted], minlength=n * INTERVALS).reshape(n, INTERVALS),
    )


def _bin_of(exact: Array, of: Ints, low: Array, high: Array) -> Ints:
    """The bin of each activation: edge[i] <= value < edge[i + 1], the last closed on the right."""
    wide = low < high
    row = np.cumsum(wide) - 1
    edges = np.linspace(low[wide], high[wide], BINS + 1, axis=1)
    found = np.zeros(len(exact), np.int64)
    inside = np.flatnonzero(wide[of])
    value, row = exact[inside], row[of[inside]]
    start, end = low[of[inside]], high[of[inside]]
    bins = np.clip(((value - start) / (end - start) * BINS).astype(np.int64), 0, BINS - 1)
    while True:  # a guess, and from there to the bin that the edges say
        step = ((bins < BINS - 1) & (value >= edges[row, bins + 1])).astype(np.int64) - (value < edges[row, bins])
        if not step.any():
            break
        bins += step
    found[inside] = bins
    return found


def _interval_of(exact: Array, of: Ints, high: Array) -> Ints:
    """As `interval_of`, of the activations of several features."""
    found = np.full(len(exact), -1)
    inside = np.flatnonzero(exact > 0)
    value, of = exact[inside], of[inside]
    edges = interval_edges(high[:, None])
    where = np.clip(np.ceil(value / high[of] * INTERVALS).astype(np.int64) - 1, 0, INTERVALS - 1)
    while True:
        step = (value > edges[of, where + 1]).astype(np.int64) - (value <= edges[of, where])
        if not step.any():
            break
        where += step
    found[inside] = where
    return found


def interval_edges(high: float | Array) -> Array:
    """The 11 edges of the ten intervals of (0, high]; [n, 11] of [n, 1] maxima."""
    edges: Array = high * np.arange(INTERVALS + 1) / INTERVALS
    edges[..., -1:] = high
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
    if not k:
        return np.zeros((len(rows), 0), np.int64)
    if k < rows.shape[1]:
        found = np.argpartition(keys, rows.shape[1] - k, axis=1)[:, rows.shape[1] - k :]
    else:
        found = np.broadcast_to(np.arange(rows.shape[1]), rows.shape)
    inside = np.argsort(np.take_along_axis(keys, found, 1), axis=1)[:, ::-1]
    return np.take_along_axis(found, inside, 1)


@dataclass(frozen=True)
class TokenStatistics:
    """The tokens that features fire on, by the sum of their activations on them.

    Attributes:
        n: [features] how many there are of each, at most k.
        token: [features, k] token ids; count: occurrences where it fires; total: sum of its activations on them. Beyond
            `n` there is nothing to be read.
    """

    n: Ints
    token: Ints
    count: Ints
    total: Array


def token_statistics(entries: Entries, tokens: Array, k: int) -> TokenStatistics:
    """The k tokens with the largest sum of |activation| of each feature, given the token of each activation."""
    size = int(tokens.max()) + 1 if len(tokens) else 1
    pairs, pair_of, counts = np.unique(entries.of * size + tokens, return_inverse=True, return_counts=True)
    feature, token = pairs // size, pairs % size
    total = np.bincount(pair_of, entries.exact, len(pairs))
    order = np.lexsort((token, -np.bincount(pair_of, np.abs(entries.exact), len(pairs)), feature))
    feature = feature[order]
    n = np.bincount(feature, minlength=len(entries))
    rank = np.arange(len(order)) - np.repeat(np.cumsum(n) - n, n)
    first = rank < k
    at, order = (feature[first], rank[first]), order[first]

    def table(values: Array) -> Array:
        rows = np.zeros((len(entries), k), values.dtype)
        rows[at] = values[order]
        return rows

    return TokenStatistics(np.minimum(n, k), table(token), table(counts), table(total))


def scatter(n: int, total: Array, squares: Array) -> Array:
    """n squared times the variance, from sums over n tokens; 0 where it would be nothing but rounding."""
    variance: Array = n * squares - total * total
    return np.where(variance > 1e-11 * n * squares, variance, 0)

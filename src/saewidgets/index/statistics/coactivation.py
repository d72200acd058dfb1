"""Which features fire together: counts and Pearson correlation over all counted tokens, for every pair.

SAEDashboard correlates a feature with those of the same batch of features, so its answer depends on the batch size.
Here it is the sparse product of the whole activation matrix with itself, in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from scipy import sparse

from ...engine.arrays import Doubles, Floats, Ints
from ...storage.array_folder import Array
from ..scan.shards import Shard, blocks_of
from .activation_statistics import largest, scatter

# Numbers in one block of rows of the product: 64 MB of float64.
_PRODUCT = 2**23
OfAll: TypeAlias = Callable[[int, int], tuple[Ints, Floats, Ints]]
"""From the first feature and the last: [features, k] features of the largest Pearson r with each, r, and tokens where both
are active."""

# From this density on, a dense product is faster.
_DENSE = 0.05


class Correlated:
    """Pearson r of features with all others.

    Args:
        n: counted tokens; total, squares: [n_features] sums of activations and of their squares.
    """

    def __init__(self, shards: Sequence[Shard], n: int, total: Array, squares: Array) -> None:
        self._shards, self._n, self._total = shards, n, total
        self._variance = scatter(n, total, squares)

    def of_all(self, scratch: Path, k: int, breathe: Callable[[], None]) -> OfAll:
        """For many stretches of features; `scratch` is a folder to make, which takes the room of the activations."""
        n_features = len(self._total)
        turned = []
        for i, shard in enumerate(self._shards):
            breathe()
            turned.append(_turn(shard, n_features, scratch / str(i)))

        def best(first: int, last: int) -> tuple[Ints, Floats, Ints]:
            at_once = max(1, _PRODUCT // max(n_features, 1))
            found = []
            for low in range(first, last, at_once):
                breathe()
                high = min(low + at_once, last)
                product, count = _products(self._shards, turned, low, high, n_features)
                found.append(self._best(low, high, product, count, k))
            index, r, both = (np.concatenate(column) for column in zip(*found, strict=True))
            return index, r, both

        return best

    def of(self, feature: int, k: int) -> tuple[Ints, Floats, Ints]:
        """For one feature, [1, k] each: only the tokens on which it is active matter."""
        product, count = sums_with(self._shards, feature, len(self._total))
        return self._best(feature, feature + 1, product[None], count[None], k)

    def _best(self, low: int, high: int, product: Array, count: Array, k: int) -> tuple[Ints, Floats, Ints]:
        """The k features of the largest r with each of low .. high-1: indices, r, and tokens where both are active, from
        the sums of products. A feature that never varies correlates with nothing: its r are 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            r = (self._n * product - self._total[low:high, None] * self._total) / np.sqrt(
                self._variance[low:high, None] * self._variance
            )
        r = np.where(np.isfinite(r), r, 0).astype(np.float32)
        r[np.arange(high - low), np.arange(low, high)] = -np.inf  # itself
        best = largest(r, min(k, max(len(self._total) - 1, 0)))
        return best, np.take_along_axis(r, best, 1), np.take_along_axis(count, best, 1).astype(np.int64)


def correlated_in(sample: Shard, n_features: int) -> Correlated:
    """The same over the counted tokens of one shard that is a sample of the corpus."""
    ptr, _, value = sample.entries(0, n_features)
    of, exact = np.repeat(np.arange(n_features), np.diff(ptr)), value.astype(np.float64)
    counted = int((sample.folder.read("flags") == 0).sum())
    total, squares = np.bincount(of, exact, n_features), np.bincount(of, exact**2, n_features)
    return Correlated([sample], counted, total, squares)


def sums_with(shards: Sequence[Shard], feature: int, n_features: int) -> tuple[Doubles, Ints]:
    """Of one feature f with every feature g, itself among them: sums over tokens of a_f * a_g, and tokens where both are active."""
    product, count = np.zeros(n_features), np.zeros(n_features, np.int64)
    for shard in shards:
        _, position, value = shard.entries(feature, feature + 1)
        on = np.zeros(len(shard))
        on[position] = value
        ptr, where, values = shard.entries(0, n_features)
        at = np.flatnonzero(on[where])
        other = np.searchsorted(ptr, at, side="right") - 1
        product += np.bincount(other, on[where[at]] * values[at].astype(np.float64), n_features)
        count += np.bincount(other, minlength=n_features)
    return product, count


def steps_of_all(shards: Sequence[Shard], n_features: int) -> int:
    """How much `of_all` does for all features, in numbers of products that are added up: some 10^8 a second."""
    return n_features**2 * sum(shard.folder.length("block_ptr") - 1 for shard in shards)


def _products(
    shards: Sequence[Shard], rows: Sequence[Path], low: int, high: int, n_features: int
) -> tuple[Array, Array]:
    """Sums over tokens of a_f * a_g and of [a_f != 0][a_g != 0], for features low .. high-1 and all others."""
    product = np.zeros((high - low, n_features))
    count = np.zeros((high - low, n_features))
    for shard, turned in zip(shards, rows, strict=True):
        ptr, position, value = shard.entries(low, high)
        columns = sparse.csc_array(
            (value.astype(np.float64), position.astype(np.int32), ptr.astype(np.int32)), (len(shard), high - low)
        )
        features = columns.T.tocsr()
        for block in blocks_of(shard):  # always the same sums in the same order, however the scan was cut up
            some, part = features[:, block], _tokens(turned, block, n_features)
            if part.nnz > _DENSE * part.shape[0] * n_features:
                dense = part.toarray()
                product += some.toarray() @ dense
                count += (some.toarray() != 0).astype(np.float64) @ (dense != 0)
            else:
                product += (some @ part).toarray()
                count += (_ones(some) @ _ones(part)).toarray()
    return product, count


def _ones(matrix: sparse.csr_array) -> sparse.csr_array:
    return sparse.csr_array((np.ones_like(matrix.data), matrix.indices, matrix.indptr), matrix.shape)


def _turn(shard: Shard, n_features: int, scratch: Path) -> Path:
    """Write a shard's activations by token: turning them round for every block of features would take hours."""
    ptr, position, value = shard.entries(0, n_features)
    columns = sparse.csc_array((value, position.astype(np.int32), ptr.astype(np.int32)), (len(shard), n_features))
    rows = columns.tocsr()
    scratch.mkdir(parents=True)
    for name, dtype in (("data", np.float32), ("indices", np.int32), ("indptr", np.int32)):
        getattr(rows, name).astype(dtype).tofile(scratch / name)
    return scratch


def _tokens(turned: Path, block: slice, n_features: int) -> sparse.csr_array:
    """The activations on a stretch of tokens, read and not mapped: mapped pages would count as memory."""

    def load(name: str, dtype: type[np.generic], start: int, stop: int) -> Array:
        offset = start * np.dtype(dtype).itemsize
        return np.fromfile(turned / name, dtype, count=stop - start, offset=offset)

    ptr = load("indptr", np.int32, block.start, block.stop + 1)
    values = load("data", np.float32, int(ptr[0]), int(ptr[-1])).astype(np.float64)
    indices = load("indices", np.int32, int(ptr[0]), int(ptr[-1]))
    return sparse.csr_array((values, indices, ptr - ptr[0]), (block.stop - block.start, n_features))

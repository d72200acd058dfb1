"""Which features fire together: counts and Pearson correlation over all counted tokens, for every pair.

SAEDashboard correlates a feature with those of the same batch of features, so its answer depends on the batch size.
Here it is the sparse product of the whole activation matrix with itself, in float64.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy import sparse

from ..engine.ranking import Floats, Ints
from .files import Array
from .shards import Shard, blocks_of
from .statistics import largest, scatter

# Numbers in one block of rows of the product: 64 MB of float64.
_PRODUCT = 2**23
# From this density on, a dense product is faster.
_DENSE = 0.05


def correlated(
    shards: Sequence[Shard],
    n: int,
    total: Array,
    squares: Array,
    k: int,
    scratch: Path,
    step: Callable[[int], None],
) -> tuple[Ints, Floats, Ints]:
    """The k features of the largest Pearson r with each feature: indices, r, and tokens where both are active.

    Args:
        n: counted tokens; total, squares: [n_features] sums of activations and of their squares.
        scratch: a folder to make and to remove.
        step: told how many features are done.

    Returns:
        [n_features, k] each. A feature that never varies correlates with nothing: its r are 0.
    """
    n_features = len(total)
    k = min(k, max(n_features - 1, 0))
    index = np.zeros((n_features, k), np.int64)
    pearson, both = np.zeros((n_features, k), np.float32), np.zeros((n_features, k), np.int64)
    at_once = max(1, _PRODUCT // max(n_features, 1))
    rows = [_turn(shard, n_features, scratch / str(i)) for i, shard in enumerate(shards)]
    variance = scatter(n, total, squares)
    for low in range(0, n_features, at_once):
        high = min(low + at_once, n_features)
        product, count = _products(shards, rows, low, high, n_features)
        with np.errstate(divide="ignore", invalid="ignore"):
            r = (n * product - total[low:high, None] * total) / np.sqrt(variance[low:high, None] * variance)
        r = np.where(np.isfinite(r), r, 0).astype(np.float32)
        r[np.arange(high - low), np.arange(low, high)] = -np.inf  # itself
        best = largest(r, k)
        index[low:high], pearson[low:high] = best, np.take_along_axis(r, best, 1)
        both[low:high] = np.take_along_axis(count, best, 1)
        step(high)
    shutil.rmtree(scratch)
    return index, pearson, both


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

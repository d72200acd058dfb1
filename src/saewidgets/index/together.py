"""Which features fire together: counts and Pearson correlation over all counted tokens, for every pair.

SAEDashboard correlates a feature with those of the same batch of features, so its answer depends on the batch size.
Here it is the sparse product of the whole activation matrix with itself, in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
    shards: Sequence[Shard], n: int, total: Floats, squares: Floats, k: int, step: Callable[[int], None]
) -> tuple[Ints, Floats, Ints]:
    """The k features of the largest Pearson r with each feature: indices, r, and tokens where both are active.

    Args:
        n: counted tokens; total, squares: [n_features] sums of activations and of their squares.
        step: told how many features are done.

    Returns:
        [n_features, k] each. A feature that never varies correlates with nothing: its r are 0.
    """
    n_features = len(total)
    k = min(k, max(n_features - 1, 0))
    index = np.zeros((n_features, k), np.int64)
    pearson, both = np.zeros((n_features, k), np.float32), np.zeros((n_features, k), np.int64)
    rows = max(1, _PRODUCT // max(n_features, 1))
    variance = scatter(n, total, squares)
    for low in range(0, n_features, rows):
        high = min(low + rows, n_features)
        product, count = _products(shards, low, high, n_features)
        with np.errstate(divide="ignore", invalid="ignore"):
            r = (n * product - total[low:high, None] * total) / np.sqrt(variance[low:high, None] * variance)
        r = np.where(np.isfinite(r), r, 0).astype(np.float32)
        r[np.arange(high - low), np.arange(low, high)] = -np.inf  # itself
        best = largest(r, k)
        index[low:high], pearson[low:high] = best, np.take_along_axis(r, best, 1)
        both[low:high] = np.take_along_axis(count, best, 1)
        step(high)
    return index, pearson, both


def _products(shards: Sequence[Shard], low: int, high: int, n_features: int) -> tuple[Array, Array]:
    """Sums over tokens of a_f * a_g and of [a_f != 0][a_g != 0], for features low .. high-1 and all others."""
    product = np.zeros((high - low, n_features))
    count = np.zeros((high - low, n_features))
    for shard in shards:
        ptr, position, value = shard.entries(0, n_features)
        columns = sparse.csc_array((value.astype(np.float64), position.astype(np.int64), ptr), (len(shard), n_features))
        tokens = columns.tocsr()
        for block in blocks_of(shard):  # always the same sums in the same order, however the scan was cut up
            part = tokens[block]
            active = part.astype(bool).astype(np.float64)
            if part.nnz > _DENSE * part.shape[0] * n_features:
                dense, on = part.toarray(), active.toarray()
                product += dense[:, low:high].T @ dense
                count += on[:, low:high].T @ on
            else:
                product += (part[:, low:high].T @ part).toarray()
                count += (active[:, low:high].T @ active).toarray()
    return product, count

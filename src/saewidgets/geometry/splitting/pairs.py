"""Every feature of one dictionary with every feature of another: Pearson's r, and the best partners of each on either side.

The sums of products are one sparse product in float64, by blocks of features: what it takes grows with the tokens and with how
many features are active on each, not with the number of pairs; and only the best partners are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ...engine.arrays import Doubles, Floats, Ints
from ...index.statistics.activation_statistics import scatter
from .by_feature import ByFeature

__all__ = ["NOBODY", "PairSums", "Partners", "best_partners", "sums_of"]

NOBODY = -1
"""In place of a partner, where a feature has fewer."""

# Products that are added up at once (some 40 bytes each), and numbers in one block of rows of a dense product.
_PRODUCTS, _NUMBERS = 2**22, 2**22
# From this density on, a dense product is faster.
_DENSE = 0.05
# Tokens of a dense product at once.
_TOKENS = 4096


@dataclass(frozen=True, eq=False)
class Partners:
    """The features of the other side with the largest r with each feature of one.

    Attributes:
        feature: [F, k] largest r first, of equal ones the earlier feature; `NOBODY` where there are fewer that fire on a token with
            it and have r > 0.
        r: [F, k] float32, NaN there.
    """

    feature: Ints
    r: Floats


class _Best:
    """The partners so far."""

    def __init__(self, n: int, k: int) -> None:
        self.feature, self.r = np.full((n, k), NOBODY, np.int64), np.full((n, k), -np.inf, np.float32)

    def offer(self, owner: Ints, other: Ints, r: Floats) -> None:
        """Candidates, each an `other` for an `owner`; never the same pair twice."""
        keep = r >= self.r[owner, -1]
        owner, other, r = _leading(owner[keep], other[keep], r[keep], self.r.shape[1])
        whose = np.unique(owner)
        before = self.feature[whose] != NOBODY
        owner = np.concatenate([np.repeat(whose, before.sum(1)), owner])
        other = np.concatenate([self.feature[whose][before], other])
        r = np.concatenate([self.r[whose][before], r])
        order = np.lexsort((other, -r, owner))
        owner, other, r = owner[order], other[order], r[order]
        n = np.bincount(owner, minlength=len(self.r))
        rank = np.arange(len(owner)) - np.repeat(np.cumsum(n) - n, n)
        first = rank < self.r.shape[1]
        self.feature[owner[first], rank[first]] = other[first]
        self.r[owner[first], rank[first]] = r[first]

    def found(self) -> Partners:
        return Partners(self.feature, np.where(self.feature == NOBODY, np.float32(np.nan), self.r))


def _leading(owner: Ints, other: Ints, r: Floats, k: int) -> tuple[Ints, Ints, Floats]:
    """Of each owner's candidates those that can be among its k best: what remains is little, and quickly sorted."""
    order = np.argsort(owner, kind="stable")
    owner, other, r = owner[order], other[order], r[order]
    whose, start, n = np.unique(owner, return_index=True, return_counts=True)
    least = np.full(len(whose), -np.inf, np.float32)
    for i in np.flatnonzero(n > k).tolist():
        some = r[start[i] : start[i] + n[i]]
        least[i] = np.partition(some, n[i] - k)[n[i] - k]
    keep = r >= np.repeat(least, n)
    return owner[keep], other[keep], r[keep]


def best_partners(
    a: ByFeature, b: ByFeature, n: int, k: int, breathe: Callable[[], None], progress: Callable[[int, int], None]
) -> tuple[Partners, Partners]:
    """The k partners in `b` of each feature of `a`, and in `a` of each of `b`, over the same tokens.

    Args:
        n: how many tokens they are of.
    """
    tokens = b.by_token(breathe)
    # In blocks of features of `a`, each some million products.
    active = np.diff(tokens.indptr).astype(np.int64)
    work = _work(a, active)
    of_a, of_b = _Best(a.n_features, k), _Best(b.n_features, k)
    dense = len(b) > _DENSE * max(n, 1) * b.n_features
    variance_a, variance_b = scatter(n, a.total, a.squares), scatter(n, b.total, b.squares)
    ends, done = np.cumsum(work), 0
    for low, high in _blocks(ends, max(1, _NUMBERS // max(b.n_features, 1)) if dense else None):
        breathe()
        f, g, product = _products(a, tokens, low, high, dense)
        with np.errstate(divide="ignore", invalid="ignore"):
            r = (n * product - a.total[f] * b.total[g]) / np.sqrt(variance_a[f] * variance_b[g])
        # In float32 before sorting: ties must not be decided by the last bits of a sum.
        rounded = r.astype(np.float32)
        keep = np.isfinite(r) & (rounded > 0)
        f, g, rounded = f[keep], g[keep], np.minimum(rounded[keep], np.float32(1))
        of_a.offer(f, g, rounded)
        of_b.offer(g, f, rounded)
        done = int(ends[high - 1])
        progress(done, int(ends[-1]))
    return of_a.found(), of_b.found()


def _work(a: ByFeature, active: Ints) -> Ints:
    """[F] how many products each feature is in."""
    work = np.zeros(a.n_features, np.int64)
    step = 2**13
    for low in range(0, a.n_features, step):
        high = min(low + step, a.n_features)
        ptr, position, _ = a.of(low, high)
        summed = np.concatenate([[0], np.cumsum(active[position])])
        work[low:high] = np.diff(summed[ptr])
    return work


def _blocks(ends: Ints, rows: int | None) -> Iterator[tuple[int, int]]:
    """Stretches of features whose products are few enough, or of so many `rows`."""
    low, n = 0, len(ends)
    while low < n:
        before = int(ends[low - 1]) if low else 0
        high = int(np.searchsorted(ends, before + _PRODUCTS, side="right")) if rows is None else low + rows
        high = min(max(high, low + 1), n)
        yield low, high
        low = high


def _products(a: ByFeature, tokens: sparse.csr_array, low: int, high: int, dense: bool) -> tuple[Ints, Ints, Doubles]:
    """Sums over tokens of a_f * b_g for features low .. high-1 of `a`: f, g, and the sum, of those that are not 0."""
    ptr, position, value = a.of(low, high)
    shape = (high - low, tokens.shape[0])
    rows = sparse.csr_array((value.astype(np.float64), position, ptr.astype(np.int32)), shape)
    if dense:
        found = np.zeros((high - low, tokens.shape[1]))
        columns = rows.tocsc()
        for start in range(0, shape[1], _TOKENS):
            found += columns[:, start : start + _TOKENS].toarray() @ tokens[start : start + _TOKENS].toarray()
        f, g = np.nonzero(found)
        return f + low, g, found[f, g]
    product = rows @ tokens
    f = np.repeat(np.arange(low, high), np.diff(product.indptr))
    return f, product.indices.astype(np.int64), product.data


@dataclass(frozen=True, eq=False)
class PairSums:
    """What some pairs of features do on the tokens where both fire.

    Attributes:
        together: [n] tokens where both fire.
        product: [n] sum of a_f * b_g. squares_a, squares_b: [n] sums of a_f^2 and of b_g^2, each over the tokens where both fire.
    """

    together: Ints
    product: Doubles
    squares_a: Doubles
    squares_b: Doubles


def sums_of(a: ByFeature, b: ByFeature, f: Ints, g: Ints, breathe: Callable[[], None]) -> PairSums:
    """The sums of pairs of a feature `f` of `a` with `g` of `b`, in any order; float64."""
    n = len(f)
    together, sums = np.zeros(n, np.int64), np.zeros((3, n))
    order = np.argsort(f, kind="stable")
    whose, start, many = np.unique(f[order], return_index=True, return_counts=True)
    on, lengths = np.zeros(a.tokens), b.count[g]
    for i, feature in enumerate(whose.tolist()):
        if not i % 64:
            breathe()
        _, position, value = a.of(feature, feature + 1)
        on[position] = value
        for part in _parts(order[start[i] : start[i] + many[i]], lengths):
            # All activations of these partners, one after another; then those on the feature's tokens.
            length = lengths[part]
            begin = np.cumsum(length) - length
            at = np.repeat(b.ptr[g[part]] - begin, length) + np.arange(int(length.sum()))
            here = on[b.position[at]]
            both = np.flatnonzero(here)
            pair = np.repeat(np.arange(len(part)), length)[both]
            x, y = here[both], b.value[at[both]].astype(np.float64)
            together[part] = np.bincount(pair, minlength=len(part))
            for row, of_token in enumerate((x * y, x * x, y * y)):
                sums[row, part] = np.bincount(pair, of_token, len(part))
        on[position] = 0
    return PairSums(together, sums[0], sums[1], sums[2])


def _parts(pairs: Ints, length: Ints) -> Iterator[Ints]:
    """Pairs in parts of some million activations."""
    ends = np.cumsum(length[pairs])
    low = 0
    while low < len(pairs):
        before = int(ends[low - 1]) if low else 0
        high = max(int(np.searchsorted(ends, before + _PRODUCTS, side="right")), low + 1)
        yield pairs[low:high]
        low = high

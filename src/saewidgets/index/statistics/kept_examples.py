"""Which of a feature's activations are kept for looking at, and on which tokens it is shown to be silent.

Samples are drawn by a hash of (seed, feature, token position): uniform, without replacement, and the same whatever
order the corpus came in. The smallest hashes of a superset that contain a sample are that sample, so a feature that was
cut down shows the same examples as one that was not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...engine.arrays import Bools, Floats, Ints
from ...storage.array_folder import Array
from .activation_statistics import INTERVALS, Entries, TokenStatistics, interval_of, strongest

# A silent example has no activation within so many tokens.
SILENT_REACH = 10
SILENT = 8
_TRIES = 64
NEAR_TOKENS = 3


@dataclass(frozen=True)
class Keeping:
    """How much is kept of each feature.

    Attributes:
        complete: a feature with so many active tokens or fewer keeps them all.
        top: of a feature with more, the largest so many are kept (and the most negative, if there are negative ones),
        interval: and so many of each interval, drawn uniformly; each with all activations of its chunk.
    """

    complete: int = 10_000
    top: int = 100
    interval: int = 40


def hashes(seed: int, feature: int | Ints, numbers: Array) -> npt.NDArray[np.uint64]:
    """A uniform 64-bit number for each of `numbers` (the finaliser of SplitMix64; Steele, Lea and Flood 2014), or
    [features, numbers] of them for several features."""
    with np.errstate(over="ignore"):  # modulo 2**64
        of = np.asarray(feature).astype(np.uint64) * np.uint64(0xD1342543DE82EF95)
        start = of + np.uint64(seed * 0x9E3779B97F4A7C15 % 2**64)
        mixed = numbers.astype(np.uint64) + (start[:, None] if start.ndim else start)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
            mixed = mixed + np.uint64(0x9E3779B97F4A7C15)
        found: npt.NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(31))
        return found


def drawn(seed: int, feature: int, positions: Array, k: int) -> Ints:
    """Indices of k of the positions, drawn uniformly, in the order of their draw."""
    order = hashes(seed, feature, positions)
    return np.argsort(order, kind="stable")[:k]


def listed(seed: int, feature: int, positions: Array, values: Floats, high: float, keep: Keeping) -> Ints:
    """Indices of the activations that examples of a cut-down feature come from, sorted."""
    chosen = [strongest(values, keep.top)]
    if len(values) and values.min() < 0:
        chosen.append(strongest(-values, keep.top))
    inside = interval_of(values, high)
    for i in range(-1, INTERVALS):
        of_interval = np.flatnonzero(inside == i)
        chosen.append(of_interval[drawn(seed, feature, positions[of_interval], keep.interval)])
    return np.unique(np.concatenate(chosen))


@dataclass(frozen=True)
class Silence:
    """Where silent examples of a feature can come from.

    Attributes:
        flags: [tokens] 0 for a counted token.
        chunk_ptr: [chunks + 1] first tokens of chunks.
        token_ptr, token_positions: where each token id of the vocabulary occurs as a counted token.
    """

    flags: Array
    chunk_ptr: Ints
    token_ptr: Ints
    token_positions: Array

    def examples(self, seed: int, entries: Entries, tokens: TokenStatistics) -> tuple[Ints, Ints]:
        """Positions of silent examples of each feature, [features, 8], -1 where there are no more: occurrences of the
        tokens that it fires on most, and any counted tokens."""
        near = [self._near(seed, entries, tokens, rank) for rank in range(NEAR_TOKENS)]
        features = entries.first + np.arange(len(entries))

        def anywhere(some: Ints, n: int) -> Ints:
            return (hashes(seed + 1, features[some], np.arange(n)) % np.uint64(len(self.flags))).astype(np.int64)

        tries = np.full(len(entries), _TRIES)
        return _first_of_each(np.concatenate(near, 1), SILENT), self._quiet_ones(entries, anywhere, tries, SILENT)

    def _near(self, seed: int, entries: Entries, tokens: TokenStatistics, rank: int) -> Ints:
        """Silent occurrences of the token `rank` of those that each feature fires on, [features, 4]."""
        token = np.where(tokens.n > rank, tokens.token[:, rank], 0)
        start = self.token_ptr[token]
        size = np.where(tokens.n > rank, self.token_ptr[token + 1] - start, 0)
        features = entries.first + np.arange(len(entries))
        tries = np.minimum(_TRIES, 4 * size)

        def drawn(some: Ints, n: int) -> Ints:
            picks = hashes(seed + 2 + rank, features[some], np.arange(n)) % np.maximum(size[some], 1)[:, None].astype(
                np.uint64
            )
            where = np.minimum(start[some, None] + picks.astype(np.int64), len(self.token_positions) - 1)
            tried = self.token_positions[where].astype(np.int64)
            return np.where(np.arange(n) < tries[some, None], tried, -1)

        return self._quiet_ones(entries, drawn, tries, SILENT // 2)

    def _quiet_ones(self, entries: Entries, draw: Callable[[Ints, int], Ints], tries: Ints, k: int) -> Ints:
        """The first k different quiet tokens of what is drawn for each feature ([features, n] of `draw`), -1 for none.

        Args:
            tries: [features] how many are drawn of each at most.
        """
        found = np.full((len(entries), k), -1)
        left = np.flatnonzero(tries > 0)
        # Most are quiet: a few tries are enough for almost every feature.
        for n in (k + 4, _TRIES):
            tried = draw(left, n)
            tried[~self._quiet(entries, left, tried)] = -1
            found[left] = _first_of_each(tried, k)
            left = left[(found[left, -1] < 0) & (tries[left] > n)]
            if not len(left):
                break
        return found

    def _quiet(self, entries: Entries, some: Ints, tried: Ints) -> Bools:
        """Whether a token is counted and the feature silent around it, for [features, n] tokens; of -1 it says nothing."""
        chunk = np.searchsorted(self.chunk_ptr, np.maximum(tried, 0), side="right") - 1
        first = np.maximum(tried - SILENT_REACH, self.chunk_ptr[chunk])
        last = np.minimum(tried + SILENT_REACH + 1, self.chunk_ptr[chunk + 1])
        # One sorted list of the activations of all features.
        whole = len(self.flags) + 1
        active, of = entries.of * whole + entries.position, some[:, None] * whole
        silent: Bools = np.searchsorted(active, of + first) == np.searchsorted(active, of + last)
        counted: Bools = self.flags[tried] == 0
        return silent & counted


def _first_of_each(rows: Ints, k: int) -> Ints:
    """The first k different numbers of each row that are not negative, in their order; filled with -1."""
    fresh = rows >= 0
    for i in range(1, rows.shape[1]):
        fresh[:, i] &= ~(rows[:, :i] == rows[:, i, None]).any(1)
    rank = np.cumsum(fresh, 1) - 1
    row, column = np.nonzero(fresh & (rank < k))
    found = np.full((len(rows), k), -1)
    found[row, rank[row, column]] = rows[row, column]
    return found

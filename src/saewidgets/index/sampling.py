"""Which of a feature's activations are kept for looking at, and on which tokens it is shown to be silent.

Samples are drawn by a hash of (seed, feature, token position): uniform, without replacement, and the same whatever
order the corpus came in. The smallest hashes of a superset that contain a sample are that sample, so a feature that was
cut down shows the same examples as one that was not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..engine.activations import Bools
from ..engine.ranking import Floats, Ints
from .files import Array
from .statistics import INTERVALS, interval_of, strongest

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


def hashes(seed: int, feature: int, numbers: Array) -> npt.NDArray[np.uint64]:
    """A uniform 64-bit number for each of `numbers` (the finaliser of SplitMix64; Steele, Lea and Flood 2014)."""
    mixed = numbers.astype(np.uint64) + np.uint64((seed * 0x9E3779B97F4A7C15 + feature * 0xD1342543DE82EF95) % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        mixed = mixed + np.uint64(0x9E3779B97F4A7C15)
    return mixed ^ (mixed >> np.uint64(31))


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

    def examples(self, seed: int, feature: int, active: Array, tokens: Ints) -> tuple[Ints, Ints]:
        """Positions of silent examples: occurrences of the `tokens` that it fires on most, and any counted tokens.

        Args:
            active: positions where the feature is active, ascending.
        """
        tried = [(hashes(seed + 1, feature, np.arange(_TRIES)) % np.uint64(len(self.flags))).astype(np.int64)]
        for rank, token in enumerate(tokens[:NEAR_TOKENS].tolist()):
            start, stop = int(self.token_ptr[token]), int(self.token_ptr[token + 1])
            picks = hashes(seed + 2 + rank, feature, np.arange(min(_TRIES, 4 * (stop - start))))
            where = start + (picks % np.uint64(max(1, stop - start))).astype(np.int64)
            tried.append(self.token_positions[where].astype(np.int64))
        quiet = self._quiet(np.concatenate(tried), active)
        ends = np.cumsum([len(some) for some in tried])[:-1]
        anywhere, *near = [_unique(t[q]) for t, q in zip(tried, np.split(quiet, ends), strict=True)]
        of_tokens = np.concatenate([np.zeros(0, np.int64), *(some[: SILENT // 2] for some in near)])
        return _unique(of_tokens)[:SILENT], anywhere[:SILENT]

    def _quiet(self, tried: Ints, active: Array) -> Bools:
        """Whether a token is counted and the feature silent around it."""
        chunk = np.searchsorted(self.chunk_ptr, tried, side="right") - 1
        first = np.maximum(tried - SILENT_REACH, self.chunk_ptr[chunk])
        last = np.minimum(tried + SILENT_REACH + 1, self.chunk_ptr[chunk + 1])
        silent: Bools = np.searchsorted(active, first) == np.searchsorted(active, last)
        counted: Bools = self.flags[tried] == 0
        return silent & counted


def _unique(positions: Ints) -> Ints:
    """Each position once, in the order of the draw."""
    return np.array(list(dict.fromkeys(positions.tolist())), np.int64)

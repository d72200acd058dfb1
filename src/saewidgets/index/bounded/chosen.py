"""Which activations of a feature a bounded scan holds on to: the most extreme ones, a uniform sample, and what stands beside them.

The most extreme n of all are among the most extreme n of each part, and the k smallest draws of all among the k smallest of
each part. So choosing again among what was chosen gives what choosing among all would have given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ...engine.arrays import Bools, Floats, Ints
from .draw import Draw

__all__ = ["CONTEXT", "EXTREME", "SAMPLED", "Candidates", "choose"]

# Entries of a matrix.
_AT_ONCE = 2**20

Key = TypeVar("Key", Floats, Draw)

CONTEXT, EXTREME, SAMPLED = 0, 1, 2
"""Why an activation is kept: beside one that is (in its chunk); bits: among the most extreme, in the sample."""


@dataclass(frozen=True)
class Candidates:
    """Activations of some features, by feature and, of each, in the order of the corpus.

    Attributes:
        of: [entries] whose each is, counted from 0.
        value, chunk: [entries] the activation and the chunk that it is in (no two features share entries; chunks may be shared).
        draw: [entries] the number of its token.
        why: [entries] for what it was chosen so far; None: nothing was chosen yet.
    """

    of: Ints
    value: Floats
    chunk: Ints
    draw: Draw
    why: npt.NDArray[np.uint8] | None


def choose(some: Candidates, n: int, sample: int, extreme: int) -> tuple[Bools, npt.NDArray[np.uint8]]:
    """Which entries stay, and why.

    Args:
        n: features. sample, extreme: how many of each are drawn, and are kept at either end (of the positive ones the
            largest, of the negative ones the most negative).
    """
    sampled = _first(some.of, some.draw, None if some.why is None else (some.why & SAMPLED) != 0, n, sample)
    extremes = np.zeros(len(some.of), bool)
    for sign in (1, -1):
        signed = some.value * sign
        asked: Bools = signed > 0
        if some.why is not None:
            asked &= (some.why & EXTREME) != 0
        if asked.any():
            extremes |= _first(some.of, -signed, asked, n, extreme)
    why = sampled * SAMPLED + extremes * EXTREME
    # With all activations of their chunks: a token beside an example must not look silent.
    chunks = int(some.chunk.max()) + 1 if len(some.chunk) else 1
    pair = some.of.astype(np.int64) * chunks + some.chunk
    starts = np.flatnonzero(np.concatenate([[True], pair[1:] != pair[:-1]])) if len(pair) else np.zeros(0, np.int64)
    wanted = np.maximum.reduceat(why != 0, starts) if len(starts) else np.zeros(0, bool)
    stays = np.repeat(wanted, np.diff(np.append(starts, len(pair))))
    return stays, why.astype(np.uint8)


def _first(of: Ints, key: Key, asked: Bools | None, n: int, k: int) -> Bools:
    """The k asked entries of each feature with the smallest key; of equal ones those that come first.

    Without sorting: by the k-th smallest key of each.
    """
    found = np.ones(len(of), bool) if asked is None else asked.copy()
    count = np.bincount(of[found], minlength=n)
    many = np.flatnonzero(found & (count > k)[of])  # of the others all
    if not len(many):
        return found
    keys, length = key[many], count[count > k]
    begins = np.concatenate([[0], np.cumsum(length)[:-1]])
    last = _kth(keys, begins, length, k)
    beyond = np.repeat(last, length)
    smaller = keys < beyond
    # So many of those equal to the k-th still have room.
    room = k - np.add.reduceat(smaller.astype(np.int64), begins)
    equal = keys == beyond
    before = np.cumsum(equal)
    rank = before - np.repeat(before[begins] - equal[begins], length)
    found[many[~(smaller | (equal & (rank <= np.repeat(room, length))))]] = False
    return found


def _kth(keys: Key, begins: Ints, length: Ints, k: int) -> Key:
    """[groups] the k-th smallest key of each group of more than k.

    Groups of about the same length make up one matrix, its rows filled up with what is larger than every key.
    """
    found = np.empty(len(begins), keys.dtype)
    above = np.inf if keys.dtype.kind == "f" else np.iinfo(np.uint64).max
    size = np.frexp(length.astype(np.float64) - 0.5)[1]  # the power of two that is no smaller
    for power in np.unique(size).tolist():
        groups = np.flatnonzero(size == power)
        across = np.arange(2**power)
        at_once = max(_AT_ONCE >> power, 1)
        for start in range(0, len(groups), at_once):
            some = groups[start : start + at_once]
            inside = across < length[some, None]
            rows = np.full(inside.shape, above, keys.dtype)
            rows[inside] = keys[(begins[some, None] + across)[inside]]
            rows.partition(k - 1, axis=1)
            found[some] = rows[:, k - 1]
    return found

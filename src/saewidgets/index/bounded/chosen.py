"""Which activations of a feature a bounded scan holds on to: the most extreme ones, a uniform sample, and what stands beside them.

The most extreme n of all are among the most extreme n of each part, and the k smallest draws of all among the k smallest of
each part. So choosing again among what was chosen gives what choosing among all would have given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...engine.arrays import Bools, Floats, Ints
from .draw import Draw

__all__ = ["CONTEXT", "EXTREME", "SAMPLED", "Candidates", "choose"]

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


def _first(of: Ints, key: npt.NDArray[np.generic], asked: Bools | None, n: int, k: int) -> Bools:
    """The k asked entries of each feature with the smallest key; of equal ones those that come first."""
    found = np.ones(len(of), bool) if asked is None else asked.copy()
    count = np.bincount(of[found], minlength=n)
    many = np.flatnonzero(found & (count[of] > k))  # of the others all
    if not len(many):
        return found
    order = many[np.lexsort((key[many], of[many]))]
    group = of[order]
    begins = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]]))
    rank = np.arange(len(order)) - np.repeat(begins, np.diff(np.append(begins, len(order))))
    found[order[rank >= k]] = False
    return found

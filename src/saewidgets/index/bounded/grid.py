"""A fine histogram that merges without loss: of each feature, on a grid that depends on nothing but its largest magnitude.

The grid is of the power of two above the largest |activation|: 512 equal bins from 0 up to it, and as many below 0. When that
power grows, two, four, ... bins become one, exactly. So the grid of a corpus is the same in whatever parts it was read. The 50
equal bins over [min, max] that are shown are made of it: an edge that cuts a fine bin splits it evenly, and how far the
truth can be from that is known, and stated. Beyond the most extreme activations, which are kept, everything is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...engine.arrays import Bools, Doubles, Floats, Ints
from ...storage.array_folder import Array
from ..statistics.activation_statistics import BINS, INTERVALS, interval_edges

__all__ = ["Ends", "Grids", "Shown", "exponents", "gridded", "shown"]

# 2**9 bins up to the power of two above the largest magnitude.
_FINE = 9


@dataclass(frozen=True)
class Grids:
    """Fine histograms of n features.

    Attributes:
        ptr: [n + 1] where each begins; bin: [k] which bins, ascending within a feature; count: [k] activations in them, above 0.
    """

    ptr: Ints
    bin: Ints
    count: Ints


@dataclass(frozen=True)
class Shown:
    """What is shown of one fine histogram.

    Attributes:
        bins: [50] activations in equal bins over [low, high], and intervals: [10] in equal intervals of (0, high]; whole numbers.
        bins_bound, intervals_bound: how far each can be from the truth.
        sums: [50] sums of the activations in the bins; sums_bound: how far each can be off.
    """

    bins: Ints
    bins_bound: Ints
    sums: Doubles
    sums_bound: Doubles
    intervals: Ints
    intervals_bound: Ints


@dataclass(frozen=True)
class Ends:
    """The most extreme activations of a feature, all of which are known.

    Attributes:
        largest, smallest: the largest positive ones and the most negative ones, each ascending.
        above, below: of what lies above the one and below the other nothing is missing.
    """

    largest: Doubles
    smallest: Doubles
    above: float
    below: float

    @classmethod
    def of(cls, values: Array, most: int) -> Ends:
        """Of the activations that are kept as most extreme, at most `most` at either end."""
        found = np.sort(values.astype(np.float64))
        largest, smallest = found[found > 0], found[found < 0]
        return cls(
            largest,
            smallest,
            float(largest[0]) if len(largest) >= most else 0.0,
            float(smallest[-1]) if len(smallest) >= most else 0.0,
        )

    def under(self, edges: Doubles, total: int, *, closed: bool) -> tuple[Ints, Bools, Bools]:
        """How many of `total` are below each edge (`closed`: or on it), and where that is known from above and from below."""
        side: Literal["left", "right"] = "right" if closed else "left"
        high = edges >= self.above if closed else edges > self.above
        low = edges < self.below if closed else edges <= self.below
        from_above = total - len(self.largest) + np.searchsorted(self.largest, edges, side)
        return np.where(high, from_above, np.searchsorted(self.smallest, edges, side)), high, low


def exponents(low: Array, high: Array) -> Ints:
    """[n] the smallest e with |activation| < 2**e for all activations of a feature."""
    most = np.maximum(np.abs(low.astype(np.float64)), np.abs(high.astype(np.float64)))
    return np.frexp(most)[1].astype(np.int64)


def gridded(of: Ints, values: Floats, exponent: Ints) -> Grids:
    """The grids of activations.

    Args:
        of: [entries] whose each is, of n features; exponent: [n] of each.
    """
    # Times a power of two is exact.
    scale = np.ldexp(1.0, _FINE - exponent)
    bins = np.floor(values.astype(np.float64) * scale[of]).astype(np.int64)
    return _counted(of, bins, np.ones(len(bins), np.int64), len(exponent))


def merged(parts: list[tuple[Ints, Ints, Ints, Ints]], exponent: Ints) -> Grids:
    """One grid of several.

    Args:
        parts: of each (of, bin, count, exponent), [k] of n features, with the exponent that the bin was made with.
        exponent: [n] of each feature in all.
    """
    of, bins, count, former = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _counted(of, bins >> (exponent[of] - former), count, len(exponent))


def _counted(of: Ints, bins: Ints, count: Ints, n: int) -> Grids:
    # Feature and bin as one number: a grid has 2**10 bins, half of them below 0.
    both = (of.astype(np.int64) << (_FINE + 1)) + bins + 2**_FINE
    order = np.argsort(both)
    both = both[order]
    starts = np.flatnonzero(np.concatenate([[True], both[1:] != both[:-1]])) if len(both) else order
    total = np.add.reduceat(count[order], starts) if len(starts) else count
    ptr = np.concatenate([[0], np.cumsum(np.bincount(both[starts] >> (_FINE + 1), minlength=n))])
    return Grids(ptr, (both[starts] & (2 ** (_FINE + 1) - 1)) - 2**_FINE, total)


def shown(bins: Ints, count: Ints, exponent: int, low: float, high: float, ends: Ends) -> Shown:
    """The 50 bins and ten intervals of one feature's fine histogram; exact where the most extreme activations tell them."""
    width = float(np.ldexp(1.0, exponent - _FINE))
    before = np.concatenate([[0], np.cumsum(count)])
    total = int(before[-1])

    def below(edges: Doubles) -> tuple[Ints, Ints, Ints]:
        """Activations below each edge: the least there can be, about how many, and the most."""
        at = np.floor(edges / width).astype(np.int64)
        i = np.searchsorted(bins, at)
        cut = np.zeros(len(edges), bool)
        inside = i < len(bins)
        cut[inside] = bins[i[inside]] == at[inside]
        here = np.where(cut, count[np.minimum(i, len(bins) - 1)], 0)
        part = edges / width - at
        about = np.rint(before[i] + part * here).astype(np.int64)
        return before[i], about, before[i] + here

    def between(edges: Doubles, first: tuple[int, int], last: int, *, closed: bool) -> tuple[Ints, Ints]:
        under, high, low = ends.under(edges, total, closed=closed)
        # Between what is known from below and from above: the grid's cells may be wider than a bin.
        fewest, greatest = under[low].max(initial=0), under[high].min(initial=total)
        least, about, most = (np.where(high | low, under, np.clip(some, fewest, greatest)) for some in below(edges))
        least[0], most[0] = first
        about[0] = min(max(about[0], first[0]), first[1])
        least[-1] = about[-1] = most[-1] = last
        found = np.diff(about)
        lowest = np.maximum(least[1:] - most[:-1], 0)
        return found, np.maximum(found - lowest, most[1:] - least[:-1] - found)

    if low == high:  # all of them in the first bin, by definition
        first = np.zeros(BINS, np.int64)
        first[0] = total
        inside = np.zeros(INTERVALS, np.int64)
        inside[-1] = total if high > 0 else 0
        return Shown(first, 0 * first, first * np.float64(low), np.zeros(BINS), inside, 0 * inside)
    edges = np.linspace(low, high, BINS + 1)
    found, bound = between(edges, (0, 0), total, closed=False)
    middle, largest = (edges[:-1] + edges[1:]) / 2, np.maximum(np.abs(edges[:-1]), np.abs(edges[1:]))
    half = (high - low) / BINS / 2
    if high > 0:
        negative = int(count[bins < 0].sum())  # 0 is an edge of the grid: it is known which are above it
        inside, inside_bound = between(interval_edges(high), (negative, negative), total, closed=True)
    else:
        inside = inside_bound = np.zeros(INTERVALS, np.int64)
    sums, off = found * middle, found * half + bound * (largest + half)
    _, above, under = ends.under(edges, total, closed=False)
    for known, values in ((above, ends.largest), (under, ends.smallest)):
        whole = known[:-1] & known[1:]
        sums[whole], off[whole] = np.histogram(values, edges, weights=values)[0][whole], 0
    return Shown(found, bound, sums, off, inside, inside_bound)

"""What an index still knows of the activations of one feature: which of them are the largest, and which a fair sample.

Of a feature that was cut down (`Keeping`), three things are kept under one roof: the largest activations, the most
negative ones, and a draw from each interval. Only the first are known to be the largest; only the last are a uniform
sample. Mixing them makes lists that claim what they are not, so each list of examples asks here for its members.

Nothing beyond the kept activations is stored: the order of strength and the order of the draw are total orders, so the
first k of a kept superset are the first k of all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ...engine.arrays import Bools, Ints
from ...storage.array_folder import Folder
from ..statistics.activation_statistics import INTERVALS, interval_edges, interval_of, strongest
from ..statistics.kept_examples import hashes

# Added to the seed, so that these are independent of the draw of examples.
_ROUNDING, _SHUFFLE = 101, 102


@dataclass(frozen=True)
class Members:
    """The activations that a list of examples may be chosen from.

    Attributes:
        index: into `Held.position` and `Held.value`, in the order in which they are to be taken.
        complete: whether these are all of the corpus that belong to the list.
        count: how many of the corpus belong to it; None if that is not known, or not exactly.
        about: where it is estimated, about how many, and how far that can be off.
        down_to: of a list of extremes that is not complete, the last value that is known to be one of them.
    """

    index: Ints
    complete: bool
    count: int | None
    down_to: float | None = None
    about: tuple[int, int] | None = None


class Held:
    """The kept activations of a feature that can be an example.

    Attributes:
        position, value: [n] of each, by position.
        count: active tokens of the corpus.
        low, high: smallest and largest activation of the corpus (NaN for a feature that never fires).
        complete: whether everything was kept.
    """

    def __init__(self, folder: Folder, feature: int) -> None:
        start, stop = folder.read("kept_ptr", feature, feature + 2).tolist()
        chosen = folder.read("kept_listed", start, stop) != 0
        self.position: Ints = folder.read("kept_position", start, stop).astype(np.int64)[chosen]
        self.value = folder.read("kept_value", start, stop)[chosen]
        self.count = int(folder.read("count", feature, feature + 1)[0])
        self.low = float(folder.read("low", feature, feature + 1)[0])
        self.high = float(folder.read("high", feature, feature + 1)[0])
        self.complete = len(self.position) == self.count
        # Of a bounded scan the sample is one of all activations, and counts inside intervals are estimates.
        self._sampled: Bools | None = None
        if "kept_sampled" in folder and not self.complete:
            self._sampled = folder.read("kept_sampled", start, stop)[chosen] != 0
            self._bound: Ints = folder.read("intervals_bound", feature, feature + 1)[0].astype(np.int64)
        settings = folder.facts["settings"]
        self._top, self._interval = int(settings["keep"]["top"]), int(settings["keep"]["interval"])
        self._seed, self._feature = int(settings["seed"]), feature
        inside: Ints = folder.read("intervals", feature, feature + 1)[0].astype(np.int64)
        if self.complete:  # then they are exact, whatever the store has
            inside = np.bincount(self._inside[self._inside >= 0], minlength=INTERVALS)
        # [11] active tokens of each interval; the last entry is of the negative ones, as interval -1.
        self._counts = np.append(inside, self.count - inside.sum())

    @cached_property
    def _inside(self) -> Ints:
        return interval_of(self.value, self.high)

    @cached_property
    def _draw(self) -> npt.NDArray[np.uint64]:
        """The number that each was drawn by."""
        return hashes(self._seed, self._feature, self.position)

    @cached_property
    def _whole(self) -> tuple[bool, ...]:
        """Whether all of an interval is kept; the last entry is of the negative ones."""
        if self._sampled is not None:
            return (False,) * (INTERVALS + 1)
        here = np.bincount(self._inside % (INTERVALS + 1), minlength=INTERVALS + 1)
        return tuple((here == self._counts).tolist())

    def top(self) -> Members:
        """The largest activations that are known to be the largest, largest first (positive ones only)."""
        order = strongest(self.value, len(self.value))
        order = order[self.value[order] > 0]
        count = int(self._counts[:INTERVALS].sum())
        known = self._top
        if len(order) < count:
            # Intervals that are kept whole are known too, as far as they follow each other from the top.
            gap = self._whole[INTERVALS - 1 :: -1].index(False)
            known = max(known, int(self._counts[INTERVALS - gap : INTERVALS].sum()))
        return self._extremes(order, count, known)

    def bottom(self) -> Members:
        """The most negative activations that are known to be the most negative, most negative first."""
        order = strongest(-self.value, len(self.value))
        return self._extremes(order[self.value[order] < 0], int(self._counts[-1]), self._top)

    def _extremes(self, order: Ints, count: int, known: int) -> Members:
        if len(order) == count:
            return Members(order, True, count)
        order = order[:known]
        return Members(order, False, count, float(self.value[order[-1]]) if len(order) else None)

    def interval(self, i: int) -> Members:
        """A uniform sample of one of the ten intervals, in the order of its draw; all of it if all of it is kept."""
        inside = self._inside == i
        members = self._drawn(np.flatnonzero(inside))
        if self._sampled is not None:
            here, bound = int(self._counts[i]), int(self._bound[i])
            if bound:
                return replace(self._of_sample(self._sampled & inside), about=(here, bound))
            if len(members) < here:
                return replace(self._of_sample(self._sampled & inside), count=here)
            return Members(members, True, here)
        whole = self._whole[i]
        return Members(members if whole else members[: self._interval], whole, int(self._counts[i]))

    def range(self, low: float, high: float) -> Members:
        """A uniform sample of the activations in [low, high), or [low, high] if high is the maximum.

        Of the intervals different shares were drawn. So that every activation of the range has the same chance, the share
        of the interval with the smallest one is taken of all of them: the first of each draw, as many as that share of
        its activations is, rounded up or down at random with that very mean.
        """
        below = self.value <= high if high >= self.high else self.value < high
        inside: Bools = (self.value >= low) & below
        touched = self._touched(low, high)
        sampled = self._sampled is not None  # then it is not known for sure which intervals are touched
        if self._known(low, high) or (not sampled and all(self._whole[i] for i in touched)):
            members = self._drawn(np.flatnonzero(inside))
            return Members(members, True, len(members))
        if self._sampled is not None:
            return self._of_sample(self._sampled & inside)
        kept, least = 1, 1
        for i in touched:
            here = int(self._counts[i]) if self._whole[i] else min(self._interval, int(self._counts[i]))
            if here * least < kept * self._counts[i]:  # as fractions, which do not round
                kept, least = here, int(self._counts[i])
        dice = hashes(self._seed + _ROUNDING, self._feature, np.arange(INTERVALS + 1)) / 2.0**64
        taken = [
            self._drawn(np.flatnonzero(self._inside == i))[: int(kept * int(self._counts[i]) / least + dice[i])]
            for i in touched
        ]
        fair = np.concatenate(taken)
        fair = fair[inside[fair]]
        # Shuffled anew, for the draws are of shares that differ by the rounding: then also the first few are a fair sample.
        order = np.argsort(hashes(self._seed + _SHUFFLE, self._feature, self.position[fair]), kind="stable")
        return Members(fair[order], False, None)

    def _of_sample(self, inside: Bools) -> Members:
        """Those of the uniform sample of all activations that are inside: a uniform sample of what is inside."""
        return Members(self._drawn(np.flatnonzero(inside)), False, None)

    def _drawn(self, members: Ints) -> Ints:
        return members[np.argsort(self._draw[members], kind="stable")]

    def _known(self, low: float, high: float) -> bool:
        """Whether a range is within the known extremes."""
        if self.complete:
            return True
        top, bottom = self.top(), self.bottom()
        return bool(
            (top.down_to is not None and low > top.down_to) or (bottom.down_to is not None and high <= bottom.down_to)
        )

    def _touched(self, low: float, high: float) -> list[int]:
        """The intervals with active tokens that a range touches; -1 is that of the negative activations."""
        found = [-1] if low < 0 else []
        if self.high > 0:
            edges = interval_edges(self.high)
            found += [i for i in range(INTERVALS) if edges[i + 1] >= low and edges[i] < high]
        return [i for i in found if self._counts[i]]

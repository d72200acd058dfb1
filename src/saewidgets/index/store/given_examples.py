"""Examples of an index that was made of another tool's files: those of the file, in the groups of the file.

They are what somebody chose to write down. Which other activations there are is not known, so no list is filled up from
elsewhere, no count is made of it, and there are no silent examples.
"""

from __future__ import annotations

import numpy as np

from ...engine.arrays import Floats, Ints
from ...storage.array_folder import Folder
from .filters import Filter
from .groups import Group
from .snippets import Cutter
from .texts import Texts

__all__ = ["GivenSource"]

# Of a bound and of a value, which are written with three digits; a little more for float32.
_ROUNDED = 1.001e-3


class GivenSource:
    """What examples can come from, after the filters."""

    def __init__(self, folder: Folder, texts: Texts, feature: int, passing: Filter, cutter: Cutter) -> None:
        self._filter, self._cutter = passing, cutter
        start, stop = folder.read("window_ptr", feature, feature + 2).astype(np.int64).tolist()
        chunk: Ints = folder.read("window_chunk", start, stop).astype(np.int64)
        focus = folder.read("window_focus")[chunk].astype(np.int64)
        self._position: Ints = texts.chunk_ptr[chunk] + focus
        self._low, self._high, self._contains = (
            folder.read(f"window_{name}")[chunk] for name in ("low", "high", "contains")
        )
        first, last = folder.read("kept_ptr", feature, feature + 2).astype(np.int64).tolist()
        self._kept: Ints = folder.read("kept_position", first, last).astype(np.int64)
        self._values: Floats = folder.read("kept_value", first, last)
        self._value = self._at(self._position)
        self._shares_of = folder.facts["shares_of"]
        self._is_top = ~(self._low >= 0)
        # Of an interval whose upper bound the file does not say.
        self._high = np.where(np.isnan(self._high), np.inf, self._high)

    def _at(self, position: Ints) -> Floats:
        """The activations at positions; 0 where there is none."""
        found = np.zeros(len(position), np.float32)
        where = np.searchsorted(self._kept, position)
        inside = where < len(self._kept)
        inside[inside] = self._kept[where[inside]] == position[inside]
        found[inside] = self._values[where[inside]]
        return found

    def extremes(self, k: int) -> list[Group]:
        """The file's largest activations."""
        return [self._group("top", np.flatnonzero(self._is_top & (self._value != 0)), k, None, None, "")]

    def intervals(self, k: int) -> list[Group]:
        """The file's intervals, the highest first; those that it leaves out because they are empty are not there."""
        # Where the token that it was drawn for is not shown (a prompt's first), nothing in it may be of the interval.
        held = (self._value >= self._low - _ROUNDED) & (self._value <= self._high + _ROUNDED)
        inside = np.flatnonzero(~self._is_top & (self._value != 0) & held)
        bounds = sorted({(float(self._low[i]), float(self._high[i])) for i in inside})
        groups = []
        for number, (low, high) in reversed([*enumerate(bounds)]):
            mine = inside[(self._low[inside] == low) & (self._high[inside] == high)]
            share = float(self._contains[mine[0]])
            says = f"; it says that {share:.3%} of {self._shares_of} are there" if share >= 0 else ""
            groups.append(self._group(str(number), mine, k, low, high, says))
        return groups

    def range(self, low: float | None, high: float | None, k: int) -> Group:
        """Activations in [low, high), or [low, high] if high is the largest, of all tokens that the file shows."""
        low, high = -np.inf if low is None else low, np.inf if high is None else high
        most = float(self._values.max(initial=-np.inf))
        inside = (self._values >= low) & (self._values <= high if high >= most else self._values < high)
        return self._made("range", self._kept[inside], self._values[inside], k, low, high, "")

    def silent(self) -> list[Group]:
        """None: a file has only texts on which a feature fires."""
        return []

    def _group(self, key: str, some: Ints, k: int, low: float | None, high: float | None, says: str) -> Group:
        return self._made(key, self._position[some], self._value[some], k, low, high, says)

    def _made(
        self, key: str, position: Ints, value: Floats, k: int, low: float | None, high: float | None, says: str
    ) -> Group:
        passes = self._filter.passing(position)
        position, value = position[passes], value[passes]
        order = np.argsort(-value, kind="stable")
        found, _ = self._cutter.cut(position[order], value[order], k)
        return Group(
            key=key,
            low=low,
            high=high,
            count=None,
            share=None,
            sampled=key != "top",
            examples=tuple(found),
            filtered=bool(self._filter),
            complete=False,
            held=len(position),
            short=True,
            note=f"{len(position):,} in the file{' that pass the filter' if self._filter else ''}{says}",
        )

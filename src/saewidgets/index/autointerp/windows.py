"""Stretches of the corpus for explaining and scoring a feature: where it fires, by how strongly, and where it does not.

The corpus is cut into windows of equal length once, wherever features fire, so that windows with and without
activations are of one kind, and half of them (by a hash of where they stand) are only ever shown to the explainer, the
other half only to the scorer: an explanation is never scored on what it was made from.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ...engine.arrays import Bools, Floats, Ints
from ...errors import SaewidgetsError
from ..scan.shards import SPECIAL
from ..statistics.kept_examples import hashes

if TYPE_CHECKING:
    from ..feature_index import FeatureIndex

__all__ = ["QUANTILES", "Half", "Window", "Windows", "WindowsError", "marked"]

QUANTILES = 10
_STRONG = 0.3
Half: TypeAlias = Literal["explain", "score"]


class WindowsError(SaewidgetsError, ValueError):
    """A feature that cannot be explained or scored on this index; the message says why."""


@dataclass(frozen=True)
class Window:
    """A stretch of the corpus.

    Attributes:
        start: position of its first token in the corpus.
        tokens: as strings, without special tokens.
        activations: of these tokens; 0 where they do not count.
    """

    start: int
    tokens: tuple[str, ...]
    activations: Floats

    @property
    def largest(self) -> float:
        """The largest activation, by magnitude."""
        return float(np.abs(self.activations).max(initial=0.0))

    def strong(self, scale: float) -> Bools:
        """Which tokens are marked: those above 0.3 of `scale` (`Windows.scale`) by magnitude, as delphi does; where none is,
        the strongest."""
        found: Bools = np.abs(self.activations) > _STRONG * scale
        return found if found.any() else np.abs(self.activations) == self.largest


class Windows:
    """The windows of an index.

    They do not reach over the end of a chunk. What is left at the end of one that is longer than a window is a window of its
    own if it is half as long; where no token counts, there is none.

    Args:
        length: tokens of a window; delphi's 32.
    """

    def __init__(self, index: FeatureIndex, length: int = 32) -> None:
        if length < 1:
            raise WindowsError(f"A window has at least one token, not {length}.")
        self._index, self.length = index, length

    def scale(self, feature: int) -> float:
        """The feature's largest activation by magnitude, which strengths are told as shares of; 0 if it never fires."""
        found = self._index.feature(feature)
        return max(abs(found.maximum or 0.0), abs(found.minimum or 0.0))

    @cached_property
    def _starts(self) -> Ints:
        """Where windows begin, those that are not used included: every position is in one."""
        ptr = self._index.texts.chunk_ptr
        parts = [np.arange(a, b, self.length) for a, b in pairwise(ptr.tolist())]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    @cached_property
    def _stops(self) -> Ints:
        ptr = self._index.texts.chunk_ptr
        return np.minimum(self._starts + self.length, ptr[np.searchsorted(ptr, self._starts, side="right")])

    @cached_property
    def _used(self) -> Bools:
        """Which windows are used at all."""
        texts = self._index.texts
        sizes = self._stops - self._starts
        first = np.isin(self._starts, texts.chunk_ptr)
        counted = np.add.reduceat(texts.flags(0, int(texts.chunk_ptr[-1])) == 0, self._starts, dtype=np.int64)
        found: Bools = (counted > 0) & (first | (2 * sizes >= self.length))
        return found

    def _half(self, half: Half) -> Bools:
        """Which windows are the explainer's, or the scorer's."""
        scored = (hashes(0, 1, self._starts) & np.uint64(1)).astype(bool)
        found: Bools = self._used & (scored if half == "score" else ~scored)
        return found

    def available(self, feature: int) -> tuple[int, int]:
        """How many windows of the scorer's half the feature is active in, as far as the index knows, and nowhere active in."""
        position, _ = self._index.activations(feature)
        mine, there = self._half("score"), self._windows_of(position)
        active = int(mine[np.unique(there)].sum())
        return active, int(mine.sum()) - active

    def active(self, feature: int, half: Half, n: int, seed: int = 0, seen: Collection[int] = ()) -> list[Window]:
        """Up to `n` windows in which the feature is active, equally many of each tenth of them by the largest activation.

        The strongest come first. Of a feature whose activations the index holds a sample of, they come from that sample.

        Args:
            seen: where windows begin that are taken only where there are no others.

        Raises:
            WindowsError: if there are none.
        """
        position, value = self._index.activations(feature)
        windows, first = np.unique(self._windows_of(position), return_index=True)
        if len(windows):
            largest = np.maximum.reduceat(np.abs(value), first)
            mine = self._half(half)[windows]
            windows, largest = windows[mine], largest[mine]
        if not len(windows):
            raise WindowsError(f"Feature {feature} fires in none of the windows that are for this ({half}).")
        order = np.argsort(-largest, kind="stable")
        dice = np.random.default_rng((seed, feature))
        chosen: list[Ints] = []
        for among in _fresh_first(order, np.isin(self._starts[windows[order]], list(seen))):
            wanted = n - sum(map(len, chosen))
            chosen += [
                dice.choice(part, min(len(part), _share(wanted, i)), replace=False)
                for i, part in enumerate(np.array_split(among, QUANTILES))
            ]
        ranked = np.sort(np.argsort(order)[np.concatenate(chosen)])
        return [self._window(feature, int(windows[order[i]]), position, value) for i in ranked]

    def silent(self, feature: int, n: int, seed: int = 0, seen: Collection[int] = ()) -> list[Window]:
        """`n` windows of the scorer's half in which the feature is nowhere active, drawn uniformly; of `seen` as for `active`.

        Raises:
            WindowsError: if the index does not know where the feature is silent, or there are too few.
        """
        if not self._index.feature(feature).complete:
            raise WindowsError(
                f"Of feature {feature} the index holds a sample of its activations, so it does not know where it is silent: "
                "build it with a larger keep=."
            )
        position, value = self._index.activations(feature)
        free = self._half("score")
        free[self._windows_of(position)] = False
        there = np.flatnonzero(free)
        if len(there) < n:
            raise WindowsError(f"Feature {feature} is silent in {len(there)} windows of the corpus; {n} are needed.")
        dice = np.random.default_rng((seed, feature, 1))
        chosen: list[int] = []
        for among in _fresh_first(there, np.isin(self._starts[there], list(seen))):
            chosen += dice.choice(among, min(len(among), n - len(chosen)), replace=False).tolist()
        return [self._window(feature, i, position, value) for i in chosen]

    def _windows_of(self, position: Ints) -> Ints:
        """Which window each position is in."""
        found: Ints = np.searchsorted(self._starts, position, side="right") - 1
        return found

    def _window(self, feature: int, i: int, position: Ints, value: Floats) -> Window:
        texts = self._index.texts
        start, stop = int(self._starts[i]), int(self._stops[i])
        dense = np.zeros(stop - start, np.float32)
        low, high = np.searchsorted(position, [start, stop])
        dense[position[low:high] - start] = value[low:high]
        flags = texts.flags(start, stop)
        dense[flags != 0] = 0
        shown = np.flatnonzero(flags != SPECIAL)
        strings = texts.display(start, stop).strings
        return Window(start, tuple(strings[j] for j in shown), dense[shown])


def _share(n: int, quantile: int) -> int:
    """How many of `n` come from a quantile: as equal as can be, the strongest first."""
    return n // QUANTILES + (quantile < n % QUANTILES)


def _fresh_first(among: Ints, seen: Bools) -> list[Ints]:
    """Those that were not seen, and then the others: what is chosen comes of the first part as long as there is enough in it."""
    return [part for part in (among[~seen], among[seen]) if len(part)]


def marked(tokens: tuple[str, ...], marks: Bools) -> str:
    """The text, with << >> around each run of marked tokens."""
    out: list[str] = []
    inside = False
    for token, mark in zip(tokens, marks.tolist(), strict=True):
        if mark != inside:
            out.append("<<" if mark else ">>")
            inside = mark
        out.append(token)
    return "".join(out) + (">>" if inside else "")

"""Examples of a feature: the largest activations, a sample of each interval, and texts where it is silent.

A list of examples says what it holds. Of a feature that was cut down only some activations are known to be the largest,
and only some are a uniform sample (held.py): a list ends where these end, and says so, rather than be filled up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from ...engine.arrays import Floats, Ints
from ...storage.array_folder import Folder
from ..record.settings import NONE
from ..statistics.activation_statistics import INTERVALS, interval_edges
from .filters import Filter
from .given_examples import GivenSource
from .groups import Examples as Examples
from .groups import Group as Group
from .held import Held, Members
from .notes import Listed, of_extremes, of_sample, of_silence
from .snippets import Cutter
from .stated import is_imported
from .texts import Texts

GroupName = Literal["all", "top", "intervals", "silent"]


def select(
    folder: Folder,
    texts: Texts,
    feature: int,
    *,
    group: GroupName,
    bounds: tuple[float | None, float | None] | None,
    token: str | None,
    where: Mapping[str, object],
    window: int | None,
    top: int,
    per_interval: int,
    fold: bool,
) -> Examples:
    """The examples of `FeatureIndex.examples`."""
    if group not in ("all", "top", "intervals", "silent"):
        raise ValueError(f"There is no group {group!r}: choose all, top, intervals or silent.")
    passing, cutter = Filter(texts, token, where), Cutter(folder, texts, feature, window, fold)
    given = GivenSource(folder, texts, feature, passing, cutter) if is_imported(folder) else None
    source = given or _Source(folder, feature, passing, cutter)
    groups: list[Group] = []
    if bounds is not None:
        return Examples(feature, (source.range(*bounds, top),), texts.columns)
    if group in ("all", "top"):
        groups += source.extremes(top)
    if group in ("all", "intervals"):
        groups += source.intervals(per_interval)
    if group in ("all", "silent"):
        groups += source.silent()
    return Examples(feature, tuple(groups), texts.columns)


class _Source:
    """What examples can come from, after the filters."""

    def __init__(self, folder: Folder, feature: int, passing: Filter, cutter: Cutter) -> None:
        self._folder, self._feature, self._filter, self._cutter = folder, feature, passing, cutter
        self._held = Held(folder, feature)
        self._passes = passing.passing(self._held.position)
        self._filtered = bool(passing)

    def extremes(self, k: int) -> list[Group]:
        """The largest activations and, if there are negative ones, the most negative."""
        groups = [self._extreme("top", self._held.top(), k)]
        if self._held.low < 0:
            groups.append(self._extreme("bottom", self._held.bottom(), k))
        return groups

    def intervals(self, k: int) -> list[Group]:
        """A uniform sample of each interval, highest interval first."""
        if not self._held.high > 0:
            return []
        edges = interval_edges(self._held.high).tolist()
        return [
            self._sample(str(i), self._held.interval(i), k, edges[i], edges[i + 1]) for i in reversed(range(INTERVALS))
        ]

    def range(self, low: float | None, high: float | None, k: int) -> Group:
        """A uniform sample of the activations in [low, high), or [low, high] if high is the maximum, as in a histogram."""
        low = -np.inf if low is None else low
        high = np.inf if high is None else high
        return self._sample("range", self._held.range(low, high), k, low, high)

    def _extreme(self, key: str, members: Members, k: int) -> Group:
        group, listed = self._group(key, members, k, None, None)
        return replace(group, note=of_extremes(listed, members, key))

    def _sample(self, key: str, members: Members, k: int, low: float, high: float) -> Group:
        group, listed = self._group(key, members, k, low, high)
        return replace(group, note=of_sample(listed, members), sampled=not members.complete)

    def _group(self, key: str, members: Members, k: int, low: float | None, high: float | None) -> tuple[Group, Listed]:
        """The group without its words, and what they are of."""
        order = members.index[self._passes[members.index]]
        found, different = self._cutter.cut(self._held.position[order], self._held.value[order], k)
        found.sort(key=lambda e: e.activation if key == "bottom" else -e.activation)
        count = len(order) if members.complete else None if self._filtered else members.count
        group = Group(
            key=key,
            low=low,
            high=high,
            count=count,
            share=None if count is None or self._filtered or not self._held.count else count / self._held.count,
            sampled=False,
            examples=tuple(found),
            filtered=self._filtered,
            complete=members.complete,
            held=len(order),
            short=not members.complete and len(found) < k,
            about=None if self._filtered else members.about,
        )
        return group, Listed(len(found), group.covers, different, len(order), count, self._filtered)

    def silent(self) -> list[Group]:
        """Texts on which the feature is silent: with a token that it usually fires on, and any."""
        groups = []
        for key in ("near", "silent"):
            position = self._folder.read(key, self._feature, self._feature + 1)[0].astype(np.int64)
            kept: Ints = position[position != NONE]
            position = kept[self._filter.passing(kept)]
            values: Floats = np.zeros(len(position), np.float32)
            found, _ = self._cutter.cut(position, values, len(position))
            note = of_silence(len(position), len(kept))
            groups.append(
                Group(
                    key, None, None, None, None, True, tuple(found), self._filtered, False, len(position), False, note
                )
            )
        return groups

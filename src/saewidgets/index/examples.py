"""Examples of a feature: the largest activations, a sample of each interval, and texts where it is silent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..engine.activations import Bools
from ..engine.ranking import Ints
from .files import Folder
from .finish import NONE
from .sampling import drawn
from .snippets import Cutter, Example
from .statistics import INTERVALS, interval_edges, interval_of, strongest
from .texts import Texts

if TYPE_CHECKING:
    import pandas as pd

GroupName = Literal["all", "top", "intervals", "silent"]


@dataclass(frozen=True)
class Group:
    """Examples that belong together.

    Attributes:
        key: "top", "bottom", "0" to "9" (intervals, lowest first), "range", "near", "silent".
        low, high: bounds of the activation, if it has any.
        count, share: active tokens of the corpus in it, and their share of all active tokens; None if unknown.
        sampled: whether the examples are a sample of those.
        filtered: whether a token or document column was asked for, which `count` then does not tell of.
    """

    key: str
    low: float | None
    high: float | None
    count: int | None
    share: float | None
    sampled: bool
    examples: tuple[Example, ...]
    filtered: bool = False


@dataclass(frozen=True)
class Examples:
    """Groups of examples of a feature."""

    feature: int
    groups: tuple[Group, ...]

    def __iter__(self) -> Iterator[Example]:
        return (example for group in self.groups for example in group.examples)

    def __len__(self) -> int:
        return sum(len(group.examples) for group in self.groups)

    def __getitem__(self, key: str) -> Group:
        for group in self.groups:
            if group.key == key:
                return group
        raise KeyError(f"There is no group {key!r}; there are {', '.join(group.key for group in self.groups)}.")

    def to_pandas(self) -> pd.DataFrame:
        """One row an example."""
        import pandas as pd

        rows = [
            {
                "group": group.key,
                "position": e.position,
                "activation": e.activation,
                "token": e.tokens[e.focus],
                "text": e.text,
                "document": e.document,
                "at": e.at,
                "repeats": e.repeats,
                **e.columns,
            }
            for group in self.groups
            for e in group.examples
        ]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        groups = ", ".join(f"{group.key}: {len(group.examples)}" for group in self.groups)
        return f"Examples(feature {self.feature}; {groups})"


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
    source = _Source(folder, texts, feature, token, where)
    cutter = Cutter(folder, texts, feature, window, fold)
    groups: list[Group] = []
    if bounds is not None:
        return Examples(feature, (source.range(cutter, *bounds, top),))
    if group in ("all", "top"):
        groups += source.extremes(cutter, top)
    if group in ("all", "intervals"):
        groups += source.intervals(cutter, per_interval)
    if group in ("all", "silent"):
        groups += source.silent(cutter)
    return Examples(feature, tuple(groups))


class _Source:
    """The activations that examples can come from, after the filters."""

    def __init__(
        self, folder: Folder, texts: Texts, feature: int, token: str | None, where: Mapping[str, object]
    ) -> None:
        self._folder, self._texts, self._feature = folder, texts, feature
        self._token, self._where = token or None, where
        start, stop = folder.read("kept_ptr", feature, feature + 2).tolist()
        chosen = folder.read("kept_listed", start, stop) != 0
        position = folder.read("kept_position", start, stop).astype(np.int64)[chosen]
        value = folder.read("kept_value", start, stop)[chosen]
        self._count = int(folder.read("count", feature, feature + 1)[0])
        self._complete = stop - start == self._count
        self._filtered = self._token is not None or bool(where)
        passing = self._passing(position)
        self.position, self.value = position[passing], value[passing]
        self._high = float(folder.read("high", feature, feature + 1)[0])
        self._seed = int(folder.facts["settings"]["seed"])

    def _passing(self, position: Ints) -> Bools:
        passing = np.ones(len(position), bool)
        if self._token is not None:
            passing &= np.isin(self._texts.tokens(position), self._texts.ids_called(self._token))
        if self._where:
            rows = self._texts.rows(self._texts.chunk(position))
            for name, wanted in self._where.items():
                table = self._texts.documents
                if name not in table.column_names:
                    raise KeyError(f"The corpus has no column {name!r}; it has {', '.join(table.column_names)}.")
                values = table[name].to_pylist()
                same = np.array([value == wanted or str(value) == str(wanted) for value in values], bool)
                passing &= same[rows]
        return passing

    def extremes(self, cutter: Cutter, k: int) -> list[Group]:
        """The largest activations and, if there are negative ones, the most negative."""
        groups = []
        order = strongest(self.value, len(self.value))
        order = order[self.value[order] > 0] if (self.value > 0).any() else order[:0]
        groups.append(self._group("top", order, cutter, k, None, None, None))
        if (self.value < 0).any():
            order = strongest(-self.value, len(self.value))
            groups.append(self._group("bottom", order[self.value[order] < 0], cutter, k, None, None, None))
        return groups

    def intervals(self, cutter: Cutter, k: int) -> list[Group]:
        """A uniform sample of each interval, highest interval first."""
        if not self._high > 0:
            return []
        edges = interval_edges(self._high)
        counts = self._folder.read("intervals", self._feature, self._feature + 1)[0]
        inside = interval_of(self.value, self._high)
        groups = []
        for i in reversed(range(INTERVALS)):
            members = np.flatnonzero(inside == i)
            order = members[drawn(self._seed, self._feature, self.position[members], len(members))]
            count = None if self._filtered else int(counts[i])
            groups.append(self._group(str(i), order, cutter, k, float(edges[i]), float(edges[i + 1]), count))
        return groups

    def range(self, cutter: Cutter, low: float | None, high: float | None, k: int) -> Group:
        """A uniform sample of the activations in [low, high), or [low, high] if high is the maximum, as in a histogram."""
        low = -np.inf if low is None else low
        high = np.inf if high is None else high
        below = self.value <= high if high >= self._high else self.value < high
        members = np.flatnonzero((self.value >= low) & below)
        order = members[drawn(self._seed, self._feature, self.position[members], len(members))]
        count = len(members) if self._complete else None
        return self._group("range", order, cutter, k, low, high, count)

    def _group(
        self,
        key: str,
        order: Ints,
        cutter: Cutter,
        k: int,
        low: float | None,
        high: float | None,
        count: int | None,
    ) -> Group:
        found = cutter.cut(self.position[order], self.value[order], k)
        found.sort(key=lambda e: -e.activation if key != "bottom" else e.activation)
        share = None if count is None or self._filtered or not self._count else count / self._count
        sampled = not self._complete and key not in ("top", "bottom")
        sampled = sampled or (not self._complete and self._filtered)
        return Group(key, low, high, count, share, sampled, tuple(found), self._filtered)

    def silent(self, cutter: Cutter) -> list[Group]:
        """Texts on which the feature is silent: with a token that it usually fires on, and any."""
        groups = []
        for key in ("near", "silent"):
            position = self._folder.read(key, self._feature, self._feature + 1)[0].astype(np.int64)
            position = position[position != NONE]
            position = position[self._passing(position)]
            found = cutter.cut(position, np.zeros(len(position), np.float32), len(position))
            groups.append(Group(key, None, None, None, None, True, tuple(found)))
        return groups

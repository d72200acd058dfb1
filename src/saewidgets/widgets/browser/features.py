"""The rows of a feature browser: all features of an index with their numbers, searched, filtered and in an order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from ...index.explanations.search import Found
from ...index.store.features_table import numbers_of
from ...index.store.stated import present
from .. import wire
from ..constants import ROWS
from ..feature.said import said_of, sent
from ..table.asked import Chosen
from ..table.columns import Column, Places, ordered, summary, within
from .brought import Brought

if TYPE_CHECKING:
    from ...index.feature_index import FeatureIndex

__all__ = ["MATCH", "SELECTED", "ChosenFeatures", "Features", "Listed", "RowsOfFeatures"]

MATCH = "match"
# Among the lists, the features that are ticked.
SELECTED = "selected"
# So many of what a search finds are listed: by meaning everything is near to everything.
_MATCHES = {"words": 2000, "meaning": 500}
# Orders of all features that are kept: 8 bytes a feature each.
_ORDERS = 4
# Bytes: a window of 200 rows has at most 100 kB.
_LONGEST = 240

_SAYS: dict[str, tuple[str, str, bool, str]] = {
    "density": ("density", "Share of counted tokens on which the feature is active", True, "share"),
    "count": ("tokens", "Counted tokens on which the feature is active", True, "count"),
    "max": ("max", "Largest activation", False, "num"),
    "min": ("min", "Smallest activation that is not 0", False, "num"),
    "mean": ("mean", "Mean activation over the tokens where it is active", False, "num"),
    "std": ("std", "Standard deviation of the activation over the tokens where it is active", False, "num"),
    "logit_std": ("logit std", "Standard deviation of the logit weights over the vocabulary", False, "num"),
    "logit_skew": ("logit skew", "Skewness of the logit weights over the vocabulary", False, "num"),
    "logit_kurtosis": ("logit kurtosis", "Kurtosis of the logit weights (3 for a Gaussian)", True, "num"),
    "neuron_r": ("neuron r", "Pearson r with the coordinate of the hook that goes with it most", False, "num"),
    "neighbour_cosine": ("neighbour cosine", "Decoder cosine with its nearest neighbour", False, "num"),
}

# In the table from the start; the others come when they are sorted or filtered by.
_SHOWN = ("density", "max", "mean")

# Of an index that was made of another tool's files.
_STATED: dict[str, str] = {
    "density": "Share of {of} on which the feature is active, as its file gives it",
    "count": "Tokens on which the feature is active, as the bars of its file's histogram add up",
    "max": "Largest activation, as its file gives it",
    "min": "Smallest activation above 0: where its file's histogram begins",
    "neuron_r": "Pearson r with the first correlated neuron of its file",
    "neighbour_cosine": "Cosine with the first neighbour of its file",
}


@dataclass(frozen=True)
class ChosenFeatures(Chosen):
    """Which rows; where `only` is "selected", `selected` are those that are ticked."""

    selected: tuple[int, ...] = ()


@dataclass(frozen=True)
class RowsOfFeatures:
    """A window of the features that are chosen."""

    chosen: ChosenFeatures
    first: int = 0
    count: int = ROWS


@dataclass(frozen=True, eq=False)
class Listed:
    """The features that are listed, in their order.

    Attributes:
        features: [rows].
        matches: of a search, by feature.
    """

    features: Places
    matches: Mapping[int, Found] = field(default_factory=dict)


class Features:
    """The features of an index, as a browser's table has them, with the columns that were brought."""

    def __init__(self, index: FeatureIndex, others: Brought | None = None) -> None:
        self._index, self.brought = index, Brought() if others is None else others
        self._columns: tuple[str, dict[str, Column]] | None = None
        # What takes long of a million features, and is asked for again: of the columns as they are.
        self._summary: wire.Reply | None = None
        self._orders: dict[tuple[str, bool], Places] = {}
        self._known: tuple[str, Listed] | None = None

    @property
    def columns(self) -> dict[str, Column]:
        """Those that are computed, as long as the index has features."""
        remains = self._index.remains
        if self._columns is None or self._columns[0] != remains:
            numbers = numbers_of(self._index.folder)
            of = self._index.folder.facts.get("shares_of", "")
            stated = {} if self._index.imported is None else _STATED
            self._columns = (
                remains,
                {
                    name: Column(title, stated.get(name, says).format(of=of), numbers[name], log, form)
                    for name, (title, says, log, form) in _SAYS.items()
                    if name in numbers
                }
                | dict(self.brought.columns),
            )
            self._summary, self._orders = None, {}
        return self._columns[1]

    @property
    def summary(self) -> wire.Reply:
        """What the columns are, and how their values are distributed."""
        columns, made = self.columns, self._summary
        if made is None:
            made = self._summary = summary(columns)
        return made

    def _order(self, sort: str, descending: bool) -> Places:
        """All features by a column."""
        columns, key = self.columns, (sort, descending)
        order = self._orders.get(key)
        if order is None:
            order = ordered(columns, np.arange(len(self._index)), sort, descending)
            # Replaced as a whole: a cell may ask while a view does.
            self._orders = {**dict([*self._orders.items()][1 - _ORDERS :]), key: order}
        return order

    @property
    def shown(self) -> list[str]:
        """The columns that are there from the start: what was brought has the room of what always is."""
        return [*(_SHOWN[:1] if self.brought.shown else _SHOWN), *self.brought.shown]

    @property
    def of(self) -> int:
        """How many features there are to list: of another tool's files, those that are in them."""
        return int(present(self._index.folder).sum())

    def forget(self) -> None:
        """What was found may be old: a feature was named, or explained."""
        self._known = None

    def listed(self, chosen: Chosen) -> Listed:
        """The features that are chosen.

        Raises:
            ValueError: for an unknown column or list. SearchError: if something is not installed.
        """
        of_list = self._list(chosen)
        key = wire.canonical(cast(wire.Json, [repr(chosen), self._index.remains, of_list and list(of_list)]))
        if self._known is None or self._known[0] != key:
            self._known = key, self._list_anew(chosen, of_list)
        return self._known[1]

    def _list_anew(self, chosen: Chosen, of_list: tuple[int, ...] | None) -> Listed:
        n = len(self._index)
        # Of another tool's files, those that are in them.
        passes = within(self.columns, chosen.filters, n) & present(self._index.folder)
        if of_list is not None:
            among = np.zeros(n, bool)
            among[list(of_list)] = True
            passes &= among
        matches: dict[int, Found] = {}
        sort, searched = chosen.sort or MATCH, bool(chosen.query.strip())
        if searched:
            by = cast('Literal["words", "meaning"]', chosen.by)
            found = self._index.found(chosen.query, by, k=_MATCHES.get(chosen.by, 1))
            features = np.array([one.feature for one in found], np.int64)
            matches = {one.feature: one for one in found}
            features = features[passes[features]]
        else:
            sort = "density" if sort == MATCH else sort  # nothing to match
            every = np.arange(n) if sort == "feature" else self._order(sort, chosen.descending)
            features = every[passes[every]]
        if sort == "feature":
            features = np.sort(features)
            return Listed(features[::-1] if chosen.descending else features, matches)
        if searched and sort != MATCH:
            features = ordered(self.columns, features, sort, chosen.descending)
        return Listed(features, matches)

    def _list(self, chosen: Chosen) -> tuple[int, ...] | None:
        name = chosen.only
        if not name:
            return None
        if name == SELECTED and isinstance(chosen, ChosenFeatures):
            return tuple(self._index.check_feature(feature) for feature in chosen.selected)
        lists = self._index.lists
        if name not in lists:
            raise ValueError(f"There is no list {name!r}; there are {', '.join(map(repr, lists)) or 'none'}.")
        return tuple(lists[name])

    def window(self, chosen: Chosen, first: int, count: int) -> wire.Reply:
        """A part of the table: what is said of its features as JSON, their numbers as arrays."""
        listed = self.listed(chosen)
        features = listed.features[max(first, 0) : max(first, 0) + min(count, ROWS)]
        rows = [self._row(int(f), listed) for f in features]
        data: dict[str, wire.Json] = {
            "total": len(listed.features),
            "of": self.of,
            "first": max(first, 0),
            "capped": len(listed.matches) >= _MATCHES.get(chosen.by, 1),
            "rows": cast("list[wire.Json]", rows),
        }
        numbers = {name: column.of(features) for name, column in self.columns.items()}
        score = np.array([listed.matches[int(f)].score if int(f) in listed.matches else np.nan for f in features])
        return wire.Reply(data, {"feature": features.astype(np.uint32), "match": score.astype(np.float32), **numbers})

    def _row(self, feature: int, listed: Listed) -> dict[str, wire.Json]:
        found = listed.matches.get(feature)
        said = said_of(self._index.labels, feature, _LONGEST)
        if found is None:
            return {**said, "how": None}
        matched = found.said
        if matched.text and matched.kind != "label":  # what was found, which need not be what speaks for the feature
            said = {"label": said["label"], "said": sent(None, matched, _LONGEST)["said"]}
        return {**said, "how": found.how}

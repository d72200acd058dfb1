"""FeatureBrowser: all features of an index as a table, to search, sort, filter and collect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import traitlets

from ...index.feature_index import FeatureIndex
from ...snapshot.fallback import fallback
from .. import wire
from ..channel import channel
from ..constants import ROWS
from ..feature.card import AskedCard
from ..feature.listed import lists_of
from ..feature.of_all import OfAllFeatures
from ..feature.payload import facts_of
from ..shot import Question, Shot
from ..table.asked import Summary
from ..table.filters import betweens, starts, valid_filters
from ..traits import JsonTrait, wholes
from .brought import brought
from .features import MATCH, SELECTED, ChosenFeatures, Features, RowsOfFeatures

if TYPE_CHECKING:
    import pandas as pd

    from ...datasets.association import Association
    from ...datasets.contrast import Contrast
    from ...engine.arrays import Ints
    from ...engine.ticket import Ticket

_FALLBACK_ROWS = 25


class FeatureBrowser(OfAllFeatures, bundle="browser"):
    """All features of an index in one table: searched by words or by meaning, sorted, filtered, collected into lists.

    Rows are sorted and filtered in the kernel and sent a window at a time, so a dictionary of any size scrolls.

    Args:
        index: from `build_index` or `FeatureIndex.open`.
        columns: what `contrast` or `associate` gave, of the same SAE: its numbers are columns beside those of the index, and the
            table begins sorted by the first.
        **traits: any of the traits below.

    Traits (both ways):
        feature: the feature that was clicked last, or None. selected_features: those that are ticked; 10,000 at most.
        query: what is searched for; by: "words" (`FeatureIndex.search`: words, their beginnings, typos) or "meaning".
        sort: a column ("density", "count", "max", "mean" ...), "feature", "match", or "": by match while something is searched
            for, else by density. descending: from the largest down.
        filters: column to [low, high], both within; None: no bound. A feature without the number is in no range.
        only: the name of a list (`FeatureIndex.lists`) that features are in; "": any; "selected": those that are ticked, such as
            the ones lassoed on a `FeatureMap` that is linked (a list of that name cannot be chosen).
        card: show a card of the clicked feature beside the table.
        theme, error: see `EngineWidget`.

    Raises:
        TypeError: without an index, or for an unknown setting. FeatureIndexError: for a feature outside the index.
        MatrixMismatchError: for columns of another SAE or model.

    Example:
        >>> browser = sw.FeatureBrowser(index, query="days of the week", by="meaning")
        >>> browser                        # in a notebook cell: shows it
        >>> browser.to_pandas()            # the rows as they are on screen
        >>> sw.FeatureBrowser(index, columns=sw.contrast(engine, polite, rude))
        >>> traitlets.link((browser, "feature"), (dashboard, "feature"))
    """

    sort = traitlets.Unicode("").tag(sync=True, page=True)
    descending = traitlets.Bool(True).tag(sync=True, page=True)
    filters = JsonTrait().tag(sync=True, page=True)
    card = traitlets.Bool(True).tag(sync=True, page=True)

    def __init__(self, index: FeatureIndex, *, columns: Contrast | Association | None = None, **traits: object) -> None:
        self.must_be_index(index)
        others = brought(index, columns)
        self._features = Features(index, others)
        if others.columns:
            traits.setdefault("sort", next(iter(others.columns)))
        super().__init__(index, **traits)

    # -- traits

    @traitlets.validate("sort")
    def _valid_sort(self, proposal: Mapping[str, Any]) -> str:
        known = ["", MATCH, "feature", *self._features.columns]
        if proposal["value"] not in known:
            raise traitlets.TraitError(f"sort is one of {', '.join(map(repr, known))}, not {proposal['value']!r}.")
        return cast(str, proposal["value"])

    @traitlets.validate("filters")
    def _valid_filters(self, proposal: Mapping[str, Any]) -> dict[str, wire.Json]:
        return valid_filters(proposal["value"], self._features.columns)

    def _renamed(self) -> None:
        self._features.forget()
        super()._renamed()

    # -- headless

    @property
    def features(self) -> Ints:
        """The features of the table, in its order."""
        return self._features.listed(self._chosen()).features.copy()

    def to_pandas(self) -> pd.DataFrame:
        """The rows of the table, in its order, with the columns of `FeatureIndex.features` and those that were brought; of a search
        also how each matched ("how", "score"), and what of it ("matched")."""
        listed = self._features.listed(self._chosen())
        others = {name: one.values[listed.features] for name, one in self._features.brought.columns.items()}
        table = self._index.features.loc[listed.features].assign(**others)
        if listed.matches:
            found = [listed.matches[int(f)] for f in listed.features]
            return table.assign(
                matched=[one.said.text for one in found],
                how=[one.how for one in found],
                score=[one.score for one in found],
            )
        return table

    def _chosen(self) -> ChosenFeatures:
        ticked = tuple(self.selected_features) if self.only == SELECTED else ()
        return ChosenFeatures(
            self.query, self.by, self.sort, self.descending, betweens(self.filters), self.only, ticked
        )

    def __repr__(self) -> str:
        query = f", query={self.query!r}" if self.query else ""
        return f"FeatureBrowser({self._index!r}{query}, feature={self.feature})"

    # -- answers

    @channel("rows", RowsOfFeatures)
    def _answer_rows(self, asked: RowsOfFeatures, _ticket: Ticket) -> wire.Reply:
        return self._features.window(asked.chosen, asked.first, asked.count)

    @channel("summary", Summary)
    def _answer_summary(self, _asked: Summary, _ticket: Ticket) -> wire.Reply:
        made = self._features.summary
        others = self._features.brought.notes
        facts: dict[str, wire.Json] = {
            "lists": lists_of(self._index),
            "provenance": facts_of(self._index),
            "notes": [note for note in (self._index.provenance.get("notes"), self._index.remains, *others) if note],
            "shown": [*self._features.shown],
        }
        return wire.Reply({**made.data, **facts}, made.arrays)

    # -- pictures without a kernel

    def fallback_html(self) -> str:
        listed = self._features.listed(self._chosen())
        shown = listed.features[:_FALLBACK_ROWS]
        usual = ("density", "count", "max", "mean", *self._features.brought.shown)
        names = [name for name in usual if name in self._features.columns]
        said = [self._index.describe(int(f)) for f in shown]
        rows = [
            [
                str(int(f)),
                "" if one is None else one.text,
                *("" if (v := self._features.columns[n].values[f]) != v else f"{v:.4g}" for n in names),
            ]
            for f, one in zip(shown, said, strict=True)
        ]
        return fallback(
            heading=f"{len(listed.features):,} of {self._features.of:,} features",
            tokens=[],
            left_out=0,
            caption=f"The first {len(rows)} rows of the table",
            columns=["feature", "description", *names],
            rows=rows,
            provenance=list(self._index.provenance.items()),
            notes=[*self._features.brought.notes],
        )

    def shot(self, *, rows: int = 1000, cards: int = 50, features: Sequence[int] = ()) -> Shot:
        """The table as it is sorted and filtered now.

        Args:
            rows: how many of its rows a page has. cards: of how many of them a card. features: of which others a card, too.
        """
        chosen = self._chosen()
        listed = self._features.listed(chosen).features
        own = [] if self.feature is None else [self.feature]
        shown = list(dict.fromkeys([*own, *map(self._index.check_feature, wholes(features)), *listed[:cards].tolist()]))
        return Shot(
            title=f"Features of {self._index.path.name}",
            state={},
            questions=[
                Question("summary", Summary()),
                *(Question("rows", RowsOfFeatures(chosen, first, ROWS)) for first in starts(rows, len(listed))),
                *(Question("card", AskedCard(feature)) for feature in shown),
            ],
            fallback=self.fallback_html(),
            provenance=list(self._index.provenance.items()),
        )

"""FeatureMap: all features of a dictionary as points, near where their decoder rows are near."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import traitlets

from ...geometry.errors import GeometryError
from ...geometry.map.feature_map import STAGES, feature_map
from ...geometry.map.layout import FeatureLayout
from ...index.feature_index import FeatureIndex
from .. import wire
from ..channel import channel
from ..feature.listed import lists_of
from ..feature.of_all import OfAllFeatures
from ..feature.payload import facts_of
from ..shot import Shot
from ..traits import several_texts, wholes
from .asked import AskedColour, AskedFacts, AskedLayout, AskedMarks
from .colours import Colours
from .page import fallback_of, questions
from .payload import layout_reply

if TYPE_CHECKING:
    from ...engine.ticket import Ticket

# So many of what a search finds are marked: by meaning everything is near to everything.
_MATCHES = {"words": 5000, "meaning": 200}
# What a page can be coloured by, as far as the index has it.
_COLOURS = ("density", "max", "cluster", "label")


class FeatureMap(OfAllFeatures, bundle="map"):
    """All features of an index as a map: UMAP of their decoder rows (`sw.feature_map`).

    The map is made when a view first asks for it, which takes seconds for thousands of features and needs the engine that the
    index was opened with; then it is kept with the index, and found again without either. Points are coloured, searched,
    pointed at (a card), clicked (`feature`), and lassoed (`selected_features`). How much of the decoder's own neighbourhoods
    the map keeps stands beside it: a tenth, in two dimensions, is much.

    Args:
        index: from `build_index` or `FeatureIndex.open`.
        layout: a map of this index that was made before; default: the one of the settings that follow.
        n_neighbors, min_dist, seed: as of `sw.feature_map`.
        **traits: any of the traits below.

    Traits (both ways):
        feature: the feature that was clicked last, or None. selected_features: those that were lassoed, or chosen otherwise;
            10,000 at most.
        colour: "density", "max" or another column of numbers of `FeatureBrowser`; "cluster"; "label" (whether a feature has a
            name or an explanation); "list:<name>" (whether it is in that list).
        query: what is searched for; by: "words" (`FeatureIndex.search`) or "meaning". What is found is marked.
        only: the name of a list (`FeatureIndex.lists`): the others are faint, and cannot be pointed at or lassoed; "": all.
        theme, error: see `EngineWidget`.

    Raises:
        TypeError: without an index, for a layout that is none, or for an unknown setting.
        FeatureIndexError: for a feature outside the index. TraitError: for more than 10,000 selected ones.
        GeometryError: for a layout of another dictionary.

    Example:
        >>> features = sw.FeatureMap(index, colour="max")
        >>> features                          # in a notebook cell: shows it
        >>> traitlets.link((features, "feature"), (dashboard, "feature"))
        >>> traitlets.link((features, "selected_features"), (browser, "selected_features"))
        >>> browser.only = "selected"         # the table has what was lassoed
    """

    colour = traitlets.Unicode("density").tag(sync=True, page=True)

    def __init__(
        self,
        index: FeatureIndex,
        *,
        layout: FeatureLayout | None = None,
        n_neighbors: int = 15,
        min_dist: float = 0.05,
        seed: int = 0,
        **traits: object,
    ) -> None:
        self.must_be_index(index)
        if layout is not None:
            _must_be_of(index, layout)
        self._layout, self._colours = layout, Colours(index)
        self._settings: Mapping[str, Any] = {"n_neighbors": n_neighbors, "min_dist": min_dist, "seed": seed}
        super().__init__(index, **traits)

    # -- traits

    @traitlets.validate("colour")
    def _valid_colour(self, proposal: Mapping[str, Any]) -> str:
        known = self._colours.names
        if proposal["value"] not in known:
            raise traitlets.TraitError(
                f"colour is one of {', '.join(map(repr, known))} (of a list: 'list:' and its name), not {proposal['value']!r}."
            )
        return cast(str, proposal["value"])

    # -- headless

    @property
    def feature_layout(self) -> FeatureLayout:
        """Where the features lie; made now, if it was not made before.

        Raises:
            GeometryError: if it cannot be made, saying why. IndexMismatchError: without an engine, if none is kept.
        """
        return self._worker.run(self._made)

    def _made(self, ticket: Ticket) -> FeatureLayout:
        if self._layout is None:
            self._layout = feature_map(self._index, **self._settings, on_progress=ticket.heard)
        return self._layout

    def __repr__(self) -> str:
        return f"FeatureMap({self._index!r}, colour={self.colour!r}, feature={self.feature})"

    # -- answers

    @channel("facts", AskedFacts)
    def _answer_facts(self, _asked: AskedFacts, _ticket: Ticket) -> wire.Reply:
        notes = (self._index.provenance.get("notes"), self._index.remains)
        return wire.Reply(
            {
                "colours": self._colours.choices(),
                "lists": lists_of(self._index),
                "provenance": facts_of(self._index),
                "notes": [note for note in notes if note],
                "stages": [[begins, name] for begins, name in STAGES.items()],
            }
        )

    @channel("layout", AskedLayout, long=True)
    def _answer_layout(self, _asked: AskedLayout, ticket: Ticket) -> wire.Reply:
        return layout_reply(self._made(ticket))

    @channel("colour", AskedColour)
    def _answer_colour(self, asked: AskedColour, ticket: Ticket) -> wire.Reply:
        return self._colours.of(asked.colour, self._made(ticket)).reply()

    @channel("marks", AskedMarks)
    def _answer_marks(self, asked: AskedMarks, _ticket: Ticket) -> wire.Reply:
        lists = self._index.lists
        if asked.only and asked.only not in lists:
            raise ValueError(f"There is no list {asked.only!r}; there are {', '.join(map(repr, lists)) or 'none'}.")
        among = lists[asked.only] if asked.only else ()
        found: list[int] = []
        capped = False
        if asked.query.strip():
            by, most = cast('Literal["words", "meaning"]', asked.by), _MATCHES.get(asked.by, 1)
            every = self._index.found(asked.query, by, k=most)
            capped = len(every) >= most
            members = set(among)
            found = [one.feature for one in every if not asked.only or one.feature in members]
        data: dict[str, wire.Json] = {"found": len(found), "capped": capped, "among": len(among)}
        return wire.Reply(data, {"found": np.array(found, np.uint32), "among": np.array(among, np.uint32)})

    # -- pictures without a kernel

    def fallback_html(self) -> str:
        return fallback_of(self._index, self._layout, self._colours, self.colour, self._pointed())

    def _pointed(self) -> list[int]:
        """The features that a page has cards of, and a picture says the names of: the clicked one, then the selected ones."""
        return list(dict.fromkeys([*([] if self.feature is None else [self.feature]), *self.selected_features]))

    def shot(
        self,
        *,
        cards: int = 50,
        features: Sequence[int] = (),
        colours: Sequence[str] = _COLOURS,
    ) -> Shot:
        """The map as it is coloured and marked now; it is made first, if it was not made before.

        Args:
            cards: of how many of the selected features a card. features: of which others, too.
            colours: by what else it can be coloured.

        Raises:
            ValueError: for a colouring that there is not.
        """
        known = self._colours.names
        wanted = several_texts(colours, "colours")
        for name in wanted:
            if name not in (*known, *_COLOURS):
                raise ValueError(f"There is no colouring {name!r}; there are {', '.join(known)}.")
        layout = self.feature_layout
        kinds = [name for name in dict.fromkeys([self.colour, *wanted]) if name in known]
        marks = AskedMarks(self.query, self.by, self.only)
        carded = [*self._pointed()[:cards], *map(self._index.check_feature, wholes(features))]
        return Shot(
            title=f"Map of the features of {self._index.path.name}",
            state={},
            questions=list(questions(kinds, marks, list(dict.fromkeys(carded)))),
            fallback=fallback_of(self._index, layout, self._colours, self.colour, self._pointed()),
            provenance=list(self._index.provenance.items()),
        )


def _must_be_of(index: FeatureIndex, layout: object) -> None:
    """Raise unless `layout` is a map of the dictionary that `index` is of."""
    if not isinstance(layout, FeatureLayout):
        raise TypeError(f"layout is what sw.feature_map gives, not {type(layout).__name__}.")
    remedy = "make one of this index with sw.feature_map(index)."
    if layout.n_features != len(index):
        raise GeometryError(
            f"The layout is of {layout.n_features:,} features, and the index at {index.path} has {len(index):,}: {remedy}"
        )
    other = layout.index
    if other is not None and other.made_with.get("dictionary") != index.made_with.get("dictionary"):
        raise GeometryError(
            f"The layout is of the index at {other.path}, of another SAE than that at {index.path}: {remedy}"
        )

"""FeatureSubspace: tokens as points in the space that a few features span, such as days of the week on a circle."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import traitlets

from ...geometry.active import is_stored
from ...geometry.errors import GeometryError
from ...geometry.subspace.result import Subspace
from ...geometry.subspace.subspace import subspace
from ...index.errors import IndexMismatchError
from ...index.feature_index import FeatureIndex
from .. import wire
from ..base import EngineWidget
from ..channel import channel
from ..indexed import parted
from ..kept import Kept
from ..shot import Shot
from ..traits import WholeNumber, WholeNumbers
from .asked import AskedColour, AskedSubspace, AskedTexts
from .page import fallback_of, not_yet, questions, recorded_points
from .payload import colour_reply, subspace_reply, texts_reply

if TYPE_CHECKING:
    import pandas as pd

    from ...engine.engine import Engine
    from ...engine.text.given import TextInput
    from ...engine.ticket import Ticket


class FeatureSubspace(EngineWidget, bundle="subspace"):
    """Tokens on which any of a few features fires, as points in the space that these features span.

    A point is what the features together contribute to the stream on that token; the axes are principal components of the
    points (`sw.subspace`). Shown first is the most circular pair; every other pair is a click away. Pointing at a point shows
    its text, a click keeps the text below with the token marked.

    Args:
        source: an index that was opened with its engine: tokens of its corpus; or an engine: tokens of `texts`.
        features: which features.
        texts: of your own, in place of a corpus.
        sae: which dictionary of the engine; default: its first.
        n: points at most; of more tokens, so many are drawn. read, seed: see `sw.subspace`.
        **traits: any of the traits below.

    Traits (both ways):
        features: setting them computes anew.
        components: two of the principal components, counted from 0; []: the most circular pair. Reset by other features.
        colour: what tells points apart: "token", "position" (in its text), "document", a column of the corpus' documents, or
            "feature:7", the activation of feature 7.
        selected: the points that are kept below, by their numbers in the result. Reset by other features.
        feature: the one of the features that was clicked last, or None.
        theme, error: see `EngineWidget`.

    Raises:
        TypeError: for another kind of source, or an unknown setting. FeatureIndexError: for a feature outside the dictionary.
        GeometryError: for an engine without texts.

    Fewer than three points, and whatever else `sw.subspace` refuses, is said in the view, where other features can be chosen.

    Three components at once: `widget.result.figure(components=[0, 1, 2])`.

    Example:
        >>> days = sw.FeatureSubspace(index, [2717, 3021, 4801])
        >>> days                           # in a notebook cell: shows it
        >>> days.result.scores             # the numbers behind it
        >>> days.selected_tokens           # of the points that were clicked
        >>> traitlets.link((days, "feature"), (dashboard, "feature"))
    """

    features = WholeNumbers().tag(sync=True, page=True)
    components = WholeNumbers(min=0).tag(sync=True, page=True)
    colour = traitlets.Unicode("token").tag(sync=True, page=True)
    selected = WholeNumbers(min=0).tag(sync=True, page=True)
    feature = WholeNumber(allow_none=True, default_value=None).tag(sync=True, page=True)
    n_features = traitlets.Int(0, read_only=True).tag(sync=True, page=True)
    live = traitlets.Bool(True, read_only=True).tag(sync=True, page=True)

    def __init__(
        self,
        source: Engine | FeatureIndex,
        features: Iterable[int] = (),
        *,
        texts: TextInput | None = None,
        sae: str | None = None,
        n: int = 20_000,
        seed: int = 0,
        read: int = 20_000,
        **traits: object,
    ) -> None:
        self._index, engine = _opened(source, texts, sae)
        self._source, self._texts = source, texts
        self._sae = self._index.sae if self._index is not None else cast("Engine", engine).dictionary(sae).name
        self._options = {"n": n, "seed": seed, "read": read}
        self._parted = ""
        self._results = Kept[Subspace]()
        super().__init__(engine, features=features, **traits)
        dictionary = None if self._index is not None else self.engine.dictionary(self._sae)
        labels = dictionary.labels if dictionary is not None else cast(FeatureIndex, self._index).labels
        self.set_trait(
            "n_features", dictionary.n_features if dictionary is not None else len(cast(FeatureIndex, self._index))
        )
        self.names_of(labels)

    # -- traits that belong together

    @traitlets.validate("features", "feature")
    def _valid_features(self, proposal: Mapping[str, Any]) -> list[int] | int | None:
        value: list[int] | int | None = proposal["value"]
        wanted = value if isinstance(value, list) else [] if value is None else [value]
        if self._index is not None:
            for f in wanted:
                self._index.check_feature(f)
        else:
            self.engine.dictionary(self._sae).check_features(wanted)
        return list(dict.fromkeys(value)) if isinstance(value, list) else value

    @traitlets.validate("components")
    def _valid_components(self, proposal: Mapping[str, Any]) -> list[int]:
        pair: list[int] = proposal["value"]
        if pair and (len(pair) != 2 or pair[0] == pair[1]):
            raise traitlets.TraitError(
                f"components are two different ones, counted from 0, such as [1, 2], or []; not {pair!r}. "
                "Three at once: .result.figure(components=[0, 1, 2])."
            )
        return pair

    @traitlets.validate("colour")
    def _valid_colour(self, proposal: Mapping[str, Any]) -> str:
        return wire.sendable(proposal["value"])

    @traitlets.observe("features")
    def _features_changed(self, change: Mapping[str, Any]) -> None:
        # What a widget is made with comes with its points, and has no old ones.
        if change["old"] in (traitlets.Undefined, None) or change["old"] == change["new"] or not change["old"]:
            return
        kept = not self.colour.startswith("feature:") or self.colour.removeprefix("feature:") in map(str, change["new"])
        self.reset(selected=[], components=[], **({} if kept else {"colour": "token"}))

    @traitlets.observe("revision")
    def _refreshed(self, _change: Mapping[str, Any]) -> None:
        self._results.forget()
        if self._index is not None and self._engine is not None:
            self._parted = parted(self._engine, self._index, self._sae)

    # -- headless

    @property
    def result(self) -> Subspace:
        """The subspace behind the picture, for the current features.

        Raises:
            GeometryError: if the features span none, and what else `sw.subspace` raises.
        """
        return self._result(tuple(self.features))

    @property
    def selected_points(self) -> list[int]:
        """The selected points that the result has, by number."""
        if not self.selected:
            return []
        n = len(self.result.points)
        return [i for i in self.selected if i < n]

    @property
    def selected_tokens(self) -> list[str]:
        """The tokens of the selected points."""
        points = self.selected_points
        return [self.result.token[i] for i in points]

    def to_pandas(self) -> pd.DataFrame:
        """The rows of `result.to_pandas()` of the selected points, in the order in which they were selected."""
        return self.result.to_pandas().iloc[self.selected_points]

    @property
    def pair(self) -> tuple[int, int]:
        """The two components on screen, counted from 0."""
        return _pair(self.result, self.components)

    @property
    def value(self) -> dict[str, wire.Json]:
        """What is chosen: {"features", "components", "colour", "selected", "feature"}."""
        names = ("features", "components", "colour", "selected", "feature")
        return {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        of = self._sae or (self._index.path.name if self._index is not None else "")
        return f"FeatureSubspace({of!r}, features={_short(self.features)}, components={self.components})"

    def _result(self, features: tuple[int, ...], ticket: Ticket | None = None) -> Subspace:
        """The subspace of `features`, computed once for points, colours, texts, the fallback and further views."""
        if self._closed:
            raise RuntimeError("This widget was closed; make a new one.")
        if self._parted:
            raise IndexMismatchError(self._parted)
        if not features:
            raise GeometryError("No features are chosen: set features to a few, such as days.features = [3, 5, 8].")

        def made() -> Subspace:
            return subspace(
                self._source,
                features,
                texts=self._texts,
                sae=self._sae or None,
                on_progress=None if ticket is None else ticket.progress,
                **self._options,
            )

        return self._results.of(_key(features), made)

    # -- answers

    @channel("subspace", AskedSubspace, long=True)
    def _answer_subspace(self, asked: AskedSubspace, ticket: Ticket) -> wire.Reply:
        found, key = self._result(asked.features, ticket), _key(asked.features)
        points = subspace_reply(found, key)
        if asked.colour is None:
            return points
        # One answer for both: a second small message would wait for the first one's acknowledgement (some 40 ms).
        try:
            colour = colour_reply(found, asked.colour, key)
        except GeometryError:
            return points  # the points are shown; why they cannot be coloured so is said when that is asked for
        return wire.Reply({**points.data, "colour": colour.data}, {**points.arrays, **colour.arrays})

    @channel("colour", AskedColour)
    def _answer_colour(self, asked: AskedColour, ticket: Ticket) -> wire.Reply:
        return colour_reply(self._result(asked.features, ticket), asked.colour, _key(asked.features))

    @channel("texts", AskedTexts)
    def _answer_texts(self, asked: AskedTexts, ticket: Ticket) -> wire.Reply:
        found = self._result(asked.features, ticket)
        n = len(found.points)
        for i in asked.points:
            if not 0 <= i < n:
                raise GeometryError(f"There is no point {i}: the points are 0 to {n - 1}.")
        return texts_reply(found, asked.points)

    # -- pictures without a kernel

    def fallback_html(self) -> str:
        # A cell that shows the widget does not wait until texts of a corpus were read: its view could not ask meanwhile.
        return not_yet(self.features) if self._waits() else self._drawn()

    def _waits(self) -> bool:
        """Whether there is no result yet, and it takes the reading of a corpus."""
        if self._texts is not None or self._index is None or self._engine is None or self._parted:
            return False
        features = tuple(self.features)
        known = len(features) < 2 or self._results.get(_key(features)) is not None
        return not known and not is_stored(self._index, features)

    def _drawn(self) -> str:
        found = self.result
        return fallback_of(found, _pair(found, self.components), self.colour)

    def shot(self, *, texts: int = 300) -> Shot:
        """All points, on every pair of components and in every colour; the text of those that are selected, and of others drawn at
        random, up to `texts` in all.
        """
        found = self.result
        points = recorded_points(found, self.selected_points, texts)
        return Shot(
            title=f"Subspace of features {_short(self.features)} of {found.dictionary}",
            state={"live": False},
            questions=list(questions(found, self.colour, points)),
            fallback=self._drawn(),
            provenance=list(found.provenance.items()),
        )


def _opened(
    source: Engine | FeatureIndex, texts: TextInput | None, sae: str | None
) -> tuple[FeatureIndex | None, Engine | None]:
    """The index, if it is one, and the engine."""
    from ...engine.engine import Engine  # opening an index needs no torch

    if isinstance(source, FeatureIndex):
        if sae is not None and sae != source.sae:
            raise GeometryError(f"An index is of one dictionary: leave out sae={sae!r}.")
        return source, source.engine
    if not isinstance(source, Engine):
        raise TypeError(f"FeatureSubspace needs an index or an engine, not {type(source).__name__}.")
    if texts is None:
        raise GeometryError(
            "An engine alone has no tokens to look at: pass texts=, or an index, FeatureSubspace(index, features)."
        )
    return None, source


def _pair(found: Subspace, components: list[int]) -> tuple[int, int]:
    """The components that are meant: the most circular pair where none are chosen, or there are not so many."""
    if len(components) != 2 or max(components) >= found.points.shape[1]:
        return found.pair
    return components[0], components[1]


def _key(features: tuple[int, ...]) -> str:
    return json.dumps(features)


def _short(features: object) -> str:
    shown = str(features)
    return shown if len(shown) <= 48 else shown[:45] + "..."

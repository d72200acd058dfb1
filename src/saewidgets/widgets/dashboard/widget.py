"""FeatureDashboard: everything about one feature on a corpus, and live on the user's own text."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import traitlets

from ...engine.activations.ranking import Ints
from ...index.feature_index import FeatureIndex
from ...index.store.features_table import ORDERS
from ...snapshot.page import page
from .. import wire
from ..base import EngineWidget, Handler, asset, live_asset
from ..indexed import indexed, parted
from ..traits import WholeNumber, WholeNumbers, wholes
from .effects import Context, contexts, effects_reply
from .page import fallback_of, record
from .payload import ExampleParams, answer_examples, columns_of, feature_reply, text_reply

if TYPE_CHECKING:
    from ...engine.activations.result import FeatureActivations
    from ...engine.engine import Engine
    from ...engine.ticket import Ticket
    from ...index.store.examples import Examples
    from ...index.store.feature import Feature

_PAGE_STATE = "feature features activation_range group view window sort token_filter where theme".split()


class FeatureDashboard(EngineWidget):
    """One feature: what it fires on, what it promotes, its examples, its neighbours; and your own text.

    Works from an index alone; with an engine also on your own text, and with the effect of ablation.

    Args:
        engine: the model and SAE that the index was made with; None: without a model.
        index: from `build_index` or `FeatureIndex.open`.
        feature: the feature to show first; default: the first of `features`, or the densest.
        features: if given, previous and next step through these only.
        sae: which dictionary of the engine; default: the one that the index is of.
        **traits: any of the traits below.

    Traits (both ways):
        feature: the feature shown. features: what previous and next step through; empty: all.
        text: your own text. sort: what previous and next follow: "index", "density", "max", "mean" or "label".
        activation_range: [low, high] brushed in the histogram, or []; examples then come from there.
        group: "all", "top", "intervals" or "silent". view: "snippet" or "full". window: tokens on each side, 5 to 20.
        token_filter: only examples of this token. where: [column, value] of the documents, or [].
        ablation: show the effect of ablating the feature as an underline.
        selected_example: the example that was clicked, or None.
        theme, error: see `EngineWidget`.

    Raises:
        FeatureIndexError: for a feature outside the index. IndexMismatchError: if engine and index do not belong together.
        TypeError: for an unknown setting, or without an index.

    Example:
        >>> dashboard = sw.FeatureDashboard(engine, index, feature=2717)
        >>> dashboard                     # in a notebook cell: shows it
        >>> dashboard.info.tokens         # the numbers behind the picture
        >>> traitlets.link((heatmap, "feature"), (dashboard, "feature"))
    """

    front_end = "dashboard"
    long_channels = frozenset({"effects"})
    _esm = live_asset("dashboard.js")
    _css = live_asset("dashboard.css")

    feature = WholeNumber(allow_none=True, default_value=None).tag(sync=True)
    features = WholeNumbers().tag(sync=True)
    text = traitlets.Unicode("").tag(sync=True)
    activation_range = traitlets.List(traitlets.Float()).tag(sync=True)
    group = traitlets.Enum(("all", "top", "intervals", "silent"), "all").tag(sync=True)
    view = traitlets.Enum(("snippet", "full"), "snippet").tag(sync=True)
    window = traitlets.Int(10, min=5, max=20).tag(sync=True)
    sort = traitlets.Enum(ORDERS, "density").tag(sync=True)
    token_filter = traitlets.Unicode("").tag(sync=True)
    where = traitlets.List(traitlets.Unicode()).tag(sync=True)
    ablation = traitlets.Bool(False).tag(sync=True)
    selected_example = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    live = traitlets.Bool(False, read_only=True).tag(sync=True)

    def __init__(
        self,
        engine: Engine | None = None,
        index: FeatureIndex | None = None,
        *,
        feature: int | None = None,
        features: Iterable[int] = (),
        sae: str | None = None,
        **traits: object,
    ) -> None:
        if not isinstance(index, FeatureIndex):
            raise TypeError(
                "FeatureDashboard needs an index: FeatureDashboard(engine, index), or FeatureDashboard(index=index) without "
                "a model. sw.build_index(engine, texts, path) makes one."
            )
        self._index = index
        self._sae = None if engine is None else indexed(engine, index, sae)
        self._parted = ""
        self._random = random.Random(0)
        self._columns = columns_of(index)
        super().__init__(engine, features=features, **traits)
        self.set_trait("live", engine is not None)
        first = next(iter(self.features), int(index.order("density")[0])) if feature is None else feature
        self.feature = first
        self.names_of(index.labels)

    # -- traits

    @traitlets.validate("feature", "features")
    def _valid_features(self, proposal: Mapping[str, Any]) -> int | list[int] | None:
        value = proposal["value"]
        for feature in value if isinstance(value, list) else [] if value is None else [value]:
            self._index.check_feature(feature)
        return cast("int | list[int] | None", value)

    @traitlets.validate("activation_range")
    def _valid_range(self, proposal: Mapping[str, Any]) -> list[float]:
        value = proposal["value"]
        if value and (len(value) != 2 or not value[0] <= value[1]):
            raise traitlets.TraitError(f"activation_range is [low, high] with low <= high, or []; not {value}.")
        return cast("list[float]", value)

    @traitlets.validate("where")
    def _valid_where(self, proposal: Mapping[str, Any]) -> list[str]:
        value = proposal["value"]
        if value and (len(value) != 2 or value[0] not in self._index.columns):
            raise traitlets.TraitError(
                f"where is [column, value] or []; columns are {', '.join(self._index.columns) or 'none'}; not {value}."
            )
        return cast("list[str]", value)

    @traitlets.validate("text")
    def _valid_text(self, proposal: Mapping[str, Any]) -> str:
        return wire.sendable(proposal["value"])

    @traitlets.observe("feature")
    def _feature_changed(self, change: Mapping[str, Any]) -> None:
        # What was brushed or clicked belongs to the feature before.
        if change["old"] is not traitlets.Undefined and change["old"] is not None:
            self.reset(activation_range=[], selected_example=None)

    @traitlets.observe("revision")
    def _refreshed(self, _change: Mapping[str, Any]) -> None:
        if self._engine is not None and self._sae is not None:
            self._parted = parted(self._engine, self._index, self._sae)

    # -- headless

    @property
    def index(self) -> FeatureIndex:
        """The index behind the dashboard."""
        return self._index

    @property
    def info(self) -> Feature:
        """The numbers behind the panels."""
        return self._index.feature(self._shown())

    @property
    def examples(self) -> Examples:
        """The examples on screen."""
        return self._params().select(self._index)

    @property
    def activations(self) -> FeatureActivations:
        """The activations of the feature on your own text.

        Raises:
            RuntimeError: without an engine.
        """
        return self._activations(self.text, self._shown())

    def _shown(self) -> int:
        if self.feature is None:
            raise ValueError("No feature is selected: set dashboard.feature.")
        return int(self.feature)

    def _params(self) -> ExampleParams:
        return ExampleParams(
            feature=self._shown(),
            group=self.group,
            bounds=tuple(self.activation_range),
            window=self.window,
            full=self.view == "full",
            token=self.token_filter,
            where=tuple(self.where),
        )

    def _activations(self, text: str, feature: int, ticket: Ticket | None = None) -> FeatureActivations:
        progress = None if ticket is None else ticket.progress
        return self.engine.activations(text, sae=self._sae, features=[feature], on_progress=progress)

    def __repr__(self) -> str:
        return f"FeatureDashboard({self._index!r}, feature={self.feature})"

    # -- answers

    def handlers(self) -> dict[str, Handler]:
        return {
            "feature": self._answer_feature,
            "examples": self._answer_examples,
            "text": self._answer_text,
            "effects": self._answer_effects,
            "label": self._answer_label,
            "random": self._answer_random,
        }

    def _answer_feature(self, params: Mapping[str, wire.Json], _ticket: Ticket) -> wire.Reply:
        listed = [int(cast(int, f)) for f in cast("list[wire.Json]", params.get("list") or [])]
        order = np.array(listed) if listed else self._index.order(cast(Any, params.get("sort", "density")))
        return self._feature_reply(int(cast(int, params["f"])), order, can_label=True)

    def _feature_reply(self, feature: int, order: Ints, *, can_label: bool) -> wire.Reply:
        info = self._index.feature(feature)
        index, live = self._index, self._engine is not None  # with a model what remains is computed at once
        facts = index.folder.facts
        told = index.provenance.get("notes"), self._parted, facts.get("decoder_missing"), "" if live else index.remains
        notes = list(filter(None, told))
        if not info.complete:
            notes.append(
                f"Statistics are exact; examples come from a sample of {info.kept:,} of {info.count:,} active tokens."
            )
        return feature_reply(self._index, info, order, self._columns, notes, can_label)

    def _answer_examples(self, params: Mapping[str, wire.Json], _ticket: Ticket) -> wire.Reply:
        return answer_examples(self._index, ExampleParams.from_wire(params))

    def _answer_text(self, params: Mapping[str, wire.Json], ticket: Ticket) -> wire.Reply:
        feature = self._index.check_feature(int(cast(int, params["f"])))
        return text_reply(self._activations(str(params["text"]), feature, ticket), feature)

    def _answer_effects(self, params: Mapping[str, wire.Json], ticket: Ticket) -> wire.Reply:
        asked = ExampleParams.from_wire(params)
        feature = self._index.check_feature(asked.feature)
        if "text" in params:
            ids = self.engine.to_ids(str(params["text"]))[0]
            return effects_reply(self.engine, self._sae, feature, [Context(ids, None, (0, len(ids)))], ticket)
        positions = [int(cast(int, p)) for p in cast("list[wire.Json]", params["of"])]
        shown = contexts(self._index, positions, None if asked.full else asked.window)
        return effects_reply(self.engine, self._sae, feature, shown, ticket)

    def _answer_label(self, params: Mapping[str, wire.Json], _ticket: Ticket) -> wire.Reply:
        feature = int(cast(int, params["f"]))
        self._index.set_label(feature, str(params["label"] or ""))
        return wire.Reply({"f": feature, "label": self._index.label(feature)})

    def _answer_random(self, params: Mapping[str, wire.Json], _ticket: Ticket) -> wire.Reply:
        listed = [int(cast(int, f)) for f in cast("list[wire.Json]", params.get("list") or [])]
        count = self._index.column("count")
        alive = [f for f in (listed or range(len(self._index))) if count[f] > 0 and f != params.get("f")]
        if not alive:
            raise ValueError("There is no other feature that fires on this corpus.")
        return wire.Reply({"f": int(self._random.choice(alive))})

    # -- pictures without a kernel

    def fallback_html(self) -> str:
        return fallback_of(self._index, self.info)

    def page(self, title: str | None = None, features: Sequence[int] | None = None) -> str:
        # As plain integers: features may come from a table's index.
        recorded = wholes(features if features is not None else self.features or [self._shown()])
        first = self.feature if self.feature in recorded else recorded[0] if recorded else self._shown()
        recorded = list(dict.fromkeys(recorded or [first]))
        shown = {name: cast("wire.Json", getattr(self, name)) for name in _PAGE_STATE}
        brushed = self.activation_range if first == self.feature else []
        state: dict[str, wire.Json] = {
            **shown,
            "feature": first,
            "features": cast("list[wire.Json]", recorded),
            "activation_range": cast("list[wire.Json]", list(brushed)),
            "text": "",
            "live": False,
            "ablation": False,
            "selected_example": None,
            "error": None,
            "revision": 0,
        }
        params = [self._page_params(f, brushed if f == first else []) for f in recorded]
        if brushed:
            params.append(self._page_params(first, []))
        answers = record(
            self._index,
            params,
            [self._feature_reply(f, np.array(recorded), can_label=False) for f in recorded],
            self.sort,
        )
        return page(
            widget=self.front_end,
            title=title or (f"Feature {first}" if len(recorded) == 1 else f"{len(recorded)} features"),
            state=state,
            recorded=answers,
            script=asset("dashboard.snapshot.js"),
            style=asset("dashboard.css"),
            fallback=fallback_of(self._index, self._index.feature(first)),
            provenance=list(self._index.provenance.items()),
        )

    def _page_params(self, feature: int, bounds: Sequence[float]) -> ExampleParams:
        # All groups: a page finds the others in them.
        return ExampleParams(
            feature, "all", tuple(bounds), self.window, self.view == "full", self.token_filter, tuple(self.where)
        )

    def to_html(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        features: Sequence[int] | None = None,
        title: str | None = None,
    ) -> str | None:
        """Write one self-contained HTML file of these features (default: `features`, else the one shown), with their
        examples under the present settings. The test box and the effect of ablation need a model and are not in it.
        """
        return self._write(path, self.page(title, features))

    def save(
        self, path: str | os.PathLike[str], *, features: Sequence[int] | None = None, title: str | None = None
    ) -> Path:
        """`to_html(path)`, returning the path."""
        self.to_html(path, features=features, title=title)
        return Path(path)

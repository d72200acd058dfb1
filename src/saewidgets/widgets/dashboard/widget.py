"""FeatureDashboard: everything about one feature on a corpus, and live on the user's own text."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import traitlets

from ...engine.arrays import Ints
from ...engine.model.hook_names import reads_heads
from ...errors import SaewidgetsError
from ...index.feature_index import FeatureIndex
from ...index.store.orders import ORDERS
from .. import wire
from ..base import EngineWidget
from ..channel import channel
from ..constants import MAX_WINDOW, MIN_WINDOW
from ..feature.payload import feature_reply, text_reply
from ..feature.sources import AskedSources, place_in_text, sources_reply
from ..indexed import indexed, parted
from ..shot import Question, Shot
from ..traits import WholeNumber, WholeNumbers, wholes
from .asked import AskedEffects, AskedExamples, AskedFeature, AskedLabel, AskedRandom, AskedText
from .effects import Context, contexts, effects_reply
from .page import fallback_of, questions
from .payload import answer_examples, columns_of, select
from .sources import place_in_corpus

if TYPE_CHECKING:
    from ...engine.activations.result import FeatureActivations
    from ...engine.engine import Engine
    from ...engine.ticket import Ticket
    from ...index.store.examples import Examples
    from ...index.store.feature import Feature
    from ...index.store.snippets import Example


class FeatureDashboard(EngineWidget, bundle="dashboard"):
    """One feature: what it fires on, what it promotes, its examples, its neighbours; and your own text.

    Works from an index alone; with an engine also on your own text, and with the effect of ablation. Of an SAE on `hook_z`
    "sources" tells from which tokens, by which heads, an example's activation came.

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

    feature = WholeNumber(allow_none=True, default_value=None).tag(sync=True, page=True)
    features = WholeNumbers().tag(sync=True, page=True)
    text = traitlets.Unicode("").tag(sync=True, page=True)
    activation_range = traitlets.List(traitlets.Float()).tag(sync=True, page=True)
    group = traitlets.Enum(("all", "top", "intervals", "silent"), "all").tag(sync=True, page=True)
    view = traitlets.Enum(("snippet", "full"), "snippet").tag(sync=True, page=True)
    window = traitlets.Int(10, min=MIN_WINDOW, max=MAX_WINDOW).tag(sync=True, page=True)
    sort = traitlets.Enum(ORDERS, "density").tag(sync=True, page=True)
    token_filter = traitlets.Unicode("").tag(sync=True, page=True)
    where = traitlets.List(traitlets.Unicode()).tag(sync=True, page=True)
    ablation = traitlets.Bool(False).tag(sync=True, page=True)
    selected_example = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True, page=True)
    live = traitlets.Bool(False, read_only=True).tag(sync=True, page=True)
    sources = traitlets.Bool(False, read_only=True).tag(sync=True, page=True)

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
        self.set_trait("sources", engine is not None and reads_heads(engine.dictionary(self._sae).hook_name))
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
        return select(self._index, self._asked(self._shown()))

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

    def _asked(self, feature: int) -> AskedExamples:
        return AskedExamples(
            feature=feature,
            group=self.group,
            bounds=tuple(self.activation_range),
            window=self.window,
            view=cast(Any, self.view),
            token=self.token_filter,
            where=tuple(self.where),
        )

    def _activations(self, text: str, feature: int, ticket: Ticket | None = None) -> FeatureActivations:
        progress = None if ticket is None else ticket.progress
        return self.engine.activations(text, sae=self._sae, features=[feature], on_progress=progress)

    def __repr__(self) -> str:
        return f"FeatureDashboard({self._index!r}, feature={self.feature})"

    # -- answers

    @channel("feature", AskedFeature)
    def _answer_feature(self, asked: AskedFeature, _ticket: Ticket) -> wire.Reply:
        order = np.array(asked.listed) if asked.listed else self._index.order(cast(Any, asked.sort))
        return self._feature_reply(asked.feature, order, can_label=True)

    def _feature_reply(self, feature: int, order: Ints, *, can_label: bool) -> wire.Reply:
        info = self._index.feature(feature)
        index, live = self._index, self._engine is not None  # with a model what remains is computed at once
        facts = index.folder.facts
        told = index.provenance.get("notes"), self._parted, facts.get("decoder_missing"), "" if live else index.remains
        notes = list(filter(None, [self._index.stated(feature), *told]))
        if not info.complete and self._index.imported is None:
            exact = "What has no \u2248 is exact" if info.estimated else "Statistics are exact"
            exact += ", correlated features of the sample that they name" if info.correlated_of else ""
            notes.append(f"{exact}; examples come from a sample of {info.kept:,} of {info.count or 0:,} active tokens.")
        if index.texts.missing:
            notes.append(f"Examples, and filters by documents, are of the texts that are kept: {index.texts.missing}.")
        return feature_reply(self._index, info, order, self._columns, notes, can_label)

    @channel("examples", AskedExamples)
    def _answer_examples(self, asked: AskedExamples, _ticket: Ticket) -> wire.Reply:
        return answer_examples(self._index, asked)

    @channel("text", AskedText)
    def _answer_text(self, asked: AskedText, ticket: Ticket) -> wire.Reply:
        feature = self._index.check_feature(asked.feature)
        return text_reply(self._activations(asked.text, feature, ticket), feature)

    @channel("effects", AskedEffects, long=True)
    def _answer_effects(self, asked: AskedEffects, ticket: Ticket) -> wire.Reply:
        feature = self._index.check_feature(asked.feature)
        if asked.text is not None:
            ids = self.engine.to_ids(asked.text)[0]
            return effects_reply(self.engine, self._sae, feature, [Context(ids, None, (0, len(ids)))], ticket)
        if asked.of is None:
            raise ValueError("Effects are asked for a text, or for examples by their positions.")
        shown = contexts(self._index, asked.of, None if asked.view == "full" else asked.window)
        return effects_reply(self.engine, self._sae, feature, shown, ticket)

    @channel("sources", AskedSources)
    def _answer_sources(self, asked: AskedSources, ticket: Ticket) -> wire.Reply:
        feature = self._index.check_feature(asked.feature)
        if asked.example is not None:
            return sources_reply(self.engine, self._sae, feature, place_in_corpus(self._index, feature, asked.example))
        if not isinstance(asked.text, str):
            raise ValueError("Sources are asked for a text, or for an example by its position.")
        acts = self._activations(asked.text, feature, ticket)
        place = place_in_text(self.engine, acts, feature, asked.token)
        return sources_reply(self.engine, self._sae, feature, place)

    @channel("label", AskedLabel)
    def _answer_label(self, asked: AskedLabel, _ticket: Ticket) -> wire.Reply:
        self._index.set_label(asked.feature, asked.label or "")
        return wire.Reply({"f": asked.feature, "label": self._index.label(asked.feature)})

    @channel("random", AskedRandom)
    def _answer_random(self, asked: AskedRandom, _ticket: Ticket) -> wire.Reply:
        fires = self._index.column("count") > 0
        listed = np.array(asked.listed, np.int64) if asked.listed else np.arange(len(fires))
        alive = listed[fires[listed] & (listed != asked.feature)]
        if not len(alive):
            raise ValueError("There is no other feature that fires on this corpus.")
        return wire.Reply({"f": int(self._random.choice(alive))})

    # -- pictures without a kernel

    def fallback_html(self) -> str:
        return fallback_of(self._index, self.info)

    def shot(self, features: Sequence[int] | None = None, sources: int = 0) -> Shot:
        """These features, with their examples under the present settings. Own text and ablation need a model.

        Args:
            features: default: the trait `features`, else the one shown.
            sources: of an SAE on `hook_z`, with an engine: of how many of a feature's top examples the page shows from which
                tokens, by which heads, their activation came. A forward each.

        Raises:
            SaewidgetsError: if `sources` are asked for and there are none.
        """
        # As plain integers: features may come from a table's index.
        recorded = wholes(features if features is not None else self.features or [self._shown()])
        first = self.feature if self.feature in recorded else recorded[0] if recorded else self._shown()
        recorded = list(dict.fromkeys(recorded or [first]))
        brushed = list(self.activation_range) if first == self.feature else []
        asked = [self._page_examples(f, brushed if f == first else []) for f in recorded]
        if brushed:
            asked.append(self._page_examples(first, []))
        replies = [self._feature_reply(f, np.array(recorded), can_label=False) for f in recorded]
        if sources and not self.sources:
            raise SaewidgetsError("Sources are of SAEs on 'blocks.N.attn.hook_z', and need a dashboard with an engine.")
        origins = {
            AskedSources(one.feature, example=e.position): None for one in asked for e in self._first(one, sources)
        }
        return Shot(
            title=f"Feature {first}" if len(recorded) == 1 else f"{len(recorded)} features",
            state={
                "feature": first,
                "features": cast("list[wire.Json]", recorded),
                "activation_range": cast("list[wire.Json]", brushed),
                "text": "",
                "live": False,
                "sources": bool(origins),
                "ablation": False,
                "selected_example": None,
            },
            questions=[
                *questions(self._index, asked, replies, self.sort),
                *(Question("sources", one) for one in origins),
            ],
            fallback=fallback_of(self._index, self._index.feature(first)),
            provenance=list(self._index.provenance.items()),
        )

    def _first(self, asked: AskedExamples, n: int) -> Sequence[Example]:
        groups = select(self._index, asked, n).groups if n else ()
        return groups[0].examples[:n] if groups else ()

    def _page_examples(self, feature: int, bounds: Sequence[float]) -> AskedExamples:
        return replace(self._asked(feature), group="all", bounds=tuple(bounds))  # a page finds the groups in "all"

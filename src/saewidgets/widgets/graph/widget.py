"""AttributionGraphView: an attribution graph to look at, to walk, to prune and to mark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import traitlets

from ...attribution.graph.errors import GraphError
from ...attribution.graph.graph import AttributionGraph
from ...formats.graph_url import UrlParameters
from .. import wire
from ..base import EngineWidget
from ..channel import channel
from ..constants import EDITS
from ..feature.card import card_reply
from ..shot import Shot
from ..traits import JsonTrait, WholeNumber
from .asked import AskedGraph, AskedNodeCard, AskedScores
from .edited import Edits, Names
from .indexes import by_layer, opened
from .page import fallback_of, questions
from .payload import graph_reply, provenance_of, scores_json

if TYPE_CHECKING:
    from ...attribution.graph.lookup import NodeLike
    from ...engine.engine import Engine
    from ...engine.ticket import Ticket
    from ...index.feature_index import FeatureIndex
    from ...interventions.recipe.recipe import Recipe

# As on Neuronpedia, where a file does not say it.
_THRESHOLD = 0.6


class AttributionGraphView(EngineWidget, bundle="graph"):
    """An attribution graph: what every node comes from and leads to, pruned by a slider, with pins, groups and labels.

    Args:
        graph: from `AttributionGraph.open`, or made.
        index: an index of the dictionary of one layer, or {layer: index}: what features are said to be, and a card of each.
        engine: what `recipe` is for.
        **traits: any of the traits below.

    Traits (both ways; a node is called by its id, and by id and type, "0_7_5 (cross layer transcoder)", where two have one):
        selected: the node that is walked from, or None.
        pinned: nodes, in the order of pinning. groups: label to nodes, all of them pinned.
        labels: node to what its feature is called, at every position, other than in the graph that was given.
        threshold: nodes are shown whose cumulative influence is up to it; tokens, logits, the pinned and the selected always.
        editable: whether pins, groups and labels can be changed in the view. history: earlier states of these, which undo goes
            back to.
        feature, layer: the selected node's, to be linked with a dashboard's; where there are indexes, of what they have only.
        theme, error: see `EngineWidget`.

    Raises:
        TypeError: for what is no graph, or no index. GraphError: for nodes that are not in it.

    Example:
        >>> view = sw.AttributionGraphView(sw.AttributionGraph.open("dallas.json"))
        >>> view                                  # in a notebook cell: shows it
        >>> view.groups                           # what was grouped by hand
        >>> view.graph.save("dallas-marked.json")
        >>> sw.AttributionGraphView(graph, engine=engine).recipe("capitals")   # a group acts as one
    """

    selected = traitlets.Any(None, allow_none=True).tag(sync=True, page=True)
    pinned = traitlets.Any().tag(sync=True, page=True)
    groups = traitlets.Dict().tag(sync=True, page=True)
    labels = traitlets.Dict().tag(sync=True, page=True)
    history = traitlets.List(JsonTrait()).tag(sync=True, page=True)
    """Pins, groups and labels as they were before each edit: what undoing gives, the last one first."""
    threshold = traitlets.Float(_THRESHOLD, min=0, max=1).tag(sync=True, page=True)
    feature = WholeNumber(allow_none=True, default_value=None).tag(sync=True, page=True)
    layer = WholeNumber(allow_none=True, default_value=None).tag(sync=True, page=True)
    editable = traitlets.Bool(True).tag(sync=True, page=True)

    def __init__(
        self,
        graph: AttributionGraph,
        index: FeatureIndex | Mapping[int, FeatureIndex] | None = None,
        engine: Engine | None = None,
        **traits: object,
    ) -> None:
        self._names = Names(_checked(graph))
        self._indexes = by_layer(index)
        self._before = given = self._names.given
        self._edited: tuple[object, AttributionGraph] | None = None
        clicked = _clicked(self._names)
        told = UrlParameters.of(graph.file).pruning_threshold
        threshold = _THRESHOLD if told is None else min(max(told, 0.0), 1.0)
        start = {**given.plain(), "selected": clicked, "threshold": threshold}
        super().__init__(engine, **{**start, **self._opened(clicked), **traits})
        self.history = []  # where somebody begins is no edit
        if self.selected != clicked:
            self._select(None)
        self.names_of(*(one.labels for one in self._indexes.values()))

    # -- traits

    @traitlets.validate("selected")
    def _valid_selected(self, proposal: Mapping[str, Any]) -> str | None:
        value = proposal["value"]
        return None if value is None else self._names.name(value)

    @traitlets.validate("pinned")
    def _valid_pinned(self, proposal: Mapping[str, Any]) -> list[str]:
        return self._names.several(proposal["value"] or [])

    @traitlets.validate("groups")
    def _valid_groups(self, proposal: Mapping[str, Any]) -> dict[str, list[str]]:
        given = {
            wire.sendable(str(label)): self._names.several(members) for label, members in proposal["value"].items()
        }
        return {label: members for label, members in given.items() if members or label in self._names.given.groups}

    @traitlets.validate("labels")
    def _valid_labels(self, proposal: Mapping[str, Any]) -> dict[str, str]:
        return {self._names.feature(node): wire.sendable(str(text)) for node, text in proposal["value"].items()}

    @traitlets.observe("pinned")
    def _pinned_changed(self, _change: object) -> None:
        held = set(self.pinned)
        kept = {label: [name for name in members if name in held] for label, members in self.groups.items()}
        if kept != self.groups:  # front-ends draw groups of what is pinned
            self.reset(groups={label: members for label, members in kept.items() if members})
        self._note()

    @traitlets.observe("groups")
    def _groups_changed(self, _change: object) -> None:
        members = [name for names in self.groups.values() for name in names]
        if not set(members) <= set(self.pinned):
            self.reset(pinned=[*self.pinned, *members])
        self._note()

    @traitlets.observe("labels")
    def _labels_changed(self, _change: object) -> None:
        self._note()

    def _note(self) -> None:
        """Remember what was before an edit; a front-end that edits says it itself."""
        now = self._edits()
        if now != self._before:
            self.reset(history=[*self.history, self._before.plain()][-EDITS:])
            self._before = now

    @traitlets.observe("selected")
    def _select(self, _change: object) -> None:
        self.reset(**self._opened(self.selected))

    @traitlets.observe("feature")
    def _feature_changed(self, _change: object) -> None:
        """A linked view looks at another feature: the node of it that has the most influence, if the graph has one."""
        if self.feature is None or self._opened(self.selected)["feature"] == self.feature:
            return
        layers = set(self._indexes) if len(self._indexes) == 1 else {self.layer}
        nodes = self._names.graph.nodes
        rows = [row for row, n in enumerate(nodes) if n.index == self.feature and n.layer_number in layers]
        if rows and "selected" not in self._brought:
            self.selected = self._names.names[min(rows, key=lambda row: nodes[row].influence or 1.0)]

    def _opened(self, name: object) -> dict[str, object]:
        """The feature of a node, where it can be opened."""
        node = None if name is None else self._names.graph.nodes[self._names.row(cast(str, name))]
        feature = None if node is None else opened(node, self._indexes)
        return {"feature": feature, "layer": None if node is None or feature is None else node.layer_number}

    def _edits(self) -> Edits:
        return Edits(self.pinned, self.groups, self.labels)

    # -- headless

    @property
    def graph(self) -> AttributionGraph:
        """The graph with its pins, groups and labels as they are now; setting it shows another one.

        One of the same nodes and links is an edit, which can be undone.
        """
        key = (repr(self._edits().plain()), self.selected)
        if self._edited is None or self._edited[0] != key:
            self._edited = key, self._names.edited(self._edits(), self.selected)
        return self._edited[1]

    @graph.setter
    def graph(self, graph: AttributionGraph) -> None:
        if _same(self._names.graph, _checked(graph)):
            made = self._names.edits_of(graph).plain()
            with self.hold_trait_notifications():
                for name, value in made.items():
                    self.set_trait(name, value)
            return
        names = Names(graph)
        with self.hold_trait_notifications():
            # Nothing of the old graph has a meaning in the new one.
            self._names, self._edited, self._before = names, None, names.given
            for name, value in {**names.given.plain(), "selected": _clicked(names), "history": []}.items():
                self.set_trait(name, value)
        self.revision += 1

    def undo(self) -> bool:
        """Take the last edit of pins, groups or labels back; False if there is none."""
        if not self.history:
            return False
        *rest, last = self.history
        self._before = Edits(last["pinned"], last["groups"], last["labels"])
        with self.hold_trait_notifications():
            for name, value in {**last, "history": rest}.items():
                self.set_trait(name, value)
        return True

    @property
    def url_parameters(self) -> dict[str, str]:
        """Parameters of an address on Neuronpedia that shows the graph as it is here."""
        return self.graph.url_parameters(self.threshold)

    def recipe(
        self,
        nodes: NodeLike | Iterable[NodeLike] | None = None,
        kind: str = "ablate",
        value: float | None = None,
        unit: str = "raw",
        **options: Any,
    ) -> Recipe:
        """The recipe that changes a group as one, for the view's engine.

        Args:
            nodes: a group's label, or nodes; None: the group of the selected node, else the selected node, else all that is pinned.
            kind, value, unit, options: as in `AttributionGraph.recipe`.

        Raises:
            RuntimeError: without an engine. GraphError: if nothing is chosen, or it cannot be changed.

        Example:
            >>> recipe = view.recipe("capitals", "scale", -2)
            >>> sw.effects(engine, view.graph.file.prompt, recipe)
        """
        chosen = self._chosen() if nodes is None else nodes
        graph = self.graph
        if not (isinstance(chosen, str) and chosen in graph.groups):
            alone = isinstance(chosen, str) or not isinstance(chosen, Iterable)
            rows = [self._names.row(node) for node in cast("Iterable[NodeLike]", [chosen] if alone else chosen)]
            chosen = [graph.nodes[row] for row in rows]
        return graph.recipe(chosen, self.engine, kind, value, unit, **options)

    def _chosen(self) -> str | list[str]:
        for label, members in self.groups.items():
            if self.selected in members:
                return label
        chosen = self.pinned if self.selected is None else [self.selected]
        if not chosen:
            raise GraphError("Nothing is selected or pinned: say which nodes, or the label of a group.")
        return list(chosen)

    def __repr__(self) -> str:
        return f"AttributionGraphView({self._names.graph!r}, selected={self.selected!r}, pinned={len(self.pinned)})"

    # -- answers

    @channel("graph", AskedGraph)
    def _answer_graph(self, _asked: AskedGraph, _ticket: Ticket) -> wire.Reply:
        return graph_reply(self._names, self._indexes)

    @channel("scores", AskedScores)
    def _answer_scores(self, asked: AskedScores, _ticket: Ticket) -> wire.Reply:
        names = self._names
        graph = names.edited(Edits(names.several(asked.pinned), names.given.groups), None)
        return wire.Reply(scores_json(graph.scores(pinned=True)))

    @channel("card", AskedNodeCard)
    def _answer_card(self, asked: AskedNodeCard, _ticket: Ticket) -> wire.Reply:
        if asked.layer not in self._indexes:
            raise ValueError(
                f"There is no index of layer {asked.layer}: AttributionGraphView(graph, {{layer: index}})."
            )
        return card_reply(self._indexes[asked.layer], asked.feature)

    # -- pictures without a kernel

    def fallback_html(self) -> str:
        return fallback_of(self.graph, self._indexes)

    def shot(self, *, cards: int = 20) -> Shot:
        """The whole graph, to pan, prune, point at and walk.

        Args:
            cards: of how many features a card, those with the most influence first.
        """
        return Shot(
            title=f"Attribution graph {self._names.graph.file.slug}",
            state={"editable": False, "history": []},
            questions=list(questions(self._names.graph, self.pinned, self._indexes, cards)),
            fallback=self.fallback_html(),
            provenance=provenance_of(self._names.graph),
        )


def _checked(graph: AttributionGraph) -> AttributionGraph:
    if not isinstance(graph, AttributionGraph):
        raise TypeError(
            f"AttributionGraphView needs a graph, not {type(graph).__name__}: sw.AttributionGraph.open(path) reads one."
        )
    return graph


def _clicked(names: Names) -> str | None:
    clicked = names.graph.file.clicked
    return next((names.name(row) for row in ([] if clicked is None else names.chosen(clicked))), None)


def _same(one: AttributionGraph, other: AttributionGraph) -> bool:
    """Whether two graphs have the same nodes and links."""
    return [n.key for n in one.nodes] == [n.key for n in other.nodes] and all(
        np.array_equal(getattr(one.links, name), getattr(other.links, name))
        for name in ("sources", "targets", "weights")
    )

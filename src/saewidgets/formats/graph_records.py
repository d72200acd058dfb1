"""What a file of an attribution graph holds, under one set of names, whichever tool wrote it.

Everything that a file says is kept in `raw`, also what nobody here reads: what is written again is the file, with what was
changed. Text stands in it as the file has it, lone surrogates included.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from .graph_ids import Numbering, index_of
from .records import Json

__all__ = ["Bools", "Doubles", "GraphFile", "GraphNode", "Ids", "Ints", "Kind", "Supernode", "kind_of"]

Bools: TypeAlias = npt.NDArray[np.bool_]
Doubles: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Kind: TypeAlias = Literal["feature", "error", "token", "logit", "other"]
Ids: TypeAlias = Literal["node_id", "jsNodeId"]

_KINDS: dict[str, Kind] = {
    "cross layer transcoder": "feature",
    "transcoder": "feature",
    "lorsa": "feature",
    "unexplored node": "feature",
    "embedding": "token",
    "logit": "logit",
}
_QUOTED = re.compile(r'"(.*)"|\'(.*)\'', re.DOTALL)
_PROBABILITY = re.compile(r"\(p=([0-9.eE+-]+)\)\s*$")


def kind_of(feature_type: str) -> Kind:
    """What a node's type is: a feature, a reconstruction error, a token's embedding, a logit, or something else ("bias")."""
    return _KINDS.get(feature_type, "error" if "error" in feature_type else "other")


@dataclass(frozen=True)
class GraphNode:
    """A node of an attribution graph.

    Attributes:
        node_id: its id. An error node and a feature can have the same one: a node is known by its type and its id.
        feature_type: as the file has it: "cross layer transcoder", "mlp reconstruction error", "embedding", "logit", "lorsa", ...
        layer: as the file has it: "E" for tokens, else a number.
        position: which token it stands at, BOS included; -1 if the file does not say.
        feature: the number that the file gives it (`graph_ids`); None if none.
        index: of a feature, its index in its layer's dictionary; None if the number does not say it.
        js_id: its other id (jsNodeId).
        label: what it is called (clerp), "" if nothing.
        probability: of a logit, the token's.
        target: whether it is a logit that the graph explains.
        influence: cumulative, as circuit-tracer writes it: the share of all influence that this node and all that have more
            hold together; None if the file does not say it.
        activation: of a feature; None if the file does not say it.
        raw: the node as it stands in the file.
    """

    node_id: str
    feature_type: str
    layer: str
    position: int
    feature: int | None = None
    index: int | None = None
    js_id: str = ""
    label: str = ""
    probability: float | None = None
    target: bool = False
    influence: float | None = None
    activation: float | None = None
    raw: Mapping[str, Json] = field(default_factory=dict, repr=False)

    @property
    def kind(self) -> Kind:
        """Feature, error, token, logit or other."""
        return kind_of(self.feature_type)

    @property
    def key(self) -> tuple[str, str]:
        """By what it is known: type and id."""
        return self.feature_type, self.node_id

    @property
    def layer_number(self) -> int | None:
        """The layer as a number; None for tokens."""
        return layer_number(self.layer)

    @property
    def token(self) -> str | None:
        """Of a logit, its token, which stands in quotes in its label."""
        found = _QUOTED.search(self.label) if self.kind == "logit" else None
        return None if found is None else found[1] if found[1] is not None else found[2]


def layer_number(layer: str) -> int | None:
    """A layer as a number; None if it is none."""
    return int(layer) if re.fullmatch(r"\d{1,9}", layer, re.ASCII) else None


def probability_in(label: str) -> float | None:
    """The probability at the end of a logit's label: `Output "tok" (p=0.123)`."""
    found = _PROBABILITY.search(label)
    try:
        return None if found is None else float(found[1])
    except ValueError:
        return None


@dataclass(frozen=True)
class Supernode:
    """Nodes that somebody put into one group, under a label; the ids are of the file's kind (`GraphFile.ids`)."""

    label: str
    members: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class GraphFile:
    """An attribution graph as a file has it.

    Attributes:
        nodes: in the file's order.
        sources, targets: [links] rows of `nodes`; weights: [links].
        pins, supernodes, clicked: what somebody chose, by ids of the kind `ids`.
        labels: (feature, label), as somebody renamed them ("clerps"); features by `feature_id`.
        numbering: how features are numbered.
        ids: whether pins, groups and the clicked node are named by node_id, or, as transformer-circuits.pub does, by jsNodeId.
        raw: the file without its nodes and links.
        link_extra: what else stands at a link, by its row.
    """

    nodes: tuple[GraphNode, ...]
    sources: Ints
    targets: Ints
    weights: Doubles
    pins: tuple[str, ...] = ()
    supernodes: tuple[Supernode, ...] = ()
    clicked: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    numbering: Numbering = "cantor"
    ids: Ids = "node_id"
    raw: Mapping[str, Json] = field(default_factory=dict)
    link_extra: Mapping[int, Mapping[str, Json]] = field(default_factory=dict)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the file says of itself, by its own names."""
        return _mapping(self.raw.get("metadata"))

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What the file says of how it is looked at (`qParams`), by its own names, as it was when it was read."""
        return _mapping(self.raw.get("qParams"))

    @property
    def slug(self) -> str:
        """Its name; "" if it has none."""
        return _text(self.metadata.get("slug"))

    @property
    def scan(self) -> str:
        """The model that it is of, as the file calls it; "" if it does not say."""
        return _text(self.metadata.get("scan"))

    @property
    def prompt(self) -> str:
        """The text; "" if the file does not say it."""
        return _text(self.metadata.get("prompt"))

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """The prompt's token strings, special ones included, as the file has them."""
        given = self.metadata.get("prompt_tokens")
        return tuple(_text(token) for token in given) if isinstance(given, list) else ()

    @property
    def node_threshold(self) -> float | None:
        """The share of influence that its makers pruned it to; None if it does not say."""
        given = self.metadata.get("node_threshold")
        return float(given) if isinstance(given, int | float) and not isinstance(given, bool) else None

    def name_of(self, node: GraphNode) -> str:
        """What pins, groups and the clicked node call a node."""
        return node.node_id if self.ids == "node_id" else node.js_id

    def feature_id(self, node: GraphNode) -> str:
        """What `labels` call a node's feature: layer and number, and for Neuronpedia also the position."""
        base = f"{node.layer}_{'' if node.feature is None else node.feature}"
        return base if self.ids == "jsNodeId" else f"{base}_{node.position}"

    def indexed(self, node: GraphNode) -> int | None:
        """The index that a node's number says, by the file's numbering; None of what is no feature."""
        return index_of(self.numbering, node.layer_number, node.feature) if node.kind == "feature" else None

    def kept(self, nodes: Bools, links: Bools) -> GraphFile:
        """The same with only the nodes `nodes` [nodes] and the links `links` [links], of which both ends must be kept.

        What is chosen stays as it is, also of nodes that are gone: it is only not found any more.
        """
        at = np.cumsum(nodes) - 1
        rows = np.flatnonzero(links).tolist()
        extra = {new: self.link_extra[old] for new, old in enumerate(rows) if old in self.link_extra}
        return replace(
            self,
            nodes=tuple(node for node, keep in zip(self.nodes, nodes.tolist(), strict=True) if keep),
            sources=at[self.sources[links]],
            targets=at[self.targets[links]],
            weights=self.weights[links],
            link_extra=extra,
        )


def _mapping(given: object) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}


def _text(given: object) -> str:
    return given if isinstance(given, str) else "" if given is None else str(given)

"""What somebody chose in a view (pins, groups, labels) as traits hold it, and the graph that it makes.

Traits and views call a node by its id, and by id and type where two have the same id. Files call nodes by ids alone, so that what
is pinned or grouped of two with one id is both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast

from ...attribution.graph.edits import labelled
from ...attribution.graph.graph import AttributionGraph
from ...attribution.graph.lookup import Lookup, NodeLike
from ...formats.graph_records import GraphFile, Supernode
from .. import wire

__all__ = ["Edits", "Names"]


@dataclass(frozen=True)
class Edits:
    """What is chosen, by names of nodes.

    Attributes:
        pinned: in the order of pinning.
        groups: label to members.
        labels: what features are called other than in the graph; a feature by its first node.
    """

    pinned: Sequence[str] = ()
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    def plain(self) -> dict[str, wire.Json]:
        """As JSON, which a view reads back."""
        return {
            "pinned": list(self.pinned),
            "groups": {label: list(members) for label, members in self.groups.items()},
            "labels": dict(self.labels),
        }


class Names:
    """The nodes of a graph by their names in a view."""

    def __init__(self, graph: AttributionGraph) -> None:
        self.graph = graph
        nodes = graph.nodes
        ids = [wire.sendable(node.node_id) for node in nodes]
        often = Counter(ids)
        told = [
            f"{i} ({wire.sendable(n.feature_type)})" if often[i] > 1 else i for i, n in zip(ids, nodes, strict=True)
        ]
        again = Counter(told)
        self.names = [f"{name} #{row}" if again[name] > 1 else name for row, name in enumerate(told)]
        self._rows = {name: row for row, name in enumerate(self.names)}
        self._lookup = Lookup(graph.file)

    def row(self, node: NodeLike) -> int:
        """The row of a node: by its name here, or by all that `AttributionGraph.row` takes.

        Raises:
            GraphError: for one that is not there, or an id that several have.
        """
        return self._rows[node] if isinstance(node, str) and node in self._rows else self.graph.row(node)

    def name(self, node: NodeLike) -> str:
        """The name of a node."""
        return self.names[self.row(node)]

    def several(self, nodes: NodeLike | Iterable[NodeLike]) -> list[str]:
        """Their names, each once, with those of all that a file cannot tell from them."""
        alone = isinstance(nodes, str) or not isinstance(nodes, Iterable)
        file, found = self.graph.file, dict[int, None]()
        for node in cast("Iterable[NodeLike]", [nodes] if alone else nodes):
            row = self.row(node)
            found |= dict.fromkeys([row, *self._lookup.chosen(file.name_of(file.nodes[row]))])
        return [self.names[row] for row in found]

    def chosen(self, name: str) -> list[int]:
        """The rows of what the file's pins and groups call `name`."""
        return self._lookup.chosen(name)

    @cached_property
    def firsts(self) -> list[int]:
        """[nodes] the first row of the same feature: what its label goes by."""
        seen: dict[tuple[Any, ...], int] = {}
        found = []
        for row, node in enumerate(self.graph.nodes):
            alone = node.kind != "feature" or node.feature is None
            key: tuple[Any, ...] = (row,) if alone else (node.feature_type, node.layer, node.feature)
            found.append(seen.setdefault(key, row))
        return found

    def feature(self, node: NodeLike) -> str:
        """The name of the first node of the same feature."""
        return self.names[self.firsts[self.row(node)]]

    # -- edits

    @cached_property
    def given(self) -> Edits:
        """What is chosen in the graph itself."""
        pinned = [self.name(node) for node in self.graph.pins]
        groups = {wire.sendable(label): self.several(members) for label, members in self.graph.groups.items()}
        return Edits(pinned, groups)

    def edits_of(self, other: AttributionGraph) -> Edits:
        """What is chosen in another graph of the same nodes, and what is called otherwise there."""
        labels = {
            self.names[first]: wire.sendable(other.nodes[first].label)
            for row, first in enumerate(self.firsts)
            if row == first and other.nodes[row].label != self.graph.nodes[row].label
        }
        return replace(Names(other).given, labels=labels)

    def edited(self, edits: Edits, selected: str | None) -> AttributionGraph:
        """The graph with `edits`; what a file says of nodes that are not in it stays."""
        file = self.graph.file
        for name, text in edits.labels.items():
            row = self._rows[name]
            if wire.sendable(file.nodes[row].label) != text:
                file = labelled(file, row, text)
        if list(edits.pinned) != list(self.given.pinned):
            gone = [pin for pin in file.pins if not self._lookup.chosen(pin)]
            file = replace(file, pins=tuple(dict.fromkeys([*self._ids(file, edits.pinned), *gone])))
        if edits.groups != self.given.groups:
            file = replace(file, supernodes=tuple(self._group(file, *one) for one in edits.groups.items()))
        clicked = None if selected is None else self._ids(file, [selected])[0]
        return AttributionGraph(replace(file, clicked=clicked))

    def _group(self, file: GraphFile, label: str, members: Sequence[str]) -> Supernode:
        before = [name for one in file.supernodes if one.label == label for name in one.members]
        gone = [name for name in before if not self._lookup.chosen(name)]
        return Supernode(label, tuple(dict.fromkeys([*self._ids(file, members), *gone])))

    def _ids(self, file: GraphFile, names: Iterable[str]) -> list[str]:
        return [file.name_of(file.nodes[self._rows[name]]) for name in names]

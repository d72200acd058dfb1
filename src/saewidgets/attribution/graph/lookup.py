"""Which node is meant: by its id, by type and id where two have the same one, by its row, or by itself."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import SupportsIndex, TypeAlias

from ...errors import nearest
from ...formats.graph_records import GraphFile, GraphNode
from .errors import GraphError

__all__ = ["Lookup", "NodeLike"]

NodeLike: TypeAlias = "GraphNode | str | tuple[str, str] | SupportsIndex"
"""A node, its node_id (or jsNodeId), its (feature_type, node_id), or its row."""


class Lookup:
    """The nodes of a graph by everything that they are called."""

    def __init__(self, file: GraphFile) -> None:
        self.file = file

    @cached_property
    def _by_key(self) -> dict[tuple[str, str], int]:
        return {node.key: row for row, node in enumerate(self.file.nodes)}

    @cached_property
    def _by_id(self) -> dict[str, list[int]]:
        return _rows(node.node_id for node in self.file.nodes)

    @cached_property
    def _by_js(self) -> dict[str, list[int]]:
        return _rows(node.js_id for node in self.file.nodes)

    def row(self, node: NodeLike) -> int:
        """The row of a node.

        Raises:
            GraphError: for one that is not there, or an id that several have.
        """
        if isinstance(node, GraphNode):
            node = node.key
        if isinstance(node, tuple):
            if node not in self._by_key:
                raise GraphError(f"The graph has no node {node!r} (type and id). {self._near(str(node[-1]))}")
            return self._by_key[node]
        if isinstance(node, str):
            return self._named(node)
        row = operator.index(node)
        if not 0 <= row < len(self.file.nodes):
            raise GraphError(f"The graph has {len(self.file.nodes)} nodes, counted from 0, and none in row {row}.")
        return row

    def rows(self, nodes: NodeLike | Iterable[NodeLike]) -> list[int]:
        """The rows of one node or several, each once. A tuple of two texts is one node: type and id."""
        alone = isinstance(nodes, GraphNode | str) or not isinstance(nodes, Iterable) or _is_key(nodes)
        several: Iterable[NodeLike] = [nodes] if alone else nodes  # type: ignore[list-item,assignment]
        return list(dict.fromkeys(self.row(node) for node in several))

    def chosen(self, name: str) -> list[int]:
        """The rows of what a pin or a group calls `name`: ids of the file's own kind first. None if they are gone."""
        first, second = (self._by_id, self._by_js) if self.file.ids == "node_id" else (self._by_js, self._by_id)
        return first.get(name) or second.get(name) or []

    def all_chosen(self, names: Sequence[str]) -> list[int]:
        """The rows of several, each once, in their order."""
        return list(dict.fromkeys(row for name in names for row in self.chosen(name)))

    def _named(self, name: str) -> int:
        rows = self._by_id.get(name) or self._by_js.get(name) or []
        if len(rows) == 1:
            return rows[0]
        if not rows:
            raise GraphError(f"The graph has no node {name!r}. {self._near(name)}")
        which = " or ".join(repr(self.file.nodes[row].key) for row in rows[:3])
        raise GraphError(f"{len(rows)} nodes are called {name!r}: say which by type and id, as {which}.")

    def _near(self, name: str) -> str:
        near = nearest(name, self._by_id)
        return f"Nearest: {', '.join(map(repr, near))}." if near else "All of them: graph.to_pandas()."


def _is_key(nodes: object) -> bool:
    return isinstance(nodes, tuple) and len(nodes) == 2 and all(isinstance(part, str) for part in nodes)


def _rows(names: Iterable[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        found.setdefault(name, []).append(row)
    return found

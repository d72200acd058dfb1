"""What somebody may change in a graph: pins, groups, labels. Each gives another file; the older one is as it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ...errors import nearest
from ...formats.graph_records import GraphFile, GraphNode, Supernode
from .errors import GraphError
from .lookup import Lookup

__all__ = ["grouped", "labelled", "pinned", "renamed", "same_feature", "ungrouped", "unpinned"]


def pinned(file: GraphFile, rows: Sequence[int]) -> GraphFile:
    """With the nodes `rows` pinned, after those that are."""
    names = [file.name_of(file.nodes[row]) for row in rows]
    return replace(file, pins=tuple(dict.fromkeys([*file.pins, *names])))


def unpinned(file: GraphFile, rows: Sequence[int]) -> GraphFile:
    """With the nodes `rows` pinned no more, nor in a group."""
    gone = _names_of(file, rows)
    pins = tuple(pin for pin in file.pins if not gone(pin))
    return replace(_without(file, gone), pins=pins)


def grouped(file: GraphFile, label: str, rows: Sequence[int]) -> GraphFile:
    """With the nodes `rows` in the group `label`, which need not be there yet, and in no other; and pinned.

    Raises:
        GraphError: for a group of no nodes, or without a label.
    """
    if not isinstance(label, str) or not label:
        raise GraphError("A group needs a label that is not empty.")
    if not rows:
        raise GraphError(f"The group {label!r} needs at least one node.")
    names = [file.name_of(file.nodes[row]) for row in rows]
    before = [name for one in file.supernodes if one.label == label for name in one.members]
    new = Supernode(label, tuple(dict.fromkeys([*before, *names])))
    groups: list[Supernode] = []
    for one in _without(file, _names_of(file, rows), but=label).supernodes:
        if one.label != label:
            groups.append(one)
        elif new not in groups:  # several with this label become one
            groups.append(new)
    groups = groups if new in groups else [*groups, new]
    return pinned(replace(file, supernodes=tuple(groups)), rows)


def ungrouped(file: GraphFile, label: str) -> GraphFile:
    """Without the group `label`; its nodes stay pinned.

    Raises:
        GraphError: if there is none.
    """
    _there(file, label)
    return replace(file, supernodes=tuple(one for one in file.supernodes if one.label != label))


def renamed(file: GraphFile, label: str, new: str) -> GraphFile:
    """With the group `label` called `new`.

    Raises:
        GraphError: if there is none, or `new` is another's label already.
    """
    _there(file, label)
    if not isinstance(new, str) or not new:
        raise GraphError("A group needs a label that is not empty.")
    if new != label and any(one.label == new for one in file.supernodes):
        raise GraphError(f"There is a group {new!r} already: put the nodes into it, graph.group({new!r}, ...).")
    groups = tuple(replace(one, label=new) if one.label == label else one for one in file.supernodes)
    return replace(file, supernodes=groups)


def labelled(file: GraphFile, row: int, label: str | None) -> GraphFile:
    """With the feature of the node `row` called `label` at every position; None: as its file called it.

    Both are changed: the nodes' own labels, which every front-end shows, and the list of what was renamed.
    """
    nodes, entries = list(file.nodes), dict(file.labels)
    for at in same_feature(file, row):
        node = nodes[at]
        given = node.raw.get("clerp")
        nodes[at] = replace(node, label=(given if isinstance(given, str) else "") if label is None else label)
        entries.pop(file.feature_id(node), None)
        if label is not None:
            entries[file.feature_id(node)] = label
    return replace(file, nodes=tuple(nodes), labels=tuple(entries.items()))


def same_feature(file: GraphFile, row: int) -> list[int]:
    """The rows of all nodes that are the same feature at some position; of what is no feature, itself."""

    def what(node: GraphNode) -> tuple[str, str, int | None]:
        return node.feature_type, node.layer, node.feature

    node = file.nodes[row]
    if node.kind != "feature" or node.feature is None:
        return [row]
    return [at for at, other in enumerate(file.nodes) if what(other) == what(node)]


def _there(file: GraphFile, label: str) -> None:
    labels = [one.label for one in file.supernodes]
    if label not in labels:
        near = nearest(str(label), labels)
        told = f"Nearest: {', '.join(map(repr, near))}." if near else f"There are {len(labels)}: graph.groups."
        raise GraphError(f"The graph has no group {label!r}. {told}")


def _names_of(file: GraphFile, rows: Sequence[int]) -> Callable[[str], bool]:
    """Whether a name in a file means only nodes of `rows`: by either of their ids."""
    lookup, chosen = Lookup(file), set(rows)

    def means(name: str) -> bool:
        found = lookup.chosen(name)
        return bool(found) and chosen.issuperset(found)

    return means


def _without(file: GraphFile, gone: Callable[[str], bool], but: str | None = None) -> GraphFile:
    """Without the names `gone` in groups, other than the group `but`, and without groups that are empty for it."""
    groups: list[Supernode] = []
    for one in file.supernodes:
        members = one.members if one.label == but else tuple(name for name in one.members if not gone(name))
        if members or not one.members:
            groups.append(replace(one, members=members))
    return replace(file, supernodes=tuple(groups))

"""Indexes of the layers of a graph: which of its features they have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from ...formats.graph_records import GraphNode
from ...index.feature_index import FeatureIndex

__all__ = ["Indexes", "by_layer", "index_of", "opened", "told"]

Indexes: TypeAlias = Mapping[int, FeatureIndex]

_BLOCK = re.compile(r"blocks\.(\d+)\.")


def by_layer(index: FeatureIndex | Mapping[int, FeatureIndex] | None) -> dict[int, FeatureIndex]:
    """Indexes by layer; of one alone, by the block that it was read in.

    Raises:
        TypeError: for what is no index, or one that does not say of which layer it is.
    """
    if isinstance(index, FeatureIndex):
        block = _BLOCK.match(str(index.made_with.get("hook", "")))
        if block is None:
            raise TypeError("The index does not say of which layer it is: index={layer: index}.")
        return {int(block[1]): index}
    if not isinstance(index or {}, Mapping):
        raise TypeError(f"index is a FeatureIndex, or {{layer: FeatureIndex}}, not {type(index).__name__}.")
    found = dict(index or {})
    for layer, one in found.items():
        if not isinstance(layer, int) or not isinstance(one, FeatureIndex):
            raise TypeError(
                f"index is a FeatureIndex, or {{layer: FeatureIndex}}, not {layer!r}: {type(one).__name__}."
            )
    return found


def index_of(node: GraphNode, indexes: Indexes) -> FeatureIndex | None:
    """The index that has a node's feature; None if none has."""
    layer = node.layer_number
    if node.kind != "feature" or node.index is None or layer is None or layer not in indexes:
        return None
    return indexes[layer] if 0 <= node.index < len(indexes[layer]) else None


def opened(node: GraphNode, indexes: Indexes) -> int | None:
    """The feature of a node, for other views to open: where there are indexes, only what they have."""
    if node.kind != "feature" or (indexes and index_of(node, indexes) is None):
        return None
    return node.index


def told(indexes: Indexes) -> list[str]:
    """Whose words stand beside the graph's features: a file names its dictionary by no weights, so nobody can check it."""
    return [
        f"What features of layer {layer} are said to be, and their cards, are of the index of {index.made_with.get('model')} at "
        f"{index.made_with.get('hook')}, by their numbers. The graph's file does not say whether it is the same dictionary."
        for layer, index in sorted(indexes.items())
    ]

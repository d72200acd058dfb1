"""An attribution graph as a view is sent it (its twin is js/src/widgets/graph/wire.ts)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, cast

import numpy as np

from ...attribution.graph.errors import GraphError
from ...attribution.graph.graph import AttributionGraph
from ...attribution.graph.scores import GraphScores
from ...engine.arrays import Doubles
from ...formats.graph_records import GraphNode
from .. import wire
from .edited import Names
from .indexes import Indexes, index_of, opened, told

__all__ = ["KINDS", "cumulative_of", "graph_reply", "provenance_of", "said_of_node", "scores_json"]

KINDS = ("feature", "error", "token", "logit", "other")
# Characters: what a file calls a node may be a book.
_LONGEST = 200


def graph_reply(names: Names, indexes: Indexes) -> wire.Reply:
    """The answer of "graph": strings as JSON, numbers of nodes and links as arrays; NaN is what is not known."""
    graph = names.graph
    nodes, links, layout = graph.nodes, graph.links, graph.layout()
    cumulative, why = cumulative_of(graph)
    into = np.bincount(links.targets, weights=np.abs(links.weights), minlength=len(nodes))
    shares = links.weights / np.maximum(into, 1e-10)[links.targets]
    carded = [index_of(node, indexes) is not None for node in nodes]
    opens = [-1 if (found := opened(node, indexes)) is None else found for node in nodes]
    data: dict[str, wire.Json] = {
        "slug": graph.file.slug,
        "tokens": list(graph.tokens),
        "bands": list(layout.bands),
        "ids": list(names.names),
        "labels": [short(node.label) for node in nodes],
        "says": [short(said_of_node(node, graph.tokens, indexes)) for node in nodes],
        "types": [node.feature_type for node in nodes],
        "scores": scores_json(graph.scores()),
        "no_influence": why,
        "notes": cast("list[wire.Json]", notes_of(graph, why, indexes)),
        "provenance": cast("wire.Json", [list(one) for one in provenance_of(graph)]),
    }
    position = np.array([node.position for node in nodes], np.int32).reshape(-1)
    arrays: dict[str, wire.Array] = {
        "kind": np.array([KINDS.index(node.kind) for node in nodes], np.uint8),
        "position": position,
        "band": layout.y.astype(np.uint32),
        # Within their column and band they stand in this order.
        "x": layout.x.astype(np.float32),
        "same": np.array(names.firsts, np.uint32),
        "layer": np.array([-1 if n.layer_number is None else n.layer_number for n in nodes], np.int32),
        "opens": np.array(opens, np.int32),
        "carded": np.array(carded, np.uint8),
        # What stands in `says` is made of an index's counts, and nobody wrote it.
        "automatic": np.array([_is_automatic(node, indexes) for node in nodes], np.uint8),
        "cumulative": cumulative.astype(np.float32),
        "activation": np.array([np.nan if n.activation is None else n.activation for n in nodes], np.float32),
        "probability": np.array([_probability(node) for node in nodes], np.float32),
        "error_share": graph.error_share.astype(np.float32),
        "source": links.sources.astype(np.uint32),
        "target": links.targets.astype(np.uint32),
        "weight": links.weights.astype(np.float32),
        "share": shares.astype(np.float32),
    }
    return wire.Reply(data, arrays)


def cumulative_of(graph: AttributionGraph) -> tuple[Doubles, str | None]:
    """[nodes] cumulative influence, NaN where it is not known; and why, where it is known of none."""
    try:
        return graph.cumulative, None
    except GraphError as error:
        return np.full(len(graph.nodes), np.nan), str(error)


def notes_of(graph: AttributionGraph, why: str | None, indexes: Indexes) -> list[str]:
    """What the reader must know of the numbers, and of the words."""
    if why is not None:
        return [f"Nodes cannot be pruned: {why}", *told(indexes)]
    check = graph.check_influence()
    return [*([] if check.same else [check.said]), *told(indexes)]


def scores_json(scores: GraphScores) -> dict[str, wire.Json]:
    """Scores, with a sentence where there are none."""
    return {"replacement": scores.replacement, "completeness": scores.completeness, "why": scores.why}


def said_of_node(node: GraphNode, tokens: tuple[str, ...], indexes: Indexes) -> str:
    """What a node is called that has no label."""
    index = index_of(node, indexes)
    described = None if index is None else index.describe(cast(int, node.index))
    if described is not None:
        return described.text
    if node.kind == "feature":
        return f"feature {node.feature}" if node.index is None else f"feature {node.index} of layer {node.layer}"
    if node.kind == "error":
        return f"error of layer {node.layer}"
    if node.kind == "token" and 0 <= node.position < len(tokens):
        return tokens[node.position]
    return node.token or node.feature_type


def provenance_of(graph: AttributionGraph) -> list[tuple[str, str]]:
    """Where a graph comes from, as its file says it."""
    file = graph.file
    info = file.metadata.get("info")
    told: Mapping[str, Any] = info if isinstance(info, Mapping) else {}
    made = told.get("generator")
    by: Mapping[str, Any] = made if isinstance(made, Mapping) else {}
    facts = {
        "graph": file.slug,
        "model": file.scan,
        "prompt": file.prompt,
        "transcoders": told.get("transcoder_set"),
        "generator": " ".join(str(by[key]) for key in ("name", "version") if by.get(key)),
        "creator": told.get("creator_name"),
        "made": _day(told.get("create_time_ms")),
        "pruned to": file.node_threshold,
    }
    return [(key, wire.sendable(short(str(value)))) for key, value in facts.items() if value not in (None, "")]


def short(text: str) -> str:
    """The beginning of a long text."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}\u2026"


def _is_automatic(node: GraphNode, indexes: Indexes) -> bool:
    index = index_of(node, indexes)
    found = None if index is None or node.label else index.describe(cast(int, node.index))
    return found is not None and found.kind == "automatic"


def _probability(node: GraphNode) -> float:
    return float("nan") if node.kind != "logit" or node.probability is None else node.probability


def _day(ms: object) -> str:
    if not isinstance(ms, int | float) or isinstance(ms, bool):
        return ""
    try:
        return datetime.fromtimestamp(ms / 1000, timezone.utc).date().isoformat()
    except (OverflowError, OSError, ValueError):
        return ""

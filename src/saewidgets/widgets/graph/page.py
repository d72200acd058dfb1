"""An attribution graph without a kernel: what a page answers, and the script-free picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...attribution.graph.graph import AttributionGraph
from ...snapshot.fallback import FallbackRow, fallback
from ..shot import Question
from .asked import AskedGraph, AskedNodeCard, AskedScores
from .indexes import Indexes, index_of
from .payload import cumulative_of, notes_of, provenance_of, said_of_node, short

__all__ = ["fallback_of", "questions"]

_FALLBACK_TOKENS, _FALLBACK_NODES = 400, 20


def questions(graph: AttributionGraph, pinned: Sequence[str], indexes: Indexes, cards: int) -> Iterator[Question]:
    """The graph, the scores of what is pinned, and cards of the features with the most influence."""
    yield Question("graph", AskedGraph())
    yield Question("scores", AskedScores(tuple(pinned)))
    asked: dict[tuple[int, int], None] = {}
    for row in _ranked(graph):
        node = graph.nodes[row]
        if index_of(node, indexes) is not None and node.layer_number is not None and node.index is not None:
            asked[node.layer_number, node.index] = None
    for layer, feature in list(asked)[: max(cards, 0)]:
        yield Question("card", AskedNodeCard(feature, layer))


def fallback_of(graph: AttributionGraph, indexes: Indexes) -> str:
    """Script-free HTML: the prompt's tokens, the logits, and the nodes with the most influence."""
    cumulative, why = cumulative_of(graph)
    logits = np.flatnonzero(graph.roles.logits).tolist()
    others = [row for row in _ranked(graph) if not graph.roles.given[row]][:_FALLBACK_NODES]
    rows = []
    for row in [*logits, *others]:
        node = graph.nodes[row]
        at = graph.tokens[node.position] if 0 <= node.position < len(graph.tokens) else ""
        probability = node.probability if node.kind == "logit" else None
        rows.append(
            [
                node.kind,
                short(node.label or said_of_node(node, graph.tokens, indexes)),
                node.layer,
                at,
                _number(node.activation),
                _number(None if np.isnan(cumulative[row]) or probability is not None else float(cumulative[row])),
                _number(probability),
            ]
        )
    scores = graph.scores()
    said = [
        f"{name} {value:.2f}"
        for name, value in (("replacement", scores.replacement), ("completeness", scores.completeness))
        if value is not None
    ]
    tokens = graph.tokens[:_FALLBACK_TOKENS]
    return fallback(
        heading=f"Attribution graph {graph.file.slug}: {len(graph.nodes):,} nodes, {len(graph.links):,} links",
        tokens=[FallbackRow(text=token, level=0.0, muted=False, value=None) for token in tokens],
        left_out=len(graph.tokens) - len(tokens),
        caption=f"The logits, and the {len(others)} nodes with the most influence on them",
        columns=["kind", "node", "layer", "token", "activation", "cumulative influence", "probability"],
        rows=rows,
        provenance=provenance_of(graph),
        notes=[
            *([", ".join(said)] if said else []),
            *([scores.why] if scores.why else []),
            *notes_of(graph, why, indexes),
        ],
    )


def _ranked(graph: AttributionGraph) -> list[int]:
    """Rows, those with the most influence first, those of which nothing is known last."""
    return [int(row) for row in np.argsort(cumulative_of(graph)[0], kind="stable")]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"

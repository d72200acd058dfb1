"""Nodes, and a whole graph, as circuit-tracer writes them in schema 1: for graphs that are made here.

Error nodes get the id that newer versions give them, "{layer}_-1_{position}", which no feature has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .errors import FormatError
from .graph_ids import cantor
from .graph_records import Doubles, GraphFile, GraphNode, Ints
from .graph_rows import node_of

__all__ = ["error_node", "feature_node", "logit_node", "new_graph", "token_node"]


def feature_node(
    layer: int,
    index: int,
    position: int,
    activation: float | None = None,
    influence: float | None = None,
    label: str = "",
) -> GraphNode:
    """A feature of a (transcoder's) dictionary at a position.

    Example:
        >>> feature_node(3, 19204, 7, activation=2.5).node_id
        '3_19204_7'
    """
    made = _row(f"{layer}_{index}_{position}", cantor(layer, index), str(layer), position, "cross layer transcoder")
    made |= {"jsNodeId": f"{layer}_{index}-0", "clerp": label, "influence": influence, "activation": activation}
    return _made(made, index)


def error_node(layer: int, position: int, influence: float | None = None) -> GraphNode:
    """What a layer's dictionary does not reconstruct at a position."""
    made = _row(f"{layer}_-1_{position}", -1, str(layer), position, "mlp reconstruction error")
    return _made(made | {"jsNodeId": f"{layer}_-1-{position}", "influence": influence})


def token_node(token: int, position: int, influence: float | None = None) -> GraphNode:
    """The embedding of the token with the id `token` at a position."""
    made = _row(f"E_{token}_{position}", position, "E", position, "embedding")
    return _made(made | {"jsNodeId": f"E_{token}-{position}", "influence": influence})


def logit_node(
    token: int, text: str, position: int, n_layers: int, probability: float, target: bool = False
) -> GraphNode:
    """The logit of the token with the id `token` and the string `text`, of a model with `n_layers`."""
    layer = n_layers + 1
    made = _row(f"{layer}_{token}_{position}", token, str(layer), position, "logit")
    label = f'Output "{text}" (p={probability:.3f})'
    told: dict[str, Any] = {"token_prob": probability, "is_target_logit": target, "clerp": label}
    return _made(made | told | {"jsNodeId": f"L_{token}-{position}"})


def new_graph(
    nodes: Sequence[GraphNode],
    sources: Ints,
    targets: Ints,
    weights: Doubles,
    *,
    slug: str,
    scan: str,
    prompt: str,
    tokens: Sequence[str],
    metadata: Mapping[str, Any] | None = None,
) -> GraphFile:
    """A graph in schema 1.

    Args:
        nodes: of the functions here.
        sources, targets: [links] rows of `nodes`; weights: [links] finite.
        slug: its name, of letters, digits and dashes; scan: the model, as Neuronpedia calls it.
        prompt, tokens: the text, and its token strings, special ones included.
        metadata: what else to say: "node_threshold", "info", "generation_settings", "pruning_settings".

    Raises:
        FormatError: for links without finite weights, or with ends that are no rows of `nodes`.
    """
    ends = np.stack([np.asarray(sources, np.int64), np.asarray(targets, np.int64)])
    values = np.asarray(weights, np.float64)
    if values.shape != ends.shape[1:] or not np.isfinite(values).all():
        raise FormatError("Every link needs one finite weight: NaN comes of a model in too narrow a dtype.")
    if ends.size and not 0 <= int(ends.min()) <= int(ends.max()) < len(nodes):
        raise FormatError(f"Links lead from and to rows of the {len(nodes)} nodes, counted from 0.")
    facts: dict[str, Any] = {"slug": slug, "scan": scan, "transcoder_list": [], "prompt_tokens": list(tokens)}
    facts |= {"prompt": prompt, "schema_version": 1, **(metadata or {})}
    chosen: dict[str, Any] = {"pinnedIds": [], "supernodes": [], "linkType": "both", "clickedId": "", "sg_pos": ""}
    return GraphFile(tuple(nodes), ends[0], ends[1], values, raw={"metadata": facts, "qParams": chosen})


def _row(node_id: str, feature: int, layer: str, position: int, feature_type: str) -> dict[str, Any]:
    return {
        "node_id": node_id,
        "feature": feature,
        "layer": layer,
        "ctx_idx": position,
        "feature_type": feature_type,
        "token_prob": 0.0,
        "is_target_logit": False,
        "run_idx": 0,
        "reverse_ctx_idx": 0,
        "jsNodeId": node_id,
        "clerp": "",
    }


def _made(row: Mapping[str, Any], index: int | None = None) -> GraphNode:
    return replace(node_of(row), index=index)

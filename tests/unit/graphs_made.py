"""Files of attribution graphs, written by their formats' descriptions and not by our writers."""

from __future__ import annotations

import random
from typing import Any

Row = dict[str, Any]

HOSTILE = ["<bos>", " \ud83d", "</script>", "\u0000", "\u202e", "日本", "\u2028", '"', "\\", "'", "", " the"]
LAYERS, TOKENS, LOGITS = 3, 4, 2

CLT, ERROR, EMBEDDING, LOGIT = "cross layer transcoder", "mlp reconstruction error", "embedding", "logit"


def paired(layer: int, index: int) -> int:
    """Cantor's pairing, by counting: diagonals of layer + index, along each by index."""
    return sum(range(1, layer + index + 1)) + index


def circuit_tracer(
    dice: random.Random, *, schema: int | None = 1, old_errors: bool = True, digits: bool = False, whole: bool = False
) -> Row:
    """A graph as circuit-tracer writes it: schema 1, or (`digits`) Neuronpedia's first of gemma.

    Args:
        old_errors: error nodes have the ids "0_layer_pos".
        whole: weights are small whole numbers.
    """
    n_logits = LOGITS
    nodes: list[Row] = []
    for layer in range(LAYERS):
        for position in range(TOKENS):
            for index in sorted({dice.choice([LAYERS + 1, 7, 42, 12284, 99999]) for _ in range(dice.randrange(3))}):
                number = int(f"{layer}{index:05d}") if digits else paired(layer, index)
                made = node(f"{layer}_{index}_{position}", number, str(layer), position, CLT, f"{layer}_{index}-0")
                nodes.append(made | {"influence": dice.random(), "activation": round(dice.uniform(0.5, 9), 3)})
    for layer in range(LAYERS):
        for position in range(TOKENS):
            name = f"0_{layer}_{position}" if old_errors else f"{layer}_-1_{position}"
            made = node(name, -1, str(layer), position, ERROR, f"{layer}_{position}-0")
            nodes.append(made | {"influence": dice.random(), "activation": None})
    for position in range(TOKENS):
        token = dice.randrange(1000)
        made = node(f"E_{token}_{position}", position, "E", position, EMBEDDING, f"E_{token}-{position}")
        nodes.append(made | {"influence": dice.random(), "activation": None})
    for rank in range(n_logits):
        token, p = 500 + rank, round(0.6 / (rank + 1), 3)
        made = node(f"{LAYERS + 1}_{token}_{TOKENS - 1}", token, str(LAYERS + 1), TOKENS - 1, LOGIT, f"L_{token}-3")
        told = {"token_prob": p, "is_target_logit": rank == 0, "clerp": f'Output " tok{rank}" (p={p:.3f})'}
        nodes.append(made | told | {"influence": None, "activation": None})
    metadata: Row = {"slug": "a-graph", "scan": "gemma-2-2b", "transcoder_list": [], "prompt_tokens": HOSTILE[:TOKENS]}
    metadata |= {"prompt": "".join(HOSTILE[:TOKENS]), "node_threshold": 0.8}
    if schema is not None:
        metadata["schema_version"] = schema
    return {
        "metadata": metadata | {"info": {"creator_name": "\udfff", "create_time_ms": 1761820260749}},
        "qParams": {"pinnedIds": [], "supernodes": [], "linkType": "both", "clickedId": "", "sg_pos": ""},
        "nodes": nodes,
        "links": links(dice, nodes, whole),
        "a future field": {"kept": [1, None, "\ud800"]},
    }


def anthropic(dice: random.Random) -> Row:
    """A graph as those on transformer-circuits.pub: opaque numbers, jsNodeIds in what is chosen, no influence."""
    nodes = []
    for layer in range(1, LAYERS + 1):
        for position in range(TOKENS):
            for number in dice.sample(range(10**6, 3 * 10**7), dice.randrange(3)):
                nodes.append(anthropic_node(f"{layer}_{number}", number, str(layer), position, CLT))
    for position in range(TOKENS):
        token, error = dice.sample(range(10**6, 3 * 10**7), 2)
        nodes.append(anthropic_node(f"E_{token}", token, "E", position, EMBEDDING))
        nodes.append(anthropic_node(f"0_{error}", error, "0", position, ERROR))
    made = anthropic_node("18_16400899", 16400899, "18", TOKENS - 1, LOGIT)
    nodes.append(made | {"token_prob": 0.984, "is_target_logit": True, "clerp": 'output: "Austin" (p=0.984)'})
    features = [one["jsNodeId"] for one in nodes if one["feature_type"] == CLT]
    return {
        "metadata": {"slug": "capital", "scan": "jackl", "prompt_tokens": HOSTILE[:TOKENS], "prompt": "Fact: "},
        "qParams": {
            "linkType": "both",
            "pinnedIds": features[:3],
            "clickedId": features[0] if features else "",
            "supernodes": [["capital", *features[:2]]] if len(features) > 1 else [],
            "sg_pos": "795 581 617 850",
        },
        "nodes": nodes,
        "links": links(dice, nodes, False),
    }


def node(node_id: str, feature: int, layer: str, position: int, kind: str, js: str) -> Row:
    made: Row = {"node_id": node_id, "feature": feature, "layer": layer, "ctx_idx": position, "feature_type": kind}
    made |= {
        "token_prob": 0.0,
        "is_target_logit": False,
        "run_idx": 0,
        "reverse_ctx_idx": 0,
        "jsNodeId": js,
        "clerp": "",
    }
    return made


def anthropic_node(head: str, number: int, layer: str, position: int, kind: str) -> Row:
    return node(f"{head}_{position}", number, layer, position, kind, f"{head}_-{TOKENS - 1 - position}")


def depth(one: Row) -> int:
    """How far up a node stands: links lead only upwards."""
    if one["feature_type"] == LOGIT:
        return 10**6
    if one["feature_type"] in (EMBEDDING, ERROR):
        return -1
    return int(one["layer"])


def links(dice: random.Random, nodes: list[Row], whole: bool, density: float = 0.5) -> list[Row]:
    found = []
    for target in nodes:
        if target["feature_type"] in (EMBEDDING, ERROR):
            continue
        for source in nodes:
            earlier = depth(source) < depth(target) and source["ctx_idx"] <= target["ctx_idx"]
            if earlier and dice.random() < density:
                weight = float(dice.choice([-3, -2, -1, 1, 2, 3])) if whole else dice.uniform(-1, 1)
                found.append({"source": source["node_id"], "target": target["node_id"], "weight": weight})
    return found


def content_of(graph: Any) -> Row:
    """The JSON of an `AttributionGraph`."""
    found: Row = graph.to_dict()
    return found

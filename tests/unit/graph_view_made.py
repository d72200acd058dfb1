"""Made-up attribution graphs of any size, with names that people give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import saewidgets as sw
from saewidgets.formats.graph_nodes import error_node, feature_node, logit_node, new_graph, token_node

TOKENS = ["<bos>", "Fact", ":", " the", " capital", " of", " the", " state", " containing", " Dallas", " is", " "]
NAMES = ["capital", "state / states", "Texas", "say a capital", "say Austin", "Dallas", "containing / within", "the"]


def graph_of(
    features: int = 60, links: int = 700, *, layers: int = 8, width: int = 20000, seed: int = 0, influence: bool = True
) -> sw.AttributionGraph:
    """`features` features of `width` in a dictionary, most at the last tokens; an error to every fourth, the tokens, three logits."""
    dice = np.random.default_rng(seed)
    n = len(TOKENS)
    at = sorted(
        {
            (int(dice.integers(layers)), int(dice.integers(width)), int(n - 1 - dice.geometric(0.3) % n))
            for _ in range(features)
        }
    )
    nodes = [token_node(100 + i, i) for i in range(n)]
    nodes += [
        feature_node(*one, activation=float(dice.uniform(1, 9)), label=NAMES[i % 8] if i % 3 else "")
        for i, one in enumerate(at)
    ]
    nodes += [error_node(layer, position) for layer, position in sorted({(a[0], a[2]) for a in at[::4]})]
    nodes += [
        logit_node(7 + i, text, n - 1, layers, p, i == 0)
        for i, (text, p) in enumerate([(" Austin", 0.6), (" Texas", 0.2), (" the", 0.1)])
    ]

    def depth(row: int) -> int:
        kind = nodes[row].kind
        return -1 if kind == "token" else 99 if kind == "logit" else int(nodes[row].layer) * 2 + (kind == "feature")

    pairs = [
        (a, b)
        for a in range(len(nodes))
        for b in range(len(nodes))
        if depth(a) < depth(b) and nodes[b].kind in ("feature", "logit") and nodes[a].position <= nodes[b].position
    ]
    kept = sorted(dice.choice(len(pairs), min(links, len(pairs)), replace=False).tolist())
    ends = np.array([pairs[i] for i in kept], np.int64).reshape(-1, 2)
    weights = dice.normal(size=len(ends)) * dice.pareto(1.5, size=len(ends))
    facts = {"node_threshold": 0.8, "info": {"generator": {"name": "made-up", "version": "1"}}}
    made = sw.AttributionGraph.from_file(
        new_graph(
            nodes,
            ends[:, 0],
            ends[:, 1],
            weights,
            slug="capital-dallas",
            scan="tiny",
            prompt="".join(TOKENS[1:]),
            tokens=TOKENS,
            metadata=facts,
        )
    )
    if not influence:
        return made
    told = [
        replace(node, influence=None if node.kind == "logit" else float(c))
        for node, c in zip(made.nodes, made.cumulative, strict=True)
    ]
    return sw.AttributionGraph.from_file(replace(made.file, nodes=tuple(told)))

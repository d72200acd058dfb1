"""Nodes and links of a graph as data frames. Text in them has no lone surrogates: no table of today can hold any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...engine.arrays import Doubles
from ...formats.graph_records import GraphFile, GraphNode
from .prune import Links, input_shares

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["links_table", "nodes_table"]


def nodes_table(
    file: GraphFile,
    influence: Doubles,
    cumulative: Doubles,
    error_share: Doubles,
    pinned: Sequence[int],
    groups: Mapping[str, Sequence[int]],
) -> pd.DataFrame:
    """One row a node."""
    import pandas as pd

    nodes, tokens = file.nodes, file.tokens
    group_of = {row: label for label, rows in groups.items() for row in rows}
    chosen = set(pinned)
    return pd.DataFrame(
        {
            "node_id": [shown(node.node_id) for node in nodes],
            "kind": [node.kind for node in nodes],
            "feature_type": [shown(node.feature_type) for node in nodes],
            "layer": [shown(node.layer) for node in nodes],
            "feature": pd.array([node.index for node in nodes], dtype="Int64"),
            "position": [node.position for node in nodes],
            "token": [_token(node, tokens) for node in nodes],
            "label": [shown(node.label) for node in nodes],
            "probability": np.array([np.nan if n.kind != "logit" else n.probability for n in nodes], np.float64),
            "activation": np.array([node.activation for node in nodes], np.float64),
            "influence": influence,
            "cumulative": cumulative,
            "error_share": error_share,
            "pinned": [row in chosen for row in range(len(nodes))],
            "group": [shown(group_of[row]) if row in group_of else None for row in range(len(nodes))],
        }
    )


def links_table(file: GraphFile, links: Links) -> pd.DataFrame:
    """One row a link: rows and ids of its ends, its weight, and its share in the sum of |weight| of all into its target."""
    import pandas as pd

    ids = np.array([shown(node.node_id) for node in file.nodes], object)
    return pd.DataFrame(
        {
            "source": links.sources,
            "target": links.targets,
            "source_id": ids[links.sources],
            "target_id": ids[links.targets],
            "weight": links.weights,
            "share": input_shares(links),
        }
    )


def shown(text: str) -> str:
    """`text` without lone surrogates: pairs are joined, lone ones become U+FFFD."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _token(node: GraphNode, tokens: Sequence[str]) -> str | None:
    """The token that a node stands at; of a logit, the one that it is of."""
    if node.kind == "logit":
        return None if node.token is None else shown(node.token)
    return shown(tokens[node.position]) if 0 <= node.position < len(tokens) else None

"""The nodes at the other ends of a node's links, ranked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...engine.arrays import Bools, Doubles, Ints
from ...formats.graph_records import GraphNode

__all__ = ["LinkedNode", "linked"]


@dataclass(frozen=True)
class LinkedNode:
    """A node at the other end of a link.

    Attributes:
        node: which.
        weight: the link's, signed.
        share: |weight| by the sum of |weight| over the links of the same list.
        input_share: weight by the sum of |weight| over all links into the link's target, signed: what front-ends colour by.
    """

    node: GraphNode
    weight: float
    share: float
    input_share: float


def linked(
    nodes: Sequence[GraphNode], others: Ints, weights: Doubles, shares: Doubles, here: Bools
) -> tuple[LinkedNode, ...]:
    """The nodes `others` [links] of the links `here` [links], those with the largest |weight| first.

    Args:
        nodes: of the graph.
        others, weights: [links].
        shares: [links] |weight| by its sum over the links into the same target.
        here: [links] which links.
    """
    at = np.flatnonzero(here)
    size = np.abs(weights[at])
    total = float(size.sum()) or 1.0
    order = np.argsort(-size, kind="stable")
    return tuple(
        LinkedNode(
            nodes[int(others[at[i]])],
            float(weights[at[i]]),
            float(size[i]) / total,
            float(np.sign(weights[at[i]]) * shares[at[i]]),
        )
        for i in order
    )

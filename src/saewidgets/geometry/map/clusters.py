"""Groups of features whose decoder rows point similar ways, to colour a map by.

They are of the decoder rows and not of the picture, which keeps a part of their neighbourhoods only: communities of the graph of
nearest neighbours, found by the Louvain method (Blondel, Guillaume, Lambiotte and Lefebvre, "Fast unfolding of communities in
large networks", 2008). It raises modularity, the weight inside groups beyond what a random graph of the same degrees has:

    Q = sum over groups of  w_in / 2W  -  resolution (d / 2W)^2

w_in: the weights inside, each edge from both ends; d: the sum of its members' degrees; 2W: of all. Connected components would
not do: without a cut on the cosine nearly all features of an SAE are in one, with it nearly all in none.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse

from ...engine.arrays import Floats, Ints

__all__ = ["RESOLUTION", "clusters"]

RESOLUTION = 4.0
"""How fine: at 1, modularity as it is known, 6,144 features fall into ten groups, the largest of which holds a third of all; at 4
into some ninety, which share top tokens and logits more often."""

_PASSES = 20
# A pass that moves fewer is the last.
_SETTLED = 1e-3
_AT_ONCE = 4096


def clusters(
    neighbours: Ints, cosines: Floats, check: Callable[[], None] = lambda: None, resolution: float = RESOLUTION
) -> Ints:
    """Of each of m rows the number of its group [m], from the largest (0) down; -1 for a row that is alone.

    The same neighbours give the same groups: rows are visited in their order.

    Args:
        neighbours: [m, k] the nearest of each row; cosines: [m, k] with these. An edge weighs the cosine, if it is above 0, and
            is there if either end has the other among its nearest.
        check: called now and then; what it raises ends it.
    """
    m, k = neighbours.shape
    ends = (np.repeat(np.arange(m), k), neighbours.ravel())
    one_way = sparse.csr_array((np.maximum(cosines.ravel(), 0).astype(np.float64), ends), (m, m))
    graph = one_way.maximum(one_way.T).tocsr()
    graph.eliminate_zeros()
    group = np.arange(m)
    while True:
        merged = _moved(graph, resolution, check)
        n = int(merged.max()) + 1
        if n == graph.shape[0]:
            return _by_size(group)
        group = merged[group]
        members = sparse.csr_array((np.ones(len(merged)), (merged, np.arange(len(merged)))), (n, len(merged)))
        graph = (members @ graph @ members.T).tocsr()


def _moved(graph: sparse.csr_array, resolution: float, check: Callable[[], None]) -> Ints:
    """Every node in a group of its own first, then each, in turn, in the group where modularity gains most, until all stay."""
    # Python's own lists: a node has a few dozen neighbours, too few for NumPy to pay.
    first, other, weight = graph.indptr.tolist(), graph.indices.tolist(), graph.data.tolist()
    degree: list[float] = np.asarray(graph.sum(1)).ravel().tolist()
    n = len(degree)
    group, total = list(range(n)), degree.copy()
    scale = resolution / max(sum(degree), 1e-300)
    for _ in range(_PASSES):
        moves = 0
        for node in range(n):
            if node % _AT_ONCE == 0:
                check()
            links: dict[int, float] = {}
            for at in range(first[node], first[node + 1]):
                if other[at] != node:
                    there = group[other[at]]
                    links[there] = links.get(there, 0.0) + weight[at]
            here, mine = group[node], degree[node] * scale
            total[here] -= degree[node]
            best, gain = here, links.get(here, 0.0) - mine * total[here]
            for there, weighs in links.items():
                gains = weighs - mine * total[there]
                if gains > gain + 1e-12:  # a tie is no reason to move
                    best, gain = there, gains
            total[best] += degree[node]
            group[node] = best
            moves += best != here
        if moves <= n * _SETTLED:
            break
    _, found = np.unique(np.array(group, np.int64), return_inverse=True)
    return found.astype(np.int64)


def _by_size(group: Ints) -> Ints:
    """Numbered from the largest down, of equal ones the first first; -1 where a row is alone."""
    _, first, inverse, size = np.unique(group, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -size))
    number = np.empty(len(size), np.int64)
    number[order] = np.arange(len(size))
    number[size < 2] = -1
    return number[inverse]

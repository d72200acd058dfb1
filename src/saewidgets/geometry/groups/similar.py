"""Groups of features whose decoder rows point the same way: connected components of the graph of nearest neighbours.

The first way of Engels et al. 2024 (arXiv 2405.14860): each feature and its `top` nearest ones by cosine, edges above a cut,
connected components. A group must hold together by a chain of neighbours, not have all its cosines above the cut: days of the
week on a circle do not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ...engine.arrays import Bools, Doubles, Floats, Ints

__all__ = ["CUTS", "Cut", "Edges", "chosen_cut", "edges_of", "members"]

CUTS = tuple(round(0.2 + 0.05 * i, 2) for i in range(16))
"""Cuts that are tried: .2 to .95."""
_GIANT = 0.01


@dataclass(frozen=True, eq=False)
class Edges:
    """Edges of a graph of n features: from each to its nearest ones.

    Attributes:
        one, other: [e] features. cosine: [e].
    """

    n: int
    one: Ints
    other: Ints
    cosine: Floats


@dataclass(frozen=True)
class Cut:
    """What a cut gives.

    Attributes:
        cut: edges with a larger cosine are kept. groups: connected components of an allowed size; features: in these.
        largest: features of the largest component, whatever size is allowed.
    """

    cut: float
    groups: int
    features: int
    largest: int


def edges_of(neighbour: Ints, cosine: Floats, top: int) -> Edges:
    """The `top` nearest of each feature.

    Args:
        neighbour, cosine: [n, k] the nearest first; an index outside 0 .. n-1 is none.
    """
    n = len(neighbour)
    other, value = neighbour[:, :top].astype(np.int64), np.asarray(cosine[:, :top], np.float32)
    one = np.broadcast_to(np.arange(n)[:, None], other.shape)
    there = (other >= 0) & (other < n) & (other != one)
    return Edges(n, one[there], other[there], value[there])


def components(edges: Edges, cut: float) -> Ints:
    """[n] the connected component of each feature, over edges with cosine > cut."""
    kept = edges.cosine > cut
    graph = sparse.coo_array((np.ones(int(kept.sum()), bool), (edges.one[kept], edges.other[kept])), (edges.n, edges.n))
    labels: Ints = connected_components(graph.tocsr(), directed=False)[1].astype(np.int64)
    return labels


def members(labels: Ints, fires: Bools, sizes: tuple[int, int]) -> list[Ints]:
    """The features of each label that fire, ascending, where there are an allowed number of them; groups by their first."""
    some = np.flatnonzero(fires)
    order = some[np.argsort(labels[some], kind="stable")]
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if len(order) else []
    return sorted((g for g in groups if sizes[0] <= len(g) <= sizes[1]), key=lambda g: int(g[0]))


def chosen_cut(edges: Edges, fires: Bools, sizes: tuple[int, int]) -> tuple[float, tuple[Cut, ...]]:
    """The cut that gives most groups of an allowed size (of equals that with more features, then the higher), and all tried.

    Of cuts at which no component holds over a hundredth of the features (and more than are allowed): below these the graph hangs
    together, and what is one group at a higher cut is lost in what nobody could look at. The highest cut if there is none such.
    """
    tried = []
    for cut in CUTS:
        labels = components(edges, cut)
        found = members(labels, fires, sizes)
        largest = int(np.bincount(labels[fires], minlength=1).max())
        tried.append(Cut(cut, len(found), sum(map(len, found)), largest))
    apart = [one for one in tried if one.largest <= max(sizes[1], _GIANT * fires.sum())] or tried[-1:]
    return max(apart, key=lambda one: (one.groups, one.features, one.cut)).cut, tuple(tried)


def mean_cosine(rows: Floats | Doubles) -> float:
    """Mean cosine of every two rows [k, d]: (|Σ unit rows|² - k) / (k (k - 1)); rows of zeros have cosine 0 with all."""
    plain = np.asarray(rows, np.float64)
    norms = np.linalg.norm(plain, axis=1)
    units = plain / np.where(norms > 0, norms, 1.0)[:, None]
    k = len(units)
    return float(((units.sum(0) ** 2).sum() - np.count_nonzero(norms)) / (k * (k - 1)))

"""Groups of decoder rows, to colour a map by."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ...engine.arrays import Floats, Ints

__all__ = ["clusters"]


def clusters(neighbours: Ints, cosines: Floats) -> Ints:
    """Placeholder."""
    m, k = neighbours.shape
    rows = np.repeat(np.arange(m), k)
    graph = sparse.csr_array((np.ones(m * k, np.int8), (rows, neighbours.ravel())), (m, m))
    _, label = connected_components(graph.multiply(graph.T), directed=False)
    return label.astype(np.int64)

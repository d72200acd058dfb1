"""Nearest neighbours in the decoder's space and on a map, and the share of the first that are among the second.

The measure is the usual one of how well a layout keeps neighbourhoods: the overlap of k-nearest-neighbour sets (Lee and
Verleysen, "Quality assessment of dimensionality reduction: rank-based criteria", Neurocomputing 72, 2009, there Q_NX(k)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from ...engine.arrays import Floats, Ints
from ...engine.ticket import Ticket

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["K", "neighbours_kept", "neighbours_of_rows"]

K = 15
"""How many neighbours a map is judged by."""

# Rows whose neighbours are looked for between two looks at whether to go on.
_AT_ONCE = 4096


def neighbours_of_rows(rows: Tensor, k: int, ticket: Ticket) -> tuple[Ints, Floats]:
    """The k rows with the largest cosine with each of `rows` [m, d], none of them zero: indices and cosines [m, k], exact."""
    from ...index.statistics.neighbours import neighbours

    norms = rows.norm(dim=1)
    found, cosines = [], []
    for first in range(0, len(rows), _AT_ONCE):
        last = min(first + _AT_ONCE, len(rows))
        near, cosine = neighbours(rows, norms, first, last, k, ticket.breathe)
        found.append(near)
        cosines.append(cosine)
        ticket.progress(last, len(rows))
    return np.concatenate(found), np.clip(np.concatenate(cosines), -1, 1)


def neighbours_kept(neighbours: Ints, x: Floats, y: Floats) -> float:
    """The mean share of each point's `neighbours` [m, k] (rows) that are among its k nearest at `x`, `y` [m]."""
    m, k = neighbours.shape
    places = np.stack([x, y], 1).astype(np.float64)
    _, near = cKDTree(places).query(places, k + 1)
    near = np.asarray(near, np.int64).reshape(m, k + 1)
    # A point is nearest to itself, but need not be named among more than k that lie at the same place: then the last goes.
    itself = near == np.arange(m)[:, None]
    itself[~itself.any(1), -1] = True
    others = near[~itself].reshape(m, k)
    # Sets as sorted numbers row * m + neighbour, which are of one row only.
    first = np.arange(m)[:, None] * m
    return float(np.isin(neighbours + first, others + first).mean())

"""Spectral clusters of decoder rows: the second way of Engels et al. 2024 (arXiv 2405.14860) to find groups of features.

Affinity of two features is 1 - arccos(cosine) / π; the clusters are k-means of the rows of the first eigenvectors of the
normalised affinity (Shi and Malik's, as scikit-learn's SpectralClustering), which the paper runs with 1,000 clusters on 24,576
features. Here with SciPy alone, and seeded. It takes longer than the graph: a minute for 6,000 features, and with the cube of their
number more.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

from ...engine.arrays import Doubles, Floats, Ints
from ...engine.ticket import Ticket
from ..errors import GeometryError

__all__ = ["MOST_FEATURES", "PER_CLUSTER", "affinity_of", "spectral_clusters"]

MOST_FEATURES = 25_000
"""Features at most: the affinity is of all pairs, 4 bytes each (2.5 GB)."""
PER_CLUSTER = 25
"""Features a cluster, where the number of clusters is not given: about the paper's."""
_ROWS = 1024
_STARTS, _ROUNDS = 3, 100


def spectral_clusters(decoder: Floats, clusters: int, seed: int, ticket: Ticket) -> tuple[Ints, str]:
    """[n] the cluster of each row of decoder [n, d], and what to say of how it was found, "" if as it should be.

    Raises:
        GeometryError: for more rows than `MOST_FEATURES`, or a number of clusters that is not between 2 and n - 1.
    """
    n = len(decoder)
    if n > MOST_FEATURES:
        raise GeometryError(
            f"Spectral clusters need the affinity of all pairs: {n:,} features are more than {MOST_FEATURES:,}. "
            "Use method='graph'."
        )
    if not 2 <= clusters < n:
        raise GeometryError(f"clusters is between 2 and {n - 1} (features that fire, less one), not {clusters}.")
    affinity = affinity_of(decoder, ticket)
    root: Floats = np.sqrt(affinity.sum(1, dtype=np.float64)).astype(np.float32)
    np.divide(affinity, root, out=affinity)
    np.divide(affinity, root[:, None], out=affinity)
    ticket.breathe()
    vectors, note = _leading(affinity, clusters, seed, ticket)
    return _kmeans(vectors / root[:, None].astype(np.float64), clusters, seed, ticket), note


def affinity_of(decoder: Floats, ticket: Ticket) -> Floats:
    """[n, n] float32, 1 - arccos(cosine) / π of every two rows; rows of zeros have cosine 0 with all others."""
    rows = np.asarray(decoder, np.float32)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = (rows / np.where(norms > 0, norms, 1)).astype(np.float32)
    found = np.empty((len(rows), len(rows)), np.float32)
    for first in range(0, len(rows), _ROWS):
        ticket.breathe()
        part = rows[first : first + _ROWS] @ rows.T
        found[first : first + _ROWS] = 1 - np.arccos(np.clip(part, -1, 1)) / np.float32(np.pi)
    np.fill_diagonal(found, 1)
    return found


def _leading(matrix: Floats, many: int, seed: int, ticket: Ticket) -> tuple[Doubles, str]:
    """The eigenvectors [n, many] of the largest eigenvalues of a symmetric matrix."""

    def times(vector: Floats) -> Floats:
        ticket.breathe()
        return matrix @ vector

    start = np.random.default_rng(seed).uniform(-1, 1, len(matrix)).astype(np.float32)
    note = ""
    vectors: Doubles
    try:
        values, vectors = eigsh(
            LinearOperator(matrix.shape, times, dtype=np.float32), k=many, which="LA", v0=start, tol=1e-4
        )
    except ArpackError as error:  # ArpackNoConvergence is one
        note = (
            f"The iterative eigensolver gave up ({error}): all eigenvectors were computed directly, which takes longer."
        )
        n = len(matrix)
        values, vectors = eigh(matrix, subset_by_index=[n - many, n - 1])
    vectors = np.asarray(vectors[:, np.argsort(-values)], np.float64)
    # As an eigenvector's sign is nobody's choice: the entry that is largest in magnitude is positive.
    return vectors * np.sign(vectors[np.abs(vectors).argmax(0), np.arange(many)]), note


def _kmeans(points: Doubles, k: int, seed: int, ticket: Ticket) -> Ints:
    """Lloyd's algorithm from k-means++ starts, the best of a few: [n] labels."""
    rng = np.random.default_rng(seed)
    squares = (points**2).sum(1)
    best, least = np.zeros(len(points), np.int64), np.inf
    for _ in range(_STARTS):
        centres, labels = _spread(points, squares, k, rng), np.full(len(points), -1)
        for _ in range(_ROUNDS):
            ticket.breathe()
            distance = squares[:, None] - 2 * points @ centres.T + (centres**2).sum(1)
            now, near = distance.argmin(1), distance.min(1)
            if np.array_equal(now, labels):
                break
            labels = now
            count = np.bincount(labels, minlength=k)
            sums = np.zeros((k, points.shape[1]))
            np.add.at(sums, labels, points)
            centres = sums / np.maximum(count, 1)[:, None]
            # A centre that nobody is near moves to the points that are worst off.
            empty = np.flatnonzero(count == 0)
            centres[empty] = points[np.argsort(-near, kind="stable")[: len(empty)]]
        if near.sum() < least:
            best, least = labels, float(near.sum())
    return best.astype(np.int64)


def _spread(points: Doubles, squares: Doubles, k: int, rng: np.random.Generator) -> Doubles:
    """Starts far from each other (k-means++): each drawn with a chance that grows with the squared distance to those there are."""
    chosen = [int(rng.integers(len(points)))]
    near = np.full(len(points), np.inf)
    while len(chosen) < k:
        last = points[chosen[-1]]
        near = np.minimum(near, np.maximum(squares - 2 * points @ last + last @ last, 0))
        total = near.sum()
        if total <= 0:  # fewer different points than clusters
            chosen.append(int(rng.integers(len(points))))
        else:
            chosen.append(int(min(np.searchsorted(np.cumsum(near), rng.random() * total), len(points) - 1)))
    return points[chosen]

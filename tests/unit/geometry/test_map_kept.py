"""How much of the decoder's neighbourhoods a map keeps, and its clusters, by their definitions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from map_made import families, graph_of

from saewidgets.engine.ticket import Ticket
from saewidgets.errors import CancelledError
from saewidgets.geometry.map.clusters import clusters
from saewidgets.geometry.map.kept import neighbours_kept, neighbours_of_rows

Doubles = npt.NDArray[np.float64]


def kept_by_a_loop(neighbours: npt.NDArray[np.int64], places: Doubles) -> float:
    m, k = neighbours.shape
    shares = []
    for i in range(m):
        far = [(float(np.hypot(*(places[j] - places[i]))), j) for j in range(m) if j != i]
        near = {j for _, j in sorted(far)[:k]}
        shares.append(len(near & set(neighbours[i].tolist())) / k)
    return float(np.mean(shares))


@pytest.mark.parametrize(("m", "k"), [(40, 15), (40, 1), (6, 5)])
def test_kept_is_the_mean_share_of_the_nearest_that_stay_near(m: int, k: int) -> None:
    dice = np.random.default_rng(m + k)
    neighbours = np.array([dice.permutation(np.delete(np.arange(m), i))[:k] for i in range(m)])
    places = dice.normal(size=(m, 2)).astype(np.float32)
    found = neighbours_kept(neighbours, places[:, 0], places[:, 1])
    assert found == pytest.approx(kept_by_a_loop(neighbours, places.astype(np.float64)), abs=1e-12)


def test_all_are_kept_where_the_map_is_the_space() -> None:
    places = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    far = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(far, np.inf)
    assert neighbours_kept(np.argsort(far, 1)[:, :15], places[:, 0], places[:, 1]) == 1


def test_points_at_one_place_are_no_neighbours_of_themselves() -> None:
    """Ten at the same place, of which a search for the two nearest may name any but the point itself."""
    x = np.repeat(np.array([0, 5], np.float32), 10)
    neighbours = np.array([[(i + 1) % 10 + i // 10 * 10] for i in range(20)])
    others = neighbours_kept(neighbours, x, np.zeros(20, np.float32))
    assert 0 <= others < 1
    everyone = np.array([[j + i // 10 * 10 for j in range(10) if j != i % 10] for i in range(20)])
    assert neighbours_kept(everyone, x, np.zeros(20, np.float32)) == 1


def test_neighbours_are_those_with_the_largest_cosine() -> None:
    rows = families(70, 4, 16, 0.8, seed=0) * np.random.default_rng(0).uniform(0.1, 9, (70, 1)).astype(np.float32)
    near, cosines = neighbours_of_rows(torch.tensor(rows), 15, Ticket())
    for i in range(70):
        all_of = [rows[i] @ row / np.linalg.norm(rows[i]) / np.linalg.norm(row) for row in rows.astype(np.float64)]
        order = sorted((j for j in range(70) if j != i), key=lambda j: -all_of[j])[:15]
        assert near[i].tolist() == order
        np.testing.assert_allclose(cosines[i], [all_of[j] for j in order], atol=1e-6)


def test_looking_for_neighbours_can_be_cancelled() -> None:
    ticket = Ticket()
    ticket.cancel()
    with pytest.raises(CancelledError):
        neighbours_of_rows(torch.randn(20, 4), 5, ticket)


# -- clusters


def modularity(weights: Doubles, group: npt.NDArray[np.int64], resolution: float) -> float:
    """From its definition: over all pairs in one group, the weight beyond the expected one."""
    degree, total = weights.sum(1), weights.sum()
    found = 0.0
    for i in range(len(weights)):
        for j in range(len(weights)):
            if group[i] == group[j]:
                found += weights[i, j] / total - resolution * degree[i] * degree[j] / total**2
    return found


def weights_of(near: npt.NDArray[np.int64], cosines: npt.NDArray[np.float32]) -> Doubles:
    weights = np.zeros((len(near), len(near)))
    for i, row in enumerate(near):
        for j, cosine in zip(row, cosines[i], strict=True):
            weights[i, j] = max(weights[i, j], cosine, 0)
            weights[j, i] = max(weights[j, i], cosine, 0)
    return weights


def test_planted_families_are_the_clusters() -> None:
    dice = np.random.default_rng(0)
    planted = np.repeat(np.arange(4), [30, 22, 17, 8])
    shuffled = dice.permutation(len(planted))
    rows = np.eye(4, 24)[planted] + 0.08 * dice.normal(size=(len(planted), 24))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)[shuffled]
    graph = graph_of(rows, k=7)
    found = clusters(graph.neighbours, graph.cosines, resolution=1.0)
    np.testing.assert_array_equal(found, planted[shuffled])  # numbered from the largest down


def test_no_single_merger_of_two_clusters_raises_modularity_nor_does_any_partition_tried() -> None:
    graph = graph_of(families(40, 5, 8, 0.7, seed=3), k=6)
    weights = weights_of(graph.neighbours, graph.cosines)
    found = clusters(graph.neighbours, graph.cosines, resolution=1.5)
    reached = modularity(weights, found, 1.5)
    for a in range(found.max() + 1):
        for b in range(a):
            assert modularity(weights, np.where(found == a, b, found), 1.5) <= reached + 1e-9
    dice = np.random.default_rng(0)
    for groups in (1, 2, 4, 8, 40):
        tried = np.arange(40) if groups == 40 else dice.integers(0, groups, 40)
        assert modularity(weights, tried, 1.5) < reached


def test_an_edge_is_there_if_either_end_has_the_other_among_its_nearest() -> None:
    """A chain 1 - 0 - 2 - 3, whose two halves have the largest modularity; by the arrows alone 2 would not know of 3."""
    near = np.array([[1], [0], [0], [2]])
    cosines = np.array([[0.9], [0.9], [0.5], [0.5]], np.float32)
    weights = weights_of(near, cosines)
    assert clusters(near, cosines, resolution=1.0).tolist() == [0, 0, 1, 1]
    assert modularity(weights, np.array([0, 0, 1, 1]), 1.0) > modularity(weights, np.array([0, 0, 0, 0]), 1.0)


def test_a_row_without_a_cosine_above_zero_is_in_no_cluster() -> None:
    near = np.array([[1, 2], [0, 2], [0, 1], [0, 1]])
    cosines = np.array([[0.9, 0.8], [0.9, 0.8], [0.8, 0.8], [-0.1, -0.2]], np.float32)
    assert clusters(near, cosines, resolution=1.0).tolist() == [0, 0, 0, -1]


def test_finer_is_more_clusters_and_the_same_neighbours_give_the_same() -> None:
    graph = graph_of(families(120, 12, 16, 0.8, seed=1))
    coarse, fine = (clusters(graph.neighbours, graph.cosines, resolution=r) for r in (1.0, 6.0))
    assert 0 < coarse.max() < fine.max()
    np.testing.assert_array_equal(fine, clusters(graph.neighbours, graph.cosines, resolution=6.0))
    sizes = np.bincount(fine[fine >= 0])
    assert (np.diff(sizes) <= 0).all() and sizes.min() >= 2


def test_whoever_waits_no_longer_ends_the_clustering() -> None:
    graph = graph_of(families(30, 3, 8, 0.5, seed=0))

    def stop() -> None:
        raise CancelledError("enough")

    with pytest.raises(CancelledError):
        clusters(graph.neighbours, graph.cosines, stop)

"""Who lays a map out: fastumap, from another start, or umap-learn, and what is said of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import pytest
from map_made import StandIn, fails, families, first_two, graph_of
from scipy.sparse.linalg import ArpackNoConvergence

from saewidgets.geometry.errors import GeometryError
from saewidgets.geometry.map import embed as module
from saewidgets.geometry.map.embed import Graph, embed

needs_fastumap = pytest.mark.skipif(find_spec("fastumap") is None, reason="fastumap is not installed")
ARPACK = ArpackNoConvergence("No convergence", np.zeros(0), np.zeros((0, 0)))


@pytest.fixture
def graph() -> Graph:
    return graph_of(families(30, 3, 8, 0.3, seed=0))


def use(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    monkeypatch.setattr(module, "_imported", stand_in)
    return stand_in


def test_the_library_gets_the_exact_neighbours_with_the_point_itself_first(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries = use(StandIn(first_two), monkeypatch)
    embed(graph, 0.25, 7)
    (call,) = libraries.calls
    near, far = call["precomputed_knn"]  # type: ignore[misc]
    assert near.shape == far.shape == (30, 15)
    assert (near[:, 0] == np.arange(30)).all() and (far[:, 0] == 0).all()
    rows = graph.rows.astype(np.float64)
    np.testing.assert_allclose(far, 1 - np.einsum("id,ijd->ij", rows, rows[near]), atol=1e-6)
    assert (call["min_dist"], call["random_state"], call["metric"], call["n_neighbors"]) == (0.25, 7, "cosine", 15)


def test_twins_lie_at_no_distance_whatever_float32_makes_of_their_cosine() -> None:
    graph = graph_of(np.repeat(families(10, 5, 576, 1.0, seed=1), 2, axis=0))
    graph.cosines[:, 0] = np.float32(1) - np.float32(2**-22)
    _, far = graph.with_itself()
    assert (far[:, 1] == 0).all() and (far[:, 2:] > 0).all()


def test_it_starts_from_the_two_components_with_the_largest_variance() -> None:
    dice = np.random.default_rng(0)
    rows = (dice.uniform(-1, 1, size=(40, 6)) * [1, 5, 0.5, 3, 1, 0.2]).astype(np.float32)
    start = module._components(rows, 0)
    _, _, axes = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    wanted = (rows - rows.mean(0)) @ axes[:2].T
    for found, expected in zip(start.T, wanted.T, strict=True):
        assert abs(np.corrcoef(found, expected)[0, 1]) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(start.std(0), 10 / 3, rtol=1e-3)


def test_what_lies_far_out_starts_at_the_edge() -> None:
    rows = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    rows[7, 0] = 500
    start = module._components(rows, 0)
    assert abs(start[7, 0]) == pytest.approx(10, abs=0.01) and np.abs(start).max() < 10.01


@pytest.mark.parametrize("error", [ARPACK, RuntimeError("panicked"), MemoryError()], ids=lambda e: type(e).__name__)
def test_where_fastumap_fails_umap_learn_is_taken_and_it_is_said(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    libraries = use(StandIn(fails(error), first_two), monkeypatch)
    found = embed(graph, 0.05, 0)
    assert [call["library"] for call in libraries.calls] == ["fastumap", "fastumap", "umap-learn"]
    assert found.method.startswith("umap-learn") and found.init == "principal components"
    assert all(type(error).__name__ in note and note.startswith("fastumap") for note in found.notes)
    assert [("principal" in note, "random" in note) for note in found.notes] == [(True, False), (False, True)]


def test_the_second_start_of_fastumap_is_another_one(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def once(rows: np.ndarray) -> object:
        asked.append(rows)
        if len(asked) == 1:
            raise ARPACK
        return first_two(rows)

    libraries = use(StandIn(once), monkeypatch)
    found = embed(graph, 0.05, 0)
    assert found.init == "random places" and found.method.startswith("fastumap")
    assert "ArpackNoConvergence" in found.notes[0] and len(found.notes) == 1
    first, second = (call["init"] for call in libraries.calls)
    assert not np.allclose(first, second)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda rows: np.full((len(rows), 2), np.nan), "not finite"),
        (lambda rows: np.ones((len(rows), 2)), "one place"),
        (lambda rows: np.zeros((len(rows), 3)), "30x3"),
    ],
)
def test_an_answer_that_is_no_map_is_a_failure(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, answer: object, said: str
) -> None:
    use(StandIn(answer, first_two), monkeypatch)  # type: ignore[arg-type]
    found = embed(graph, 0.05, 0)
    assert found.method.startswith("umap-learn") and said in found.notes[0]


def test_if_both_fail_the_error_names_what_each_said(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    use(StandIn(fails(ARPACK), fails(ValueError("of its own"))), monkeypatch)
    with pytest.raises(GeometryError, match=r"fastumap.*ArpackNoConvergence.*umap-learn.*ValueError: of its own"):
        embed(graph, 0.05, 0)


def test_without_the_extra_the_error_names_it(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    use(StandIn(None), monkeypatch)
    with pytest.raises(GeometryError, match=r"pip install 'saewidgets\[map\]'.*fastumap.*umap-learn"):
        embed(graph, 0.05, 0)


def test_where_fastumap_is_not_installed_umap_learn_is_taken(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    libraries = use(StandIn(None, first_two), monkeypatch)
    found = embed(graph, 0.05, 3)
    assert found.method.startswith("umap-learn") and "fastumap cannot be loaded" in found.notes[0]
    (call,) = libraries.calls
    assert call["random_state"] == 3 and call["n_jobs"] == 1


@needs_fastumap
@pytest.mark.slow
def test_the_same_seed_gives_the_same_places() -> None:
    graph = graph_of(families(60, 4, 16, 0.5, seed=0))
    first, again, other = (embed(graph, 0.05, seed) for seed in (1, 1, 2))
    assert first.notes == () and first.method.startswith("fastumap 0.")
    np.testing.assert_array_equal(first.places, again.places)
    assert not np.allclose(first.places, other.places)


@needs_fastumap
@pytest.mark.slow
def test_families_lie_together() -> None:
    graph = graph_of(families(90, 3, 32, 0.3, seed=0), n_neighbors=10)
    family = np.argmax(graph.rows @ graph.rows.T > 0.5, axis=1)  # the first whose cosine is above a half
    places = embed(graph, 0.05, 0).places
    far = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(far, np.inf)
    assert (family[far.argmin(1)] == family).all()


@needs_fastumap
@pytest.mark.parametrize("n", [5, 6, 20])
def test_small_maps_with_twins_among_them(n: int) -> None:
    rows = np.repeat(families(n, n, 16, 1.0, seed=n), 2, axis=0)[:n]
    found = embed(graph_of(rows), 0.05, 0)
    assert found.places.shape == (n, 2) and found.notes == ()


@needs_fastumap
@pytest.mark.slow
def test_tight_families_on_which_the_usual_start_does_not_converge() -> None:
    import fastumap

    graph = graph_of(families(200, 14, 64, 0.2, seed=0))
    with pytest.raises(ArpackNoConvergence):
        fastumap.umap_project(graph.rows, 2, n_neighbors=15, metric="cosine", n_epochs=1, random_state=0)
    found = embed(graph, 0.05, 0)
    assert found.method.startswith("fastumap") and found.notes == ()
    assert len(np.unique(found.places, axis=0)) == 200


@pytest.mark.slow
def test_umap_learn_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiles for a minute where it never ran before."""
    pytest.importorskip("numba")
    real = module._imported
    if find_spec("umap") is None:
        pytest.skip("umap-learn is not installed")

    def only(library: str) -> object:
        if library == "fastumap":
            raise ModuleNotFoundError("No module named 'fastumap'")
        return real(library)

    monkeypatch.setattr(module, "_imported", only)
    graph = graph_of(families(60, 4, 16, 0.5, seed=0))
    with ThreadPoolExecutor(1) as own:  # as `feature_map` does: see `embed`
        first, again = own.map(lambda _: embed(graph, 0.05, 1), range(2))
    np.testing.assert_array_equal(first.places, again.places)
    assert first.method.startswith("umap-learn 0.") and len(first.notes) == 1  # of fastumap alone

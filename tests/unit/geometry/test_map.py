"""`sw.feature_map`: what is on it, what is not, and where it is kept."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
import torch
from map_made import HOOK, StandIn, directions, first_two, indexed

import saewidgets as sw
from saewidgets.engine.worker import Turn
from saewidgets.errors import CancelledError
from saewidgets.geometry.errors import GeometryError
from saewidgets.geometry.map import embed as libraries
from saewidgets.geometry.map import feature_map
from saewidgets.index.errors import IndexMismatchError


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAEWIDGETS_DATA", str(tmp_path / "data"))


@pytest.fixture(autouse=True)
def umap(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Rows as they are, by their first two coordinates: what is tested here is all that stands around a layout."""
    made = StandIn(first_two)
    monkeypatch.setattr(libraries, "_imported", made)
    return made


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sw.FeatureIndex]:
    """Of an SAE with two rows of zeros and two that are the same."""
    sae = tiny.sae("standard")
    with torch.no_grad():
        sae.W_dec[3] = sae.W_dec[47] = 0
        sae.W_dec[9] = 2 * sae.W_dec[8]
    with indexed(sae, tmp_path_factory.mktemp("built")) as index:
        yield index


@pytest.fixture
def index(built: sw.FeatureIndex, tmp_path: Path) -> sw.FeatureIndex:
    """A copy to each test."""
    return sw.FeatureIndex.open(shutil.copytree(built.path, tmp_path / "index"), engine=built.engine)


def unit_rows(index: sw.FeatureIndex, features: np.ndarray) -> np.ndarray:
    rows = tiny.sae_of(index.engine).W_dec.detach().numpy().astype(np.float64)[features]
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_every_feature_whose_row_is_not_zero_has_a_place(index: sw.FeatureIndex) -> None:
    layout = sw.feature_map(index)
    assert layout.features.tolist() == [f for f in range(48) if f not in (3, 47)]
    assert layout.n_features == 48 and len(layout) == 46
    assert any("2 of 48 features have a decoder row of zeros" in note for note in layout.notes)
    for array in (layout.x, layout.y, layout.cluster, layout.neighbours, layout.cosines):
        assert len(array) == 46
    assert repr(layout).startswith("FeatureLayout(46 of 48 features by fastumap")


def test_places_are_those_of_the_layout_in_a_picture_whose_longer_side_is_two(index: sw.FeatureIndex) -> None:
    layout = sw.feature_map(index)
    places = unit_rows(index, layout.features)[:, :2]
    sides = np.ptp(places, axis=0)
    middle = (places.max(0) + places.min(0)) / 2
    expected = (places - middle) / (sides.max() / 2)
    np.testing.assert_allclose(np.stack([layout.x, layout.y], 1), expected, atol=1e-5)
    spans = [np.ptp(layout.x), np.ptp(layout.y)]
    assert max(spans) == pytest.approx(2, abs=1e-5) and min(spans) < 2


def test_neighbours_cosines_and_what_is_kept_of_them(index: sw.FeatureIndex) -> None:
    layout = sw.feature_map(index)
    rows = unit_rows(index, layout.features)
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -np.inf)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :15]
    # Features 8 and 9 point the same way: which of them comes first is nobody's business.
    found, expected = (np.where(near == 9, 8, near) for near in (layout.neighbours, layout.features[order]))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(layout.cosines, np.take_along_axis(cosines, order, 1), atol=1e-6)
    assert layout.k == 15 and layout.chance == pytest.approx(15 / 45)
    near = np.searchsorted(layout.features, layout.neighbours)
    shares = []
    for i in range(46):
        far = np.hypot(layout.x - layout.x[i], layout.y - layout.y[i])
        far[i] = np.inf
        shares.append(len({*np.argsort(far)[:15].tolist()} & {*near[i].tolist()}) / 15)
    assert layout.kept == pytest.approx(np.mean(shares))


def test_what_it_was_made_with_is_said(index: sw.FeatureIndex, umap: StandIn) -> None:
    layout = sw.feature_map(index, n_neighbors=7, min_dist=0.3, seed=5)
    assert layout.settings == {
        "n_neighbors": 7,
        "min_dist": 0.3,
        "metric": "cosine",
        "seed": 5,
        "init": "principal components",
    }
    assert (umap.calls[0]["n_neighbors"], umap.calls[0]["min_dist"], umap.calls[0]["random_state"]) == (7, 0.3, 5)
    assert layout.provenance["SAE"] == "mine" and "n_neighbors 7" in layout.provenance["map"]


def test_progress_is_told_in_stages(index: sw.FeatureIndex) -> None:
    told: list[tuple[int, int]] = []
    sw.feature_map(index, on_progress=lambda done, total: told.append((done, total)))
    assert {total for _, total in told} == {100} and told[-1] == (100, 100)
    assert [done for done, _ in told] == sorted(done for done, _ in told) and {30, 95} <= {done for done, _ in told}


# -- kept with the index


def test_it_is_made_once_and_found_again_without_engine_or_library(
    index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = sw.feature_map(index)
    assert made.path is not None and made.path.parent == index.path / "maps"
    monkeypatch.setattr(libraries, "_imported", StandIn(None))
    found = sw.feature_map(sw.FeatureIndex.open(index.path))
    for name in ("features", "x", "y", "cluster", "neighbours", "cosines"):
        np.testing.assert_array_equal(getattr(found, name), getattr(made, name))
        assert getattr(found, name).dtype == getattr(made, name).dtype
    for name in ("kept", "k", "method", "settings", "notes", "n_features", "path"):
        assert getattr(found, name) == getattr(made, name), name
    with pytest.raises(IndexMismatchError, match="open it with its engine"):
        sw.feature_map(sw.FeatureIndex.open(index.path), seed=1)


def test_other_settings_are_another_map(index: sw.FeatureIndex, umap: StandIn) -> None:
    paths = {
        sw.feature_map(index, **asked).path  # type: ignore[arg-type]
        for asked in ({}, {"seed": 1}, {"min_dist": 0.1}, {"n_neighbors": 5}, {"seed": 1})
    }
    assert len(paths) == 4 and len(umap.calls) == 4


def test_fresh_makes_it_again_in_its_place(index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    first = sw.feature_map(index)
    monkeypatch.setattr(libraries, "_imported", StandIn(lambda rows: -first_two(rows)))
    assert np.array_equal(sw.feature_map(index).x, first.x)
    again = sw.feature_map(index, fresh=True)
    np.testing.assert_allclose(again.x, -first.x, atol=1e-6)
    assert again.path == first.path and np.array_equal(sw.feature_map(index).x, again.x)


@pytest.mark.parametrize("damage", ["a byte", "an end", "no contents", "a file missing"])
def test_a_damaged_map_is_made_again(index: sw.FeatureIndex, umap: StandIn, damage: str) -> None:
    path = sw.feature_map(index).path
    assert path is not None
    content = bytearray((path / "x.npy").read_bytes())
    if damage == "a byte":
        content[-1] ^= 1
        (path / "x.npy").write_bytes(content)
    elif damage == "an end":
        (path / "x.npy").write_bytes(content[:-4])
    else:
        (path / ("contents.json" if damage == "no contents" else "y.npy")).unlink()
    with pytest.raises(IndexMismatchError, match="engine"):
        sw.feature_map(sw.FeatureIndex.open(index.path))
    sw.feature_map(index)
    assert len(umap.calls) == 2
    sw.feature_map(sw.FeatureIndex.open(index.path))


@pytest.mark.slow
def test_a_map_of_another_dictionary_is_not_taken(index: sw.FeatureIndex, tmp_path: Path) -> None:
    mine = sw.feature_map(index).path
    (tmp_path / "other").mkdir()
    with indexed(tiny.sae("standard", seed=1), tmp_path / "other") as other:
        assert mine is not None and len(sw.feature_map(other)) == 48
        theirs = sw.feature_map(other).path
        assert theirs is not None and theirs.name != mine.name
        shutil.rmtree(theirs)
        shutil.copytree(mine, theirs)  # under the name that is looked for
        with pytest.raises(IndexMismatchError):
            sw.feature_map(sw.FeatureIndex.open(other.path))
        assert len(sw.feature_map(other)) == 48


def test_where_the_index_cannot_be_written_it_is_kept_for_the_user_and_said(
    index: sw.FeatureIndex, umap: StandIn, tmp_path: Path
) -> None:
    (index.path / "maps").write_text("no folder")
    made = sw.feature_map(index)
    assert made.path is not None and made.path.parent == tmp_path / "data" / "maps"
    assert f"is kept in {made.path}" in made.notes[-1]
    found = sw.feature_map(sw.FeatureIndex.open(index.path))
    assert found.path == made.path and found.notes == made.notes and len(umap.calls) == 1


def test_where_nothing_can_be_written_it_is_there_all_the_same(index: sw.FeatureIndex, tmp_path: Path) -> None:
    (index.path / "maps").write_text("no folder")
    (tmp_path / "data").write_text("no folder")
    made = sw.feature_map(index)
    assert made.path is None and "kept nowhere" in made.notes[-1] and len(made) == 46


# -- beside other work


def test_others_are_let_in_while_a_layout_is_made_in_a_job(
    index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert index.engine is not None
    worker = index.engine.worker
    begun, answered = threading.Event(), threading.Event()

    def waits(rows: np.ndarray) -> object:
        begun.set()
        assert answered.wait(60)
        return first_two(rows)

    monkeypatch.setattr(libraries, "_imported", StandIn(waits))
    job = worker.submit(lambda ticket: sw.feature_map(index), turn=Turn.LONG)
    assert begun.wait(60)
    worker.submit(lambda ticket: answered.set(), turn=Turn.QUESTION)
    assert job.finished.wait(60) and job.error is None and job.result is not None
    assert len(job.result) == 46


def test_the_engine_is_free_while_a_cell_waits_for_a_layout(
    index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert index.engine is not None
    worker = index.engine.worker

    def asks(rows: np.ndarray) -> object:
        assert worker.run(lambda ticket: True)
        return first_two(rows)

    monkeypatch.setattr(libraries, "_imported", StandIn(asks))
    assert len(sw.feature_map(index)) == 46


def test_a_job_is_cancelled_while_a_layout_is_made(index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    assert index.engine is not None
    begun, free = threading.Event(), threading.Event()

    def waits(rows: np.ndarray) -> object:
        begun.set()
        assert free.wait(60)
        return first_two(rows)

    monkeypatch.setattr(libraries, "_imported", StandIn(waits))
    job = index.engine.worker.submit(lambda ticket: sw.feature_map(index))
    assert begun.wait(60)
    job.cancel()
    assert job.finished.wait(60) and isinstance(job.error, CancelledError)
    free.set()
    assert not (index.path / "maps").exists()


def test_what_nobody_waits_for_any_more_is_told_so(index: sw.FeatureIndex) -> None:
    engine = index.engine
    assert engine is not None
    begun, ended = threading.Event(), threading.Event()

    def work(check: Callable[[], None]) -> None:
        begun.set()
        try:
            while True:
                check()
                time.sleep(0.01)
        finally:
            ended.set()

    job = engine.worker.submit(lambda ticket: feature_map._beside(engine, work))
    assert begun.wait(60)
    job.cancel()
    assert ended.wait(60) and job.finished.wait(60) and isinstance(job.error, CancelledError)


# -- no map


@pytest.mark.slow
def test_neurons_have_none(tmp_path: Path) -> None:
    with indexed(sw.Neurons(HOOK), tmp_path) as index, pytest.raises(GeometryError, match="basis itself"):
        sw.feature_map(index)


@pytest.mark.slow
def test_fewer_than_five_have_none(tmp_path: Path) -> None:
    with (
        indexed(directions(4), tmp_path) as index,
        pytest.raises(GeometryError, match="at least 5 features; .* 4 have"),
    ):
        sw.feature_map(index)


@pytest.mark.slow
def test_of_twenty_umap_looks_at_as_many_and_it_is_said(tmp_path: Path, umap: StandIn) -> None:
    with indexed(directions(20), tmp_path) as index:
        layout = sw.feature_map(index, n_neighbors=50)
        assert umap.calls[0]["n_neighbors"] == 20 == layout.settings["n_neighbors"]
        assert "There are 20 features" in layout.notes[-1] and layout.k == 15
        assert sw.feature_map(sw.FeatureIndex.open(index.path), n_neighbors=50).notes == layout.notes
        assert len(umap.calls) == 1


def test_settings_are_whole_numbers_of_any_kind(index: sw.FeatureIndex, umap: StandIn) -> None:
    layout = sw.feature_map(index, n_neighbors=15.0, seed=np.float64(3))  # type: ignore[arg-type]
    assert [type(umap.calls[0][name]) for name in ("n_neighbors", "random_state")] == [int, int]
    assert sw.feature_map(index, n_neighbors=np.int32(15), seed=3).path == layout.path and len(umap.calls) == 1  # type: ignore[arg-type]


@pytest.mark.slow
def test_rows_that_all_point_the_same_way_have_none(tmp_path: Path) -> None:
    same = sw.Directions(torch.arange(1, 9.0)[:, None] * torch.ones(1, tiny.D_MODEL), HOOK)
    with indexed(same, tmp_path) as index, pytest.raises(GeometryError, match="point the same way"):
        sw.feature_map(index)


def test_weights_that_changed_since_are_refused(index: sw.FeatureIndex) -> None:
    weights = tiny.sae_of(index.engine).W_dec.data
    weights[0] *= 2
    try:
        with pytest.raises(IndexMismatchError, match="were changed since"):
            sw.feature_map(index)
    finally:
        weights[0] /= 2


def test_rows_that_are_not_finite_are_refused(index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    dictionary = index.dictionary()
    rows = dictionary.decoder()
    rows[5, 1] = torch.nan
    monkeypatch.setattr(type(dictionary), "decoder", lambda self, columns=None: rows)
    with pytest.raises(GeometryError, match="NaN or infinity"):
        sw.feature_map(index)


def test_an_index_of_another_tool_s_files_holds_no_rows(
    index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sw.FeatureIndex, "imported", property(lambda self: SimpleNamespace(format="Neuronpedia")))
    with pytest.raises(IndexMismatchError, match="Neuronpedia's files.*build_index"):
        sw.feature_map(index)


@pytest.mark.parametrize(
    "asked",
    [
        {"n_neighbors": 1},
        {"n_neighbors": 2.5},
        {"n_neighbors": 2000},
        {"min_dist": -0.1},
        {"min_dist": 2.0},
        {"seed": -1},
    ],
)
def test_settings_out_of_range_are_refused(index: sw.FeatureIndex, asked: dict[str, float]) -> None:
    with pytest.raises(GeometryError, match=next(iter(asked))):
        sw.feature_map(index, **asked)  # type: ignore[arg-type]


# -- as tables and as a picture


def test_the_table_has_places_clusters_and_what_the_index_says(index: sw.FeatureIndex) -> None:
    index.set_label(10, "ten")
    layout = sw.feature_map(index)
    table = layout.to_pandas()
    assert list(table)[:5] == ["feature", "x", "y", "cluster", "label"]
    assert table["feature"].tolist() == layout.features.tolist() and table.index.tolist() == list(range(46))
    row = table[table["feature"] == 10].iloc[0]
    assert row["label"] == "ten" and row["density"] == index.features.loc[10, "density"]
    assert layout.cluster.max() + 1 == layout.clusters > 1


def test_the_table_for_embedding_atlas_names_neighbours_by_row(index: sw.FeatureIndex) -> None:
    layout = sw.feature_map(index)
    table = layout.to_atlas()
    assert {"feature", "x", "y", "neighbors", *index.features.columns} <= {*table}
    assert not table.columns.duplicated().any()
    for row, (feature, near) in enumerate(zip(table["feature"], table["neighbors"], strict=True)):
        assert set(near) == {"ids", "distances"} and len(near["ids"]) == 15
        assert feature == layout.features[row] and row not in near["ids"]
        assert table["feature"].iloc[near["ids"]].tolist() == layout.neighbours[row].tolist()
        np.testing.assert_allclose(near["distances"], np.maximum(1 - layout.cosines[row], 0), atol=1e-6)
        assert near["distances"] == sorted(near["distances"]) and min(near["distances"]) >= 0


@pytest.mark.parametrize("colour", ["density", "cluster", "max", "logit_kurtosis"])
def test_the_picture_says_how_much_it_keeps(index: sw.FeatureIndex, colour: str) -> None:
    layout = sw.feature_map(index)
    figure = layout.figure(colour)
    (points,) = figure.data
    np.testing.assert_array_equal(points.x, layout.x)
    assert f"keeps {layout.kept:.1%}" in figure.layout.title.text and colour in figure.layout.title.text
    if colour == "density":
        density = index.features["density"].to_numpy()[layout.features]
        known = density > 0
        np.testing.assert_allclose(points.marker.color[known], np.log10(density[known]))
        assert np.isnan(points.marker.color[~known]).all()


def test_a_picture_by_what_is_no_number_names_what_is(index: sw.FeatureIndex) -> None:
    with pytest.raises(GeometryError, match="'top_token'.*cluster, .*density"):
        sw.feature_map(index).figure("top_token")


# -- the real thing


@pytest.mark.skipif(find_spec("fastumap") is None, reason="fastumap is not installed")
@pytest.mark.slow
def test_fastumap_keeps_more_neighbours_than_chance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("SAEWIDGETS_DATA", str(tmp_path / "data"))
    with indexed(directions(200), tmp_path) as index:
        layout = sw.feature_map(index)
        assert layout.method.startswith("fastumap 0.") and layout.notes == ()
        assert layout.kept > 3 * layout.chance
        again = sw.feature_map(index, fresh=True)
        np.testing.assert_array_equal(again.x, layout.x)


def test_over_a_feature_without_a_top_token_no_token_is_told(
    index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = sw.feature_map(index)
    table = index.features.assign(top_token=lambda t: t["top_token"].where(t.index > 0, np.nan), label=None)
    monkeypatch.setattr(sw.FeatureIndex, "features", table)
    assert layout.features[0] == 0 and layout.figure().data[0].text[0] == "feature 0"

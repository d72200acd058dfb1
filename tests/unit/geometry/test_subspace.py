"""`subspace`: a planted circle is found in its plane, every point against the reconstruction, and what cannot be drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import planted_shapes as shapes
import pytest
import tiny
import torch

import saewidgets as sw
from saewidgets.errors import FeatureIndexError
from saewidgets.geometry.errors import GeometryError
from saewidgets.index.errors import IndexMismatchError


@pytest.fixture(scope="module")
def circle(planted: sw.FeatureIndex) -> sw.Subspace:
    return sw.subspace(planted, shapes.CIRCLE)


def rebuilt(found: sw.Subspace, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Σ a_f d_f at each point, one by one."""
    out = np.zeros((len(found), rows.shape[1]))
    for i in range(len(found)):
        for k, f in enumerate(found.features.tolist()):
            out[i] += float(found.activations[i, k]) * rows[f].astype(np.float32)
    return out


def test_the_planted_plane(circle: sw.Subspace) -> None:
    assert circle.pair == (0, 1) and circle.circularity[0, 1] > 0.5
    cosines = np.linalg.svd(circle.components[list(circle.pair)] @ shapes.PLANE.T, compute_uv=False)
    assert np.degrees(np.arccos(np.clip(cosines, -1, 1))).max() < 2
    plane = circle.points[:, list(circle.pair)]
    middle = {t: plane[[i for i, u in enumerate(circle.token) if u == t]].mean(0) for t in set(circle.token)}
    assert len(middle) == 7
    # The order of the seven around the circle is the planted one, whichever way round.
    centre = np.mean(list(middle.values()), 0)
    words = [tiny.tokenizer().decode([token]) for token in shapes.DAYS]
    turn = np.diff([np.arctan2(*(middle[word] - centre)[::-1]) for word in [*words, words[0]]])
    steps = (turn + np.pi) % (2 * np.pi) - np.pi
    np.testing.assert_allclose(np.abs(steps), 2 * np.pi / 7, atol=0.15)
    assert len(set(np.sign(steps))) == 1


def test_points_are_the_reconstruction_of_these_features_alone(circle: sw.Subspace) -> None:
    full = rebuilt(circle, shapes.directions())
    np.testing.assert_allclose(circle.mean + circle.points @ circle.components, full, atol=1e-5)
    singular = np.linalg.svd(full - full.mean(0), compute_uv=False)
    np.testing.assert_allclose(circle.explained, (singular**2 / (singular**2).sum())[:5], atol=1e-6)
    for component in circle.components:
        assert component[np.abs(component).argmax()] > 0


def test_where_the_points_stand(circle: sw.Subspace, planted: sw.FeatureIndex) -> None:
    texts = shapes.corpus()
    flat = [token for ids in texts for token in ids]
    decode = tiny.tokenizer().decode
    for i in (0, 1, 400, len(circle) - 1):
        at = int(circle.position[i])
        text, where = divmod(at, 40)
        assert circle.token[i] == decode([flat[at]])
        assert (circle.places.document[i], circle.places.in_document[i]) == (text, where)
        window, focus = circle.places.window(i, 3, 2)
        wanted = texts[text][max(0, where - 3) : where + 3]
        assert focus == min(3, where) and len(window) == len(wanted) and window[focus] == circle.token[i]
        for string, token in zip(window, wanted, strict=True):
            assert string == decode([token]) or decode([token]) == "\ufffd"  # a part of a character
    named = planted.documents["name"].tolist()
    assert [circle.places.document_name(i) for i in (0, 400)] == [named[circle.places.document[i]] for i in (0, 400)]
    assert circle.places.columns == ()
    with pytest.raises(KeyError, match="no column 'author'"):
        circle.places.column("author")


def test_as_a_table(circle: sw.Subspace) -> None:
    table = circle.to_pandas()
    names = ["token", "context", "document", "position_in_document", "position"]
    names += [f"pc{i}" for i in range(1, 6)] + [f"feature_{f}" for f in shapes.CIRCLE]
    assert table.columns.tolist() == names and len(table) == len(circle)
    assert (table["pc2"].to_numpy() == circle.points[:, 1]).all()
    assert (table["feature_3"].to_numpy() == circle.activations[:, 3]).all()
    assert all(token in context for token, context in zip(table["token"], table["context"], strict=True))


@pytest.mark.slow
def test_documents_and_their_columns(tmp_path: Path, planted_engine: sw.Engine) -> None:
    texts = [
        {"tokens": ids, "text": tiny.tokenizer().decode(ids), "pc1": f"kind {i % 3}", "year": 1900 + i}
        for i, ids in enumerate(shapes.corpus(6))
    ]
    index = shapes.index(tmp_path / "index", planted_engine, texts)  # type: ignore[arg-type]
    found = sw.subspace(index, shapes.CIRCLE)
    assert set(found.places.columns) >= {"pc1", "year"}
    for i in (0, len(found) - 1):
        assert found.places.column("year")[i] == 1900 + found.places.document[i]
    table = found.to_pandas()
    assert table["document_pc1"].tolist() == [f"kind {d % 3}" for d in found.places.document]
    assert found.figure(colour="year").data[0].marker.color.tolist() == table["year"].tolist()
    assert {trace.name.split(" (")[0] for trace in found.figure(colour="pc1").data} == {"kind 0", "kind 1", "kind 2"}


@pytest.mark.slow
def test_a_column_with_gaps_is_a_scale_all_the_same(tmp_path: Path, planted_engine: sw.Engine) -> None:
    kinds = ["a", None, "b", "a", None, "b"]
    texts = [
        {"tokens": ids, "text": tiny.tokenizer().decode(ids), "year": None if i == 2 else 1900 + i, "kind": kind}
        for i, (ids, kind) in enumerate(zip(shapes.corpus(6), kinds, strict=True))
    ]
    found = sw.subspace(shapes.index(tmp_path / "index", planted_engine, texts), shapes.CIRCLE)  # type: ignore[arg-type]
    document = found.places.document
    without, years = found.figure(colour="year").data
    assert years.marker.color.tolist() == (1900 + document[document != 2]).tolist()
    assert years.x.tolist() == found.points[document != 2, found.pair[0]].tolist()
    assert without.name == f"(none) ({(document == 2).sum()})" and len(without.x) == (document == 2).sum()
    names = {trace.name.split(" (")[0]: len(trace.x) for trace in found.figure(colour="kind").data}
    assert names == {kind or "(none)": int(sum(kinds[d] == kind for d in document)) for kind in set(kinds)}


@pytest.mark.slow
def test_pictures(circle: sw.Subspace) -> None:
    flat = circle.figure()
    assert sum(len(trace.x) for trace in flat.data) == len(circle)
    assert flat.layout.xaxis.title.text.startswith("component 1 (")
    assert flat.layout.yaxis.scaleanchor == "x"
    assert {trace.name.split(" (")[0] for trace in flat.data} == set(circle.token)
    deep = circle.figure([2, 0, 1], colour="position")
    assert deep.data[0].type == "scatter3d"
    np.testing.assert_array_equal(deep.data[0].x, circle.points[:, 2])
    assert deep.data[0].marker.color.tolist() == circle.places.in_document.tolist()
    assert len(circle.figure(colour="document").data) == 17  # sixteen documents and the others
    assert "<b>" in flat.data[0].customdata[0]


@pytest.mark.parametrize("components", [[0], [0, 0], [0, 5], [-1, 0], [0, 1, 2, 3]])
def test_pictures_that_cannot_be(circle: sw.Subspace, components: list[int]) -> None:
    with pytest.raises(GeometryError, match="components|component"):
        circle.figure(components)


@pytest.mark.slow
def test_at_most_n_points_drawn_and_said(planted: sw.FeatureIndex, circle: sw.Subspace) -> None:
    some = sw.subspace(planted, shapes.CIRCLE, n=200, seed=5)
    assert len(some) == 200 and set(some.position.tolist()) < set(circle.position.tolist())
    assert any("200 of" in note and "seed 5" in note for note in some.notes)
    again = sw.subspace(planted, shapes.CIRCLE, n=200, seed=5)
    np.testing.assert_array_equal(some.points, again.points)
    assert some.scores.separability == again.scores.separability
    np.testing.assert_array_equal(some.scores.shuffled.mixture, again.scores.shuffled.mixture)
    assert some.provenance["seed"] == "5" and "corpus" in some.provenance


def test_own_texts(planted_engine: sw.Engine) -> None:
    texts = [[0, *shapes.DAYS, 70, 71], [*shapes.DAYS[::-1], 60], shapes.DAYS]
    found = sw.subspace(planted_engine, shapes.CIRCLE, texts=texts)
    assert len(found) == 21
    full = rebuilt(found, shapes.directions())
    np.testing.assert_allclose(found.mean + found.points @ found.components, full, atol=1e-5)
    assert found.position.tolist() == [*range(1, 8), *range(10, 17), *range(18, 25)]
    assert found.places.document.tolist() == [0] * 7 + [1] * 7 + [2] * 7
    assert found.places.in_document.tolist() == [*range(1, 8), *range(7), *range(7)]
    assert found.to_pandas()["document"].unique().tolist() == ["text 0", "text 1", "text 2"]
    window, at = found.places.window(7, 2, 1)
    assert (at, len(window)) == (0, 2) and window[0] == found.token[7]
    assert len(found.figure().data) == 7
    with pytest.raises(KeyError, match="only the documents of an index"):
        found.places.column("year")


def test_an_index_with_texts_of_ones_own(planted: sw.FeatureIndex, planted_engine: sw.Engine) -> None:
    a = sw.subspace(planted, shapes.CIRCLE, texts=[shapes.DAYS, shapes.DAYS])
    b = sw.subspace(planted_engine, shapes.CIRCLE, texts=[shapes.DAYS, shapes.DAYS])
    np.testing.assert_array_equal(a.points, b.points)


@pytest.mark.slow
def test_notes_of_odd_features(planted: sw.FeatureIndex) -> None:
    alone = sw.subspace(planted, shapes.CIRCLE)
    assert any("No two of these features fire on one token" in note for note in alone.notes)
    twice = sw.subspace(planted, [0, 1, 0, 2])
    assert twice.features.tolist() == [0, 1, 2] and any("Named twice, counted once: 0" in note for note in twice.notes)
    silent = sw.subspace(planted, [0, 1, 18])
    assert any("Silent on these tokens" in note and "18" in note for note in silent.notes)
    twins = sw.subspace(planted, shapes.TWINS)
    assert any("one line" in note for note in twins.notes)
    assert (twins.scores.separability, twins.scores.mixture, twins.scores.rank) == (0, 1, 0)
    line = sw.subspace(planted, shapes.LINE)
    assert any("Nearly all points lie on one line" in note for note in line.notes) and line.scores.rank == 0


def test_what_spans_nothing(planted: sw.FeatureIndex, planted_engine: sw.Engine) -> None:
    with pytest.raises(GeometryError, match="Feature 3 alone spans no plane"):
        sw.subspace(planted, [3, 3])
    with pytest.raises(GeometryError, match="No feature spans no plane"):
        sw.subspace(planted, [])
    with pytest.raises(GeometryError, match="none have any of the features 18, 19 active"):
        sw.subspace(planted, [18, 19])
    with pytest.raises(GeometryError, match="only 2 have any"):
        sw.subspace(planted_engine, [0, 1], texts=[[10, 11, 60]])
    with pytest.raises(GeometryError, match="All 3 points are the same"):
        sw.subspace(planted_engine, [0, 1], texts=[[10], [10], [10]])
    with pytest.raises(FeatureIndexError, match="48"):
        sw.subspace(planted, [0, 48])
    with pytest.raises(GeometryError, match="at least 3"):
        sw.subspace(planted, [0, 1], n=2)
    with pytest.raises(GeometryError, match="texts="):
        sw.subspace(planted_engine, [0, 1])
    with pytest.raises(GeometryError, match="leave out sae="):
        sw.subspace(planted, [0, 1], sae="another")
    with pytest.raises(TypeError, match="an engine or an index"):
        sw.subspace("index", [0, 1])  # type: ignore[arg-type]


def test_an_index_without_its_engine(planted: sw.FeatureIndex) -> None:
    with pytest.raises(IndexMismatchError, match="engine=engine"):
        sw.subspace(sw.FeatureIndex.open(planted.path), [0, 1])


@pytest.mark.slow
def test_an_sae_that_scales_what_it_decodes_token_by_token() -> None:
    hook = "blocks.1.hook_resid_pre"
    with sw.Engine(tiny.hooked(), tiny.sae("layer_norm", hook)) as engine:
        found = sw.subspace(engine, [0, 1, 2], texts=tiny.TEXTS)
        assert any("scales what features write anew at every token" in note for note in found.notes)
        rows = np.zeros((tiny.D_SAE, tiny.D_MODEL))
        rows[:] = engine.dictionary().decoder().numpy()
        full = rebuilt(found, rows)
        np.testing.assert_allclose(found.mean + found.points @ found.components, full, atol=1e-5)
    with sw.Engine(tiny.hooked(), tiny.sae("standard", hook)) as engine:
        assert not any("anew" in note for note in sw.subspace(engine, [0, 1, 2], texts=tiny.TEXTS).notes)


def test_directions_write_what_they_stand_for() -> None:
    """Raw directions: the part of h along v is (h.v) v / |v|²."""
    vectors = torch.eye(3, tiny.D_MODEL) * 4
    with sw.Engine(tiny.hooked(), sw.Directions(vectors, "blocks.1.hook_resid_pre")) as engine:
        found = sw.subspace(engine, [0, 1, 2], texts=tiny.TEXTS[0])
        full = rebuilt(found, np.eye(3, tiny.D_MODEL) / 4)
        np.testing.assert_allclose(found.mean + found.points @ found.components, full, atol=1e-5)


def test_labels_live_and_little_is_printed(planted: sw.FeatureIndex) -> None:
    found = sw.subspace(planted, shapes.CIRCLE)
    planted.set_label(0, "the first day")
    assert found.labels[0] == "the first day"
    planted.set_label(0, "")
    assert len(repr(found)) < 250 and "7 features" in repr(found)


def test_progress_reaches_the_end(planted: sw.FeatureIndex) -> None:
    seen: list[tuple[int, int]] = []
    sw.subspace(planted, shapes.CIRCLE, on_progress=lambda done, total: seen.append((done, total)))
    shares = [done / total for done, total in seen]
    assert shares[0] == 0 and shares[-1] == 1 and shares == sorted(shares)


def test_features_that_never_fire_are_told_of_the_whole_corpus(planted: sw.FeatureIndex) -> None:
    counted = sum(len(ids) for ids in shapes.corpus())
    with pytest.raises(GeometryError, match=f"Of {counted:,} counted tokens, none"):
        sw.subspace(planted, shapes.SILENT)

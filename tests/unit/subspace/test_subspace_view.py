"""FeatureSubspace's kernel side: every number against a slow reference, traits, errors as data, pages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import traitlets
from dashboard_made import HOSTILE, ROWS, build, check_inert, failed, good, make_engine
from front_end import recorded

import saewidgets as sw
from saewidgets.errors import FeatureIndexError
from saewidgets.geometry.errors import GeometryError
from saewidgets.index.statistics.kept_examples import Keeping

pytestmark = pytest.mark.usefixtures("fake_comm")

FEATURES = [3, 11, 20, 31]
TEXTS = ["In the beginning God created", HOSTILE, "the earth 日本語 and the heaven", " ".join(["God"] * 9)]
CORPUS = [{**row, "year": None if i % 3 == 0 else 1600 + i} for i, row in enumerate(ROWS)]


@pytest.fixture(scope="module")
def engine() -> Iterator[sw.Engine]:
    with make_engine("topk", labels={3: "<b>three</b>"}) as engine:
        yield engine


@pytest.fixture(scope="module")
def index(engine: sw.Engine, tmp_path_factory: pytest.TempPathFactory) -> sw.FeatureIndex:
    return build(engine, tmp_path_factory.mktemp("corpus") / "index", CORPUS)


@pytest.fixture
def of_texts(engine: sw.Engine) -> sw.FeatureSubspace:
    return sw.FeatureSubspace(engine, FEATURES, texts=TEXTS)


@pytest.fixture
def of_corpus(index: sw.FeatureIndex) -> sw.FeatureSubspace:
    return sw.FeatureSubspace(index, FEATURES)


def points(widget: sw.FeatureSubspace, **changed: Any) -> tuple[dict[str, Any], Any]:
    return good(widget, "subspace", {"features": list(widget.features), "colour": None, **changed})


def colour(widget: sw.FeatureSubspace, by: str) -> tuple[dict[str, Any], Any]:
    return good(widget, "colour", {"features": list(widget.features), "colour": by})


def texts_of(widget: sw.FeatureSubspace, wanted: list[int]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = good(widget, "texts", {"features": list(widget.features), "points": wanted})[0][
        "texts"
    ]
    return found


def by_hand(engine: sw.Engine, text: str) -> list[tuple[int, str, list[float]]]:
    """Position, token and activations of every counted token of a text on which any of the features fires."""
    acts = engine.activations(text)
    columns = [acts[:, f].tolist() for f in FEATURES]
    rows = [
        (i, acts.tokens[i], [float(column[i]) for column in columns]) for i in np.flatnonzero(acts.counted).tolist()
    ]
    return [row for row in rows if any(row[2])]


# -- points


def test_the_points_are_the_tokens_where_any_of_the_features_fires(
    engine: sw.Engine, of_texts: sw.FeatureSubspace
) -> None:
    r, arrays = points(of_texts)
    wanted = [row for text in TEXTS for row in by_hand(engine, text)]
    assert r["n"] == len(wanted) > 10
    assert [r["str"][i] for i in arrays["token"]] == [token for _, token, _ in wanted]
    assert r["str"] == sorted(set(r["str"]))
    # Coordinates of what the features alone write, by an SVD of it.
    decoder = tiny.sae_of(engine).W_dec.detach().numpy().astype(float)[FEATURES]
    written = np.array([a for _, _, a in wanted]) @ decoder
    centred = written - written.mean(0)
    _, size, axes = np.linalg.svd(centred, full_matrices=False)
    c = r["c"]
    assert c == len(FEATURES)
    np.testing.assert_allclose(r["explained"], (size**2 / (size**2).sum())[:c], atol=1e-5)
    mine = arrays["points"].reshape(c, r["n"])
    for i in range(c):
        other = centred @ axes[i]
        sign = np.sign((other * mine[i]).sum())
        np.testing.assert_allclose(mine[i], sign * other, atol=1e-4)
        assert r["extent"][i] == pytest.approx([mine[i].min(), mine[i].max()], abs=1e-5)


def test_what_is_said_of_the_features_is_of_the_points(engine: sw.Engine, of_texts: sw.FeatureSubspace) -> None:
    r, _ = points(of_texts)
    wanted = [a for text in TEXTS for _, _, a in by_hand(engine, text)]
    assert [row["f"] for row in r["features"]] == FEATURES
    assert r["features"][0]["label"] == "<b>three</b>"
    for at, row in enumerate(r["features"]):
        fires = [a[at] for a in wanted if a[at] != 0]
        assert row["tokens"] == len(fires)
        if fires:
            assert row["mean"] == pytest.approx(sum(fires) / len(fires), rel=1e-4)
            assert row["max"] == pytest.approx(max(map(abs, fires)), rel=1e-4)
        else:
            assert (row["mean"], row["max"]) == (None, 0)
    assert any(row["tokens"] for row in r["features"])


def test_the_numbers_of_a_pair_are_those_of_the_result(of_corpus: sw.FeatureSubspace) -> None:
    r, arrays = points(of_corpus)
    found = of_corpus.result
    assert of_corpus.result is found
    np.testing.assert_array_equal(arrays["points"].reshape(r["c"], r["n"]), found.points.T.astype(np.float32))
    assert r["pair"] == list(found.pair) == list(of_corpus.pair)
    np.testing.assert_array_equal(np.array(r["circularity"]), found.circularity)
    scores = found.scores
    for name in ("separability", "mixture"):
        many = getattr(scores.shuffled, name)
        said = r["scores"][name]
        assert said["value"] == getattr(scores, name)
        assert (said["mean"], said["low"], said["high"]) == pytest.approx((many.mean(), many.min(), many.max()))
        assert r["scores"]["repeats"] == len(many)
    assert r["scores"]["pair"] == list(scores.pair)
    assert r["notes"] == list(found.notes) and r["provenance"] == [list(fact) for fact in found.provenance.items()]


def test_colours_come_along_where_they_are_asked_for(of_corpus: sw.FeatureSubspace) -> None:
    alone, _ = points(of_corpus)
    r, arrays = points(of_corpus, colour="kind")
    by, more = colour(of_corpus, "kind")
    assert alone["colour"] is None and r["colour"] == by
    np.testing.assert_array_equal(arrays["group"], more["group"])
    # What points cannot be coloured by does not keep them away.
    assert points(of_corpus, colour="nothing")[0]["colour"] is None


# -- colours


@pytest.mark.parametrize("by", ["token", "document", "kind"])
def test_the_largest_groups_have_a_colour_each(of_corpus: sw.FeatureSubspace, by: str) -> None:
    r, arrays = colour(of_corpus, by)
    found = of_corpus.result
    column = {"token": found.token, "document": [found.places.document_name(i) for i in range(len(found))]}
    names = [str(name) for name in column.get(by) or found.places.column(by)]
    counts = Counter(names)
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    assert r["kind"] == "groups"
    assert [(g["t"], g["n"]) for g in r["groups"]] == [(name, counts[name]) for name in ranked[:12]]
    assert r["others"] == len(ranked[12:])
    assert r["rest"] == sum(counts[name] for name in ranked[12:])
    place = {name: i for i, name in enumerate(ranked[:12])}
    assert arrays["group"].tolist() == [place.get(name, 255) for name in names]


def test_there_are_tokens_without_a_colour_of_their_own(of_corpus: sw.FeatureSubspace) -> None:
    assert colour(of_corpus, "token")[0]["others"] > 0


def test_positions_activations_and_numbers_of_documents_are_on_a_scale(
    engine: sw.Engine, of_corpus: sw.FeatureSubspace
) -> None:
    found = of_corpus.result
    years = {str(row["id"]): row["year"] for row in CORPUS}
    wanted: dict[str, list[float | None]] = {
        "position": [int(i) for i in found.places.in_document],
        "year": [years[found.places.document_name(i)] for i in range(len(found))],
        "feature:11": [float(a) for a in found.activations[:, 1]],
    }
    for by, values in wanted.items():
        r, arrays = colour(of_corpus, by)
        known = [value for value in values if value is not None]
        assert r["kind"] == "scale" and r["missing"] == len(values) - len(known)
        assert (r["low"], r["high"]) == pytest.approx((min(known), max(known)))
        np.testing.assert_allclose(arrays["value"], np.array(values, float), rtol=1e-6)
    assert colour(of_corpus, "year")[0]["missing"] > 0


def test_what_points_cannot_be_coloured_by_is_said_with_all_that_they_can(of_corpus: sw.FeatureSubspace) -> None:
    for wrong in ("nothing", "feature:5", ""):
        error = failed(of_corpus, "colour", {"features": FEATURES, "colour": wrong})
        assert error["type"] == "GeometryError" and "'kind'" in error["message"] and "'feature:11'" in error["message"]
    choices = [value for value, _ in points(of_corpus)[0]["choices"]]
    assert choices == ["token", "position", "document", "kind", "year", *(f"feature:{f}" for f in FEATURES)]
    for value in choices:
        colour(of_corpus, value)


# -- texts


@pytest.mark.slow
def test_a_point_s_text_has_it_marked_and_says_which_tokens_are_points_too(
    engine: sw.Engine, of_corpus: sw.FeatureSubspace
) -> None:
    found = of_corpus.result
    # Short documents are one text each: what the engine reads is what the index has.
    whole = {
        str(row["id"]): str(row["text"])
        for row in CORPUS
        if row["kind"] in ("words", "other") and row["id"] != "unicode"
    }
    wanted = [i for i in range(len(found)) if found.places.document_name(i) in whole]
    assert len(wanted) > 10
    read = {name: (engine.activations(whole[name]), by_hand(engine, whole[name])) for name in sorted(whole)}
    others = 0
    for text in texts_of(of_corpus, wanted):
        i = text["point"]
        name = found.places.document_name(i)
        acts, active = read[name]
        here = {at: a for at, _, a in active}
        at = text["in_document"]
        assert text["document"] == name
        assert text["str"][text["at"]] == acts.tokens[at]
        first = max(0, at - 20)
        assert text["str"] == list(acts.tokens[first : at + 11]) and text["at"] == at - first
        np.testing.assert_allclose(text["a"], here[at], rtol=1e-4, atol=1e-5)
        assert [first + j for j, _, _ in text["others"]] == [p for p in here if first <= p < at + 11]
        for j, point, a in text["others"]:
            np.testing.assert_allclose(a, here[first + j], rtol=1e-4, atol=1e-5)
            assert found.token[point] == text["str"][j]
        others += len(text["others"]) - 1
    assert others > 0


def test_of_texts_of_one_s_own_a_point_stands_in_its_text(engine: sw.Engine, of_texts: sw.FeatureSubspace) -> None:
    wanted = [(k, at, a) for k, text in enumerate(TEXTS) for at, _, a in by_hand(engine, text)]
    read = [engine.activations(text).tokens for text in TEXTS]
    answers = texts_of(of_texts, list(range(len(wanted))))
    for (k, at, a), text in zip(wanted, answers, strict=True):
        tokens = read[k]
        assert (text["document"], text["in_document"]) == (f"text {k}", at)
        assert text["str"] == list(tokens[max(0, at - 20) : at + 11])
        np.testing.assert_allclose(text["a"], a, rtol=1e-4, atol=1e-5)


def test_a_point_that_is_not_there_is_an_error(of_texts: sw.FeatureSubspace) -> None:
    error = failed(of_texts, "texts", {"features": FEATURES, "points": [10**6]})
    assert error["type"] == "GeometryError" and "There is no point 1000000" in error["message"]


# -- traits


def test_other_features_are_computed_and_take_what_was_chosen_with_them(of_texts: sw.FeatureSubspace) -> None:
    before = of_texts.result
    of_texts.selected, of_texts.components, of_texts.colour = [2, 5], [0, 2], "feature:31"
    assert of_texts.pair == (0, 2)
    of_texts.features = np.array([11, 20, 11])
    assert of_texts.features == [11, 20]
    assert (of_texts.selected, of_texts.components, of_texts.colour) == ([], [], "token")
    assert of_texts.result is not before and of_texts.result.features.tolist() == [11, 20]
    of_texts.colour = "feature:11"
    of_texts.features = [11, 31]
    assert of_texts.colour == "feature:11"


def test_what_a_hand_brings_along_stays(of_texts: sw.FeatureSubspace) -> None:
    of_texts.comm.view_sets(features=[11, 20], selected=[1], components=[0, 1])
    assert (of_texts.features, of_texts.selected, of_texts.components) == ([11, 20], [1], [0, 1])


def test_components_that_are_not_there_leave_the_most_circular_pair(of_texts: sw.FeatureSubspace) -> None:
    of_texts.features = [3, 11]
    of_texts.components = [0, 4]
    assert of_texts.pair == of_texts.result.pair == (0, 1)


def test_selected_points_are_rows_of_the_result(of_texts: sw.FeatureSubspace) -> None:
    assert (of_texts.selected_points, of_texts.selected_tokens, len(of_texts.to_pandas())) == ([], [], 0)
    of_texts.selected = [4, 1, 10**6]
    assert of_texts.selected_points == [4, 1]
    assert of_texts.selected_tokens == [of_texts.result.token[4], of_texts.result.token[1]]
    table = of_texts.to_pandas()
    assert table.index.tolist() == [4, 1] and table["token"].tolist() == of_texts.selected_tokens


def test_bad_traits_are_refused(of_texts: sw.FeatureSubspace, index: sw.FeatureIndex) -> None:
    for wrong in ([0], [1, 1], [0, 1, 2], [-1, 0]):
        with pytest.raises(traitlets.TraitError):
            of_texts.components = wrong
    for widget in (of_texts, sw.FeatureSubspace(index, FEATURES)):
        for name, value in (("features", [3, tiny.D_SAE]), ("feature", tiny.D_SAE)):
            with pytest.raises(FeatureIndexError):
                setattr(widget, name, value)
        assert widget.features == FEATURES


def test_what_a_widget_cannot_be_made_of_is_said(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    with pytest.raises(GeometryError, match="pass texts="):
        sw.FeatureSubspace(engine, FEATURES)
    with pytest.raises(GeometryError, match="one dictionary"):
        sw.FeatureSubspace(index, FEATURES, sae="another")
    with pytest.raises(TypeError, match="an index or an engine"):
        sw.FeatureSubspace("index", FEATURES)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="color"):
        sw.FeatureSubspace(index, FEATURES, color="token")


# -- errors


def test_an_error_is_said_in_the_view_which_goes_on(of_texts: sw.FeatureSubspace) -> None:
    for features, says in (([], "No features"), ([3], "two")):
        error = failed(of_texts, "subspace", {"features": features, "colour": None})
        assert error["type"] == "GeometryError" and says in error["message"]
    assert good(of_texts, "subspace", {"features": [11, 20], "colour": "token"})[0]["n"] > 0


def test_fewer_than_three_points_are_said_and_no_obstacle_to_a_display(engine: sw.Engine) -> None:
    acts = engine.activations("the")
    silent = [f for f in range(tiny.D_SAE) if not acts[:, f].any()][:2]
    widget = sw.FeatureSubspace(engine, silent, texts=["the"])
    assert failed(widget, "subspace", {"features": silent, "colour": None})["type"] == "GeometryError"
    assert "GeometryError" in str(widget._repr_mimebundle_()[0]["text/html"])


def test_an_index_without_its_engine_says_how_to_give_one(index: sw.FeatureIndex) -> None:
    widget = sw.FeatureSubspace(sw.FeatureIndex.open(index.path), FEATURES)
    error = failed(widget, "subspace", {"features": FEATURES, "colour": None})
    assert error["type"] == "IndexMismatchError" and "engine=engine" in error["message"]


def test_points_are_computed_between_other_s_questions() -> None:
    assert sw.FeatureSubspace.channels["subspace"].long
    assert not sw.FeatureSubspace.channels["texts"].long


def test_after_a_refresh_nothing_old_is_shown(tmp_path: Path) -> None:
    with make_engine("topk") as engine:
        index = build(engine, tmp_path / "index", CORPUS[:6])
        of_texts = sw.FeatureSubspace(engine, FEATURES, texts=TEXTS)
        of_index = sw.FeatureSubspace(index, FEATURES)
        before = of_texts.result
        assert len(of_index.result) > 3
        with torch.no_grad():
            tiny.sae_of(engine).W_dec *= 2
        of_texts.refresh()
        of_index.refresh()
        np.testing.assert_allclose(np.abs(of_texts.result.points), 2 * np.abs(before.points), rtol=1e-3, atol=1e-4)
        error = failed(of_index, "subspace", {"features": FEATURES, "colour": None})
        assert error["type"] == "IndexMismatchError" and "no longer" in error["message"]


# -- without a kernel


def test_a_page_has_every_colour_and_the_texts_of_some_points(of_corpus: sw.FeatureSubspace) -> None:
    of_corpus.selected = [7]
    html = of_corpus.page(texts=5)
    pictures = re.findall(r"<svg [^>]*>(?:<(?:rect|path) [^<>]*/>)*</svg>", html)
    assert len(pictures) == 1
    check_inert(html.replace(pictures[0], ""))
    assert html == of_corpus.page(texts=5)
    state, answers = recorded(html)
    assert (state["live"], state["selected"], state["features"]) == (False, [7], FEATURES)
    asked = [one for one in answers if one["ch"] == "texts"]
    assert len(asked) == 1 and 7 in asked[0]["p"]["points"] and len(asked[0]["p"]["points"]) == 5
    colours = {one["p"]["colour"] for one in answers if one["ch"] == "colour"}
    assert colours == {value for value, _ in points(of_corpus)[0]["choices"]}
    for one in answers:
        assert one["r"] == good(of_corpus, one["ch"], one["p"])[0]


def test_the_picture_without_scripts_has_the_mean_place_of_groups(of_corpus: sw.FeatureSubspace) -> None:
    of_corpus.components = [0, 2]
    found = of_corpus.result
    html = of_corpus.fallback_html()
    most, n = Counter(found.token).most_common(1)[0]
    assert n > 1
    mean = found.points[[token == most for token in found.token]].mean(0)
    row = f"<td>{n}</td><td>{mean[0]:.4g}</td><td>{mean[2]:.4g}</td>"
    assert row in html
    drawn = re.findall(r"M(\d+) (\d+)h0", html)
    assert len(drawn) == len(found)  # fewer than 1,500
    # Both axes in the same units, to the right and upwards, in a square of 360 with an edge of 12.
    (low, high), (bottom, top) = ((found.points[:, i].min(), found.points[:, i].max()) for i in (0, 2))
    unit = 336 / max(high - low, top - bottom)
    wanted = [(180 + (p[0] - (low + high) / 2) * unit, 180 - (p[2] - (bottom + top) / 2) * unit) for p in found.points]
    assert sorted((int(x), int(y)) for x, y in drawn) == sorted((round(x), round(y)) for x, y in wanted)
    of_corpus.colour = "position"  # numbers: the groups are tokens
    assert row in of_corpus.fallback_html()


def test_showing_the_widget_waits_for_no_reading(
    engine: sw.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = build(
        engine,
        tmp_path / "part",
        CORPUS,
        keep=Keeping(complete=2, top=2, interval=1),
        keep_activations="until finished",
    )
    widget = sw.FeatureSubspace(part, [3, 11], read=60)
    forwards: list[object] = []
    monkeypatch.setattr(engine.worker, "run", lambda *asked: forwards.append(asked))
    assert "had not been read again when this picture was made" in widget.fallback_html()
    assert forwards == []
    monkeypatch.undo()
    assert "were read again" in " ".join(widget.result.notes)
    assert "Circularity of this pair" in widget.fallback_html()
    # A page is asked for by hand, and has its points.
    assert "Circularity of this pair" in sw.FeatureSubspace(part, [3, 11], read=60).page()


def test_a_closed_widget_says_so(of_texts: sw.FeatureSubspace) -> None:
    of_texts.close()
    with pytest.raises(RuntimeError, match="closed"):
        _ = of_texts.result


def test_what_it_is(of_corpus: sw.FeatureSubspace) -> None:
    assert repr(of_corpus) == "FeatureSubspace('blocks.1.hook_resid_pre', features=[3, 11, 20, 31], components=[])"
    assert of_corpus.value["features"] == FEATURES and set(of_corpus.value) == {
        *("features", "components", "colour", "selected", "feature")
    }


def test_a_number_below_0_is_refused_by_name(of_corpus: sw.FeatureSubspace) -> None:
    with pytest.raises(FeatureIndexError, match="Feature -1 is outside the index, which has features 0 to"):
        of_corpus.features = [2, -1]
    for trait in ("components", "selected"):
        with pytest.raises(
            traitlets.TraitError, match=f"^{trait} of FeatureSubspace is a list of integers from 0 .* not \\[2, -1\\]"
        ):
            setattr(of_corpus, trait, [2, -1])

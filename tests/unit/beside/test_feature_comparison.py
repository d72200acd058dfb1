"""FeatureComparison's kernel side: what its view is sent, traits both ways, parts that fail alone, pages."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import traitlets
from beside_made import ROWS, TEXT, World, build, ids_of, on_corpus
from dashboard_made import check_inert
from front_end import ask, recorded

import saewidgets as sw
from saewidgets.errors import FeatureIndexError, TokenIdError
from saewidgets.geometry.errors import GeometryError
from saewidgets.index.statistics.kept_examples import Keeping

_ids = count()

pytestmark = pytest.mark.usefixtures("fake_comm")


@pytest.fixture
def pair(world: World) -> sw.FeatureComparison:
    return sw.FeatureComparison(
        world.side("one", world.dense("one")), world.side("other", world.dense("other", 1)), text=TEXT
    )


def answer(widget: sw.FeatureComparison, channel: str, **params: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    request = f"v{next(_ids)}:1"
    widget.comm.view_sends({"t": "req", "id": request, "ch": channel, "p": params, "enc": "binary"})
    message, arrays = widget.comm.response(request)
    assert message["ok"], message
    return message["r"], arrays


def asked(widget: sw.FeatureComparison) -> dict[str, int]:
    return {"a": widget.feature_a, "b": widget.feature_b}


# -- what is sent


def test_a_text_is_sent_with_both_activations(world: World, pair: sw.FeatureComparison) -> None:
    r, arrays = answer(pair, "text", text=TEXT, **asked(pair))
    first, second = world.pair("one", "other")
    ids = ids_of(TEXT)
    np.testing.assert_allclose(arrays["act_a"], first.encoded(ids)[:, pair.feature_a], atol=1e-4)
    np.testing.assert_allclose(arrays["act_b"], second.encoded(ids)[:, pair.feature_b], atol=1e-4)
    assert "".join(r["str"]) == f"<|bos|>{TEXT}" and r["n"] == len(ids)
    assert arrays["flags"][0] == 1 and arrays["same"].all()
    found = pair.result.text
    assert found is not None
    assert r["together"] == found.together.to_dict() and r["scale"] == list(found.scale)
    assert (r["a"], r["b"], r["missing"]) == (pair.feature_a, pair.feature_b, "")


def test_a_corpus_is_sent_as_points_and_lists(world: World, pair: sw.FeatureComparison) -> None:
    r, arrays = answer(pair, "corpus", **asked(pair))
    values, counts = on_corpus(*world.pair("one", "other"), pair.feature_a, pair.feature_b)
    where = np.flatnonzero(counts.all(1) & (values != 0).any(1))
    np.testing.assert_array_equal(arrays["at"], where)
    np.testing.assert_allclose(np.stack([arrays["x"], arrays["y"]], 1), values[where], atol=1e-4)
    fires = values[where] != 0
    np.testing.assert_array_equal(arrays["kind"], np.where(fires.all(1), 0, np.where(fires[:, 0], 1, 2)))
    assert r["all"] is True and r["drawn"] == "" and r["left_out"] == 0
    assert [one["kind"] for one in r["lists"]] == ["only_a", "only_b", "both"]
    rows = [row for one in r["lists"] for row in one["rows"]]
    assert rows and sum(row["n"] for row in rows) == len(r["str"]) == len(arrays["win_a"])
    for row in rows:
        at = row["start"] + row["focus"]
        assert (row["a"], row["b"]) == (arrays["win_a"][at], arrays["win_b"][at])
        np.testing.assert_allclose([row["a"], row["b"]], values[row["position"]], atol=1e-4)


def test_the_text_of_a_point_is_sent_when_it_is_looked_at(world: World, pair: sw.FeatureComparison) -> None:
    _, points = answer(pair, "corpus", **asked(pair))
    position = int(points["at"][-1])
    r, arrays = answer(pair, "context", position=position, **asked(pair))
    assert r["row"]["position"] == position and r["row"]["start"] == 0
    at = r["row"]["focus"]
    assert (arrays["win_a"][at], arrays["win_b"][at]) == (points["x"][-1], points["y"][-1])
    assert r["row"]["doc"] == ROWS[-1]["id"]
    message = ask(pair, "context", position=10**6, **asked(pair))
    assert not message["ok"] and "no token 1000000" in message["e"]["message"]


def test_a_side_is_sent_with_its_card(world: World, pair: sw.FeatureComparison) -> None:
    r, arrays = answer(pair, "side", side="B", f=pair.feature_b)
    info = world.indexes["other"].feature(pair.feature_b)
    assert (r["f"], r["name"], r["n_features"], r["missing"]) == (pair.feature_b, "other", 48, "")
    assert r["card"]["max"] == info.maximum and r["card"]["density"] == info.density
    assert info.histogram is not None
    np.testing.assert_array_equal(arrays["hist_counts"], info.histogram.counts)
    assert ["SAE", "other"] in r["provenance"]
    cosine, _ = answer(pair, "pair", **asked(pair))
    assert cosine["cosine"] == pair.result.decoder.value and "two models" in cosine["note"]


# -- traits


def test_changing_one_feature_keeps_the_other_and_lets_the_point_go(pair: sw.FeatureComparison) -> None:
    b = pair.feature_b
    pair.position = 5
    pair.feature_a = np.int64(7)  # type: ignore[assignment]
    assert (pair.feature_a, pair.feature_b, pair.position) == (7, b, None)
    assert (pair.a.feature, pair.b.feature, pair.result.a.feature) == (7, b, 7)
    # What a hand brings along with the feature is not undone.
    pair.comm.view_sets(feature_b=3, position=4)
    assert (pair.feature_b, pair.position) == (3, 4)
    assert pair.value == {"text": TEXT, "feature_a": 7, "feature_b": 3, "position": 4}


def test_a_feature_outside_its_side_names_the_side(pair: sw.FeatureComparison) -> None:
    for trait, side in (("feature_a", "A, 'one'"), ("feature_b", "B, 'other'")):
        before = getattr(pair, trait)
        with pytest.raises(FeatureIndexError, match=f"Feature 48 is outside side {side}"):
            setattr(pair, trait, 48)
        assert getattr(pair, trait) == before
    message = ask(pair, "text", text="a", a=1, b=99)
    assert not message["ok"] and "outside side B" in message["e"]["message"]


def test_bad_input_at_the_start(world: World) -> None:
    with pytest.raises(GeometryError, match="Side B is NoneType"):
        sw.FeatureComparison(world.side("one", 1), None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no setting 'feature'"):
        sw.FeatureComparison(world.side("one", 1), world.side("one", 2), feature=3)
    with pytest.raises(traitlets.TraitError, match="one text"):
        sw.FeatureComparison(world.side("one", 1), world.side("one", 2), text=["a", "b"])


def test_token_ids_are_a_text_too(world: World, pair: sw.FeatureComparison) -> None:
    pair.text = ids_of(TEXT)
    found = pair.result.text
    assert found is not None and list(found.activations_a.token_ids) == ids_of(TEXT)
    with pytest.raises(TokenIdError, match="outside the model's vocabulary"):
        pair.text = [10**6]


# -- parts without each other


@pytest.mark.slow
def test_what_cannot_be_is_an_answer_that_says_why(world: World, tmp_path: Path) -> None:
    elsewhere = build(world.tuned, tmp_path / "elsewhere", ROWS[:3])
    pair = sw.FeatureComparison(world.side("one", 1), (elsewhere, 2), text=TEXT)
    corpus, arrays = answer(pair, "corpus", **asked(pair))
    assert "different corpora" in corpus["missing"] and corpus["together"] is None and len(arrays["at"]) == 0
    assert answer(pair, "text", text=TEXT, **asked(pair))[0]["together"] is not None
    assert answer(pair, "side", side="B", f=2)[0]["card"] is not None
    assert "different corpora" in pair.fallback_html()


def test_a_side_without_an_engine_or_an_index(world: World) -> None:
    closed = sw.FeatureIndex.open(world.indexes["one"].path)
    pair = sw.FeatureComparison((closed, 1), sw.Side(engine=world.base, feature=2, name="no index"), text=TEXT)
    assert "Side A ('one') has no engine" in answer(pair, "text", text=TEXT, **asked(pair))[0]["missing"]
    assert "No decoder cosine" in answer(pair, "pair", **asked(pair))[0]["missing"]
    assert "Side B ('no index') has no index" in answer(pair, "corpus", **asked(pair))[0]["missing"]
    b, _ = answer(pair, "side", side="B", f=2)
    assert b["card"] is None and "Without an index" in b["missing"] and b["name"] == "no index"
    assert pair.result.to_pandas().empty


def test_a_failure_in_one_part_leaves_the_others(pair: sw.FeatureComparison, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr("saewidgets.widgets.beside.widget.on_corpus", broken)
    assert ask(pair, "corpus", **asked(pair))["e"]["message"] == "out of luck"
    assert answer(pair, "text", text=TEXT, **asked(pair))[0]["missing"] == ""
    assert answer(pair, "side", side="A", f=1)[0]["card"] is not None


@pytest.mark.slow
def test_after_other_weights_the_index_is_put_aside(world: World, tmp_path: Path) -> None:
    source = world.sources["other"]
    with sw.Engine(source.model, {"mine": source.sae}) as engine:
        index = build(engine, tmp_path / "mine")
        pair = sw.FeatureComparison((index, 1), (index, 2), text=TEXT)
        assert answer(pair, "corpus", **asked(pair))[0]["missing"] == ""
        with torch.no_grad():
            source.sae.b_enc += 0.5
        try:
            pair.refresh()
            corpus, _ = answer(pair, "corpus", **asked(pair))
            assert corpus["missing"].startswith("Side A: The index is no longer of what the engine has")
            side, _ = answer(pair, "side", side="A", f=1)
            assert side["card"] is None and "no longer" in side["missing"]
            assert answer(pair, "text", text=TEXT, **asked(pair))[0]["together"] is not None
        finally:
            with torch.no_grad():
                source.sae.b_enc -= 0.5


def test_two_comparisons_of_the_same_engines_never_wait_for_each_other(world: World) -> None:
    there = sw.FeatureComparison((world.base, 1), (world.tuned, 2), text=TEXT)
    back = sw.FeatureComparison((world.tuned, 2), (world.base, 1), text=TEXT)
    for i in range(5):
        for widget, a, b in ((there, 1, 2), (back, 2, 1)):
            widget.comm.view_sends(
                {
                    "t": "req",
                    "id": f"{i}:1",
                    "ch": "text",
                    "p": {"text": f"{TEXT} {i}", "a": a, "b": b},
                    "enc": "binary",
                }
            )
    for i in range(5):
        for widget in (there, back):
            assert widget.comm.response(f"{i}:1", 60)[0]["t"] == "res"


# -- pages


def test_a_page_answers_what_is_on_screen_and_the_outermost_points(pair: sw.FeatureComparison) -> None:
    found = pair.result.corpus
    assert found is not None
    pair.position = int(found.position[3])
    html = pair.page(points=4)
    state, answers = recorded(html)
    assert state["live"] is False and state["editable"] is False and state["feature_a"] == pair.feature_a
    channels = [one["ch"] for one in answers]
    assert {*channels} == {*pair.channels}
    positions = [one["p"]["position"] for one in answers if one["ch"] == "context"]
    assert positions[0] == pair.position and 4 <= len(positions) <= 5
    strongest = {found.top(kind, 1)[0].position for kind in ("only_a", "only_b", "both") if found.top(kind, 1)}  # type: ignore[arg-type]
    assert strongest <= {*positions}
    assert html == pair.page(points=4)
    check_inert(html)


def test_the_picture_without_scripts_has_the_numbers(pair: sw.FeatureComparison) -> None:
    html = pair.fallback_html()
    result = pair.result
    assert result.corpus is not None and result.text is not None
    assert f"<td>{result.corpus.together.both:,}</td>" in html
    assert f"<td>{result.text.together.pearson:.4g}</td>" in html
    assert f"{result.decoder.value:.4g}" in html
    assert f"A: feature {pair.feature_a} of one" in html and "</script>" not in html


@pytest.mark.slow
def test_showing_the_widget_waits_for_no_reading(world: World, tmp_path: Path) -> None:
    part = build(
        world.tuned, tmp_path / "part", keep=Keeping(complete=2, top=2, interval=1), keep_activations="until finished"
    )
    pair = sw.FeatureComparison((part, world.dense("other")), (part, world.dense("other", 1)), text=TEXT, read=60)
    assert "had not been read when this picture was made" in pair.fallback_html()
    found = pair.result.corpus
    assert found is not None and found.read is not None and len(found.read) <= 60
    assert "A biased sample" in pair.fallback_html()
    assert repr(pair) == f"FeatureComparison(A: {pair.feature_a} of 'other', B: {pair.feature_b} of 'other')"

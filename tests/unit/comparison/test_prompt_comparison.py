"""PromptComparison's kernel side: every number it sends, traits both ways, errors as data, pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import by_hand
import numpy as np
import pytest
import tiny
import torch
import traitlets
from dashboard_made import ask, check_inert, failed, good
from front_end import recorded

import saewidgets as sw
from saewidgets.errors import ComparisonError, FeatureIndexError, SaewidgetsError, TokenIdError

pytestmark = pytest.mark.usefixtures("fake_comm")

START = "In the beginning God created "
TEXTS = [f"{START}the heaven and the", f"{START}日本語</script> and the", "the earth"]
CORPUS = [{"text": f"{START}the heaven and the earth. {i}"} for i in range(6)]


@pytest.fixture
def engine() -> sw.Engine:
    return sw.Engine(tiny.hooked(), tiny.sae(), labels={3: "Genesis"})


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> sw.FeatureIndex:
    path = tmp_path_factory.mktemp("comparison") / "index"
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        return sw.build_index(engine, CORPUS, path, progress=False, wait=True)


def dense_of(text: str) -> np.ndarray:
    """[pos, F] one text alone, by the SAE's own encode."""
    model, sae = tiny.hooked(), tiny.sae()
    with torch.no_grad():
        _, cache = model.run_with_cache(model.to_tokens(text, prepend_bos=True))
        return sae.encode(cache[by_hand.HOOK])[0].double().numpy()


def params(texts: Any = TEXTS, **changed: Any) -> dict[str, Any]:
    return {
        "texts": texts, "sae": by_hand.HOOK, "at": "last", "positions": [], "pair": [0, 1], "all_of": [], "none_of": [], "limit": 25,
        "features": [], **changed,
    }  # fmt: skip


# -- answers


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:2], ["the", ""], [[5, 6, 7], [5, 7]]])
def test_tokens_and_their_alignment(engine: sw.Engine, texts: Any) -> None:
    widget = sw.PromptComparison(engine, texts=texts)
    r, arrays = good(widget, "tokens", {"texts": texts})
    ids = [engine.to_ids([text])[0] if isinstance(text, str) else text for text in texts]
    assert r["n"] == sum(map(len, ids))
    assert r["texts"] == [[sum(map(len, ids[:i])), sum(map(len, ids[: i + 1]))] for i in range(len(ids))]
    assert arrays["tok_id"].tolist() == [token for one in ids for token in one]
    assert r["rank"] is None
    shown = arrays["alignment"].reshape(-1, len(ids)) if arrays["alignment"].ndim == 1 else arrays["alignment"]
    choices, same = arrays["choices"].reshape(shown.shape), arrays["same"]
    for i, one in enumerate(ids):
        assert shown[:, i][shown[:, i] >= 0].tolist() == list(range(len(one)))
        for column, choice in enumerate(choices[:, i]):
            before = [p for p in shown[: column + 1, i] if p >= 0]
            assert choice == (before[-1] if before else 0)
    for column, alike in enumerate(same):
        here = {ids[i][p] if p >= 0 else None for i, p in enumerate(shown[column])}
        assert bool(alike) == (len(here) == 1 and None not in here)
    bos = [token == 0 for one in ids for token in one]
    assert [bool(flag & 1) for flag in arrays["flags"]] == bos


@pytest.mark.parametrize(
    ("at", "positions", "place"),
    [
        ("last", [], [-1, -1, -1]),
        ("max", [], "max"),
        ("sum", [3, 3, 1], "sum"),
        ("chosen", [4, 5, 1], [4, 5, 1]),
        ("chosen", [4, 999, 1], [4, -1, 1]),  # of a text that has no such token, the last
        ("chosen", [4], [4, -1, -1]),
        ("chosen", [], [-1, -1, -1]),
    ],
)
def test_differences_by_definition(engine: sw.Engine, at: str, positions: list[int], place: Any) -> None:
    widget = sw.PromptComparison(engine, texts=TEXTS)
    dense = [dense_of(text) for text in TEXTS]
    if isinstance(place, str):
        values = np.array([getattr(one[1:], place)(0) for one in dense])
        active = np.array([(one[1:] != 0).any(0) for one in dense])
    else:
        values = np.array([one[p] for one, p in zip(dense, place, strict=True)])
        active = values != 0
    for pair, all_of, none_of in (([0, 1], [], []), ([2, 0], [0], [2]), ([1, 2], [], [0, 7])):
        asked = params(at=at, positions=positions, pair=pair, all_of=all_of, none_of=none_of, limit=7, features=[3, 9])
        r, arrays = good(widget, "differences", asked)
        difference = values[pair[0]] - values[pair[1]]
        refused = [i for i in none_of if i < 3]
        keep = active.any(0) & active[all_of].all(0) & ~active[refused].any(0)
        assert (r["total"], r["passing"]) == (active.any(0).sum(), keep.sum())
        best = sorted(np.flatnonzero(keep), key=lambda f: (-np.float32(abs(difference[f])), f))[:7]
        np.testing.assert_allclose([abs(row["difference"]) for row in r["rows"]], np.abs(difference[best]), atol=1e-5)
        scale = np.concatenate([one[1:] for one in dense]).max(0)
        for row in [*r["rows"], *r["selected"]]:
            f = row["f"]
            np.testing.assert_allclose(row["values"], values[:, f], atol=1e-5)
            assert row["difference"] == pytest.approx(difference[f], abs=1e-5)
            assert row["scale"] == pytest.approx(scale[f], rel=1e-5)
            assert row["label"] == ("Genesis" if f == 3 else None) and row["density"] is None
        assert [row["f"] for row in r["selected"]] == [3, 9]
        length = [len(one) for one in dense]
        assert r["positions"] == ([] if isinstance(place, str) else [p % n for p, n in zip(place, length, strict=True)])
        # Whole columns of all that can be coloured.
        stacked = np.concatenate(dense)
        for k, f in enumerate(arrays["col_feat"]):
            part = slice(arrays["col_ptr"][k], arrays["col_ptr"][k + 1])
            column = np.zeros(len(stacked))
            column[arrays["col_tok"][part]] = arrays["col_act"][part]
            np.testing.assert_allclose(column, stacked[:, f], atol=1e-5)
        assert set(arrays["col_feat"]) == {3, 9} | {row["f"] for row in r["rows"]}


def test_tokens_and_ranking_in_one_answer(engine: sw.Engine) -> None:
    widget = sw.PromptComparison(engine, texts=TEXTS)
    alone, _ = good(widget, "differences", params(at="sum"))
    together, arrays = good(widget, "tokens", {"texts": TEXTS, "rank": params(at="sum")})
    assert together["rank"] == alone
    assert together["key"] == alone["key"]
    assert {"alignment", "col_act"} <= set(arrays)


def test_the_corpus_beside_the_texts(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.PromptComparison(engine, index, TEXTS)
    assert widget.indexed
    corpus = np.concatenate([dense_of(row["text"])[1:] for row in CORPUS])
    r, _ = good(widget, "differences", params())
    for row in r["rows"]:
        assert row["density"] == pytest.approx((corpus[:, row["f"]] != 0).mean())
    assert {row["said"]["kind"] for row in r["rows"] if row["label"] is None} == {"automatic"}
    assert good(widget, "card", {"f": 5})[0]["f"] == 5
    bare = sw.PromptComparison(engine, texts=TEXTS)
    assert "needs an index" in failed(bare, "card", {"f": 5})["message"]


def test_predictions(engine: sw.Engine) -> None:
    widget = sw.PromptComparison(engine, texts=TEXTS)
    r, arrays = good(widget, "predictions", {"texts": TEXTS})
    assert np.shape(r["top"]) == (3, 10)
    log_probs = arrays["log_probs"].reshape(3, -1)
    for text, top, row in zip(TEXTS, r["top"], log_probs, strict=True):
        expected = sw.predictions(engine, text).clean.top
        assert [r["str"][place] for place in top] == [one.token for one in expected]
        np.testing.assert_allclose(np.exp(row[top]), [one.probability for one in expected], rtol=1e-4)
    r, arrays = good(widget, "predictions", {"texts": ["the", "the " * 80]})
    assert "more than the model's context" in r["why"] and r["top"] == [] and arrays["log_probs"].size == 0


def test_a_text_after_which_nothing_is_predicted_has_a_page(engine: sw.Engine) -> None:
    """It is read in windows, so that all else is there."""
    with engine:
        page = sw.PromptComparison(engine, texts=["the " * 80, TEXTS[0]]).to_html()
        assert page is not None
        answers = recorded(page)[1]
    (predicted,) = [one["r"] for one in answers if one["ch"] == "predictions"]
    assert "more than the model's context" in predicted["why"]
    assert any(one["r"]["rows"] for one in answers if one["ch"] == "differences")


def test_errors_are_data_and_the_widget_stays_usable() -> None:
    with sw.Engine(tiny.hooked(), tiny.sae(), prepend_bos=False) as engine:
        widget = sw.PromptComparison(engine, texts=TEXTS)
        empty = [TEXTS[0], ""]
        # The texts are shown, though they cannot be compared at a position that one has not.
        assert good(widget, "tokens", {"texts": empty, "rank": params(empty)})[0]["rank"] is None
        assert failed(widget, "differences", params(empty))["type"] == "ComparisonError"
        assert good(widget, "differences", params(empty, at="max"))[0]["total"] > 0
        assert failed(widget, "differences", params(features=[999]))["type"] == "FeatureIndexError"
        assert failed(widget, "tokens", {"texts": ["one"]})["type"] == "ComparisonError"
        assert failed(widget, "differences", params(at="nowhere"))["type"] == "ValueError"
        assert good(widget, "differences", params())[0]["total"] > 0


def test_nan_weights_reach_the_view(engine: sw.Engine) -> None:
    widget, sae = sw.PromptComparison(engine, texts=TEXTS), tiny.sae_of(engine)
    with torch.no_grad():
        sae.b_enc[0] = float("nan")
    assert "NaN" in ask(widget, "tokens", {"texts": TEXTS})[0]["e"]["message"]


# -- traits


def test_the_numbers_are_readable_in_python(engine: sw.Engine) -> None:
    widget = sw.PromptComparison(engine, texts=TEXTS, pair=[2, 0], all_of=[2], at="max", limit=4, features=[3])
    r, _ = good(widget, "differences", params(pair=[2, 0], all_of=[2], at="max", limit=4, features=[3]))
    table = widget.to_pandas()
    assert list(table.index) == [row["f"] for row in r["rows"]] and len(table) == 4
    np.testing.assert_array_equal(table["difference"], np.float32([row["difference"] for row in r["rows"]]))
    assert widget.comparison.at == "max"
    assert widget.value["all_of"] == [2] and widget.value["feature"] == 3
    assert "at='max'" in repr(widget)


def test_texts_are_two_to_eight(engine: sw.Engine) -> None:
    for wrong in ((), ["one"], "one", ["a"] * 9, [3, 4, 5]):
        with pytest.raises(ComparisonError, match=r"two to 8 texts, such as texts="):
            sw.PromptComparison(engine, texts=wrong)
    with pytest.raises(TokenIdError):
        sw.PromptComparison(engine, texts=[[5], [10**6]])
    widget = sw.PromptComparison(engine, texts=np.array([[5, 6], [7, 8]]))
    assert widget.texts == [[5, 6], [7, 8]]
    with pytest.raises(ComparisonError):
        widget.texts = ["one"]
    assert widget.texts == [[5, 6], [7, 8]]
    with pytest.raises(FeatureIndexError):
        widget.features = [999]
    with pytest.raises(TypeError, match="Did you mean texts"):
        sw.PromptComparison(engine, texts=TEXTS, textss=1)


def test_what_is_chosen_in_texts_goes_with_them(engine: sw.Engine) -> None:
    widget = sw.PromptComparison(engine, texts=TEXTS, positions=[1, 2, 1], pair=[0, 2], all_of=[2], none_of=[1])
    assert widget.at == "chosen" and widget.comparison.at == (1, 2, 1)
    widget.texts = TEXTS[:2]
    assert (widget.at, widget.positions, widget.pair, widget.all_of, widget.none_of) == ("last", [], [0, 1], [], [1])
    widget.positions = [3, 3]
    assert widget.at == "chosen"
    widget.at = "max"
    widget.positions = [2, 2]
    assert widget.at == "chosen"
    widget.at = "sum"
    widget.texts = TEXTS
    assert widget.at == "sum"


def test_what_a_view_brings_with_texts_is_not_reset(engine: sw.Engine) -> None:
    widget = sw.PromptComparison(engine, texts=TEXTS, positions=[1, 2, 1])
    widget.comm.view_sets(texts=TEXTS[:2], at="chosen", positions=[4, 4], pair=[1, 0])
    assert (widget.at, widget.positions, widget.pair) == ("chosen", [4, 4], [1, 0])
    widget.comm.view_sets(all_of=[0], none_of=[1])
    assert (widget.all_of, widget.none_of) == ([0], [1])


def test_no_text_is_asked_to_be_active_and_silent(engine: sw.Engine) -> None:
    widget = sw.PromptComparison(engine, texts=TEXTS, all_of=[0, 1])
    widget.none_of = [1, 2]
    assert (widget.all_of, widget.none_of) == ([0], [1, 2])
    widget.all_of = np.array([2])
    assert (widget.all_of, widget.none_of) == ([2], [1])
    for wrong in ([0], [0, 0], [0, 1, 2]):
        with pytest.raises(traitlets.TraitError, match="two different texts"):
            widget.pair = wrong


def test_features_agree_and_link(engine: sw.Engine) -> None:
    widget, heatmap = (
        sw.PromptComparison(engine, texts=TEXTS, features=[4, 4, 5]),
        sw.TokenFeatureHeatmap(engine, "the"),
    )
    assert (widget.features, widget.feature) == ([4, 5], 5)
    traitlets.link((widget, "feature"), (heatmap, "feature"))
    widget.feature = 9
    assert (widget.features, heatmap.features) == ([9], [9])
    heatmap.feature = None
    assert widget.feature is None


def test_names_follow(engine: sw.Engine) -> None:
    widget = sw.PromptComparison(engine, texts=TEXTS)
    f = good(widget, "differences", params())[0]["rows"][0]["f"]
    engine.dictionary().labels.set(f, "named since")
    assert any(data.get("content", {}).get("t") == "names" for data, _ in widget.comm.sent)
    assert good(widget, "differences", params())[0]["rows"][0]["label"] == "named since"
    assert widget.comparison.differences(k=1)["description"].tolist() == ["named since"]


def test_refresh_computes_again_and_puts_a_foreign_index_aside(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.PromptComparison(engine, index, TEXTS)
    before = good(widget, "differences", params())[0]
    with torch.no_grad():
        tiny.sae_of(engine).b_enc += 0.3
    assert good(widget, "differences", params())[0] == before
    widget.refresh()
    after = good(widget, "differences", params())[0]
    assert after["rows"] != before["rows"] and not widget.indexed
    notes = good(widget, "tokens", {"texts": TEXTS})[0]["notes"]
    assert any("no longer of what the engine has" in note for note in notes)
    with torch.no_grad():
        tiny.sae_of(engine).b_enc -= 0.3


def test_an_index_of_another_sae_is_refused(index: sw.FeatureIndex) -> None:
    with sw.Engine(tiny.hooked(), tiny.sae("topk")) as other, pytest.raises(SaewidgetsError):
        sw.PromptComparison(other, index, TEXTS)


# -- pages


@pytest.mark.slow
def test_a_page_answers_what_a_click_asks(engine: sw.Engine, index: sw.FeatureIndex, tmp_path: Path) -> None:
    widget = sw.PromptComparison(engine, index, TEXTS[:2], features=[3], limit=4)
    html = widget.page()
    assert html == widget.page(), "same state, same bytes"
    check_inert(html)
    state, answers = recorded(html)
    assert state["texts"] == TEXTS[:2] and state["editable"] is False
    filed = {(one["ch"], str(sorted(one["p"].items()))) for one in answers}
    assert len(filed) == len(answers), "no question twice"
    columns = good(widget, "tokens", {"texts": TEXTS[:2]})[1]["choices"].reshape(-1, 2).tolist()
    wanted = [
        params(TEXTS[:2], at=at, limit=4, pair=pair) for at in ("last", "max", "sum") for pair in ([0, 1], [1, 0])
    ]
    wanted += [params(TEXTS[:2], at="chosen", positions=column, limit=4) for column in columns]
    wanted += [
        params(TEXTS[:2], at=at, positions=columns[4] if at == "chosen" else [], limit=4, all_of=a, none_of=b)
        for at in ("last", "max", "chosen")
        for a, b in (([0], [1]), ([1], [0]), ([], [0, 1]), ([0, 1], []), ([], [1]))
    ]
    for one in wanted:
        assert ("differences", str(sorted(one.items()))) in filed, one
    for one in answers:
        if one["ch"] == "differences":
            live, _ = good(widget, "differences", {**one["p"], "features": [row["f"] for row in one["r"]["selected"]]})
            assert live == one["r"]
    listed = [row["f"] for row in good(widget, "differences", params(TEXTS[:2], limit=4))[0]["rows"]]
    assert {one["p"]["f"] for one in answers if one["ch"] == "card"} == {3, *listed}
    path = widget.save(tmp_path / "page.html")
    assert path.read_text("utf-8") == html


@pytest.mark.slow
def test_a_page_of_many_texts_stays_small(engine: sw.Engine) -> None:
    widget = sw.PromptComparison(engine, texts=[f"{START}the {'heaven ' * i}" for i in range(8)], at="max", all_of=[1])
    state, answers = recorded(widget.page())
    assert len(state["texts"]) == 8
    assert sum(one["ch"] == "differences" for one in answers) < 40
    assert any(one["p"].get("all_of") == [1] and one["p"]["at"] == "max" for one in answers)


def test_the_script_free_picture(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.PromptComparison(engine, index, TEXTS, features=[3], at="max")
    html = widget.fallback_html()
    check_inert(html)
    assert "saew-fb-p10" in html, "the strongest token has the strongest colour"
    table = widget.to_pandas().head(10)
    for f, row in table.iterrows():
        assert f"<td>{f}</td>" in html
        assert f"<td>{row['difference']:.4g}</td>" in html
    assert "max over the counted tokens" in html and "density" in html
    bundle, _ = widget._repr_mimebundle_()
    assert "saew-fb" in bundle["text/html"]
    assert "saew-fb" in sw.PromptComparison(engine, texts=TEXTS).fallback_html()

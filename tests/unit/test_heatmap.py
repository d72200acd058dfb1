"""TokenFeatureHeatmap's kernel side: every number it sends, traits both ways, errors as data, threads."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import numpy as np
import pytest
import tiny
import torch
from front_end import rank_params

import saewidgets as sw
from saewidgets.errors import FeatureIndexError
from saewidgets.widgets.heatmap import payload as heatmap_payload

TEXT = "In the beginning God created 日本語</script>\n\u200f and the earth."


@pytest.fixture
def engine() -> sw.Engine:
    return sw.Engine(tiny.hooked(), tiny.sae(), labels={3: "Genesis", 5: "heaven"})


pytestmark = pytest.mark.usefixtures("fake_comm")


def ask(widget: sw.TokenFeatureHeatmap, request_id: str, channel: str, params: dict, enc: str = "binary") -> tuple:
    widget.comm.view_sends({"t": "req", "id": request_id, "ch": channel, "p": params, "enc": enc})
    return widget.comm.response(request_id)


@pytest.mark.parametrize("enc", ["binary", "base64"])
@pytest.mark.parametrize("text", [TEXT, ["the heaven", TEXT], ""])
def test_tokens_message_holds_the_engines_numbers(engine: sw.Engine, text: str | list[str], enc: str) -> None:
    widget = sw.TokenFeatureHeatmap(engine, text=text)
    message, arrays = ask(widget, "v:1", "tokens", {"text": text}, enc)
    acts = sw.Engine(tiny.hooked(), tiny.sae()).activations(text, reconstruction=True)
    r = message["r"]
    assert r["n"] == len(acts)
    assert r["str"] == list(acts.tokens)
    assert r["texts"] == [[int(a), int(b)] for a, b in zip(acts.text_ptr, acts.text_ptr[1:], strict=False)]
    assert r["complete"] and r["top"] is None and not r["signed"]
    assert dict(r["provenance"])["hook"] == "blocks.1.hook_resid_pre"
    np.testing.assert_array_equal(arrays["tok_id"], acts.token_ids)
    np.testing.assert_array_equal(arrays["l0"], (acts[:, :] != 0).sum(1))
    np.testing.assert_allclose(arrays["error"], acts.reconstruction_error, rtol=1e-5)
    np.testing.assert_allclose(arrays["norm"], acts.input_norm, rtol=1e-5)
    dense = np.zeros((len(acts), acts.n_features), np.float32)
    for t in range(len(acts)):
        part = slice(arrays["indptr"][t], arrays["indptr"][t + 1])
        values = arrays["act"][part]
        assert list(np.abs(values)) == sorted(np.abs(values), reverse=True), "strongest first"
        dense[t, arrays["feat"][part]] = values
    np.testing.assert_allclose(dense, acts[:, :], atol=1e-6)
    for t, flags in enumerate(arrays["flags"]):
        assert bool(flags & 1) == bool(acts.special[t])
        assert bool(flags & 2) == bool(acts.outlier[t])
        assert bool(flags & 4) == bool(acts.parts[t] & 1)
        assert bool(flags & 8) == bool(acts.parts[t] & 2)


def test_rank_message_by_definition(engine: sw.Engine) -> None:
    widget = sw.TokenFeatureHeatmap(engine, text=TEXT)
    dense = sw.Engine(tiny.hooked(), tiny.sae()).activations(TEXT)[:, :].astype(np.float64)
    message, arrays = ask(
        widget, "v:1", "rank", rank_params(TEXT, sort="sum", tokens=[2, 5], limit=3, features=[7, 8, 9, 10, 11])
    )
    r = message["r"]
    sums = dense[[2, 5]].sum(0)
    best = np.argsort(-sums, kind="stable")[:3]
    assert [row["f"] for row in r["rows"]] == best.tolist()
    assert (r["basis"], r["n_tokens"], r["total"]) == ("selected", 2, int((dense[[2, 5]] != 0).any(0).sum()))
    for row in r["rows"]:
        column = dense[[2, 5], row["f"]]
        assert row["sum"] == pytest.approx(column.sum(), rel=1e-5)
        assert row["mean"] == pytest.approx(column.sum() / 2, rel=1e-5)
        assert row["max"] == pytest.approx(column.max(), rel=1e-6)
        assert row["n"] == (column != 0).sum()
        assert row["at"] == [2, 5][int(column.argmax())]
        assert row["label"] == {3: "Genesis", 5: "heaven"}.get(row["f"])
    # `selected` scales colours: over all counted tokens, whatever is selected.
    scales = {row["f"]: row["max"] for row in r["selected"]}
    assert scales == pytest.approx({f: dense[1:, f].max() for f in (7, 8, 9, 10, 11) if dense[1:, f].any()}, rel=1e-6)
    assert any(dense[[2, 5], f].max() < scales[f] for f in scales), "the case tells the two apart"
    assert arrays == {}
    tokens, _ = ask(widget, "v:2", "tokens", {"text": TEXT})
    assert tokens["r"]["key"] == r["key"]


def test_a_text_too_rich_to_send_whole(engine: sw.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heatmap_payload, "MAX_SENT", 150)
    widget = sw.TokenFeatureHeatmap(engine, text=TEXT)
    dense = widget.activations[:, :]
    message, arrays = ask(widget, "v:1", "tokens", {"text": TEXT})
    assert not message["r"]["complete"]
    assert message["r"]["top"] == 8
    assert np.diff(arrays["indptr"]).max() <= 8
    for t in range(len(dense)):
        part = slice(arrays["indptr"][t], arrays["indptr"][t + 1])
        np.testing.assert_array_equal(arrays["act"][part], np.sort(dense[t][dense[t] > 0])[::-1][:8])
    ranked, columns = ask(widget, "v:2", "rank", rank_params(TEXT, limit=2, features=[9]))
    wanted = sorted({9, *(row["f"] for row in ranked["r"]["rows"])})
    assert columns["col_feat"].tolist() == wanted
    for i, feature in enumerate(wanted):
        part = slice(columns["col_ptr"][i], columns["col_ptr"][i + 1])
        column = np.zeros(len(dense), np.float32)
        column[columns["col_tok"][part]] = columns["col_act"][part]
        np.testing.assert_array_equal(column, dense[:, feature])


def test_errors_are_data_and_the_widget_stays_usable(engine: sw.Engine) -> None:
    widget = sw.TokenFeatureHeatmap(engine, text="the")
    failed, _ = ask(widget, "v:1", "rank", rank_params("the", features=[999]))
    assert not failed["ok"]
    assert failed["e"]["type"] == "FeatureIndexError"
    assert "0 to 47" in failed["e"]["message"]
    assert "Traceback" in failed["e"]["traceback"]
    assert ask(widget, "v:2", "nonsense", {})[0]["e"]["type"] == "ValueError"
    assert ask(widget, "v:3", "tokens", {"text": "the"})[0]["ok"]
    for strange in ("x", None, {"t": "req"}, {"t": "cancel", "id": "?"}, {"t": "req", "id": 1, "ch": 2, "p": 3}):
        widget._on_message(widget, strange, [])


def test_nan_weights_after_construction_reach_the_view(engine: sw.Engine) -> None:
    sae = tiny.sae_of(engine)
    widget = sw.TokenFeatureHeatmap(engine, text="the")
    with torch.no_grad():
        sae.b_enc[0] = float("nan")
    assert "NaN" in ask(widget, "v:1", "tokens", {"text": "the"})[0]["e"]["message"]
    with torch.no_grad():
        sae.b_enc[0] = 0
    assert ask(widget, "v:2", "tokens", {"text": "the"})[0]["ok"]


def test_traits_belong_together(engine: sw.Engine) -> None:
    widget = sw.TokenFeatureHeatmap(engine, text="the", features=[1, 2])
    assert widget.feature == 2
    widget.feature = 9
    assert widget.features == [9]
    widget.features = [4, 9, 4]
    assert (widget.features, widget.feature) == ([4, 9], 9)
    widget.features = []
    assert widget.feature is None
    with pytest.raises(FeatureIndexError):
        widget.feature = 48
    with pytest.raises(FeatureIndexError, match="At most 6"):
        widget.features = list(range(7))
    assert widget.features == []
    assert sw.TokenFeatureHeatmap(engine, feature=3).features == [3]


def test_what_the_view_sets_is_there_in_the_next_cell(engine: sw.Engine) -> None:
    widget = sw.TokenFeatureHeatmap(engine, text="the")
    widget.comm.view_sets(selected_tokens=[1], feature=7, features=[7])
    assert widget.value == {"text": "the", "sae": widget.sae, "feature": 7, "features": [7], "selected_tokens": [1]}
    widget.comm.view_sets(text="the heaven", selected_tokens=[])
    assert widget.selected_tokens == []
    assert len(widget.activations) == len(engine.to_ids("the heaven")[0])
    widget.selected_tokens = [1]
    widget.text = ["a", "b"]
    assert widget.selected_tokens == []
    widget.text = "lone \ud800 surrogate"
    assert widget.text == "lone \ufffd surrogate"


def test_unknown_settings(engine: sw.Engine) -> None:
    with pytest.raises(TypeError, match="features"):
        sw.TokenFeatureHeatmap(engine, featurs=[1])
    with pytest.raises(KeyError, match="it has"):
        sw.TokenFeatureHeatmap(engine, sae="other")


def test_refresh_computes_again(engine: sw.Engine) -> None:
    widget = sw.TokenFeatureHeatmap(engine, text="the")
    before = widget.activations
    assert widget.activations is before
    with torch.no_grad():
        tiny.sae_of(engine).b_enc += 1
    widget.refresh()
    assert len(widget.activations.values) > len(before.values)


@pytest.mark.slow
def test_200_interleaved_requests_from_three_threads_while_a_cell_computes(engine: sw.Engine) -> None:
    """Every answer belongs to its request, the last text wins, nothing is left on the model."""
    model = engine.model.raw
    hooks = sum(len(m._forward_hooks) for m in model.modules())
    widgets = [sw.TokenFeatureHeatmap(engine, text="the") for _ in range(2)]
    words = "In the beginning God created the heaven and the earth".split()
    reference = sw.Engine(tiny.hooked(), tiny.sae())
    sent: list[tuple[sw.TokenFeatureHeatmap, str, str]] = []
    guard = threading.Lock()

    def view(name: str, widget: sw.TokenFeatureHeatmap) -> None:
        for i in range(67):
            text = " ".join(words[: 1 + i % 8]) + name
            with guard:
                sent.append((widget, f"{name}:{i}", text))
            widget.comm.view_sends(
                {"t": "req", "id": f"{name}:{i}", "ch": "tokens", "p": {"text": text}, "enc": "binary"}
            )
            if i % 3 == 0:
                widget.comm.view_sends({"t": "cancel", "id": f"{name}:{i}"})
            time.sleep(0.001 * (i % 4))

    threads = [
        threading.Thread(target=view, args=(name, widget))
        for name, widget in (("a", widgets[0]), ("b", widgets[0]), ("c", widgets[1]))
    ]
    for thread in threads:
        thread.start()
    cell = [engine.activations(["the heaven and the earth"] * 50) for _ in range(5)]  # the cell
    for thread in threads:
        thread.join()
    assert len(sent) == 201
    answered = 0
    for widget, request_id, text in sent:
        message, _ = widget.comm.response(request_id)
        if message["ok"]:
            assert message["r"]["str"] == list(reference.activations(text).tokens)
            answered += 1
        else:
            assert message["e"]["type"] == "Cancelled"
        assert sum(c.get("id") == request_id and c["t"] == "res" for c, _ in widget.comm.customs()) == 1
    for name, widget in (("a", widgets[0]), ("b", widgets[0]), ("c", widgets[1])):
        last = f"{name}:65"  # the last that was not cancelled by its own view
        widget.comm.view_sends(
            {"t": "req", "id": f"{name}:67", "ch": "tokens", "p": {"text": "the end" + last}, "enc": "binary"}
        )
        assert widget.comm.response(f"{name}:67")[0]["r"]["str"] == list(reference.activations("the end" + last).tokens)
    assert answered >= 3
    assert all(np.array_equal(c[:, :], cell[0][:, :]) for c in cell)
    assert sum(len(m._forward_hooks) for m in model.modules()) == hooks


def test_two_views_do_not_replace_each_others_requests(engine: sw.Engine) -> None:
    widget = sw.TokenFeatureHeatmap(engine, text="the")
    gate = threading.Event()
    engine.worker.submit(lambda _: gate.wait(5))
    for request_id in ("a:1", "b:1", "a:2"):
        widget.comm.view_sends(
            {"t": "req", "id": request_id, "ch": "tokens", "p": {"text": request_id}, "enc": "binary"}
        )
    gate.set()
    assert widget.comm.response("a:1")[0]["e"]["type"] == "Cancelled"
    assert widget.comm.response("b:1")[0]["ok"]
    assert widget.comm.response("a:2")[0]["ok"]


@pytest.mark.slow
def test_closing_lets_the_engine_go() -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae())
    widget = sw.TokenFeatureHeatmap(engine, text="the")
    ask(widget, "v:1", "tokens", {"text": "the"})
    widget.close()
    with pytest.raises(RuntimeError, match="closed"):
        _ = widget.engine
    ref = weakref.ref(engine)
    del engine, widget
    gc.collect()
    assert ref() is None


def test_widgets_say_what_they_are(engine: sw.Engine) -> None:
    assert repr(sw.TokenFeatureHeatmap(engine, text="the", features=[3])) == (
        "TokenFeatureHeatmap('blocks.1.hook_resid_pre', features=[3], text=\"the\")"
    )

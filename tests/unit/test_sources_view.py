"""Sources of an activation as heatmap and dashboard are sent them: pattern times value along w, by plain hooks, at each number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from cases import on_either
from dashboard_made import ROWS, build, failed, good
from front_end import recorded
from test_frozen import opt

import saewidgets as sw
from saewidgets.widgets.feature import sources as sources_module

pytestmark = pytest.mark.usefixtures("fake_comm")

HOOK = "blocks.1.attn.hook_z"
TEXT = "In the beginning God created the heaven and the earth."
OTHER = "God said 日本語 </script>\u200f night"
SIZE = tiny.D_MODEL // tiny.N_HEADS
ARRAYS = {"flags", "by_token", "by_head", "head_share", "parts"}


def reference(model: Any, sae: Any, feature: int, ids: list[int], at: int) -> tuple[np.ndarray, float]:
    """[heads, key] pattern[h, at, s] * (v[s, h] . W_enc[h]) of plain hooks, and the activation of a ReLU or JumpReLU."""
    names = [f"blocks.1.attn.{name}" for name in ("hook_pattern", "hook_v", "hook_z")]
    kept: dict[str, torch.Tensor] = {}
    real = {model._resolve_hook_name(n) if hasattr(model, "_resolve_hook_name") else n: n for n in names}
    with torch.no_grad():
        _, cache = model.run_with_cache(torch.tensor([ids]))
        kept = {name: cache[place][0] for place, name in real.items()}
        pattern, v, z = (kept[name] for name in names)
        v, z = v.reshape(len(ids), tiny.N_HEADS, SIZE), z.reshape(len(ids), -1)
        w = sae.W_enc[:, feature].reshape(tiny.N_HEADS, SIZE)
        parts = np.zeros((tiny.N_HEADS, len(ids)))
        for head in range(tiny.N_HEADS):
            for source in range(len(ids)):
                parts[head, source] = float(pattern[head, at, source] * (v[source, head] @ w[head]))
        before = float((z[at] - sae.b_dec) @ sae.W_enc[:, feature] + sae.b_enc[feature])
    threshold = float(sae.threshold[feature].detach()) if hasattr(sae, "threshold") else 0.0
    return parts, before if before > threshold else 0.0


def check(r: dict[str, Any], arrays: Any, parts: np.ndarray, activation: float, at: int) -> None:
    """An answer against the reference, each number as its name says."""
    assert set(arrays) == ARRAYS
    n = at + 1
    assert r["silent"] is None and r["at"] == at and len(r["str"]) == n == len(arrays["flags"])
    assert not parts[:, n:].any(), "a later token brings nothing"
    close = {"rtol": 1e-3, "atol": 1e-5}
    np.testing.assert_allclose(arrays["parts"].reshape(len(parts), n), parts[:, :n], **close)
    np.testing.assert_allclose(arrays["by_token"], parts.sum(0)[:n], **close)
    np.testing.assert_allclose(arrays["by_head"], parts.sum(1), **close)
    sums = np.abs(parts.sum(1))
    np.testing.assert_allclose(arrays["head_share"], sums / sums.sum(), **close)
    assert r["total"] == pytest.approx(parts.sum(), rel=1e-3, abs=1e-5)
    assert r["activation"] == pytest.approx(activation, rel=1e-4)
    assert r["rest"] == pytest.approx(activation - parts.sum(), rel=1e-3, abs=1e-4)
    assert r["total"] + r["rest"] == pytest.approx(r["activation"], rel=1e-6)


def asking(f: int, **more: Any) -> dict[str, Any]:
    return {"f": f, "text": None, "token": None, "example": None, "sae": None, **more}


def dense_of(r: dict[str, Any], arrays: Any, feature: int) -> np.ndarray:
    """A feature's activation on every token, of the "tokens" answer: what the heatmap shows."""
    found = np.zeros(r["n"])
    for token in range(r["n"]):
        for i in range(int(arrays["indptr"][token]), int(arrays["indptr"][token + 1])):
            if arrays["feat"][i] == feature:
                found[token] = arrays["act"][i]
    return found


@on_either(("architecture",), [("standard",), ("jumprelu",)])
def test_the_heatmap_takes_its_own_number_apart(wrapper: str, architecture: str) -> None:
    model, sae = tiny.MODELS[wrapper](), tiny.sae(architecture, HOOK)
    engine = sw.Engine(tiny.MODELS[wrapper](), tiny.sae(architecture, HOOK))
    text = [TEXT, OTHER]
    widget = sw.TokenFeatureHeatmap(engine, text)
    tokens, sent = good(widget, "tokens", {"text": text})
    assert tokens["sources"] is True
    (start, stop), (start2, stop2) = tokens["texts"]
    ids = [sent["tok_id"][a:b].tolist() for a, b in ((start, stop), (start2, stop2))]
    done = 0
    for token in (start + 4, stop - 1, start2 + 1, stop2 - 1):
        which, begin = (0, start) if token < stop else (1, start2)
        feature = int(sent["feat"][sent["indptr"][token]])
        r, arrays = good(widget, "sources", asking(feature, text=text, token=int(token)))
        parts, activation = reference(model, sae, feature, ids[which], token - begin)
        check(r, arrays, parts, activation, token - begin)
        assert r["activation"] == pytest.approx(dense_of(tokens, sent, feature)[token], rel=1e-5)
        assert (r["f"], r["text"], r["first"], r["lead"], r["notes"]) == (feature, which, 0, 0, [])
        assert r["str"] == tokens["str"][begin : token + 1] and r["key"] == tokens["key"]
        np.testing.assert_array_equal(arrays["flags"], sent["flags"][begin : token + 1])
        assert r["heads"] == list(range(tiny.N_HEADS)) and "bias" in r["rest_label"]
        done += 1
    assert done == 4
    # Where it is strongest among counted tokens of all texts, if no token is chosen.
    for feature in (3, 11, 20, 31):
        column = dense_of(tokens, sent, feature)
        column[(sent["flags"] & 3) != 0] = 0
        r, arrays = good(widget, "sources", asking(feature, text=text))
        if not column.any():
            assert "no counted token" in r["silent"] and not any(len(a) for a in arrays.values())
        else:
            token = int(np.abs(column).argmax())
            assert r["at"] == token - (start if token < stop else start2)
            assert r["activation"] == pytest.approx(column[token], rel=1e-5)


def test_a_long_text_is_taken_apart_in_the_window_that_was_read() -> None:
    """Later windows begin with the text's BOS again: nothing before them is there, and the parts sum to what is shown."""
    engine = sw.Engine(tiny.hooked(), tiny.sae("jumprelu", HOOK), context_size=10)
    long = TEXT * 3
    widget = sw.TokenFeatureHeatmap(engine, long)
    tokens, sent = good(widget, "tokens", {"text": long})
    ids = sent["tok_id"].tolist()
    seen = set()
    for token in (3, 9, 10, 14, 18, 19, 25, tokens["n"] - 1):
        # The first has 10 tokens, each later one BOS and 9 more.
        window = 0 if token < 10 else (token - 10) // 9
        first = 0 if token < 10 else 10 + 9 * window
        read = ids[:10] if token < 10 else [ids[0], *ids[first : first + 9]]
        at = token if token < 10 else token - first + 1
        feature = int(sent["feat"][sent["indptr"][token]])
        r, arrays = good(widget, "sources", asking(feature, text=long, token=token))
        parts, activation = reference(tiny.hooked(), tiny.sae("jumprelu", HOOK), feature, read, at)
        check(r, arrays, parts, activation, at)
        assert r["activation"] == pytest.approx(dense_of(tokens, sent, feature)[token], rel=1e-4)
        lead = int(token >= 10)
        assert (r["lead"], r["first"]) == (lead, first - lead)
        assert r["str"] == ([tokens["str"][0]] if lead else []) + tokens["str"][first : token + 1]
        assert bool(r["notes"]) == bool(lead) and all(str(first) in note for note in r["notes"])
        seen.add(first)
    assert len(seen) > 3


def test_token_ids_that_look_like_padding_are_read_as_they_are() -> None:
    """A window may end in the token that also pads: it was read, so it is taken apart."""
    text = [0, 70, 71, 72, 1, 1, 73, 74, 75, 76]
    engine = sw.Engine(tiny.hooked(), tiny.sae("jumprelu", HOOK), context_size=6)
    widget = sw.TokenFeatureHeatmap(engine, text)
    _, sent = good(widget, "tokens", {"text": text})
    assert sent["tok_id"].tolist() == text
    feature = int(sent["feat"][sent["indptr"][5]])
    r, arrays = good(widget, "sources", asking(feature, text=text, token=5))
    parts, activation = reference(tiny.hooked(), tiny.sae("jumprelu", HOOK), feature, text[:6], 5)
    check(r, arrays, parts, activation, 5)


def test_where_it_is_not_active_nothing_is_drawn() -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae("jumprelu", HOOK))
    widget = sw.TokenFeatureHeatmap(engine, TEXT)
    tokens, sent = good(widget, "tokens", {"text": TEXT})
    feature = next(f for f in range(tiny.D_SAE) if 0 < np.count_nonzero(dense_of(tokens, sent, f)[2:]) < 6)
    token = next(t for t in range(2, tokens["n"]) if dense_of(tokens, sent, feature)[t] == 0)
    r, arrays = good(widget, "sources", asking(feature, text=TEXT, token=token))
    assert "not active here" in r["silent"] and r["at"] == token and r["str"] == tokens["str"][: token + 1]
    assert all(len(arrays[name]) == 0 for name in ARRAYS - {"flags"}) and r["heads"] == []
    for bad in (tokens["n"], -1):
        assert str(bad) in failed(widget, "sources", asking(feature, text=TEXT, token=bad))["message"]
    assert failed(widget, "sources", asking(tiny.D_SAE, text=TEXT))["type"] == "FeatureIndexError"
    empty, _ = good(widget, "sources", asking(feature, text=""))
    assert empty["silent"]


def test_other_dictionaries_are_neither_offered_nor_taken_apart(tmp_path: Path) -> None:
    engine = sw.Engine(tiny.hooked(), {"resid": tiny.sae(), "z": tiny.sae("jumprelu", HOOK)})
    for name, told in (("resid", False), ("z", True)):
        widget = sw.TokenFeatureHeatmap(engine, TEXT, sae=name, features=[3])
        assert good(widget, "tokens", {"text": TEXT, "sae": name})[0]["sources"] is told
        _, answers = recorded(str(widget.page()))
        assert ("sources" in {one["ch"] for one in answers}) == told
    acts = engine.activations(TEXT, sae="resid")
    widget = sw.TokenFeatureHeatmap(engine, TEXT, sae="resid")
    message = failed(widget, "sources", asking(int(acts.token(4)[0][0]), text=TEXT, token=4, sae="resid"))["message"]
    assert "hook_z" in message
    index = build(engine, tmp_path / "index", ROWS[3:6], sae="resid")
    assert sw.FeatureDashboard(engine, index).sources is False


def test_a_model_without_patterns_says_how_to_get_them() -> None:
    """The error stands in the answer; tokens and ranking go on, and a page is made without sources."""
    engine = sw.Engine(opt("sdpa"), tiny.sae("jumprelu", HOOK))
    widget = sw.TokenFeatureHeatmap(engine, TEXT, features=[int(engine.activations(TEXT).token(4)[0][0])])
    error = failed(widget, "sources", asking(widget.feature, text=TEXT, token=4))
    assert "attn_implementation='eager'" in error["message"]
    good(widget, "tokens", {"text": TEXT})
    _, answers = recorded(str(widget.page()))
    assert "sources" not in {one["ch"] for one in answers}


def test_a_page_has_the_selected_feature_at_its_token() -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae("jumprelu", HOOK))
    feature = int(engine.activations(TEXT).token(4)[0][0])
    widget = sw.TokenFeatureHeatmap(engine, TEXT, features=[feature], selected_tokens=[4])
    _, answers = recorded(str(widget.page()))
    asked = [one["p"] for one in answers if one["ch"] == "sources"]
    assert asked == [asking(feature, text=TEXT, sae=HOOK), asking(feature, text=TEXT, token=4, sae=HOOK)]
    live, _ = good(widget, "sources", asked[1])
    assert [one["r"] for one in answers if one["ch"] == "sources"][1] == live


def test_one_head_and_too_many_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    sae = tiny.sae("jumprelu", HOOK, d_in=SIZE, hook_head_index=2)
    sae.cfg.reshape_activations = "none"
    sae.turn_off_forward_pass_hook_z_reshaping()
    engine = sw.Engine(tiny.hooked(), sae)
    widget = sw.TokenFeatureHeatmap(engine, TEXT)
    feature = int(engine.activations(TEXT).token(5)[0][0])
    r, arrays = good(widget, "sources", asking(feature, text=TEXT, token=5))
    assert r["heads"] == [2] and arrays["head_share"].tolist() == [1.0]
    np.testing.assert_allclose(arrays["parts"], arrays["by_token"], rtol=1e-6)
    monkeypatch.setattr(sources_module, "_MOST_PARTS", 3)
    r, arrays = good(widget, "sources", asking(feature, text=TEXT, token=5))
    assert len(arrays["parts"]) == 0 and len(arrays["by_token"]) == 6 and r["silent"] is None
    assert "too many tokens" in r["notes"][0]


def test_what_is_not_linear_is_not_called_a_bias() -> None:
    """Along its own vector a layer norm has no slope: nearly all of the activation is then no token's."""
    for architecture, linear in (("layer_norm", False), ("constant_norm", False), ("topk", True), ("gated", True)):
        engine = sw.Engine(tiny.hooked(), tiny.sae(architecture, HOOK))
        feature = int(engine.activations(TEXT).token(5)[0][0])
        found = sw.by_source(engine, TEXT, feature, position=5)
        assert found.exact is linear, architecture
        r, _ = good(sw.TokenFeatureHeatmap(engine, TEXT), "sources", asking(feature, text=TEXT, token=5))
        assert ("slope" in r["rest_label"]) is not linear
        # The definition: w is the same wherever the feature is active.
        x = torch.randn(1, 1, tiny.D_MODEL, generator=torch.Generator().manual_seed(0))
        dictionary = engine.dictionary()
        slopes = []
        one = int(dictionary.encode(x)[0, 0].argmax())
        for step in (0.0, 1e-3):
            at = (x * (1 + step * torch.arange(tiny.D_MODEL))).requires_grad_()
            with torch.enable_grad():
                (slope,) = torch.autograd.grad(dictionary.encode(at)[0, 0, one], at)
            slopes.append(slope)
        assert torch.allclose(slopes[0], slopes[1], rtol=1e-4, atol=1e-6) is linear


# -- the dashboard


def chunk_of(index: sw.FeatureIndex, position: int) -> tuple[int, int]:
    chunk = int(index.texts.chunk(np.array([position]))[0])
    first, last = index.texts.chunk_ptr[chunk : chunk + 2]
    return int(first), int(last)


@on_either((), [()])
def test_an_example_is_taken_apart_as_the_index_read_it(wrapper: str, tmp_path: Path) -> None:
    """Also in a later chunk of a long document, which begins with BOS again."""
    engine = sw.Engine(tiny.MODELS[wrapper](), tiny.sae("jumprelu", HOOK))
    index = build(engine, tmp_path / "index", ROWS)
    widget = sw.FeatureDashboard(engine, index)
    assert widget.sources is True
    model, sae = tiny.MODELS[wrapper](), tiny.sae("jumprelu", HOOK)
    later = 0
    for feature in [int(f) for f in index.order("density")[:4]]:
        positions, values = index.activations(feature)
        chosen = [e.position for e in index.examples(feature, group="top", top=2)]
        chosen += [int(p) for p in positions if chunk_of(index, int(p))[0] and p < chunk_of(index, int(p))[1]][:2]
        for position in chosen:
            first, last = chunk_of(index, position)
            ids = list(index.texts.ids(first, last))
            r, arrays = good(widget, "sources", asking(feature, example=position))
            parts, activation = reference(model, sae, feature, ids, position - first)
            check(r, arrays, parts, activation, position - first)
            assert r["notes"] == []
            assert r["activation"] == pytest.approx(float(values[positions == position][0]), rel=1e-4)
            example = next(iter(index.examples(feature, group="top", top=1)))
            assert (example.position != position) or r["first"] + r["at"] == example.at
            assert r["str"] == list(index.texts.display(first, position + 1).strings)[: len(r["str"])]
            later += r["lead"]
            assert (r["lead"] == 1) == (index.texts.offset(int(index.texts.chunk(np.array([position]))[0])) > 0)
    assert later, "an example of a later chunk"
    # The user's own text.
    acts = engine.activations(TEXT)
    feature = int(acts.token(5)[0][0])
    r, arrays = good(widget, "sources", asking(feature, text=TEXT))
    strongest = np.where(acts.counted, np.abs(acts[:, feature]), 0)
    ids = engine.to_ids(TEXT)[0]
    check(r, arrays, *reference(model, sae, feature, ids, int(strongest.argmax())), int(strongest.argmax()))
    for bad in (-1, index.tokens):
        assert str(bad) in failed(widget, "sources", asking(feature, example=bad))["message"]
    assert failed(widget, "sources", asking(feature))["message"].startswith("Sources are asked for")
    assert sw.FeatureDashboard(index=index).sources is False


def test_where_index_and_engine_disagree_both_are_said(tmp_path: Path) -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae("jumprelu", HOOK))
    index = build(engine, tmp_path / "index", ROWS[:4])
    widget = sw.FeatureDashboard(engine, index)
    feature = int(index.order("density")[0])
    example = next(iter(index.examples(feature, group="top", top=1)))
    with torch.no_grad():
        tiny.sae_of(engine).b_enc[feature] += 0.5
    r, _ = good(widget, "sources", asking(feature, example=example.position))
    assert r["activation"] == pytest.approx(example.activation + 0.5, rel=1e-4)
    assert f"{example.activation:.4g}" in r["notes"][0] and f"{r['activation']:.4g}" in r["notes"][0]
    with torch.no_grad():
        tiny.sae_of(engine).b_enc[feature] -= 1000
    r, _ = good(widget, "sources", asking(feature, example=example.position))
    assert "not active" in r["silent"] and f"{example.activation:.4g}" in r["notes"][0]
    # A silent example.
    silent = index.examples(feature, group="silent", top=1)
    for one in silent:
        r, _ = good(widget, "sources", asking(feature, example=one.position))
        assert "not active here" in r["silent"] and r["notes"] == []


def test_a_dashboard_s_page_has_the_sources_that_are_wanted(tmp_path: Path) -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae("jumprelu", HOOK))
    index = build(engine, tmp_path / "index", ROWS[:6])
    widget = sw.FeatureDashboard(engine, index)
    state, answers = recorded(str(widget.page()))
    assert state["sources"] is False and "sources" not in {one["ch"] for one in answers}
    state, answers = recorded(str(widget.page(sources=2)))
    shown = next(one["r"] for one in answers if one["ch"] == "examples")["groups"][0]["examples"]
    asked = [one["p"] for one in answers if one["ch"] == "sources"]
    assert state["sources"] is True and asked == [asking(widget.feature, example=e["id"]) for e in shown[:2]]
    with pytest.raises(sw.errors.SaewidgetsError, match="hook_z"):
        sw.FeatureDashboard(index=index).page(sources=2)

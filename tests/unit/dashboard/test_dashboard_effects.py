"""The effect of ablation in a dashboard: whole forwards over the chunk, cut to what is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from dashboard_made import DEAD, ROWS, TEXT, build, example_params, failed, feature_params, good, make_engine, with_dead

import saewidgets as sw
from saewidgets.interventions.effects.ablation import ablation_effects
from saewidgets.widgets.constants import OUTLIER, SPECIAL

pytestmark = pytest.mark.usefixtures("fake_comm")


# -- the effect of ablation

EFFECTS = {"delta", "direct", "p_clean", "p_ablated", "change_token", "change_value"}


NONE = 0xFFFFFFFF


def chunk_of(index: sw.FeatureIndex, position: int) -> tuple[int, int]:
    chunk = int(index.texts.chunk(np.array([position]))[0])
    first, last = index.texts.chunk_ptr[chunk : chunk + 2]
    return int(first), int(last)


def check_effects(r: dict[str, Any], arrays: Any, f: int, wanted: list[tuple[Any, slice]], engine: sw.Engine) -> None:
    """An answer against the effects on whole chunks, cut to what is shown."""
    assert set(r) == {"f", "n", "label", "direct_label", "vocab"}
    assert r["f"] == f
    assert r["n"] == [part.stop - part.start for _, part in wanted]
    total = sum(r["n"])
    assert set(arrays) == EFFECTS
    for name in ("delta", "direct", "p_clean", "p_ablated"):
        assert (arrays[name].dtype, arrays[name].shape) == (np.float32, (total,))
        expected = np.concatenate([getattr(effect, name)[part] for effect, part in wanted])
        np.testing.assert_allclose(arrays[name], expected, rtol=1e-4, atol=2e-6, equal_nan=True)
    assert (arrays["change_token"].dtype, arrays["change_token"].shape) == (np.uint32, (6 * total,))
    assert (arrays["change_value"].dtype, arrays["change_value"].shape) == (np.float32, (6 * total,))
    names = {i: engine.tokenizer.display([i]).strings[0] for i in range(len(tiny.tokenizer()))}
    at = 0
    for effect, part in wanted:
        for p in range(part.start, part.stop):
            token, value = arrays["change_token"][6 * at : 6 * at + 6], arrays["change_value"][6 * at : 6 * at + 6]
            at += 1
            if p + 1 == len(effect) or effect.lowered_ids[p + 1, 0] < 0:
                assert (token == NONE).all(), "nothing is known of what comes after"
                continue
            ids = [*effect.lowered_ids[p + 1], *effect.raised_ids[p + 1]]
            assert [r["vocab"][t] for t in token] == [names[int(i)] for i in ids]
            np.testing.assert_allclose(value, [*effect.lowered[p + 1], *effect.raised[p + 1]], rtol=1e-3, atol=1e-5)
            assert (np.diff(value[:3]) >= 0).all()
            assert (np.diff(value[3:]) <= 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("view", ["snippet", "full"])
@pytest.mark.parametrize("architecture", ["jumprelu", "abstopk"])
def test_effects_are_those_of_the_chunk_and_fit_the_examples(
    architecture: str, view: str, tmp_path: Path, index: sw.FeatureIndex
) -> None:
    signed = architecture == "abstopk"
    engine = make_engine(architecture) if signed else with_dead(make_engine(), DEAD)
    if signed:
        index = build(engine, tmp_path / "index")
    widget = sw.FeatureDashboard(engine, index)
    for f in (int(index.order("density")[1]), 3 if signed else DEAD):
        shown, drawn = good(widget, "examples", example_params(f, view=view, window=5))
        found = {e["id"]: e for group in shown["groups"] for e in group["examples"]}
        # The last and the first token of a chunk are examples too, whether shown or not.
        for position in (chunk_of(index, 300)[1] - 1, index.tokens - 1, chunk_of(index, 300)[0], 0):
            found.setdefault(position, None)
        of = list(found)
        r, arrays = good(widget, "effects", {"f": f, "of": of, "view": view, "window": 5})
        wanted = []
        chunks = sorted({chunk_of(index, position) for position in of})
        effects = ablation_effects(engine, [index.texts.ids(*chunk) for chunk in chunks], f)
        for position in of:
            first, last = chunk_of(index, position)
            effect = effects[chunks.index((first, last))]
            start, stop = (first, last) if view == "full" else (max(first, position - 5), min(last, position + 6))
            wanted.append((effect, slice(start - first, stop - first)))
            example = found[position]
            if example:
                here = slice(example["start"], example["start"] + example["n"])
                assert example["n"] == stop - start
                assert shown["str"][here] == list(effect.tokens[start - first : stop - first])
                counted = drawn["flags"][here] & (SPECIAL | OUTLIER) == 0
                np.testing.assert_allclose(
                    drawn["act"][here][counted], effect.activations[start - first : stop - first][counted], atol=1e-5
                )
        check_effects(r, arrays, f, wanted, engine)
        assert np.nan_to_num(arrays["delta"]).any() == (index.feature(f).count > 0)


def test_effects_of_a_text(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.FeatureDashboard(engine, index)
    for text in (TEXT, "lone \ud800 \u202e heaven"):
        r, arrays = good(widget, "effects", {"f": 3, "text": text})
        shown, _ = good(widget, "text", {"f": 3, "text": text})
        (effect,) = ablation_effects(engine, engine.to_ids(text.replace("\ud800", "\ufffd")), 3)
        assert shown["str"] == list(effect.tokens)
        check_effects(r, arrays, 3, [(effect, slice(0, len(effect)))], engine)
    assert "context" in failed(widget, "effects", {"f": 3, "text": "the heaven " * 200})["message"]
    r, arrays = good(widget, "effects", {"f": 3, "text": ""})
    assert r["n"] == [1]  # BOS
    good(widget, "effects", {"f": 3, "of": [], "view": "snippet", "window": 10})


def test_effect_of_one_example_by_hand(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    """Two plain forwards: one as it is, one with a * W_dec subtracted at every counted token."""
    f = int(index.order("density")[0])
    example = next(iter(index.examples(f, group="top", window=8)))
    first, last = chunk_of(index, example.position)
    ids = torch.tensor([index.texts.ids(first, last)])
    model, sae = tiny.hooked(), tiny.sae_of(with_dead(make_engine(), DEAD))
    counted = torch.tensor([i not in (0, 1) for i in ids[0].tolist()])
    assert not (index.texts.flags(first, last)[counted.numpy()] != 0).any(), "no norm outliers here"

    def without(x: torch.Tensor, hook: Any) -> torch.Tensor:
        acts = sae.encode(x)[0, :, f] * counted
        return x - (acts[:, None] * sae.W_dec[f])[None]

    with torch.no_grad():
        clean = model(ids).log_softmax(-1)[0]
        ablated = model.run_with_hooks(ids, fwd_hooks=[("blocks.1.hook_resid_pre", without)]).log_softmax(-1)[0]
    targets = ids[0, 1:]
    here = torch.arange(len(targets))
    delta = np.full(last - first, np.nan, np.float32)
    delta[1:] = (ablated[here, targets] - clean[here, targets]).numpy()
    p_clean = np.full(last - first, np.nan, np.float32)
    p_clean[1:] = clean[here, targets].exp().numpy()
    widget = sw.FeatureDashboard(engine, index)
    r, arrays = good(widget, "effects", {"f": f, "of": [example.position], "view": "snippet", "window": 8})
    part = slice(example.start - first, example.start - first + len(example.tokens))
    np.testing.assert_allclose(arrays["delta"], delta[part], atol=1e-5, equal_nan=True)
    np.testing.assert_allclose(arrays["p_clean"], p_clean[part], atol=1e-6, equal_nan=True)
    assert np.nanmax(np.abs(arrays["delta"])) > 1e-3
    # What ablation changes most about the token after the example's.
    change = (ablated - clean)[example.position - first].numpy()
    at = 6 * example.focus
    assert change.argmin() == [
        i
        for i in range(len(change))
        if engine.tokenizer.display([i]).strings[0] == r["vocab"][arrays["change_token"][at]]
    ] or np.isclose(arrays["change_value"][at], change.min(), atol=1e-5)
    np.testing.assert_allclose(arrays["change_value"][at : at + 3], np.sort(change)[:3], atol=1e-5)
    np.testing.assert_allclose(arrays["change_value"][at + 3 : at + 6], np.sort(change)[::-1][:3], atol=1e-5)


@pytest.mark.slow
def test_effects_where_there_is_no_direct_path(tmp_path: Path) -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae(hook="blocks.0.attn.hook_z"))
    index = build(engine, tmp_path / "index", ROWS[:2])
    widget = sw.FeatureDashboard(engine, index)
    f = int(index.order("density")[0])
    r, arrays = good(widget, "effects", {"f": f, "text": "the heaven and the earth"})
    info, _ = good(widget, "feature", feature_params(f))
    if np.isnan(arrays["direct"]).all():
        assert r["direct_label"].startswith("Not defined: ")
        assert info["logits"] is None
        assert info["logits_missing"]
    else:
        assert "direct path" in r["direct_label"]


def test_effects_refuse_what_is_no_token_of_the_corpus(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.FeatureDashboard(engine, index)
    for bad in (-1, index.tokens, 10**12):
        assert str(bad) in failed(widget, "effects", {"f": 3, "of": [0, bad], "view": "full", "window": 5})["message"]
    assert failed(widget, "effects", {"f": 48, "of": [0], "view": "full", "window": 5})["type"] == "FeatureIndexError"
    assert failed(widget, "effects", {"f": 3, "view": "full", "window": 5})["type"]
    good(widget, "effects", {"f": 3, "of": [0], "view": "full", "window": 5})

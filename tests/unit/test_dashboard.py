"""FeatureDashboard's kernel side: the wire's fields and numbers, traits both ways, errors as data, pictures."""

from __future__ import annotations

import base64
import gc
import hashlib
import json
import re
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import comm
import numpy as np
import pytest
import tiny
import torch
import traitlets
from front_end import RecordingComm

import saewidgets as sw
from saewidgets.errors import FeatureIndexError
from saewidgets.index.errors import IndexMismatchError
from saewidgets.index.statistics.kept_examples import Keeping
from saewidgets.interventions.effects.ablation import ablation_effects

TEXT = "In the beginning God created 日本語</script>\n\u200f and the earth."
HOSTILE = "the </script><script>window.hacked = 1</script> <!-- & \u2028 \u0000 \u202eRTL 日本語 heaven"
WORDS = "God created heaven earth night day in the beginning and was without form".split()
ROWS = [
    {"text": "In the beginning God created the heaven and the earth. " * 9, "id": "long", "kind": "genesis"},
    {"text": "日本語のテキスト 😀 Zwölf Boxkämpfer", "id": "unicode", "kind": "other"},
    {"text": HOSTILE, "id": "<b>hostile</b>", "kind": "<i>kind</i>"},
    *(
        {"text": " ".join(WORDS[(i * k) % 13] for k in range(1, 14)), "id": f"d{i}", "kind": "words"}
        for i in range(1, 13)
    ),
    {"text": "the earth", "id": "short", "kind": "other"},
]
SMALL = Keeping(complete=20, top=5, interval=3)


def make_engine(architecture: str = "jumprelu", **more: Any) -> sw.Engine:
    return sw.Engine(tiny.hooked(), tiny.sae(architecture), **more)


def with_dead(engine: sw.Engine, feature: int) -> sw.Engine:
    with torch.no_grad():
        engine.dictionary().sae.b_enc[feature] = -1e3
    return engine


def build(engine: sw.Engine, path: Path, rows: Sequence[Any] = ROWS, **more: Any) -> sw.FeatureIndex:
    return sw.build_index(engine, rows, path, progress=False, wait=True, **more)


DEAD = 7


@pytest.fixture
def engine() -> sw.Engine:
    return with_dead(make_engine(labels={3: "Genesis"}), DEAD)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two indices of one corpus: whole, and with a sample of each feature."""
    folder = tmp_path_factory.mktemp("indices")
    with with_dead(make_engine(), DEAD) as engine:
        return build(engine, folder / "whole").path, build(engine, folder / "cut", keep=SMALL).path


@pytest.fixture
def index(built: tuple[Path, Path]) -> sw.FeatureIndex:
    return sw.FeatureIndex.open(built[0])


@pytest.fixture
def cut(built: tuple[Path, Path]) -> sw.FeatureIndex:
    return sw.FeatureIndex.open(built[1])


@pytest.fixture(autouse=True)
def fake_comm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(comm, "create_comm", RecordingComm)
    yield
    import ipywidgets

    ipywidgets.Widget.close_all()


_asked = iter(range(10**9))


def ask(widget: Any, channel: str, params: dict[str, Any], enc: str = "binary") -> tuple[dict[str, Any], Any]:
    request = f"v{next(_asked)}:1"
    widget.comm.view_sends({"t": "req", "id": request, "ch": channel, "p": params, "enc": enc})
    message, arrays = widget.comm.response(request)
    json.dumps(message, allow_nan=False)  # what travels must be JSON
    json.dumps(message, ensure_ascii=False).encode()  # and UTF-8
    return message, arrays


def good(widget: Any, channel: str, params: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    message, arrays = ask(widget, channel, params)
    assert message["ok"], message["e"]["traceback"]
    return message["r"], arrays


def failed(widget: Any, channel: str, params: dict[str, Any]) -> dict[str, Any]:
    message, _ = ask(widget, channel, params)
    assert not message["ok"]
    assert set(message["e"]) == {"type", "message", "traceback"}
    return message["e"]


def feature_params(f: int, **changed: Any) -> dict[str, Any]:
    return {"f": f, "sort": "density", "list": [], **changed}


def example_params(f: int, **changed: Any) -> dict[str, Any]:
    return {"f": f, "group": "all", "range": [], "view": "snippet", "window": 10, "token": "", "where": [], **changed}


FEATURE = {
    *"f label can_label order activation_name signed counted count density max min mean complete".split(),
    *"kept histogram logits logits_missing tokens alignment alignment_label neurons neurons_label".split(),
    *"neurons_missing correlated correlated_missing neighbours columns notes provenance".split(),
}


def alive(index: sw.FeatureIndex) -> list[int]:
    return np.flatnonzero(index.column("count") > 0).tolist()


# -- the numbers


@pytest.mark.parametrize("enc", ["binary", "base64"])
@pytest.mark.parametrize("whole", [True, False])
def test_feature_answer(engine: sw.Engine, index: sw.FeatureIndex, cut: sw.FeatureIndex, whole: bool, enc: str) -> None:
    index = index if whole else cut
    widget = sw.FeatureDashboard(engine, index)
    for f in [*alive(index)[:6], DEAD]:
        message, arrays = ask(widget, "feature", feature_params(f), enc)
        r, info = message["r"], index.feature(f)
        assert set(r) == FEATURE
        assert r["f"] == f
        assert (r["count"], r["counted"]) == (info.count, info.counted)
        assert r["density"] == info.count / info.counted
        assert (r["max"], r["min"], r["mean"]) == (info.maximum, info.minimum, info.mean)
        assert (r["complete"], r["kept"]) == (info.complete, info.kept)
        assert r["complete"] == (whole or info.count <= SMALL.complete)
        assert bool([n for n in r["notes"] if "sample" in n]) != r["complete"]
        assert r["label"] == ("Genesis" if f == 3 else None)
        assert r["activation_name"] == engine.dictionary().activation_name
        assert (arrays["hist_counts"].dtype, arrays["hist_counts"].shape) == (np.uint32, (50,))
        assert (arrays["hist_sums"].dtype, arrays["hist_sums"].shape) == (np.float32, (50,))
        assert arrays["hist_counts"].sum() == info.count
        if info.histogram is None:
            assert r["histogram"] is None
        else:
            assert r["histogram"] == {"low": info.histogram.low, "high": info.histogram.high}
            np.testing.assert_array_equal(arrays["hist_counts"], info.histogram.counts)
            np.testing.assert_allclose(arrays["hist_sums"], info.histogram.sums, rtol=1e-6)
            assert float(arrays["hist_sums"].sum()) == pytest.approx(info.mean * info.count, rel=1e-5)
        logits = r["logits"]
        assert set(logits) == {*"label low high mean std skew kurtosis top bottom".split()}
        assert logits["top"] == [{"t": w.token, "id": w.id, "v": w.value} for w in info.logits.top]
        assert logits["bottom"] == [{"t": w.token, "id": w.id, "v": w.value} for w in info.logits.bottom]
        assert (arrays["logit_counts"].dtype, arrays["logit_counts"].shape) == (np.uint32, (50,))
        assert arrays["logit_counts"].sum() == len(tiny.tokenizer())
        assert r["logits_missing"] is None
        assert r["tokens"] == [
            {"t": t.token, "id": t.id, "count": t.count, "mean": t.mean, "share": t.share} for t in info.tokens
        ]
        assert r["alignment"] == [{"i": a.neuron, "v": a.value, "share": a.share} for a in info.alignment]
        assert r["neurons"] == [{"i": n.neuron, "r": n.pearson, "cos": n.cosine} for n in info.neurons]
        assert r["correlated"] == [
            {"f": c.feature, "r": c.pearson, "together": c.together, "label": "Genesis" if c.feature == 3 else None}
            for c in info.correlated
        ]
        assert r["neighbours"] == [
            {"f": n.feature, "cos": n.cosine, "label": "Genesis" if n.feature == 3 else None} for n in info.neighbours
        ]
        assert r["columns"] == [{"name": "kind", "values": ["<i>kind</i>", "genesis", "other", "words"]}]
        assert dict(r["provenance"])["hook"] == "blocks.1.hook_resid_pre"


def check_examples(r: dict[str, Any], arrays: Any, index: sw.FeatureIndex, f: int, found: Any) -> None:
    """An answer against `index.examples`."""
    assert set(r) == {"f", "groups", "str", "parts", "scale", "note"}
    info = index.feature(f)
    assert r["f"] == f
    assert r["scale"] == max(abs(info.maximum or 0), abs(info.minimum or 0))
    assert (r["note"] is None) == info.complete
    assert [g["key"] for g in r["groups"]] == [g.key for g in found.groups]
    assert (arrays["act"].dtype, arrays["flag"].dtype) == (np.float32, np.uint8)
    start = 0
    for sent, group in zip(r["groups"], found.groups, strict=True):
        assert set(sent) == {"key", "title", "detail", "exact", "examples"}
        assert sent["exact"] == group.complete
        for got, wanted in zip(sent["examples"], group.examples, strict=True):
            n = len(wanted.tokens)
            assert got == {
                "id": wanted.position,
                "a": wanted.activation,
                "start": start,
                "n": n,
                "b": wanted.focus,
                "doc": wanted.document,
                "at": wanted.at,
                "more": wanted.repeats,
                "meta": [["kind", wanted.columns["kind"]]],
                "cut": [wanted.before, wanted.after],
            }
            here = slice(start, start + n)
            assert r["str"][here] == list(wanted.tokens)
            assert r["parts"][here] == list(wanted.parts)
            np.testing.assert_array_equal(arrays["act"][here], wanted.activations)
            np.testing.assert_array_equal(arrays["flag"][here], wanted.flags)
            assert arrays["act"][start + got["b"]] == got["a"]
            start += n
    assert start == len(r["str"]) == len(r["parts"]) == len(arrays["act"]) == len(arrays["flag"])


@pytest.mark.parametrize("view", ["snippet", "full"])
@pytest.mark.parametrize("group", ["all", "top", "intervals", "silent"])
def test_examples_answer(engine: sw.Engine, index: sw.FeatureIndex, group: Any, view: str) -> None:
    widget = sw.FeatureDashboard(engine, index)
    for f in [int(index.order("density")[0]), 3, DEAD]:
        r, arrays = good(widget, "examples", example_params(f, group=group, view=view, window=6))
        found = index.examples(f, group=group, window=None if view == "full" else 6)
        check_examples(r, arrays, index, f, found)
    params = example_params(int(index.order("density")[0]), token="the", where=["kind", "genesis"])
    r, arrays = good(widget, "examples", params)
    found = index.examples(params["f"], token="the", where={"kind": "genesis"})
    check_examples(r, arrays, index, params["f"], found)
    assert {e["meta"][0][1] for g in r["groups"] for e in g["examples"]} == {"genesis"}


def test_text_answer(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.FeatureDashboard(engine, index)
    for text in (TEXT, "the " * 100, HOSTILE, "lone \ud800 surrogate"):
        clean = text.replace("\ud800", "\ufffd")
        acts = with_dead(make_engine(), DEAD).activations(clean)
        for f in (3, DEAD, int(index.order("density")[0])):
            r, arrays = good(widget, "text", {"f": f, "text": text})
            assert set(r) == {"f", "n", "str", "parts", "notes"}
            assert (r["f"], r["n"]) == (f, len(acts))
            assert r["str"] == list(acts.tokens)
            assert r["parts"] == list(acts.parts)
            assert (arrays["act"].dtype, arrays["flag"].dtype) == (np.float32, np.uint8)
            np.testing.assert_allclose(arrays["act"], acts[:, f], atol=1e-6)
            np.testing.assert_array_equal(arrays["flag"], acts.special * 1 + acts.outlier * 2)


def test_closing_a_widget_twice_does_not_close_the_engine(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    """A closed widget is closed again by its finaliser, and by Widget.close_all()."""
    other = sw.FeatureDashboard(engine, index, feature=3)
    for made in (sw.FeatureDashboard(engine, index), sw.TokenFeatureHeatmap(engine, text="the")):
        made.close()
        made.close()
    assert engine.activations("the heaven")
    good(other, "text", {"f": 3, "text": "the heaven"})


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
                counted = drawn["flag"][here] == 0
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
    model, sae = tiny.hooked(), with_dead(make_engine(), DEAD).dictionary().sae
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


# -- steps, labels


def steps(widget: sw.FeatureDashboard, order: list[int], sort: str, listed: list[int]) -> None:
    for place in (0, 1, len(order) // 2, len(order) - 2, len(order) - 1):
        r, _ = good(widget, "feature", {"f": order[place], "sort": sort, "list": listed})
        assert r["order"] == {
            "position": place,
            "total": len(order),
            "previous": order[place - 1] if place else None,
            "next": order[place + 1] if place + 1 < len(order) else None,
        }


def test_previous_and_next_in_every_order(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.FeatureDashboard(engine, index)
    table = index.features
    n = range(len(table))
    peaks, means = table["max"].fillna(-np.inf), table["mean"].fillna(-np.inf)
    by = {
        "index": list(n),
        "density": sorted(n, key=lambda f: (-table["count"][f], f)),
        "max": sorted(n, key=lambda f: (-peaks[f], f)),
        "mean": sorted(n, key=lambda f: (-means[f], f)),
        "label": [3, *(f for f in n if f != 3)],
    }
    for sort, order in by.items():
        assert sorted(order) == list(n)
        steps(widget, order, sort, [])
    steps(widget, [9, 3, 40, DEAD, 5, 0], "max", [9, 3, 40, DEAD, 5, 0])
    r, _ = good(widget, "feature", {"f": 11, "sort": "index", "list": [9, 3]})
    assert r["order"] == {"position": None, "total": 2, "previous": None, "next": None}
    assert "order" in failed(widget, "feature", feature_params(3, sort="nonsense"))["message"]


def test_a_random_feature_fires_and_is_another(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.FeatureDashboard(engine, index)
    got = {good(widget, "random", {"f": 5, "list": []})[0]["f"] for _ in range(300)}
    assert got <= {*alive(index)} - {5}
    assert len(got) > 40
    assert {good(widget, "random", {"f": 5, "list": [5, DEAD, 9]})[0]["f"] for _ in range(20)} == {9}
    assert good(widget, "random", {"list": [5]})[0] == {"f": 5}
    for listed in ([DEAD], [5], [5, DEAD]):
        assert "no other feature" in failed(widget, "random", {"f": 5, "list": listed})["message"]


def test_a_label_is_kept_and_shown(engine: sw.Engine, index: sw.FeatureIndex, tmp_path: Path) -> None:
    own = build(engine, tmp_path / "index", ROWS[:2])
    widget = sw.FeatureDashboard(engine, own, feature=5)
    near = own.feature(5).neighbours[0].feature
    for f, given, kept in ((5, "  my <b>name</b> ", "my <b>name</b>"), (near, "日本 \u202e", "日本 \u202e")):
        assert good(widget, "label", {"f": f, "label": given})[0] == {"f": f, "label": kept}
    r, _ = good(widget, "feature", feature_params(5, sort="label"))
    assert r["label"] == "my <b>name</b>"
    assert r["order"]["position"] < 3
    assert next(n["label"] for n in r["neighbours"] if n["f"] == near) == "日本 \u202e"
    assert sw.FeatureIndex.open(own.path).label(5) == "my <b>name</b>"
    assert "&lt;b&gt;name" in widget.fallback_html()
    assert good(widget, "label", {"f": 5, "label": ""})[0] == {"f": 5, "label": None}
    assert good(widget, "feature", feature_params(5))[0]["label"] is None
    # An engine's label can be taken away too, and comes back with no other.
    assert good(widget, "label", {"f": 3, "label": None})[0] == {"f": 3, "label": None}
    assert good(widget, "feature", feature_params(3))[0]["label"] is None
    assert failed(widget, "label", {"f": 48, "label": "x"})["type"] == "FeatureIndexError"


def test_a_label_with_half_a_character(engine: sw.Engine, tmp_path: Path) -> None:
    """A browser's string may hold a lone surrogate; UTF-8 does not."""
    index = build(engine, tmp_path / "index", ROWS[:2])
    widget = sw.FeatureDashboard(engine, index, feature=5)
    assert good(widget, "label", {"f": 5, "label": "half \ud83d"})[0] == {"f": 5, "label": "half \ufffd"}
    assert good(widget, "feature", feature_params(5))[0]["label"] == "half \ufffd"
    assert sw.FeatureIndex.open(index.path).label(5) == "half \ufffd"
    index.set_label(6, "\udc80")
    assert index.label(6) == "\ufffd"
    assert not [p.name for p in index.path.iterdir() if p.name.endswith(".tmp")]


# -- without a model


def test_an_index_alone(index: sw.FeatureIndex) -> None:
    widget = sw.FeatureDashboard(index=index)
    assert not widget.live
    assert widget.feature == index.order("density")[0]
    f = widget.feature
    r, _ = good(widget, "feature", feature_params(f))
    assert set(r) == FEATURE
    r, arrays = good(widget, "examples", example_params(f))
    check_examples(r, arrays, index, f, index.examples(f))
    for channel, params in (
        ("text", {"f": f, "text": "the"}),
        ("effects", {"f": f, "text": "the"}),
        ("effects", {"f": f, "of": [3], "view": "snippet", "window": 10}),
    ):
        error = failed(widget, channel, params)
        assert error["type"] == "RuntimeError"
        assert "make the widget with an engine" in error["message"]
    for name in ("activations", "engine"):
        with pytest.raises(RuntimeError, match="engine"):
            getattr(widget, name)
    assert good(widget, "random", {"list": []})[0]["f"] in alive(index)
    good(widget, "feature", feature_params(f))
    assert widget.info.feature == f
    assert len(widget.examples) == len(index.examples(f))
    widget.close()
    assert "closed" in failed_after_close(widget, "feature", feature_params(f))


def failed_after_close(widget: Any, channel: str, params: dict[str, Any]) -> str:
    """What a widget says to a request that comes when it is closed: it may not fail otherwise."""
    sent: list[Any] = []
    widget.send = lambda content, buffers=None: sent.append(content)
    widget._on_message(widget, {"t": "req", "id": "z:1", "ch": channel, "p": params, "enc": "binary"}, [])
    assert [m["id"] for m in sent] == ["z:1"]
    assert not sent[0]["ok"]
    return sent[0]["e"]["message"]


def test_a_closed_widget_answers_with_an_error(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.FeatureDashboard(engine, index)
    widget.close()
    for channel, params in (("feature", feature_params(3)), ("text", {"f": 3, "text": "the"})):
        assert "closed" in failed_after_close(widget, channel, params)
    with pytest.raises(RuntimeError, match="closed"):
        _ = widget.engine


def test_closing_lets_engine_and_index_go(built: tuple[Path, Path]) -> None:
    engine = with_dead(make_engine(), DEAD)
    index = sw.FeatureIndex.open(built[0])
    widget = sw.FeatureDashboard(engine, index)
    good(widget, "text", {"f": 3, "text": "the"})
    widget.close()
    refs = [weakref.ref(engine), weakref.ref(index)]
    del engine, index, widget
    gc.collect()
    assert [ref() for ref in refs] == [None, None]


# -- what cannot be


def test_what_cannot_be_set(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.FeatureDashboard(engine, index, feature=5, features=[5, 6])
    for bad in (48, -1, 10**9):
        with pytest.raises(FeatureIndexError, match="0 to 47"):
            widget.feature = bad
        with pytest.raises(FeatureIndexError):
            widget.features = [3, bad]
        with pytest.raises(FeatureIndexError):
            sw.FeatureDashboard(engine, index, feature=bad)
        with pytest.raises(FeatureIndexError):
            sw.FeatureDashboard(engine, index, features=[bad])
    for bad_range in ([1.0], [1, 2, 3], [2, 1], [float("nan"), 1], [0, float("nan")]):
        with pytest.raises(traitlets.TraitError, match="low <= high"):
            widget.activation_range = bad_range
    with pytest.raises(traitlets.TraitError, match="columns are kind"):
        widget.where = ["colour", "red"]
    with pytest.raises(traitlets.TraitError):
        widget.where = ["kind"]
    for name, value in (("window", 4), ("window", 21), ("group", "best"), ("view", "wide"), ("sort", "size")):
        with pytest.raises(traitlets.TraitError):
            setattr(widget, name, value)
    with pytest.raises(traitlets.TraitError):
        widget.live = False
    with pytest.raises(TypeError, match="activation_range"):
        sw.FeatureDashboard(engine, index, activation_rang=[0, 1])
    with pytest.raises(TypeError, match="needs an index"):
        sw.FeatureDashboard(engine)
    with pytest.raises(TypeError, match="needs an index"):
        sw.FeatureDashboard(index, engine)
    with pytest.raises(KeyError, match="it has"):
        sw.FeatureDashboard(engine, index, sae="other")
    assert (widget.feature, widget.features, widget.activation_range, widget.where) == (5, [5, 6], [], [])
    assert widget.live
    good(widget, "feature", feature_params(5))


def test_another_sae_or_model_is_refused(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    for other in (make_engine("gated"), sw.Engine(tiny.hooked(), tiny.sae(seed=2))):
        with pytest.raises(IndexMismatchError):
            sw.FeatureDashboard(other, index)
        assert other.activations("the")
    both = sw.Engine(tiny.hooked(), {"other": tiny.sae(seed=2), "right": engine.dictionary().sae})
    with pytest.raises(IndexMismatchError):
        sw.FeatureDashboard(both, index, sae="other")
    # Without a word of which SAE is meant it is the one that the index is of, wherever it stands.
    widget = sw.FeatureDashboard(both, index, feature=3)
    _, arrays = good(widget, "text", {"f": 3, "text": TEXT})
    np.testing.assert_allclose(arrays["act"], engine.activations(TEXT)[:, 3], atol=1e-6)
    _, arrays = good(widget, "effects", {"f": 3, "text": TEXT})
    (effect,) = ablation_effects(engine, engine.to_ids(TEXT), 3)
    np.testing.assert_allclose(arrays["delta"], effect.delta, atol=1e-5, equal_nan=True)
    gc.collect()


def test_errors_are_data_and_the_widget_stays_usable(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.FeatureDashboard(engine, index)
    cases: list[tuple[str, dict[str, Any]]] = [
        ("feature", feature_params(48)),
        ("feature", {}),
        ("feature", {"f": "x"}),
        ("feature", {"f": None, "sort": "density", "list": []}),
        ("examples", example_params(-1)),
        ("examples", example_params(3, where=["colour", "red"])),
        ("examples", {}),
        ("text", {"f": 48, "text": "the"}),
        ("text", {"f": 3}),
        ("effects", {"f": 3}),
        ("label", {"f": 99, "label": "x"}),
        ("nonsense", {}),
    ]
    for channel, params in cases:
        error = failed(widget, channel, params)
        assert error["message"]
        assert "Traceback" in error["traceback"]
    for strange in ("x", None, {"t": "req"}, {"t": "cancel", "id": "?"}, {"t": "req", "id": 1, "ch": 2, "p": 3}):
        widget._on_message(widget, strange, [])
    good(widget, "feature", feature_params(3))
    bias = engine.dictionary().sae.b_enc
    with torch.no_grad():
        old = float(bias[3])
        bias[3] = float("nan")
    for channel in ("text", "effects"):
        assert "NaN" in failed(widget, channel, {"f": 3, "text": "the"})["message"]
    with torch.no_grad():
        bias[3] = old
    good(widget, "text", {"f": 3, "text": "the"})


# -- traits


def test_another_feature_clears_what_belonged_to_the_last(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.FeatureDashboard(engine, index, feature=5, activation_range=[0.5, 1.0], window=7)
    assert widget.activation_range == [0.5, 1.0]
    widget.selected_example = {"id": 3}
    widget.feature = 5
    assert widget.activation_range == [0.5, 1.0]
    assert widget.selected_example == {"id": 3}
    widget.feature = 6
    assert (widget.activation_range, widget.selected_example, widget.window) == ([], None, 7)
    widget.activation_range, widget.selected_example = [0.1, 0.2], {"id": 4}
    widget.comm.view_sets(feature=9)
    assert (widget.feature, widget.activation_range, widget.selected_example) == (9, [], None)
    # What the view sets at once.
    widget.comm.view_sets(feature=10, activation_range=[], token_filter="", selected_example=None)
    assert widget.feature == 10
    widget.comm.view_sets(activation_range=[0.25, 1], selected_example={"id": 8, "text": "the"})
    assert widget.activation_range == [0.25, 1]
    assert widget.selected_example == {"id": 8, "text": "the"}
    assert widget.examples.groups[0].key == "range"
    widget.feature = None
    with pytest.raises(ValueError, match="No feature"):
        _ = widget.info
    widget.text = "lone \ud800 surrogate"
    assert widget.text == "lone \ufffd surrogate"


def test_the_first_feature(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    densest = int(index.order("density")[0])
    assert sw.FeatureDashboard(engine, index).feature == densest
    assert sw.FeatureDashboard(engine, index, features=[9, 3]).feature == 9
    assert sw.FeatureDashboard(engine, index, feature=3, features=[9]).feature == 3
    widget = sw.FeatureDashboard(engine, index, features=index.order("max")[:5])
    assert widget.feature == index.order("max")[0]
    assert widget.features == index.order("max")[:5].tolist()
    json.dumps(widget.get_state(), default=str)
    assert repr(widget).endswith(f"feature={widget.feature})")


def test_linked_with_a_heatmap(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    heatmap = sw.TokenFeatureHeatmap(engine, text=TEXT)
    dashboard = sw.FeatureDashboard(engine, index, feature=5)
    link = traitlets.link((heatmap, "feature"), (dashboard, "feature"))
    assert dashboard.feature is None, "the heatmap shows none"
    heatmap.feature = 9
    assert (dashboard.feature, heatmap.features) == (9, [9])
    dashboard.feature = 11
    assert (heatmap.feature, heatmap.features) == (11, [11])
    dashboard.comm.view_sets(feature=12, activation_range=[])
    assert heatmap.feature == 12
    heatmap.comm.view_sets(feature=13, features=[12, 13])
    assert dashboard.feature == 13
    heatmap.features = []
    assert dashboard.feature is None
    html = dashboard._repr_mimebundle_()[0]["text/html"]
    assert "No feature" in html
    heatmap.feature = 9
    assert dashboard.info.feature == 9
    good(dashboard, "feature", feature_params(9))
    link.unlink()


def test_two_views_and_many_requests(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    """Every request has one answer, of its own parameters; views do not replace each other's."""
    widget = sw.FeatureDashboard(engine, index)
    features = alive(index)
    sent: list[tuple[str, str, int]] = []
    guard = threading.Lock()

    def view(name: str) -> None:
        for i in range(60):
            f = features[(i * 7 + len(name)) % len(features)]
            channel = ("feature", "examples", "text", "effects")[i % 4]
            params = {"text": f"the heaven {i}", **example_params(f)}
            with guard:
                sent.append((f"{name}:{i}", channel, f))
            widget.comm.view_sends({"t": "req", "id": f"{name}:{i}", "ch": channel, "p": params, "enc": "binary"})
            if i % 5 == 0:
                widget.comm.view_sends({"t": "cancel", "id": f"{name}:{i}"})

    threads = [threading.Thread(target=view, args=(name,)) for name in ("a", "bb")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answered = 0
    for request_id, channel, f in sent:
        message, arrays = widget.comm.response(request_id)
        assert sum(c.get("id") == request_id and c["t"] == "res" for c, _ in widget.comm.customs()) == 1
        if not message["ok"]:
            assert message["e"]["type"] == "Cancelled"
            continue
        answered += 1
        assert message["r"]["f"] == f
        assert {"feature": "hist_counts", "effects": "delta"}.get(channel, "act") in arrays
    assert answered >= 4
    assert widget._jobs == {}
    gate = threading.Event()
    engine.worker.submit(lambda _: gate.wait(5))
    for request_id in ("c:1", "d:1", "c:2"):
        widget.comm.view_sends({"t": "req", "id": request_id, "ch": "feature", "p": feature_params(3), "enc": "binary"})
    gate.set()
    assert widget.comm.response("c:1")[0]["e"]["type"] == "Cancelled"
    assert widget.comm.response("d:1")[0]["ok"]
    assert widget.comm.response("c:2")[0]["ok"]


# -- brushed ranges


def in_title(group: dict[str, Any]) -> int | None:
    found = re.match(r"([\d,]+) of ", group["detail"])
    return int(found[1].replace(",", "")) if found else None


@pytest.mark.parametrize("whole", [True, False])
def test_a_brush_on_edges_counts_what_the_bins_count(
    engine: sw.Engine, index: sw.FeatureIndex, cut: sw.FeatureIndex, whole: bool
) -> None:
    index = index if whole else cut
    widget = sw.FeatureDashboard(engine, index)
    assert whole == all(index.feature(f).complete for f in alive(index))
    for f in alive(index)[::12]:
        histogram = index.feature(f).histogram
        counts = histogram.counts
        low, high = histogram.low, histogram.high
        if low == high:
            continue
        # As js/src/charts/axis.ts computes edges.
        edges = [high if i >= 50 else low + ((high - low) * i) / 50 for i in range(51)]
        for first, last in [*((i, i) for i in range(50)), (0, 49), (3, 17), (0, 24), (25, 49)]:
            r, _ = good(widget, "examples", example_params(f, range=[edges[first], edges[last + 1]]))
            (group,) = r["groups"]
            assert group["key"] == "range"
            assert in_title(group) == counts[first : last + 1].sum(), (f, first, last)
            assert group["title"].startswith("Brushed ")
            folded = sum(1 + e["more"] for e in group["examples"])
            assert folded <= counts[first : last + 1].sum()
            if whole and len(group["examples"]) < 20:
                assert folded == counts[first : last + 1].sum()
            for example in group["examples"]:
                assert np.float32(edges[first]) <= example["a"] <= np.float32(edges[last + 1])
            found = index.examples(f, low=edges[first], high=edges[last + 1])["range"]
            assert ("sample" in group["detail"]) == found.sampled and not (whole and found.sampled)


def test_a_brush_off_the_edges_of_a_sample_claims_no_count(engine: sw.Engine, cut: sw.FeatureIndex) -> None:
    widget = sw.FeatureDashboard(engine, cut)
    f = next(f for f in alive(cut) if not cut.feature(f).complete)
    histogram = cut.feature(f).histogram
    width = (histogram.high - histogram.low) / 50
    r, _ = good(widget, "examples", example_params(f, range=[histogram.low + width / 3, histogram.high]))
    assert in_title(r["groups"][0]) is None
    assert r["groups"][0]["detail"].count("sampled") == 1


def test_a_filtered_brush_counts_only_what_passes(
    engine: sw.Engine, index: sw.FeatureIndex, cut: sw.FeatureIndex
) -> None:
    """A count of all active tokens beside examples of a filter would be read as the filter's."""
    f = int(cut.order("density")[0])
    assert not cut.feature(f).complete
    histogram = cut.feature(f).histogram
    position, _ = index.activations(f)
    rows = index.texts.rows(index.texts.chunk(position))
    kinds = np.array(index.texts.column("kind").to_pylist())[rows]
    passing = int((kinds == "words").sum())
    assert 0 < passing < cut.feature(f).count
    for source in (index, cut):
        widget = sw.FeatureDashboard(engine, source)
        params = example_params(f, range=[histogram.low, histogram.high], where=["kind", "words"])
        r, _ = good(widget, "examples", params)
        assert in_title(r["groups"][0]) in (passing, None)


def test_a_filter_s_groups_do_not_claim_the_feature_s_extremes(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    f = int(index.order("density")[0])
    widget = sw.FeatureDashboard(engine, index)
    whole, _ = good(widget, "examples", example_params(f, group="top"))
    assert whole["groups"][0]["detail"] == f"max {index.feature(f).maximum:.4g}"
    filtered, _ = good(widget, "examples", example_params(f, group="top", where=["kind", "words"]))
    assert filtered["groups"][0]["detail"] == "of those that pass the filter"


def test_all_activations_equal(tmp_path: Path) -> None:
    """One token in one place, over and over: the histogram is one bin, and a brush of it counts all of them."""
    engine = make_engine()
    for keep in (10_000, Keeping(complete=1, top=1, interval=1)):
        index = build(engine, tmp_path / str(keep == 10_000), ["earth"] * 30, keep=keep, shard_tokens=7)
        widget = sw.FeatureDashboard(engine, index)
        f = next(f for f in alive(index) if index.feature(f).maximum == index.feature(f).minimum)
        r, arrays = good(widget, "feature", feature_params(f))
        assert r["histogram"]["low"] == r["histogram"]["high"] == r["max"] == r["min"]
        assert arrays["hist_counts"].tolist() == [r["count"], *[0] * 49]
        shown, _ = good(widget, "examples", example_params(f, range=[r["max"], r["max"]]))
        assert in_title(shown["groups"][0]) == r["count"]
        assert len(shown["groups"][0]["examples"]) >= 1


# -- features of a kind


def test_a_dead_feature(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.FeatureDashboard(engine, index, feature=DEAD)
    r, arrays = good(widget, "feature", feature_params(DEAD))
    assert (r["count"], r["density"], r["kept"], r["complete"]) == (0, 0, 0, True)
    assert (r["max"], r["min"], r["mean"], r["histogram"]) == (None, None, None, None)
    assert (r["tokens"], r["neurons"], r["correlated"]) == ([], [], [])
    assert "never fires" in r["neurons_missing"]
    assert "never fires" in r["correlated_missing"]
    assert not r["signed"]
    assert r["order"]["position"] == tiny.D_SAE - 1
    assert not arrays["hist_counts"].any()
    assert len(r["neighbours"]) > 0
    for group in ("all", "top", "intervals", "silent"):
        shown, arrays = good(widget, "examples", example_params(DEAD, group=group))
        assert not np.nan_to_num(arrays["act"]).any()
        assert shown["scale"] == 0
        for one in shown["groups"]:
            assert one["key"] in ("top", "near", "silent")
            assert "nan" not in one["title"] + one["detail"]
    shown, _ = good(widget, "examples", example_params(DEAD, range=[0.1, 1]))
    assert shown["groups"][0]["examples"] == []
    assert in_title(shown["groups"][0]) in (0, None)
    assert "never fires" in widget.fallback_html()
    assert "never fires" in widget.page()
    assert "never fires" in repr(widget.info)


def test_negative_activations(tmp_path: Path) -> None:
    engine = make_engine("abstopk")
    index = build(engine, tmp_path / "index")
    table = index.features
    both = [f for f in alive(index) if table["min"][f] < 0 < table["max"][f]]
    negative = [f for f in alive(index) if table["max"][f] < 0]
    widget = sw.FeatureDashboard(engine, index, feature=both[0])
    for f in [*both[:3], *negative[:1]]:
        r, arrays = good(widget, "feature", feature_params(f))
        assert r["signed"]
        assert r["min"] < 0
        assert arrays["hist_sums"].sum() == pytest.approx(r["mean"] * r["count"], rel=1e-4, abs=1e-4)
        positive = sum(i.count for i in index.feature(f).intervals)
        _, values = index.activations(f)
        assert positive == (values > 0).sum()
        shown, arrays = good(widget, "examples", example_params(f))
        assert shown["scale"] == np.abs(values).max()
        groups = {g["key"]: g for g in shown["groups"]}
        bottom = [e["a"] for e in groups["bottom"]["examples"]]
        assert bottom == sorted(bottom)
        assert bottom[0] == values.min()
        assert all(a < 0 for a in bottom)
        assert all(e["a"] > 0 for e in groups["top"]["examples"])
        if f in negative:
            assert groups["top"]["examples"] == []
        low, high = r["histogram"]["low"], r["histogram"]["high"]
        edges = [low + (high - low) * i / 50 for i in range(50)] + [high]
        sent, _ = good(widget, "examples", example_params(f, range=[edges[0], edges[10]]))
        _, arrays = good(widget, "feature", feature_params(f))
        assert in_title(sent["groups"][0]) == arrays["hist_counts"][:10].sum()
    assert "saew-fb-n" in widget.fallback_html()
    lowest = next(iter(index.examples(both[0], window=None)["bottom"].examples))
    _, arrays = good(widget, "text", {"f": both[0], "text": lowest.text.removeprefix("<|bos|>")})
    assert (arrays["act"] < 0).any()


# -- hostile names


def test_hostile_text_and_names(tmp_path: Path) -> None:
    label = "</script>\u202e<img src=x> \udc80"
    engine = make_engine(labels={5: label})
    rows = [
        {"text": HOSTILE + " \ud800", "id": "doc \u202e </script>", "col <b>\u202e": "v </script> \u2028"},
        {"text": HOSTILE, "id": "two", "col <b>\u202e": "plain"},
        {"text": "the heaven and the earth " * 5, "id": "three", "col <b>\u202e": "plain"},
    ]
    index = build(engine, tmp_path / "index", rows)
    widget = sw.FeatureDashboard(engine, index, feature=5)
    r, _ = good(widget, "feature", feature_params(5))
    assert r["label"] == label.replace("\udc80", "\ufffd")
    (column,) = r["columns"]
    assert column["name"] == "col <b>\u202e"
    assert column["values"] == ["plain", "v </script> \u2028"]
    r, _ = good(widget, "examples", example_params(5, view="full", where=[column["name"], column["values"][1]]))
    found = [e for g in r["groups"] for e in g["examples"]]
    assert found, "a value can be filtered by as it is shown"
    assert {e["doc"] for e in found} == {"doc \u202e </script>"}
    assert "</script" in "".join(r["str"])
    widget.where = [column["name"], column["values"][1]]
    for html in (widget.fallback_html(), widget.page()):
        assert html.encode()
        check_inert(html)
    heading = widget.fallback_html()
    assert "&lt;/script&gt;[U+202E]&lt;img src=x&gt;" in heading


@pytest.mark.parametrize("where", ["id", "kind", "text"])
def test_half_a_character_in_a_document(engine: sw.Engine, tmp_path: Path, where: str) -> None:
    rows = [{"text": "the heaven", "id": "one", "kind": "a"}, {"text": "the earth", "id": "two", "kind": "b"}]
    rows[1][where] += " \ud800"
    index = build(engine, tmp_path / "index", rows)
    widget = sw.FeatureDashboard(engine, index)
    r, _ = good(widget, "examples", example_params(int(index.order("density")[0]), view="full"))
    said = json.dumps(r, ensure_ascii=False)
    assert "\ufffd" in said
    assert "two" in said


def check_inert(html: str) -> None:
    """No text of the corpus or label as markup."""
    outside = re.sub(r"<script\b.*?</script>|<style>.*?</style>", "", html, flags=re.DOTALL)
    assert not re.search(r"<(script|img|i|iframe|svg|a)\b", outside, re.IGNORECASE)
    assert "<!-- " not in outside
    assert not re.search(r"\son\w+\s*=", re.sub(r"&lt;.*?&gt;", "", outside))
    for character in "\u2028\u0000\u202e\u200f":
        assert character not in html, ascii(character)


# -- pictures


def recorded_in(page: str) -> dict[str, Any]:
    import gzip

    block = re.search(r'<script type="application/json" id="saew-data">(.*?)</script>', page, re.DOTALL)
    assert block
    return json.loads(gzip.decompress(base64.b64decode(json.loads(block[1])["gz"])))


def test_fallback_is_script_free(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    f = int(index.order("density")[0])
    html = sw.FeatureDashboard(engine, index, feature=f).fallback_html()
    assert "<script" not in html.lower()
    check_inert(html)
    info = index.feature(f)
    assert f"Feature {f}" in html
    assert f"{info.maximum:.4g}" in html
    assert f"{info.density:.3%}" in html
    assert "hook: blocks.1.hook_resid_pre" in html
    for token in info.tokens[:3]:
        assert f"<td>{token.count:,}</td>" in html
    bundle = sw.FeatureDashboard(engine, index, feature=f)._repr_mimebundle_()[0]
    assert bundle["text/html"].endswith(html)
    named = sw.FeatureDashboard(engine, index, feature=3).fallback_html()
    assert "Genesis" in named


def test_page_is_the_same_bytes_under_a_policy_of_hashes(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    f = int(index.order("density")[0])

    def made(**more: Any) -> str:
        widget = sw.FeatureDashboard(engine, sw.FeatureIndex.open(index.path), feature=f)
        return widget.page(**more)

    page = made()
    assert page == made()
    assert page.encode() == made().encode()
    assert made(features=[f, 3, DEAD]) == made(features=[f, 3, DEAD])
    assert page != made(title="<b>title</b>")
    assert "<title>&lt;b&gt;title&lt;/b&gt;</title>" in made(title="<b>title</b>")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1].replace("&#x27;", "'")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    styles = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert (len(scripts), len(styles)) == (1, 1)
    for code in (*scripts, *styles):
        assert base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() in policy
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)
    check_inert(page)
    # Whatever the user does to the widget without showing another feature, the page needs no model.
    alone = sw.FeatureDashboard(index=sw.FeatureIndex.open(index.path), feature=f)
    assert recorded_in(alone.page())["recorded"] == recorded_in(page)["recorded"]


def test_page_holds_the_answers_of_its_features(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.FeatureDashboard(engine, index, feature=3, features=[9, 3, DEAD], window=7, view="full")
    widget.text, widget.ablation, widget.selected_example = "the secret text", True, {"id": 1}
    page = widget.page()
    assert "secret" not in page
    data = recorded_in(page)
    state = data["state"]
    assert (state["feature"], state["features"], state["view"]) == (3, [9, 3, DEAD], "full")
    assert (state["live"], state["ablation"], state["text"], state["selected_example"]) == (False, False, "", None)
    assert set(state) <= set(widget.trait_names())
    by = {"feature": [], "examples": []}
    for answer in data["recorded"]:
        by[answer["ch"]].append(answer)
    assert [a["p"] for a in by["feature"]] == [{"f": f, "sort": "density", "list": [9, 3, DEAD]} for f in (9, 3, DEAD)]
    for answer in by["feature"]:
        live, arrays = good(widget, "feature", answer["p"])
        assert answer["r"] == {**json.loads(json.dumps(live)), "can_label": False}
        for array in answer["arrays"]:
            stored = np.frombuffer(base64.b64decode(array["b64"]), arrays[array["name"]].dtype)
            np.testing.assert_array_equal(stored, arrays[array["name"]])
    assert {a["p"]["f"] for a in by["examples"]} == {9, 3, DEAD}
    assert all(set(a["p"]) == set(example_params(3)) for a in by["examples"])
    # One feature: the examples are those of the live view.
    one = recorded_in(widget.page(features=[9]))
    (examples,) = [a for a in one["recorded"] if a["ch"] == "examples"]
    live, _ = good(widget, "examples", example_params(9, view="full", window=7))
    assert examples["r"] == json.loads(json.dumps(live))
    assert one["state"]["feature"] == 9
    # A brush is recorded with and without.
    widget.activation_range = [0.25, 1]
    brushed = recorded_in(widget.page())
    ranges = [a["p"]["range"] for a in brushed["recorded"] if a["ch"] == "examples" and a["p"]["f"] == 3]
    assert sorted(ranges) == [[], [0.25, 1.0]]


def test_page_of_features_from_a_table(engine: sw.Engine, index: sw.FeatureIndex, tmp_path: Path) -> None:
    """Feature numbers as NumPy and pandas give them."""
    widget = sw.FeatureDashboard(engine, index, feature=3)
    dense = index.order("density")[:3]
    expected = widget.page(features=dense.tolist())
    assert widget.page(features=list(index.features.nlargest(3, "density").index)) == expected
    assert widget.page(features=dense) == expected
    widget.save(tmp_path / "page.html", features=dense)
    assert (tmp_path / "page.html").read_text("utf-8") == expected
    assert widget.page(features=[*dense.tolist(), *dense.tolist()]) == expected, "each once"


def test_pages_that_cannot_be(engine: sw.Engine, index: sw.FeatureIndex, tmp_path: Path) -> None:
    widget = sw.FeatureDashboard(engine, index, feature=3)
    with pytest.raises(FeatureIndexError):
        widget.page(features=[3, 48])
    assert recorded_in(widget.page(features=[]))["state"]["feature"] == 3
    widget.feature = None
    with pytest.raises(ValueError, match="No feature"):
        widget.page()
    assert recorded_in(widget.page(features=[4]))["state"]["feature"] == 4
    assert widget.to_html(features=[4]) == widget.page(features=[4])
    assert widget.save(tmp_path / "page.html", features=[4]) == tmp_path / "page.html"


def test_page_sizes(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.FeatureDashboard(engine, index)
    one, all_of_them = len(widget.page()), len(widget.page(features=range(tiny.D_SAE)))
    assert one < 250_000
    assert (all_of_them - one) / (tiny.D_SAE - 1) < 15_000

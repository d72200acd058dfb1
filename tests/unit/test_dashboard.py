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
from saewidgets.engine.errors import FeatureIndexError
from saewidgets.index.errors import IndexMismatchError
from saewidgets.index.sampling import Keeping
from saewidgets.interventions.ablation import ablation_effects

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
    return sw.build_index(engine, rows, path, progress=False, **more)


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
    *"f n_features alive label can_label order activation_name signed counted count density max min mean complete".split(),
    *"kept histogram intervals logits logits_missing tokens alignment alignment_label neurons neurons_missing".split(),
    *"correlated correlated_missing neighbours columns notes provenance".split(),
}


def alive(index: sw.FeatureIndex) -> list[int]:
    return np.flatnonzero(index.column("count") > 0).tolist()


# -- the numbers


@pytest.mark.parametrize("enc", ["binary", "base64"])
@pytest.mark.parametrize("whole", [True, False])
def test_feature_answer(
    engine: sw.Engine, index: sw.FeatureIndex, cut: sw.FeatureIndex, whole: bool, enc: str
) -> None:
    index = index if whole else cut
    widget = sw.FeatureDashboard(engine, index)
    for f in [*alive(index)[:6], DEAD]:
        message, arrays = ask(widget, "feature", feature_params(f), enc)
        r, info = message["r"], index.feature(f)
        assert set(r) == FEATURE
        assert (r["f"], r["n_features"], r["alive"]) == (f, tiny.D_SAE, len(alive(index)))
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
        assert [(i["low"], i["high"], i["count"], i["share"]) for i in r["intervals"]] == [
            (i.low, i.high, i.count, i.share) for i in info.intervals
        ]
        assert len(r["intervals"]) == (10 if info.count else 0)
        assert sum(i["count"] for i in r["intervals"]) == info.count
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
        assert set(sent) == {"key", "title", "detail", "examples"}
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

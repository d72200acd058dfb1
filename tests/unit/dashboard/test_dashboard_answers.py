"""FeatureDashboard's kernel side: feature, examples, own text, by definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny
from dashboard_made import (
    DEAD,
    FEATURE,
    HOSTILE,
    SMALL,
    TEXT,
    alive,
    ask,
    check_examples,
    example_params,
    feature_params,
    good,
    make_engine,
    with_dead,
)

import saewidgets as sw

pytestmark = pytest.mark.usefixtures("fake_comm")


def named(index: sw.FeatureIndex, f: int) -> dict[str, Any]:
    """A name by hand, or what the index says."""
    if f == 3:
        return {"label": "Genesis", "said": None}
    said = index.describe(f)
    assert said is not None
    assert said.kind == "automatic"
    return {"label": None, "said": {"text": said.text, "kind": "automatic", "by": BY}}


BY = "Made of the numbers of the index; nobody wrote it"

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
            {"t": t.token, "id": t.id, "count": t.count, "about": None, "mean": t.mean, "share": t.share}
            for t in info.tokens
        ]
        assert (r["histogram_of"], r["tokens_of"], r["correlated_of"]) == (None, None, None)
        assert len(arrays["hist_bound"]) == len(arrays["hist_sums_bound"]) == 0
        assert r["alignment"] == [{"i": a.neuron, "v": a.value, "share": a.share} for a in info.alignment]
        assert r["neurons"] == [{"i": n.neuron, "r": n.pearson, "cos": n.cosine} for n in info.neurons]
        assert r["correlated"] == [
            {"f": c.feature, "r": c.pearson, "together": c.together, **named(index, c.feature)} for c in info.correlated
        ]
        assert r["neighbours"] == [
            {"f": n.feature, "cos": n.cosine, **named(index, n.feature)} for n in info.neighbours
        ]
        automatic = index.describe(f if f != 3 else 5)
        assert automatic is not None
        assert [(one["kind"], one["text"]) for one in r["said"]][: f != 3] == [("automatic", automatic.text)][: f != 3]
        assert r["columns"] == [{"name": "kind", "values": ["<i>kind</i>", "genesis", "other", "words"]}]
        assert dict(r["provenance"])["hook"] == "blocks.1.hook_resid_pre"


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


@pytest.mark.slow
def test_text_answer(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.FeatureDashboard(engine, index)
    for text in (TEXT, "the " * 100, HOSTILE, "lone \ud800 surrogate"):
        clean = text.replace("\ud800", "\ufffd")
        acts = with_dead(make_engine(), DEAD).activations(clean)
        for f in (3, DEAD, int(index.order("density")[0])):
            r, arrays = good(widget, "text", {"f": f, "text": text})
            assert set(r) == {"f", "n", "str", "notes"}
            assert (r["f"], r["n"]) == (f, len(acts))
            assert r["str"] == list(acts.tokens)
            assert (arrays["act"].dtype, arrays["flags"].dtype) == (np.float32, np.uint8)
            np.testing.assert_allclose(arrays["act"], acts[:, f], atol=1e-6)
            np.testing.assert_array_equal(
                arrays["flags"], acts.special + 2 * acts.outlier + 4 * acts.parts + 16 * acts.beyond_context
            )


def test_closing_a_widget_twice_does_not_close_the_engine(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    """A closed widget is closed again by its finaliser, and by Widget.close_all()."""
    other = sw.FeatureDashboard(engine, index, feature=3)
    for made in (sw.FeatureDashboard(engine, index), sw.TokenFeatureHeatmap(engine, text="the")):
        made.close()
        made.close()
    assert engine.activations("the heaven")
    good(other, "text", {"f": 3, "text": "the heaven"})

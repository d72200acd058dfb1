"""Titles, brushes, dead and negative features, hostile text: what a dashboard says in the corners."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from dashboard_made import DEAD, HOSTILE, alive, build, check_inert, example_params, feature_params, good, make_engine

import saewidgets as sw
from saewidgets.index.statistics.kept_examples import Keeping

pytestmark = pytest.mark.usefixtures("fake_comm")


# -- brushed ranges


def in_title(group: dict[str, Any]) -> int | None:
    found = re.match(r"([\d,]+) of ", group["detail"])
    return int(found[1].replace(",", "")) if found else None


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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

"""A dashboard's pictures without a kernel."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from dashboard_made import DEAD, check_inert, example_params, good
from front_end import views_in

import saewidgets as sw
from saewidgets.errors import FeatureIndexError

pytestmark = pytest.mark.usefixtures("fake_comm")


# -- pictures


def recorded_in(page: str) -> dict[str, Any]:
    (view,) = views_in(page).values()
    return view


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_page_sizes(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.FeatureDashboard(engine, index)
    one, all_of_them = len(widget.page()), len(widget.page(features=range(tiny.D_SAE)))
    assert one < 250_000
    assert (all_of_them - one) / (tiny.D_SAE - 1) < 15_000

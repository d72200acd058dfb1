"""Somebody who types and clicks at once: what one message brings together stays together, whatever went with the old value."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
from front_end import good

import saewidgets as sw

TEXT, NEXT = "In the beginning God created the heaven", "And the earth was without form, and void"


pytestmark = pytest.mark.usefixtures("fake_comm")


@pytest.fixture
def engine() -> Iterator[sw.Engine]:
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        yield engine


@pytest.fixture
def dashboard(engine: sw.Engine, tmp_path: Path) -> sw.FeatureDashboard:
    index = sw.build_index(engine, [TEXT * 3, NEXT * 3], tmp_path / "index", progress=False, wait=True)
    f, g = (int(i) for i in index.features["count"].nlargest(2).index)
    widget = sw.FeatureDashboard(engine, index, feature=f)
    widget.other = g  # type: ignore[attr-defined]
    return widget


def told(widget: Any, name: str) -> list[Any]:
    """What the kernel made of a trait, as the view hears it."""
    updates = [data for data, _ in widget.comm.sent if data.get("method") == "update"]
    return [data["state"][name] for data in updates if name in data["state"]]


def test_a_click_that_comes_with_the_text_is_kept(engine: sw.Engine) -> None:
    heatmap = sw.TokenFeatureHeatmap(engine, TEXT, selected_tokens=[5])
    heatmap.comm.view_sets(text=NEXT, selected_tokens=[3])
    assert (heatmap.text, heatmap.selected_tokens) == (NEXT, [3])
    assert [] not in told(heatmap, "selected_tokens"), "nothing is taken back in the view"
    heatmap.comm.view_sets(selected_tokens=[2], text=TEXT)
    assert (heatmap.text, heatmap.selected_tokens) == (TEXT, [2])


def test_a_click_after_the_text_is_kept(engine: sw.Engine) -> None:
    heatmap = sw.TokenFeatureHeatmap(engine, TEXT)
    for text, tokens in ((NEXT, [1]), (TEXT, [4])):
        heatmap.comm.view_sets(text=text, selected_tokens=[])
        heatmap.comm.view_sets(selected_tokens=tokens)
        assert heatmap.selected_tokens == tokens


def test_a_text_alone_takes_the_old_selection_with_it(engine: sw.Engine) -> None:
    heatmap = sw.TokenFeatureHeatmap(engine, TEXT, selected_tokens=[5])
    heatmap.comm.view_sets(text=NEXT)
    assert heatmap.selected_tokens == []
    heatmap.comm.view_sets(selected_tokens=[2])
    heatmap.text = TEXT
    assert heatmap.selected_tokens == [], "from Python, too"
    heatmap.comm.view_sets(selected_tokens=["x"], text=NEXT)  # refused
    heatmap.selected_tokens = [1]
    heatmap.text = NEXT + "."
    assert heatmap.selected_tokens == [], "also after a message that was refused"


def test_a_range_that_comes_with_the_feature_is_kept(dashboard: sw.FeatureDashboard) -> None:
    f, g = dashboard.feature, dashboard.other  # type: ignore[attr-defined]
    example = {"text": "of the new feature"}
    dashboard.comm.view_sets(feature=g, activation_range=[0.1, 2.0], selected_example=example)
    assert (dashboard.feature, list(dashboard.activation_range)) == (g, [0.1, 2.0])
    assert dashboard.selected_example == example
    dashboard.comm.view_sets(feature=f, activation_range=[0.2, 1.0])
    assert list(dashboard.activation_range) == [0.2, 1.0] and dashboard.selected_example is None
    dashboard.comm.view_sets(feature=g)
    assert list(dashboard.activation_range) == []
    dashboard.activation_range = [0.1, 2.0]
    dashboard.feature = f
    assert list(dashboard.activation_range) == []


@pytest.mark.parametrize("query", ["²", "٣", "#²", "1²", "½", "  ", "#", "９"])
def test_a_digit_that_is_no_number_is_a_word(query: str, engine: sw.Engine) -> None:
    panel = sw.SteeringPanel(engine, prompt=TEXT)
    items = good(panel, "search", q=query, sae=None)["items"]
    assert not items or not query.strip(" #")


def test_a_number_is_one(engine: sw.Engine) -> None:
    panel = sw.SteeringPanel(engine, prompt=TEXT)
    for query in ("7", " #7 ", "007"):
        assert [item["f"] for item in good(panel, "search", q=query, sae=None)["items"]] == [7]

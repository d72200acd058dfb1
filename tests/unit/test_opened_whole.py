"""A view hears of a widget once, when it is whole: what it is drawn of first is what the widget is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ipywidgets
import pytest
import tiny
from blindtest_made import LENGTH, some
from blindtest_made import build as index_of_letters
from dashboard_made import ROWS
from graph_view_made import graph_of
from map_view_made import layout_of

import saewidgets as sw
from saewidgets.errors import FeatureIndexError

TEXT = "In the beginning God created the heaven"
# What the workbench's views say to each other when they meet.
LINKED = ("feature", "features", "recipe", "theme", "encoding", "selected_features")

Made = tuple[sw.Engine, sw.FeatureIndex, Path]
WIDGETS: Mapping[str, Callable[[sw.Engine, sw.FeatureIndex, Path], Any]] = {
    "heatmap": lambda engine, index, _: sw.TokenFeatureHeatmap(engine, TEXT, index=index, features=[3]),
    "blindtest": lambda _e, _i, folder: sw.BlindTest(
        letters := sw.FeatureIndex.open(index_of_letters(folder / "letters")), some(letters)[0], n=6, window=LENGTH
    ),
    "attribution": lambda engine, index, _: sw.AttributionPanel(engine, index, TEXT, " the", " and"),
    "beside": lambda _e, index, _: sw.FeatureComparison((index, 3), (index, 5), text=TEXT),
    "browser": lambda _e, index, _: sw.FeatureBrowser(index),
    "comparison": lambda engine, index, _: sw.PromptComparison(engine, index, [TEXT, TEXT + " and"]),
    "graph": lambda *_: sw.AttributionGraphView(graph_of(60, 600), pinned=[20, 21], selected=20),
    "layers": lambda engine, index, _: sw.LayerLens(engine, TEXT, index=index, feature=3),
    "subspace": lambda engine, _i, _: sw.FeatureSubspace(engine, [3, 4, 5], texts=[TEXT]),
    "map": lambda _e, index, _: sw.FeatureMap(index, layout=layout_of(len(index))),
    "catalog": lambda *_: sw.SAEBrowser(tiny.hooked()),
    "dashboard": lambda engine, index, _: sw.FeatureDashboard(engine, index, feature=3),
    "steering": lambda engine, index, _: sw.SteeringPanel(engine, index, prompt=TEXT, recipe=sw.add(3, 2, unit="max")),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("whole")
    engine = sw.Engine(tiny.hooked(), tiny.sae(), labels={3: "Genesis"})
    return engine, sw.build_index(engine, ROWS, folder / "index", progress=False, wait=True), folder


@pytest.mark.parametrize("name", WIDGETS)
def test_the_first_message_says_all(name: str, made: Made, fake_comm: None, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []  # what a host hears that asks ipywidgets for every widget, as marimo does
    hears = staticmethod(lambda widget: told.append(widget.get_state()))
    monkeypatch.setattr(ipywidgets.Widget, "_widget_construction_callback", hears)
    widget = WIDGETS[name](*made)
    assert [data["state"] for data, _ in widget.comm.sent] == [widget.get_state()]
    assert told[-1] == widget.get_state()


def test_the_workbench_opens_when_all_its_views_do(made: Made, fake_comm: None) -> None:
    engine, index, _ = made
    bench = sw.explore(engine, index, feature=3, text=TEXT)
    for view in (bench.dashboard, bench.browser, bench.heatmap, bench.steering, bench.bar):
        first, *later = [data["state"] for data, _ in view.comm.sent if "state" in data]
        assert first.keys() == view.get_state().keys()
        assert set().union(*later) <= set(LINKED)


def test_what_cannot_be_made_is_never_told(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, index, _ = made
    told: list[object] = []
    monkeypatch.setattr(ipywidgets.widgets.widget.comm, "create_comm", lambda **message: told.append(message))
    with pytest.raises(FeatureIndexError):
        sw.FeatureDashboard(engine, index, feature=10_000)
    assert told == []


class Mine(sw.SteeringPanel):
    """A user's own, which sets something last."""

    def __init__(self, engine: sw.Engine, *, tokens: int) -> None:
        super().__init__(engine)
        self.n_tokens = tokens


def test_a_class_of_the_user_s_own_is_whole_too(made: Made, fake_comm: None) -> None:
    widget: Any = Mine(made[0], tokens=3)
    assert [data["state"]["n_tokens"] for data, _ in widget.comm.sent] == [3]
    assert list(inspect.signature(Mine).parameters) == ["engine", "tokens"]
    assert "recipe" in inspect.signature(sw.SteeringPanel).parameters

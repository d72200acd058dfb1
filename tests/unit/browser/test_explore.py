"""The workbench: a feature selected anywhere is selected everywhere; texts, themes, ends."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import tiny
import torch
from attribution_made import sae_named
from dashboard_made import TEXT, ask, good, make_engine, with_dead

import saewidgets as sw

pytestmark = pytest.mark.usefixtures("fake_comm")


@pytest.fixture
def bench(index: sw.FeatureIndex) -> Iterator[sw.Workbench]:
    with with_dead(make_engine(), 7) as engine:
        made = sw.explore(engine, index, feature=3, text=TEXT)
        yield made
        made.close()


def features(bench: sw.Workbench) -> list[int | None]:
    views = (bench, bench.bar, bench.browser, bench.heatmap, bench.dashboard, bench.steering)
    return [view.feature for view in views]


def test_it_begins_at_the_densest_or_where_it_is_told(bench: sw.Workbench, index: sw.FeatureIndex) -> None:
    assert features(bench) == [3] * 6
    assert (bench.heatmap.text, bench.dashboard.text, bench.steering.prompt) == (TEXT, TEXT, TEXT)
    with with_dead(make_engine(), 7) as engine:
        assert sw.explore(engine, index).feature == int(index.order("density")[0])


@pytest.mark.parametrize("view", ["browser", "heatmap", "dashboard", "steering", "bar"])
def test_selected_anywhere_selected_everywhere(bench: sw.Workbench, view: str) -> None:
    getattr(bench, view).feature = 11
    assert features(bench) == [11] * 6
    bench.feature = 12
    assert features(bench) == [12] * 6
    assert [row["features"] for row in bench.steering.recipe["interventions"]] == [[12]]


def test_what_a_front_end_selects_is_selected_everywhere(bench: sw.Workbench) -> None:
    bench.browser.comm.view_sets(feature=21)
    assert features(bench) == [21] * 6
    assert bench.bar.front == "browser", "which view is in sight is the front-end's: an answer would outrun a hand"
    bench.heatmap.comm.view_sets(features=[21, 5], feature=5)
    assert features(bench) == [5] * 6
    assert bench.heatmap.features == [21, 5]


def test_no_selection_in_one_leaves_the_others(bench: sw.Workbench) -> None:
    bench.feature = 9
    bench.heatmap.features = []
    assert bench.heatmap.feature is None
    assert (bench.feature, bench.dashboard.feature, bench.browser.feature) == (9, 9, 9)
    bench.browser.feature = 10
    assert features(bench) == [10] * 6


@pytest.mark.parametrize(
    "recipe",
    [
        sw.Recipe([sw.add(3, 2.0), sw.ablate(5)]),
        sw.Recipe([sw.add([3, 5], 2.0)]),
        sw.Recipe([sw.ablate(3)]),
        sw.Recipe([sw.add(np.ones(32), 1.0, hook="blocks.1.hook_resid_pre")]),
    ],
    ids=["rows", "features", "taken out", "direction"],
)
def test_a_recipe_of_one_s_own_is_left_alone(bench: sw.Workbench, recipe: sw.Recipe) -> None:
    bench.steering.recipe = recipe
    before = bench.steering.recipe
    bench.feature = 12
    assert bench.steering.recipe == before
    assert (bench.dashboard.feature, bench.heatmap.feature) == (12, 12)


def test_its_strength_stays_while_its_one_feature_follows(bench: sw.Workbench) -> None:
    bench.steering.recipe = sw.Recipe([sw.add(3, 7.5)])
    bench.feature = 12
    (row,) = bench.steering.recipe["interventions"]
    assert (row["features"], row["value"], row["unit"]) == ([12], 7.5, "raw")


def test_a_text_typed_in_one_is_in_the_other(bench: sw.Workbench) -> None:
    bench.heatmap.text = "the heaven"
    assert bench.dashboard.text == "the heaven"
    bench.dashboard.text = "the earth"
    assert bench.heatmap.text == "the earth"
    bench.heatmap.text = ["two", "texts"]
    assert bench.dashboard.text == "the earth"


def test_one_theme_for_all(bench: sw.Workbench) -> None:
    bench.theme = "dark"
    assert {view.theme for view in bench.children} == {"dark"}


def test_the_bar_says_what_the_feature_is(bench: sw.Workbench, index: sw.FeatureIndex) -> None:
    said = index.describe(11)
    assert said is not None
    r, _ = good(bench.bar, "said", {"f": 11})
    assert (r["label"], r["said"]["text"]) == (None, said.text)
    assert ask(bench.bar, "said", {"f": 4800})[0]["e"]["type"] == "FeatureIndexError"


def test_what_cannot_be_is_refused(bench: sw.Workbench, index: sw.FeatureIndex) -> None:
    with pytest.raises(sw.errors.SaewidgetsError, match="0 to 47"):
        bench.feature = 4800
    assert features(bench)[0] == 3
    with pytest.raises(sw.errors.SaewidgetsError), make_engine("topk") as other:
        sw.explore(other, index)


def test_two_more_views_are_made_when_they_are_looked_at(bench: sw.Workbench) -> None:
    there = len(bench.children)
    bench.bar.comm.view_sets(right="attribution", front="attribution")
    assert len(bench.children) == there + 1 and bench.children[-1] is bench.attribution
    bench.bar.comm.view_sets(left="comparison", front="comparison")
    assert bench.children[-1] is bench.comparison and len(bench.children) == there + 2
    assert (bench.attribution.prompt, bench.attribution.feature) == (TEXT, 3)
    assert (bench.comparison.texts, bench.comparison.features) == ([TEXT, TEXT], [3])
    bench.theme = "dark"
    assert {view.theme for view in bench.children} == {"dark"}
    bench.comparison.feature = 11
    assert features(bench) == [11] * 6 and bench.attribution.feature == 11
    bench.attribution.comm.view_sets(feature=12)
    assert features(bench) == [12] * 6 and bench.comparison.feature == 12
    views = [bench.attribution, bench.comparison]
    bench.close()
    for view in views:
        with pytest.raises(RuntimeError, match="closed"):
            _ = view.engine


def test_the_layers_are_of_the_text_that_is_looked_at(bench: sw.Workbench) -> None:
    bench.bar.left = "layers"
    assert (bench.layers.text, bench.layers.feature) == (TEXT, 3)
    bench.heatmap.text = "the heaven"
    assert bench.layers.text == "the heaven"
    bench.layers.text = "the earth"
    assert (bench.heatmap.text, bench.dashboard.text) == ("the earth", "the earth")
    bench.bar.left = "heatmap"
    bench.heatmap.text = "In the beginning"
    assert bench.layers.text == "the earth", "nobody sees it"
    bench.bar.front = "layers"
    assert bench.layers.text == "In the beginning"
    bench.heatmap.text = ["two", "texts"]
    assert bench.layers.text == "In the beginning", "the dashboard's"
    bench.layers.feature = 12
    assert features(bench) == [12] * 6


def test_what_is_steered_is_what_is_explained(bench: sw.Workbench) -> None:
    bench.bar.right = "attribution"
    bench.attribution.recipe = sw.Recipe([sw.ablate(5)]).to_dict()
    assert bench.steering.value == sw.Recipe([sw.ablate(5)])
    bench.steering.prompt = "the heaven"
    assert bench.attribution.prompt == "the heaven"
    bench.attribution.prompt = "the earth"
    assert bench.steering.prompt == "the earth"
    wordings = ["the earth", "the heaven"]
    bench.attribution.prompt = wordings
    bench.bar.left = "heatmap"
    bench.heatmap.text = "something else"
    assert (bench.attribution.prompt, bench.steering.prompt) == (wordings, "the earth"), "its own matter"
    bench.attribution.prompt = "the earth"
    bench.bar.right = bench.bar.front = "steering"  # nobody sees it: it follows when it is looked at again
    bench.bar.front = "browser"
    bench.steering.prompt = "In the beginning"
    assert bench.attribution.prompt == "the earth"
    bench.bar.right = "attribution"
    assert bench.attribution.prompt == "In the beginning"


def test_a_feature_of_another_layer_is_nobody_else_s(index: sw.FeatureIndex) -> None:
    other = tiny.sae("standard", "blocks.0.hook_resid_pre", seed=4)
    with sw.Engine(tiny.hooked(), {"first": other, "ours": tiny.sae()}) as engine:
        with torch.no_grad():
            sae_named(engine, "ours").b_enc[7] = -1e3  # as of the index
        bench = sw.explore(engine, index, feature=3, text=TEXT)
        assert bench.heatmap.sae == bench.comparison.sae == bench.attribution.sae == "ours"
        bench.heatmap.sae, bench.attribution.sae = "first", "first"
        bench.heatmap.feature = 11
        bench.attribution.feature = 12
        assert (bench.feature, bench.dashboard.feature, bench.comparison.feature) == (3, 3, 3)
        bench.browser.feature = 20
        assert (bench.feature, bench.dashboard.feature, bench.comparison.feature) == (20, 20, 20)
        assert (bench.heatmap.feature, bench.attribution.feature) == (11, 12)
        bench.steering.recipe = sw.Recipe([sw.ablate(9, sae="first")])
        before = bench.steering.recipe
        bench.browser.feature = 21
        assert bench.steering.recipe == before, "a row of another layer"
        bench.heatmap.sae = "ours"
        bench.heatmap.feature = 13
        assert (bench.feature, bench.attribution.feature) == (13, 12)
        bench.close()


def test_what_is_lassoed_is_ticked_and_spans_a_space(bench: sw.Workbench) -> None:
    bench.bar.comm.view_sets(left="map", front="map")
    bench.map.comm.view_sets(selected_features=[3, 5, 8])
    assert bench.browser.selected_features == [3, 5, 8]
    bench.bar.comm.view_sets(right="subspace", front="subspace")
    assert bench.subspace.features == [3, 5, 8]
    bench.browser.comm.view_sets(selected_features=[3, 5])
    assert bench.map.selected_features == bench.subspace.features == [3, 5]
    bench.subspace.features = [8, 9]
    bench.heatmap.text = "the heaven"
    assert bench.subspace.features == [8, 9], "nothing else was ticked"
    bench.browser.selected_features = [4]
    assert bench.subspace.features == [8, 9], "one feature spans a line"
    bench.subspace.feature = 9
    assert features(bench) == [9] * 6 and bench.map.feature == 9
    bench.map.feature = 10
    assert features(bench) == [10] * 6 and bench.subspace.features == [8, 9]


def test_without_ticks_a_feature_is_shown_with_its_nearest(bench: sw.Workbench, index: sw.FeatureIndex) -> None:
    rows = tiny.sae().W_dec.detach().numpy()
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    near = [f for f in np.argsort(-(rows @ rows[3]), kind="stable").tolist() if f != 3 and index.feature(f).count]
    assert bench.subspace.features == [3, *near[:6]]
    assert (bench.beside.feature_a, bench.beside.feature_b) == (3, near[0])


def test_the_selected_feature_stands_beside_another(bench: sw.Workbench) -> None:
    bench.bar.right = "beside"
    other = bench.beside.feature_b
    assert bench.beside.text == TEXT
    bench.feature = 12
    assert (bench.beside.feature_a, bench.beside.feature_b) == (12, other)
    bench.beside.comm.view_sets(feature_b=20)
    assert features(bench) == [12] * 6
    bench.beside.comm.view_sets(feature_a=21)
    assert features(bench) == [21] * 6
    bench.heatmap.text = "the heaven"
    assert bench.beside.text == "the heaven"
    bench.theme = "dark"
    assert bench.beside.theme == "dark"


def test_where_no_widgets_are_shown_there_is_a_picture_of_the_views_in_sight(bench: sw.Workbench) -> None:
    html = bench._repr_mimebundle_()[0]["text/html"]
    assert bench.browser.fallback_html() in html
    assert bench.dashboard.fallback_html() in html
    assert bench.heatmap.fallback_html() not in html
    bench.bar.left = "heatmap"
    assert bench.heatmap.fallback_html() in bench._repr_mimebundle_()[0]["text/html"]

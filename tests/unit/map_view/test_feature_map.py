"""FeatureMap's kernel side: where points are on the wire, their colours, what is marked, pages, bad input."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import traitlets
from dashboard_made import DEAD, failed, good
from front_end import recorded
from map_view_made import layout_of

import saewidgets as sw
from saewidgets.errors import FeatureIndexError
from saewidgets.geometry.errors import GeometryError
from saewidgets.geometry.map.layout import FeatureLayout
from saewidgets.widgets.map import widget as module
from saewidgets.widgets.map.colours import telling
from saewidgets.widgets.map.page import _legend
from saewidgets.widgets.map.payload import NO_LEVEL, by_groups, by_number, layout_reply
from saewidgets.widgets.table.columns import Column

pytestmark = pytest.mark.usefixtures("fake_comm")

MISSING = (2, 40)


def map_of(index: sw.FeatureIndex, **more: Any) -> tuple[sw.FeatureMap, FeatureLayout]:
    layout = layout_of(len(index), MISSING)
    return sw.FeatureMap(index, layout=layout, **more), layout


def colours(widget: sw.FeatureMap, colour: str) -> tuple[dict, np.ndarray]:
    r, arrays = good(widget, "colour", {"colour": colour})
    return r, arrays["level"]


# -- points


def test_points_are_where_the_layout_has_them(index: sw.FeatureIndex) -> None:
    widget, layout = map_of(index)
    r, arrays = good(widget, "layout", {})
    assert (r["n"], r["of"]) == (46, 48)
    assert arrays["missing"].tolist() == list(MISSING)
    assert arrays["xy"].dtype == np.uint32
    for both, x, y in zip(arrays["xy"].tolist(), layout.x, layout.y, strict=True):
        assert abs((both % 65536) / 65535 * 2 - 1 - x) <= 1 / 65535 + 1e-12
        assert abs((both // 65536) / 65535 * 2 - 1 - y) <= 1 / 65535 + 1e-12


def test_what_a_map_is_worth_and_how_it_was_made_is_said(index: sw.FeatureIndex) -> None:
    r, _ = good(map_of(index)[0], "layout", {})
    assert "keeps 12% of each feature's 5 nearest neighbours (decoder cosine; by chance 11%)" in r["kept"]
    assert "distances between far points mean nothing" in r["kept"]
    assert r["made"] == "UMAP of decoder rows by made-up 1.0: n_neighbors 6, min_dist 0.05, seed 0"
    assert r["notes"] == ["Something is to be known."]


def test_a_large_map_takes_four_bytes_a_point_and_a_colour_one(index: sw.FeatureIndex) -> None:
    reply = layout_reply(layout_of(131_072))
    assert sum(array.nbytes for array in reply.arrays.values()) == 4 * 131_072
    level = by_groups("", "", np.arange(131_072) % 10, [str(i) for i in range(10)], "").reply().arrays["level"]
    assert level.nbytes == 131_072


# -- colours


@pytest.mark.parametrize("column", ["density", "max", "logit_kurtosis", "neighbour_cosine"])
def test_a_number_is_a_step_of_its_scale(index: sw.FeatureIndex, column: str) -> None:
    widget, layout = map_of(index)
    r, level = colours(widget, column)
    values = [float(index.features[column][f]) for f in layout.features]
    log = column in ("density", "logit_kurtosis")
    has = [math.isfinite(value) and (value > 0 or not log) for value in values]
    known = sorted(value for value, one in zip(values, has, strict=True) if one)
    assert r["log"] is log
    assert (r["low"], r["high"]) == (known[round(0.01 * (len(known) - 1))], known[round(0.99 * (len(known) - 1))])
    assert (r["below"], r["above"]) == (known[0] < r["low"], known[-1] > r["high"])
    assert r["rest"]["n"] == has.count(False)
    for value, one, found in zip(values, has, level.tolist(), strict=True):
        if not one:
            assert found == NO_LEVEL
            continue
        share = (
            math.log(value / r["low"]) / math.log(r["high"] / r["low"])
            if log
            else (value - r["low"]) / (r["high"] - r["low"])
        )
        assert abs(found - 254 * min(1, max(0, share))) <= 0.5 + 1e-6


@pytest.mark.parametrize("log", [False, True])
def test_beyond_the_ends_of_a_scale_is_the_end_s_colour(log: bool) -> None:
    values = np.random.default_rng(2).lognormal(0, 2, 1000)
    values[:3] = np.nan, 0, -1
    found = by_number(Column("", "", values, log), np.arange(1000))
    known = sorted(v for v in values if (v > 0 if log else not math.isnan(v)))
    low, high = known[round(0.01 * (len(known) - 1))], known[round(0.99 * (len(known) - 1))]
    assert (found.low, found.high, found.below, found.above) == (low, high, True, True)
    assert found.rest.n == 1000 - len(known)
    for value, level in zip(values.tolist(), found.level.tolist(), strict=True):
        if value not in known:
            assert level == NO_LEVEL
        elif value >= high or value <= low:
            assert level == (254 if value >= high else 0)
        else:
            share = math.log(value / low) / math.log(high / low) if log else (value - low) / (high - low)
            assert abs(level - 254 * share) <= 0.5 + 1e-6


def test_a_feature_that_never_fires_has_no_density(index: sw.FeatureIndex) -> None:
    widget, layout = map_of(index)
    for column in ("density", "max"):
        _, level = colours(widget, column)
        assert level[layout.features == DEAD] == NO_LEVEL


def test_the_largest_clusters_have_a_colour_each(index: sw.FeatureIndex) -> None:
    layout = layout_of(len(index), n_clusters=11)
    r, level = colours(sw.FeatureMap(index, layout=layout), "cluster")
    assert len(r["groups"]) == 10
    for at, found in zip(layout.cluster.tolist(), level.tolist(), strict=True):
        assert found == (at if 0 <= at < 10 else NO_LEVEL)
    assert [one["n"] for one in r["groups"]] == [list(layout.cluster).count(i) for i in range(10)]
    assert r["rest"]["name"] == "1 smaller clusters, and features in none"
    assert r["rest"]["n"] == sum(not 0 <= at < 10 for at in layout.cluster)
    assert [one["name"].split(":")[0] for one in r["groups"]] == [str(i + 1) for i in range(10)]


def test_a_cluster_s_tokens_are_those_of_many_of_its_and_few_other_features() -> None:
    rng = np.random.default_rng(1)
    tokens = rng.integers(0, 12, 300)
    tokens[rng.integers(0, 300, 9)] = 2**32 - 1  # never fire
    inside = rng.random(300) < 0.3
    inside &= (tokens != 5) | (rng.random(300) < 0.2)
    everywhere = Counter(t for t in tokens.tolist() if t < 12)
    here = Counter(t for t, one in zip(tokens.tolist(), inside.tolist(), strict=True) if one and t < 12)
    score = {
        t: n * math.log((n / sum(here.values())) / (everywhere[t] / sum(everywhere.values()))) for t, n in here.items()
    }
    wanted = [t for t in sorted(score, key=lambda t: (-score[t], t)) if score[t] > 0]
    assert 2 < len(wanted) < 12
    assert telling(tokens, inside).tolist() == wanted
    assert telling(tokens, np.zeros(300, bool)).tolist() == []


def test_whether_a_feature_is_named_explained_or_in_a_list(own: sw.FeatureIndex) -> None:
    own.set_label(5, "a name")
    own.add_explanations({5: "not seen", 6: "an explanation"}, "a set")
    own.add_to_list("mine", [6, 9, 2])
    widget, layout = map_of(own)
    place = {f: row for row, f in enumerate(layout.features.tolist())}
    r, level = colours(widget, "label")
    assert [one["n"] for one in r["groups"]] == [1, 1]
    assert (level[place[5]], level[place[6]], level[place[9]]) == (0, 1, NO_LEVEL)
    r, level = colours(widget, "list:mine")
    assert np.flatnonzero(level == 0).tolist() == [place[6], place[9]]
    assert (r["groups"][0]["n"], r["rest"]["n"]) == (2, 44)


def test_what_it_can_be_coloured_by_is_told(own: sw.FeatureIndex) -> None:
    own.add_to_list("mine", [6])
    r, _ = good(map_of(own)[0], "facts", {})
    names = [one["name"] for one in r["colours"]]
    assert names[:4] == ["density", "max", "cluster", "label"]
    assert {"mean", "count", "logit_kurtosis", "list:mine"} <= set(names)
    assert r["lists"] == [{"name": "mine", "n": 1}]
    assert [begins for begins, _ in r["stages"]] == sorted(begins for begins, _ in r["stages"])


# -- marks


def test_what_is_found_and_what_is_in_a_list_is_marked(own: sw.FeatureIndex) -> None:
    own.add_explanations({3: "days of the week", 8: "a day", 11: "night"}, "a set")
    own.add_to_list("mine", [8, 11])
    widget, _ = map_of(own)
    r, arrays = good(widget, "marks", {"query": "day", "by": "words", "only": ""})
    wanted = [one.feature for one in own.found("day", k=5000)]
    assert {3, 8} <= set(wanted)
    assert arrays["found"].tolist() == wanted
    assert (r["found"], r["capped"], r["among"]) == (len(wanted), False, 0)
    r, arrays = good(widget, "marks", {"query": "day", "by": "words", "only": "mine"})
    assert arrays["found"].tolist() == [f for f in wanted if f in (8, 11)]
    assert arrays["among"].tolist() == [8, 11]
    r, arrays = good(widget, "marks", {"query": " ", "by": "words", "only": "mine"})
    assert arrays["found"].tolist() == []
    assert "no list 'other'" in failed(widget, "marks", {"only": "other"})["message"]


def test_a_search_has_an_end(index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module._MATCHES, "words", 4)
    r, arrays = good(map_of(index)[0], "marks", {"query": "fires"})
    assert r["capped"] is True
    assert len(arrays["found"]) == 4


def test_selected_ones_go_into_a_list(own: sw.FeatureIndex) -> None:
    widget, _ = map_of(own)
    r, _ = good(widget, "list", {"name": " new ", "features": [4, 7]})
    assert r == {"name": "new", "n": 2}
    assert own.lists["new"] == (4, 7)
    assert "name" in failed(widget, "list", {"name": " ", "features": [4]})["message"]


# -- traits


def test_bad_values_are_refused(index: sw.FeatureIndex) -> None:
    widget, _ = map_of(index)
    with pytest.raises(traitlets.TraitError, match="'density', 'max', 'cluster'"):
        widget.colour = "beauty"
    with pytest.raises(FeatureIndexError, match="outside the index"):
        widget.selected_features = [1, 48]
    with pytest.raises(FeatureIndexError, match="outside the index"):
        widget.feature = -1
    with pytest.raises(TypeError, match="needs an index"):
        sw.FeatureMap("index")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="color.*colour"):
        sw.FeatureMap(index, color="max")
    with pytest.raises(GeometryError, match="is of 9 features.*has 48"):
        sw.FeatureMap(index, layout=layout_of(9))
    with pytest.raises(TypeError, match="what sw.feature_map gives"):
        sw.FeatureMap(index, layout="10px")  # type: ignore[arg-type]
    with pytest.raises(traitlets.TraitError, match=r"10,000 features at most.*not 10,001.*add_to_list"):
        widget.selected_features = range(10_001)
    widget.selected_features = np.array([4, 4, 9])
    assert widget.selected_features == [4, 9]


def test_names_are_told_to_views(own: sw.FeatureIndex) -> None:
    widget, _ = map_of(own)
    own.set_label(3, "named")
    assert {"t": "names"} in [content for content, _ in widget.comm.customs()]


# -- the map itself


def test_a_map_of_another_dictionary_is_refused(index: sw.FeatureIndex, own: sw.FeatureIndex) -> None:
    assert index.made_with["dictionary"] != own.made_with["dictionary"]  # a feature of it was made silent
    sw.FeatureMap(own, layout=layout_of(48, index=own))
    with pytest.raises(GeometryError, match="of another SAE"):
        sw.FeatureMap(own, layout=layout_of(48, index=index))


def test_it_is_made_when_it_is_asked_for_and_only_once(index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []

    def stand_in(of: sw.FeatureIndex, *, on_progress: Any, **settings: Any) -> FeatureLayout:
        made.append(settings)
        on_progress(30, 100)
        return layout_of(len(of))

    monkeypatch.setattr(module, "feature_map", stand_in)
    widget = sw.FeatureMap(index, n_neighbors=7, min_dist=0.2, seed=3)
    assert "made when its view is shown" in widget.fallback_html()
    assert made == []
    good(widget, "layout", {})
    colours(widget, "max")
    assert widget.feature_layout.n_features == 48
    assert made == [{"n_neighbors": 7, "min_dist": 0.2, "seed": 3}]
    assert ("progress", 30) in [(content.get("t"), content.get("done")) for content, _ in widget.comm.customs()]


def test_without_an_engine_and_a_kept_map_the_view_says_so_and_goes_on(index: sw.FeatureIndex) -> None:
    widget = sw.FeatureMap(index)
    assert "engine=engine" in failed(widget, "layout", {})["message"]
    assert good(widget, "facts", {})[0]["colours"]
    assert good(widget, "card", {"f": 3})[0]["f"] == 3


# -- without a kernel


def test_a_page_has_points_colours_marks_and_cards(own: sw.FeatureIndex) -> None:
    own.add_to_list("mine", [6, 9])
    widget, _ = map_of(own, feature=3, selected_features=[4, 5, 6], colour="list:mine", query="fires", only="mine")
    state, answers = recorded(widget.page(cards=3))
    asked = [(one["ch"], one["p"]) for one in answers]
    assert ("layout", {}) in asked
    named = [p["colour"] for channel, p in asked if channel == "colour"]
    assert named == ["list:mine", "density", "max", "cluster", "label"]
    assert ("marks", {"query": "fires", "by": "words", "only": "mine"}) in asked
    assert [p["f"] for channel, p in asked if channel == "card"] == [3, 4, 5]
    assert state["selected_features"] == [4, 5, 6]
    assert widget.page(cards=3) == widget.page(cards=3)
    assert widget.page(colours="density") == widget.page(colours=["density"])
    with pytest.raises(ValueError, match="no colouring 'densty'; there are density"):
        widget.page(colours=["densty"])


@pytest.mark.slow
def test_a_page_of_a_large_map_is_small(index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = layout_of(131_072)
    reply = layout_reply(layout)
    level = by_groups("", "", np.arange(131_072) % 10, [str(i) for i in range(10)], "").reply()
    widget, _ = map_of(index)
    monkeypatch.setattr(widget, "_answer", lambda name, asked, ticket: {"layout": reply}.get(name, level))
    assert len(widget.page().encode()) < 2_000_000


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            np.array([-50.0, *[0.0] * 199, *[7.0] * 199, 50.0]),
            ["below 1", "from 1", "from 2", *(f"from {i}" for i in (3, 4, 5, 6))],
        ),
        (np.full(400, 2.5), ["2.5"]),
    ],
    ids=["beyond its ends", "all equal"],
)
def test_the_legend_of_a_picture_without_scripts_is_true_of_every_value(values: Any, says: list[str]) -> None:
    column = Column("", "", values)
    assert [text for _, text in _legend(by_number(column, np.arange(len(values))))] == says


def test_the_picture_without_scripts(own: sw.FeatureIndex, tmp_path: Path) -> None:
    own.set_label(4, "<b>named</b>")
    widget, layout = map_of(own, selected_features=[4, 5], colour="cluster")
    html = widget.fallback_html()
    assert len(re.findall(r"M[\d.]+ [\d.]+h0", html)) == len(layout.features)
    strokes = {colour: len(re.findall("M", d)) for colour, d in re.findall(r'<path stroke="(#\w+)" d="([^"]*)"', html)}
    assert sorted(strokes.values()) == sorted(Counter(layout.cluster.tolist()).values())
    x, y = re.search(r"M([\d.]+) ([\d.]+)h0", html).groups()  # type: ignore[union-attr]
    assert 0 <= float(x) <= 720
    assert float(y) >= 0
    assert "&lt;b&gt;named&lt;/b&gt;" in html
    assert "style=" not in html
    assert "keeps 12%" in html
    static = widget.page().split('id="saew-static">')[1].split("<script")[0]
    assert "<svg" in static
    assert "style" not in static
    groups, _ = colours(widget, "cluster")
    assert [one["name"] for one in groups["groups"]] == [
        text.rsplit(" (", 1)[0] for text in re.findall(r"<text[^>]*>([^<]*)</text>", html)
    ][:3]
    widget.colour = "density"
    html = widget.fallback_html()
    begins = [float(value) for value in re.findall(r">from ([^<]+)</text>", html)]
    r, _ = colours(widget, "density")
    wanted = [r["low"] * (r["high"] / r["low"]) ** (i / 7) for i in range(7)]
    # The first colour is that of what is below the scale, too.
    np.testing.assert_allclose(begins, wanted[r["below"] :], rtol=5e-3)
    assert [float(value) for value in re.findall(r">below ([^<]+)</text>", html)] == (
        [pytest.approx(wanted[1], rel=5e-3)] if r["below"] else []
    )
    large = layout_of(len(own), x=np.zeros(48), y=np.zeros(48))
    assert "<svg" in sw.FeatureMap(own, layout=large).fallback_html()

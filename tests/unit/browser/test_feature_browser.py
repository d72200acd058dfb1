"""FeatureBrowser's kernel side: which rows, in what order, with which numbers; searches, lists, pages, bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import traitlets
from dashboard_made import DEAD, build, failed, good, make_engine
from front_end import recorded

import saewidgets as sw
from saewidgets.index.explanations import by_meaning

pytestmark = pytest.mark.usefixtures("fake_comm")

NONE: dict[str, Any] = {"query": "", "by": "words", "sort": "", "descending": True, "filters": [], "only": ""}


def window(widget: sw.FeatureBrowser, first: int = 0, count: int = 200, **chosen: Any) -> tuple[dict, Any]:
    return good(widget, "rows", {"chosen": NONE | chosen, "first": first, "count": count})


def between(column: str, low: float | None, high: float | None) -> dict[str, Any]:
    return {"column": column, "low": low, "high": high}


def of(index: sw.FeatureIndex, f: int) -> dict[str, float]:
    """The numbers of a feature, one by one from its record."""
    info = index.feature(f)
    return {
        "density": info.density,
        "count": info.count,
        "max": np.nan if info.maximum is None else info.maximum,
        "mean": np.nan if info.mean is None else info.mean,
        "logit_kurtosis": np.nan if info.logits is None else info.logits.kurtosis,
    }


# -- rows


def test_only_what_is_selected(index: sw.FeatureIndex) -> None:
    widget = sw.FeatureBrowser(index, only="selected", selected_features=[9, 3, 30], sort="max")
    wanted = sorted([9, 3, 30], key=lambda f: -index.features["max"][f])
    assert widget.features.tolist() == wanted
    assert widget.to_pandas().index.tolist() == wanted
    r, arrays = window(widget, only="selected", selected=[9, 3, 30], sort="feature", descending=False)
    assert (r["total"], arrays["feature"].tolist()) == (3, [3, 9, 30])
    assert window(widget, only="selected")[0]["total"] == 0
    widget.selected_features = []
    assert widget.features.tolist() == []
    assert (
        "outside the index"
        in failed(widget, "rows", {"chosen": NONE | {"only": "selected", "selected": [48]}})["message"]
    )
    _, answers = recorded(sw.FeatureBrowser(index, only="selected", selected_features=[3]).page(rows=10, cards=1))
    assert [one["p"]["chosen"]["selected"] for one in answers if one["ch"] == "rows"] == [[3]]


def test_every_row_has_its_feature_s_numbers(index: sw.FeatureIndex) -> None:
    r, arrays = window(sw.FeatureBrowser(index))
    assert (r["total"], r["of"], r["first"], len(r["rows"])) == (48, 48, 0, 48)
    assert sorted(arrays["feature"]) == list(range(48))
    assert arrays["count"].dtype == np.uint32
    for at, f in enumerate(arrays["feature"].tolist()):
        for name, value in of(index, f).items():
            np.testing.assert_allclose(arrays[name][at], value, rtol=1e-6)
        said = index.describe(f)
        assert said is not None
        assert r["rows"][at]["said"]["kind"] == "automatic"
        assert r["rows"][at]["said"]["text"].rstrip("\u2026") in said.text


@pytest.mark.parametrize("column", ["density", "max", "mean", "logit_kurtosis"])
@pytest.mark.parametrize("descending", [True, False])
def test_sorted_by_a_column_with_the_silent_last(index: sw.FeatureIndex, column: str, descending: bool) -> None:
    _, arrays = window(sw.FeatureBrowser(index), sort=column, descending=descending)
    value = {f: of(index, f)[column] for f in range(48)}
    known = sorted((f for f in value if value[f] == value[f]), key=lambda f: (-value[f] if descending else value[f], f))
    assert arrays["feature"].tolist() == [*known, *(f for f in value if f not in known)]


def test_windows_are_parts_of_one_order(index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    widget = sw.FeatureBrowser(index)
    _, whole = window(widget, sort="max")
    for first in (0, 7, 40, 48, 1000):
        r, part = window(widget, first, 10, sort="max")
        assert part["feature"].tolist() == whole["feature"][first : first + 10].tolist()
        assert (r["first"], r["total"], len(r["rows"])) == (first, 48, len(part["feature"]))
    monkeypatch.setattr("saewidgets.widgets.browser.features.ROWS", 20)
    assert len(window(widget, 0, 10**6)[1]["feature"]) == 20


def test_ranges_hold_both_ends_and_none_without_a_number(index: sw.FeatureIndex) -> None:
    widget = sw.FeatureBrowser(index)
    maxima = {f: of(index, f)["max"] for f in range(48)}
    low, high = sorted(m for m in maxima.values() if m == m)[10:31:20]
    dense = float(np.median([of(index, f)["density"] for f in range(48)]))
    _, arrays = window(widget, filters=[between("max", low, high), between("density", None, dense)])
    expected = {f for f in range(48) if low <= maxima[f] <= high and of(index, f)["density"] <= dense}
    assert set(arrays["feature"].tolist()) == expected
    assert 0 < len(expected) < 40
    _, arrays = window(widget, filters=[between("max", -1e9, None)])
    assert DEAD not in arrays["feature"]


def test_the_histograms_are_of_all_features(index: sw.FeatureIndex) -> None:
    r, arrays = good(sw.FeatureBrowser(index), "summary", {})
    for head in r["columns"]:
        values = np.array([of(index, f).get(head["name"], np.nan) for f in range(48)])
        if head["name"] not in of(index, 0):
            continue
        values = values[np.isfinite(values)]
        edges = head["edges"]
        assert (edges[0], edges[-1]) == (pytest.approx(values.min()), pytest.approx(values.max()))
        assert edges == sorted(edges)
        counts = [
            sum(edges[i] <= v < edges[i + 1] or (i + 2 == len(edges) and v == edges[-1]) for v in values)
            for i in range(len(edges) - 1)
        ]
        assert arrays[f"counts_{head['name']}"].tolist() == counts
        assert sum(counts) == len(values)


# -- search


def test_a_search_lists_what_matched_best_first(own: sw.FeatureIndex) -> None:
    own.set_label(5, "weekdays and weekends")
    own.add_explanations({9: "weekdays", 11: "a weekday in spring"}, "a set")
    widget = sw.FeatureBrowser(own)
    r, arrays = window(widget, query="weekdays")
    assert arrays["feature"][:2].tolist() == [5, 9]  # labels first, then the shorter sentence
    by_feature = dict(zip(arrays["feature"].tolist(), r["rows"], strict=True))
    assert by_feature[5]["label"] == "weekdays and weekends"
    assert (by_feature[9]["said"]["text"], by_feature[9]["how"]) == ("weekdays", "word")
    assert by_feature[11]["how"] == "nearly the word"
    assert list(arrays["match"][:2]) == [1, 1]
    # Sorted otherwise, the same features.
    _, other = window(widget, query="weekdays", sort="feature", descending=False)
    assert other["feature"].tolist() == sorted(arrays["feature"].tolist())
    _, some = window(widget, query="weekdays", filters=[between("density", None, -1.0)])
    assert some["feature"].tolist() == []


def test_what_matched_is_shown_though_something_else_speaks_for_the_feature(own: sw.FeatureIndex) -> None:
    own.add_explanations({9: "tides of the sea"}, "first")
    own.add_explanations({9: "harbours"}, "second")
    r, _ = window(sw.FeatureBrowser(own), query="tides")
    assert r["rows"][0]["said"]["text"] == "tides of the sea"
    assert "first" in r["rows"][0]["said"]["by"]


def test_a_name_given_while_it_is_open_is_found_and_shown(own: sw.FeatureIndex) -> None:
    widget = sw.FeatureBrowser(own, query="zebra")
    assert window(widget, query="zebra")[0]["total"] == 0
    sent = len(widget.comm.sent)
    own.set_label(3, "zebra crossings")
    assert any(data.get("content") == {"t": "names"} for data, _ in widget.comm.sent[sent:])
    assert window(widget, query="zebra")[1]["feature"].tolist() == [3]


@pytest.mark.parametrize("query", ["\u00b2", '"', "*", "NEAR(", "  ", "\ud800", "x" * 3000])
def test_any_query_is_answered(index: sw.FeatureIndex, query: str) -> None:
    window(sw.FeatureBrowser(index), query=query.encode("utf-8", "replace").decode())


def test_without_the_extra_the_error_names_it(index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "wordllama", None)
    by_meaning._wordllama.cache_clear()  # another test may have loaded it
    fresh = sw.FeatureIndex.open(index.path)
    error = failed(sw.FeatureBrowser(fresh), "rows", {"chosen": NONE | {"query": "days", "by": "meaning"}})
    assert "saewidgets[search]" in error["message"]


def test_without_a_query_there_is_nothing_to_match(index: sw.FeatureIndex) -> None:
    widget = sw.FeatureBrowser(index)
    by_density = window(widget)[1]["feature"].tolist()
    assert window(widget, sort="match")[1]["feature"].tolist() == by_density
    assert window(widget, query=" ", sort="match")[1]["feature"].tolist() == by_density


# -- lists


def test_selected_features_go_into_lists(own: sw.FeatureIndex) -> None:
    widget = sw.FeatureBrowser(own, selected_features=[9, 3, 9])
    assert widget.selected_features == [9, 3]
    assert good(widget, "list", {"name": " mine ", "features": [9, 3]})[0] == {"name": "mine", "n": 2}
    assert good(widget, "list", {"name": "mine", "features": [3, 4]})[0]["n"] == 3
    assert own.lists["mine"] == (9, 3, 4)
    assert good(widget, "summary", {})[0]["lists"] == [{"name": "mine", "n": 3}]
    assert set(window(widget, only="mine")[1]["feature"].tolist()) == {3, 4, 9}
    own.remove_from_list("mine", [4])
    assert set(window(widget, only="mine")[1]["feature"].tolist()) == {3, 9}
    assert "name" in failed(widget, "list", {"name": "  ", "features": [1]})["message"]
    assert failed(widget, "list", {"name": "mine", "features": [4800]})["type"] == "FeatureIndexError"
    assert "'mine'" in failed(widget, "rows", {"chosen": NONE | {"only": "yours"}})["message"]


# -- headless, traits, pages


def test_the_rows_on_screen_as_a_table(own: sw.FeatureIndex) -> None:
    own.set_label(5, "weekdays")
    widget = sw.FeatureBrowser(own, filters={"density": [None, 0.5]}, sort="max")
    r, arrays = window(widget, sort="max", filters=[between("density", None, 0.5)])
    assert widget.features.tolist() == widget.to_pandas().index.tolist() == arrays["feature"].tolist()
    assert r["total"] == len(widget.to_pandas())
    widget.query, widget.sort, widget.filters = "weekdays", "", {}
    table = widget.to_pandas()
    assert table.index[0] == 5
    assert table.loc[5, ["matched", "how", "score"]].tolist() == ["weekdays", "word", 1.0]


@pytest.mark.parametrize(
    ("trait", "value", "said"),
    [
        ("feature", 4800, "0 to 47"),
        ("selected_features", [1, -1], "0 to 47"),
        ("selected_features", range(10_001), "10,000 features at most"),
        ("sort", "weight", "density"),
        ("by", "smell", "smell"),
        ("filters", {"weight": [0, 1]}, "no column 'weight'"),
        ("filters", {"max": [0]}, r"\[low, high\]"),
        ("filters", {"max": ["a", None]}, r"\[low, high\]"),
        ("filters", {"max": [True, None]}, r"\[low, high\]"),
        ("filters", {"max": [None, float("inf")]}, r"\[low, high\]"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(index: sw.FeatureIndex, trait: str, value: Any, said: str) -> None:
    widget = sw.FeatureBrowser(index)
    with pytest.raises((traitlets.TraitError, sw.errors.SaewidgetsError), match=said):
        setattr(widget, trait, value)
    window(widget)


def test_it_needs_an_index() -> None:
    with pytest.raises(TypeError, match="needs an index"):
        sw.FeatureBrowser("my-index")  # type: ignore[arg-type]


def test_a_page_has_its_windows_and_cards(index: sw.FeatureIndex) -> None:
    widget = sw.FeatureBrowser(index, sort="max", feature=7, filters={"density": [0.001, None]})
    asked: list[Any] = list(widget.shot(rows=150, cards=3).questions)
    assert [one.asked.first for one in asked if one.channel == "rows"] == [0]
    assert all(one.asked.chosen == widget._chosen() for one in asked if one.channel == "rows")
    assert [one.asked.feature for one in asked if one.channel == "card"] == [7, *widget.features[:3].tolist()]
    html = widget.page()
    assert html == widget.page()
    assert "48 features" in html


def test_a_window_of_many_features_is_small(tmp_path: Path) -> None:
    index = build(make_engine(), tmp_path / "wide", ["the heaven"])
    index.add_explanations(dict.fromkeys(range(48), "漢字" * 5000), "\u65e5\u672c\u8a9e" * 10)
    r, arrays = window(sw.FeatureBrowser(index))
    size = len(json.dumps(r, ensure_ascii=False).encode()) + sum(a.nbytes for a in arrays.values())
    assert size / 48 * 200 <= 100_000

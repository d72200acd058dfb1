"""Previous, next, random, names; without a model; what ends with the widget."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dashboard_made import (
    DEAD,
    FEATURE,
    ROWS,
    alive,
    build,
    check_examples,
    example_params,
    failed,
    feature_params,
    good,
    make_engine,
    with_dead,
)

import saewidgets as sw

pytestmark = pytest.mark.usefixtures("fake_comm")


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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

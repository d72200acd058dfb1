"""Traits of a dashboard, its errors, linked widgets and many requests."""

from __future__ import annotations

import gc
import json
import threading
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import traitlets
from dashboard_made import TEXT, alive, example_params, failed, feature_params, good, make_engine

import saewidgets as sw
from saewidgets.errors import FeatureIndexError
from saewidgets.index.errors import IndexMismatchError
from saewidgets.interventions.effects.ablation import ablation_effects

pytestmark = pytest.mark.usefixtures("fake_comm")


# -- what cannot be


def test_what_cannot_be_set(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.FeatureDashboard(engine, index, feature=5, features=[5, 6])
    for bad in (48, -1, 10**9):
        with pytest.raises(FeatureIndexError, match="0 to 47"):
            widget.feature = bad
        with pytest.raises(FeatureIndexError):
            widget.features = [3, bad]
        with pytest.raises(FeatureIndexError):
            sw.FeatureDashboard(engine, index, feature=bad)
        with pytest.raises(FeatureIndexError):
            sw.FeatureDashboard(engine, index, features=[bad])
    for bad_range in ([1.0], [1, 2, 3], [2, 1], [float("nan"), 1], [0, float("nan")]):
        with pytest.raises(traitlets.TraitError, match="low <= high"):
            widget.activation_range = bad_range
    with pytest.raises(traitlets.TraitError, match="columns are kind"):
        widget.where = ["colour", "red"]
    with pytest.raises(traitlets.TraitError):
        widget.where = ["kind"]
    for name, value in (("window", 4), ("window", 21), ("group", "best"), ("view", "wide"), ("sort", "size")):
        with pytest.raises(traitlets.TraitError):
            setattr(widget, name, value)
    with pytest.raises(traitlets.TraitError):
        widget.live = False
    with pytest.raises(TypeError, match="activation_range"):
        sw.FeatureDashboard(engine, index, activation_rang=[0, 1])
    with pytest.raises(TypeError, match="needs an index"):
        sw.FeatureDashboard(engine)
    with pytest.raises(TypeError, match="needs an index"):
        sw.FeatureDashboard(index, engine)
    with pytest.raises(KeyError, match="it has"):
        sw.FeatureDashboard(engine, index, sae="other")
    assert (widget.feature, widget.features, widget.activation_range, widget.where) == (5, [5, 6], [], [])
    assert widget.live
    good(widget, "feature", feature_params(5))


@pytest.mark.slow
def test_another_sae_or_model_is_refused(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    for other in (make_engine("gated"), sw.Engine(tiny.hooked(), tiny.sae(seed=2))):
        with pytest.raises(IndexMismatchError):
            sw.FeatureDashboard(other, index)
        assert other.activations("the")
    both = sw.Engine(tiny.hooked(), {"other": tiny.sae(seed=2), "right": tiny.sae_of(engine)})
    with pytest.raises(IndexMismatchError):
        sw.FeatureDashboard(both, index, sae="other")
    # Without a word of which SAE is meant it is the one that the index is of, wherever it stands.
    widget = sw.FeatureDashboard(both, index, feature=3)
    _, arrays = good(widget, "text", {"f": 3, "text": TEXT})
    np.testing.assert_allclose(arrays["act"], engine.activations(TEXT)[:, 3], atol=1e-6)
    _, arrays = good(widget, "effects", {"f": 3, "text": TEXT})
    (effect,) = ablation_effects(engine, engine.to_ids(TEXT), 3)
    np.testing.assert_allclose(arrays["delta"], effect.delta, atol=1e-5, equal_nan=True)
    gc.collect()


def test_errors_are_data_and_the_widget_stays_usable(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.FeatureDashboard(engine, index)
    cases: list[tuple[str, dict[str, Any]]] = [
        ("feature", feature_params(48)),
        ("feature", {}),
        ("feature", {"f": "x"}),
        ("feature", {"f": None, "sort": "density", "list": []}),
        ("examples", example_params(-1)),
        ("examples", example_params(3, where=["colour", "red"])),
        ("examples", {}),
        ("text", {"f": 48, "text": "the"}),
        ("text", {"f": 3}),
        ("effects", {"f": 3}),
        ("label", {"f": 99, "label": "x"}),
        ("nonsense", {}),
    ]
    for channel, params in cases:
        error = failed(widget, channel, params)
        assert error["message"]
        assert "Traceback" in error["traceback"]
    for strange in ("x", None, {"t": "req"}, {"t": "cancel", "id": "?"}, {"t": "req", "id": 1, "ch": 2, "p": 3}):
        widget._on_message(widget, strange, [])
    good(widget, "feature", feature_params(3))
    bias = tiny.sae_of(engine).b_enc
    with torch.no_grad():
        old = float(bias[3])
        bias[3] = float("nan")
    for channel in ("text", "effects"):
        assert "NaN" in failed(widget, channel, {"f": 3, "text": "the"})["message"]
    with torch.no_grad():
        bias[3] = old
    good(widget, "text", {"f": 3, "text": "the"})


# -- traits


def test_another_feature_clears_what_belonged_to_the_last(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.FeatureDashboard(engine, index, feature=5, activation_range=[0.5, 1.0], window=7)
    assert widget.activation_range == [0.5, 1.0]
    widget.selected_example = {"id": 3}
    widget.feature = 5
    assert widget.activation_range == [0.5, 1.0]
    assert widget.selected_example == {"id": 3}
    widget.feature = 6
    assert (widget.activation_range, widget.selected_example, widget.window) == ([], None, 7)
    widget.activation_range, widget.selected_example = [0.1, 0.2], {"id": 4}
    widget.comm.view_sets(feature=9)
    assert (widget.feature, widget.activation_range, widget.selected_example) == (9, [], None)
    # What the view sets at once.
    widget.comm.view_sets(feature=10, activation_range=[], token_filter="", selected_example=None)
    assert widget.feature == 10
    widget.comm.view_sets(activation_range=[0.25, 1], selected_example={"id": 8, "text": "the"})
    assert widget.activation_range == [0.25, 1]
    assert widget.selected_example == {"id": 8, "text": "the"}
    assert widget.examples.groups[0].key == "range"
    widget.feature = None
    with pytest.raises(ValueError, match="No feature"):
        _ = widget.info
    widget.text = "lone \ud800 surrogate"
    assert widget.text == "lone \ufffd surrogate"


def test_the_first_feature(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    densest = int(index.order("density")[0])
    assert sw.FeatureDashboard(engine, index).feature == densest
    assert sw.FeatureDashboard(engine, index, features=[9, 3]).feature == 9
    assert sw.FeatureDashboard(engine, index, feature=3, features=[9]).feature == 3
    widget = sw.FeatureDashboard(engine, index, features=index.order("max")[:5])
    assert widget.feature == index.order("max")[0]
    assert widget.features == index.order("max")[:5].tolist()
    json.dumps(widget.get_state(), default=str)
    assert repr(widget).endswith(f"feature={widget.feature})")


def test_linked_with_a_heatmap(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    heatmap = sw.TokenFeatureHeatmap(engine, text=TEXT)
    dashboard = sw.FeatureDashboard(engine, index, feature=5)
    link = traitlets.link((heatmap, "feature"), (dashboard, "feature"))
    assert dashboard.feature is None, "the heatmap shows none"
    heatmap.feature = 9
    assert (dashboard.feature, heatmap.features) == (9, [9])
    dashboard.feature = 11
    assert (heatmap.feature, heatmap.features) == (11, [11])
    dashboard.comm.view_sets(feature=12, activation_range=[])
    assert heatmap.feature == 12
    heatmap.comm.view_sets(feature=13, features=[12, 13])
    assert dashboard.feature == 13
    heatmap.features = []
    assert dashboard.feature is None
    html = dashboard._repr_mimebundle_()[0]["text/html"]
    assert "No feature" in html
    heatmap.feature = 9
    assert dashboard.info.feature == 9
    good(dashboard, "feature", feature_params(9))
    link.unlink()


@pytest.mark.slow
def test_two_views_and_many_requests(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    """Every request has one answer, of its own parameters; views do not replace each other's."""
    widget = sw.FeatureDashboard(engine, index)
    features = alive(index)
    sent: list[tuple[str, str, int]] = []
    guard = threading.Lock()

    def view(name: str) -> None:
        for i in range(60):
            f = features[(i * 7 + len(name)) % len(features)]
            channel = ("feature", "examples", "text", "effects")[i % 4]
            params = {"text": f"the heaven {i}", **example_params(f)}
            with guard:
                sent.append((f"{name}:{i}", channel, f))
            widget.comm.view_sends({"t": "req", "id": f"{name}:{i}", "ch": channel, "p": params, "enc": "binary"})
            if i % 5 == 0:
                widget.comm.view_sends({"t": "cancel", "id": f"{name}:{i}"})

    threads = [threading.Thread(target=view, args=(name,)) for name in ("a", "bb")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answered = 0
    for request_id, channel, f in sent:
        message, arrays = widget.comm.response(request_id)
        assert sum(c.get("id") == request_id and c["t"] == "res" for c, _ in widget.comm.customs()) == 1
        if not message["ok"]:
            assert message["e"]["type"] == "Cancelled"
            continue
        answered += 1
        assert message["r"]["f"] == f
        assert {"feature": "hist_counts", "effects": "delta"}.get(channel, "act") in arrays
    assert answered >= 4
    assert widget._jobs == {}
    gate = threading.Event()
    engine.worker.submit(lambda _: gate.wait(5))
    for request_id in ("c:1", "d:1", "c:2"):
        widget.comm.view_sends({"t": "req", "id": request_id, "ch": "feature", "p": feature_params(3), "enc": "binary"})
    gate.set()
    assert widget.comm.response("c:1")[0]["e"]["type"] == "Cancelled"
    assert widget.comm.response("d:1")[0]["ok"]
    assert widget.comm.response("c:2")[0]["ok"]

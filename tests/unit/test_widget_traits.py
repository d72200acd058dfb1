"""What is set on a widget: arrays, ids, junk and links are taken or refused, and both SAEs of an engine are told apart."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import comm
import numpy as np
import pandas as pd
import pytest
import tiny
import torch
import traitlets
from front_end import RecordingComm, rank_params

import saewidgets as sw
from saewidgets.engine.errors import FeatureIndexError, TokenIdError
from saewidgets.interventions.checks import RecipeError

TEXT = "In the beginning God created the heaven"
TEXTS = [TEXT * 3, "Zwölf Boxkämpfer 日本語"]
SETTINGS = {"n_tokens": 3, "temperature": 1.0}


@pytest.fixture(autouse=True)
def fake_comm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(comm, "create_comm", RecordingComm)
    yield
    import ipywidgets

    ipywidgets.Widget.close_all()


@pytest.fixture
def engine() -> Iterator[sw.Engine]:
    with sw.Engine(tiny.hooked(), {"a": tiny.sae(seed=1), "b": tiny.sae(seed=2)}) as engine:
        yield engine


@pytest.fixture
def index(engine: sw.Engine, tmp_path: Path) -> sw.FeatureIndex:
    """Of the second SAE."""
    return sw.build_index(engine, TEXTS, tmp_path / "index", sae="b", progress=False)


def ask(widget: Any, channel: str, **params: Any) -> dict[str, Any]:
    identifier = f"view:{time.monotonic_ns()}"
    widget.comm.view_sends({"t": "req", "id": identifier, "ch": channel, "p": params, "enc": "binary"})
    return dict(widget.comm.response(identifier, 30)[0])


def good(widget: Any, channel: str, **params: Any) -> dict[str, Any]:
    message = ask(widget, channel, **params)
    assert message["ok"], message
    return dict(message["r"])


def asked(recipe: Any, **more: Any) -> dict[str, Any]:
    return {"recipe": recipe, "prompt": TEXT, "chat": False, "messages": [], **more}


def recorded(html: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    block = re.search(r'<script type="application/json" id="saew-data">(.*?)</script>', html, re.S)
    assert block
    inner = json.loads(gzip.decompress(base64.b64decode(json.loads(block[1])["gz"])))
    return inner["state"], inner["recorded"]


# -- whole numbers of every kind

MANY = [
    np.array([3, 4]),
    np.array([3, 4], np.uint8),
    np.array([3.0, 4.0]),
    torch.tensor([3, 4]),
    [torch.tensor(3), np.int64(4)],
    pd.Index([3, 4]),
    pd.Series([3.0, 4.0]),
    pd.DataFrame({"x": [1, 2]}, index=[3, 4]).index,
    (3, 4),
    range(3, 5),
    {3: "", 4: ""}.keys(),
]


@pytest.mark.parametrize("given", MANY, ids=lambda given: type(given).__name__)
def test_lists_of_integers_of_every_kind(given: Any, engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widgets = [sw.TokenFeatureHeatmap(engine, TEXT), sw.FeatureDashboard(engine, index)]
    for widget in widgets:
        widget.features = given
        assert widget.features == [3, 4] and {type(f) for f in widget.features} == {int}
    widgets[0].selected_tokens = given  # type: ignore[attr-defined]
    assert widgets[0].selected_tokens == [3, 4]  # type: ignore[attr-defined]
    assert sw.TokenFeatureHeatmap(engine, TEXT, features=given, selected_tokens=given).value["selected_tokens"] == [
        3,
        4,
    ]
    assert sw.FeatureDashboard(engine, index, features=given).feature == 3
    json.dumps(widgets[0].get_state(["features", "feature", "selected_tokens"]))


@pytest.mark.parametrize("given", [np.int64(3), np.uint8(3), np.array(3), torch.tensor(3), 3.0, np.float32(3)])
def test_one_integer_of_every_kind(given: Any, engine: sw.Engine, index: sw.FeatureIndex) -> None:
    for widget in (
        sw.TokenFeatureHeatmap(engine, TEXT),
        sw.FeatureDashboard(engine, index),
        sw.SteeringPanel(engine, index, prompt=TEXT),
    ):
        widget.feature = given
        assert widget.feature == 3 and type(widget.feature) is int
    assert sw.FeatureDashboard(engine, index, feature=given).feature == 3


@pytest.mark.parametrize("given", ["34", b"34", [3.5], [True], [[3, 4]], np.zeros((1, 2), int), {3: 4}, [None], ["3"]])
def test_what_is_no_list_of_integers_is_refused(given: Any, engine: sw.Engine) -> None:
    heatmap = sw.TokenFeatureHeatmap(engine, TEXT, features=[1])
    for name in ("features", "selected_tokens"):
        with pytest.raises(traitlets.TraitError, match=name):
            setattr(heatmap, name, given)
    assert heatmap.features == [1]


def test_tokens_that_the_text_does_not_have_are_passed_over(engine: sw.Engine) -> None:
    n = len(engine.to_ids(TEXT)[0])
    for chosen, left in (([100], []), ([1, n], [1]), ([n - 1], [n - 1])):
        heatmap = sw.TokenFeatureHeatmap(engine, TEXT, selected_tokens=chosen)
        state, answers = recorded(heatmap.page())
        assert state["selected_tokens"] == left
        live = good(heatmap, "rank", **rank_params(TEXT, tokens=chosen))
        (page,) = (
            a["r"]
            for a in answers
            if a["ch"] == "rank"
            and a["p"]["tokens"] == left
            and a["p"]["sort"] == "max"
            and not a["p"]["include_special"]
        )
        assert page["rows"] == live["rows"] and page["basis"] == live["basis"] == ("selected" if left else "all")
        assert heatmap.selected_tokens == chosen


# -- links


@pytest.mark.parametrize("order", list(itertools.permutations(["features", "feature"])))
@pytest.mark.parametrize("start", [{}, {"features": [1, 2], "feature": 1}, {"features": [*range(6)]}])
@pytest.mark.parametrize("shape", ["two", "chain", "ring"])
def test_linked_heatmaps_agree(order: tuple[str, ...], start: dict[str, Any], shape: str, engine: sw.Engine) -> None:
    widgets = [sw.TokenFeatureHeatmap(engine, TEXT, **start)]
    widgets += [sw.TokenFeatureHeatmap(engine, TEXT, features=[9, 10]) for _ in range(1 if shape == "two" else 2)]
    pairs = [(0, 1), (1, 2), (2, 0)][: {"two": 1, "chain": 2, "ring": 3}[shape]]
    for i, j in pairs:
        for name in order:
            traitlets.link((widgets[i], name), (widgets[j], name))
    steps: list[dict[str, Any]] = [
        {"features": [3, 4]},
        {"feature": 9},
        {"features": [*range(6)]},
        {"feature": 2},
        {"features": []},
        {"features": [8, 9], "feature": 8},
        {"feature": 7, "features": [9, 7, 8]},
        {"features": [], "feature": None},
        {"feature": 5},
    ]
    for widget, step in itertools.product(widgets, steps):
        widget.comm.view_sets(**step)  # as a view sets them, together
        for name, value in step.items():
            assert [getattr(w, name) for w in widgets] == [value] * len(widgets), (step, name)
        assert len({(tuple(w.features), w.feature) for w in widgets}) == 1
        assert widget.feature is None or widget.feature in widget.features
        (name, value), *_ = step.items()
        setattr(widget, name, value)
        assert len({(tuple(w.features), w.feature) for w in widgets}) == 1


def test_linked_panels_agree(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    for order in itertools.permutations(["recipe", "feature"]):
        one, other = (sw.SteeringPanel(engine, index, prompt=TEXT) for _ in range(2))
        for name in order:
            traitlets.link((one, name), (other, name))
        for step in (
            {"recipe": sw.Recipe(sw.add(5, 2, sae="b")).to_dict()},
            {"feature": 7},
            {"recipe": {}},
            {"feature": 3},
        ):
            for name, value in step.items():
                setattr(one, name, value)
            assert (one.recipe, one.feature) == (other.recipe, other.feature)
        assert one.value == sw.Recipe(sw.add(3, 1.0, unit="max", sae="b"))


# -- token ids

IDS = [5, 60, 70]


def test_token_ids_as_a_heatmap_s_text(engine: sw.Engine) -> None:
    whole = engine.activations(IDS)
    for given, kept in (
        (IDS, IDS),
        (np.array(IDS), IDS),
        (tuple(torch.tensor(IDS)), IDS),
        (torch.tensor([IDS, IDS]), [IDS, IDS]),
        ([IDS, [8]], [IDS, [8]]),
        ([np.array(IDS), np.array([8])], [IDS, [8]]),
    ):
        heatmap = sw.TokenFeatureHeatmap(engine, given, features=[3])
        assert heatmap.text == kept
        acts = heatmap.activations
        assert acts.token_ids[: len(IDS)].tolist() == IDS
        np.testing.assert_allclose(acts[: len(IDS), :], whole[:, :], atol=1e-5)
        assert good(heatmap, "tokens", text=heatmap.text)["n"] == len(acts)
        state, answers = recorded(heatmap.page())
        assert state["text"] == kept and {json.dumps(a["p"]["text"]) for a in answers} == {json.dumps(kept)}
        assert "fallback" not in heatmap.fallback_html() and repr(heatmap)
    heatmap.text = pd.Series(["a", "b"])
    assert heatmap.text == ["a", "b"]
    for wrong in ([5, "a"], [5, 6.5], {"input_ids": IDS}, b"a", [True], np.zeros((1, 1, 1), int)):
        with pytest.raises(traitlets.TraitError):
            heatmap.text = wrong
    for outside in ([10**6], [[-1]]):
        with pytest.raises(TokenIdError, match="vocabulary"):
            heatmap.text = outside
    assert heatmap.text == ["a", "b"]


def test_token_ids_for_a_model_without_a_tokenizer(tmp_path: Path) -> None:
    model = tiny.hooked()
    model.tokenizer = None
    with sw.Engine(model, tiny.sae()) as engine:
        heatmap = sw.TokenFeatureHeatmap(engine, IDS)
        assert good(heatmap, "tokens", text=IDS)["str"] == ["<5>", "<60>", "<70>"]
        assert heatmap.page() and "&lt;60&gt;" in heatmap.fallback_html()
        panel = sw.SteeringPanel(engine, prompt=IDS, recipe=sw.add(3, 1.0), n_tokens=2)
        assert panel.run().prompt.ids == tuple(IDS) and panel.page()


def test_token_ids_as_a_panel_s_prompt(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    recipe = sw.Recipe(sw.add(3, 1.0))
    for given in (IDS, np.array(IDS), torch.tensor([IDS]), range(5, 6)):
        panel = sw.SteeringPanel(engine, index, prompt=given, recipe=recipe, n_tokens=3, seed=1)
        ids = [int(i) for i in np.ravel(given)]
        assert panel.prompt == ids
        made = sw.generate(engine, ids, recipe, n_tokens=3, seed=1, temperature=panel.temperature)
        assert panel.run().edited[0].token_ids.tolist() == made.edited[0].token_ids.tolist()
        assert panel.history[-1]["prompt"] == ids
        assert recorded(panel.page(views=("text", "effect")))[0]["prompt"] == ids
        assert good(panel, "search", q="", sae=None)["items"]
    fresh = sw.SteeringPanel(engine, prompt=[ord("a")])
    assert engine.tokenizer.display([ord("a")]).strings[0] in fresh.fallback_html()
    message = ask(fresh, "generate", **asked(recipe.to_dict(), prompt=IDS) | {"chat": True}, settings=SETTINGS)
    assert not message["ok"] and "chat=False" in message["e"]["message"]
    with pytest.raises(TokenIdError, match="vocabulary"):
        fresh.prompt = [10**6]
    for wrong in (["a", "b"], [IDS, IDS]):
        with pytest.raises(traitlets.TraitError, match="one text"):
            fresh.prompt = wrong


# -- recipes that are none

JUNK: list[dict[str, Any]] = [
    {"interventions": "x"},
    {"interventions": 5},
    {"interventions": {"a": 1}},
    {"interventions": [None, 3, "x", [1]]},
    {"interventions": [{"features": "abc"}]},
    {"interventions": [{"features": {"0": 1}, "kind": "add", "value": 1}]},
    {"interventions": [{"features": [None], "kind": "add", "value": 1}]},
    {"interventions": [{"features": [[1]], "kind": "add", "value": 1}]},
    {"interventions": [{"features": [1.5], "kind": "add", "value": 1}]},
    {"interventions": [{"features": [-1], "kind": "add", "value": 1}]},
    {"interventions": [{"features": [5000], "kind": ["add"], "value": {}}]},
    {"interventions": [{"features": [1], "kind": "add", "value": 1, "sae": {}, "positions": [{}], "when": 3}]},
    {"nothing": "of the kind"},
    {"version": "new", "interventions": []},
]


@pytest.mark.parametrize("junk", JUNK, ids=json.dumps)
def test_junk_for_a_recipe_is_told_where_it_stands(
    junk: dict[str, Any], engine: sw.Engine, index: sw.FeatureIndex
) -> None:
    dashboard = sw.FeatureDashboard(engine, index, feature=9)
    for put in (lambda p: setattr(p, "recipe", junk), lambda p: p.comm.view_sets(recipe=junk)):
        panel = sw.SteeringPanel(engine, index, prompt=TEXT, recipe=sw.add(5, 1.0, sae="b"))
        traitlets.dlink((panel, "feature"), (dashboard, "feature"))
        put(panel)
        assert panel.recipe == junk and panel.feature is None
        with pytest.raises(RecipeError):
            _ = panel.value
        scales = good(panel, "scales", **asked(junk))
        rows = junk.get("interventions")
        assert len(scales["rows"]) == (len(rows) if isinstance(rows, list) else 0)
        assert scales["warnings"] or any(row["error"] for row in scales["rows"])
        assert ask(panel, "generate", **asked(junk, settings=SETTINGS))["e"]["type"] == "RecipeError"
        assert "recipe" in panel.fallback_html() and repr(panel)
        panel.feature = 7
        assert panel.feature == 7 or not isinstance(rows, list)


def test_a_recipe_of_objects_and_arrays_is_one(engine: sw.Engine) -> None:
    panel = sw.SteeringPanel(engine)
    for given in (sw.Recipe(sw.add(5, 2)), sw.add(5, 2), [sw.add(5, 2)]):
        panel.recipe = {}
        panel.recipe = given
        assert panel.value == sw.Recipe(sw.add(5, 2)) and panel.feature == 5
    panel.recipe = {"interventions": [{"features": np.array([6]), "kind": "add", "value": np.float32(2)}]}
    assert panel.value == sw.Recipe(sw.add(6, 2)) and json.dumps(panel.recipe)
    for wrong in ("x", 5, {"interventions": [object()]}, [1]):
        with pytest.raises(traitlets.TraitError):
            panel.recipe = wrong
    with pytest.raises(TypeError, match="recpe"):
        sw.SteeringPanel(engine, recpe={})


# -- two SAEs


def test_a_panel_is_about_the_sae_of_its_index(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    index.set_label(11, "only of b")
    panel = sw.SteeringPanel(engine, index, prompt=TEXT)
    assert panel.facts["index_sae"] == "b"
    panel.feature = 5
    assert panel.value == sw.Recipe(sw.add(5, 1.0, unit="max", sae="b"))
    panel.recipe = sw.Recipe([sw.ablate(3), sw.add(9, 2, unit="max", sae="b")]).to_dict()
    assert panel.feature == 9
    panel.feature = 10
    assert panel.value == sw.Recipe([sw.ablate(3), sw.add(10, 2, unit="max", sae="b")])
    panel.recipe = sw.Recipe(sw.ablate(3)).to_dict()
    assert panel.feature is None, "feature 3 of the other SAE is not feature 3 of the index"
    panel.feature = 4
    assert [(i.features, i.sae) for i in panel.value] == [((4,), "b"), ((3,), None)]
    with pytest.raises(FeatureIndexError):
        panel.feature = 48

    assert [i["f"] for i in good(panel, "search", q="only of", sae=None)["items"]] == [11]
    assert good(panel, "search", q="only of", sae="a")["items"] == []
    strongest = [int(f) for f in engine.activations(TEXT, sae="b").top(12)]
    assert [i["f"] for i in good(panel, "search", q="", sae=None)["items"]] == strongest
    for sae, named in ((None, "b"), ("b", "b"), ("a", None)):
        made = good(panel, "preset", key="tutorial", f=5, sae=sae)["recipe"]
        assert [row["sae"] for row in made["interventions"]] == [named]
    r = good(panel, "scales", **asked(sw.Recipe(sw.add(5, 1.0, unit="max", sae="b")).to_dict()))
    (found,) = r["rows"][0]["features"]
    assert found["max_from"] == "index" and found["max"] == pytest.approx(float(index.column("high")[5]))

    without = sw.SteeringPanel(engine, prompt=TEXT)
    without.feature = 5
    assert without.value == sw.Recipe(sw.add(5, 1.0, unit="resid"))


def test_heatmap_and_dashboard_say_which_sae_they_are_of(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    assert sw.TokenFeatureHeatmap(engine, TEXT, sae="b").sae == "b"
    assert (
        sw.TokenFeatureHeatmap(engine, TEXT).sae is None and sw.TokenFeatureHeatmap(engine, TEXT, sae="a").sae is None
    )
    assert recorded(sw.TokenFeatureHeatmap(engine, TEXT, sae="b").page())[0]["sae"] == "b"
    dashboard = sw.FeatureDashboard(engine, index, feature=5, text=TEXT)
    np.testing.assert_array_equal(dashboard.activations[:, 5], engine.activations(TEXT, sae="b")[:, 5])


# -- changed weights


def test_after_a_refresh_nothing_is_left_of_the_old_weights(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    b = engine.dictionary("b").sae  # type: ignore[attr-defined]
    best = int(np.nanargmax(index.column("high")))
    recipe = sw.Recipe(sw.add(best, 1.0, unit="max", sae="b"))
    panel = sw.SteeringPanel(engine, index, prompt=TEXT, recipe=recipe, n_tokens=3)
    dashboard = sw.FeatureDashboard(engine, index, feature=best)

    def scales() -> tuple[dict[str, Any], list[str]]:
        r = good(panel, "scales", **asked(recipe.to_dict()))
        return r["rows"][0]["features"][0], r["warnings"]

    def notes() -> list[str]:
        return list(good(dashboard, "feature", f=best, sort="index", list=[])["notes"])

    old, said = scales()
    assert old["max_from"] == "index" and not said and not notes()
    panel.run()
    assert len(recorded(panel.page())[0]["history"]) == 1
    saved = {name: parameter.detach().clone() for name, parameter in b.named_parameters()}
    with torch.no_grad():
        for parameter in b.parameters():
            parameter.mul_(2)
    for widget in (panel, dashboard):
        widget.refresh()
    new, said = scales()
    acts = engine.activations(TEXT, sae="b")
    assert new["max_from"] == "prompt"
    assert new["max"] == pytest.approx(float(acts[:, best][acts.counted].max()))
    assert new["norm"] == pytest.approx(2 * old["norm"])
    assert "no longer" in said[0] and "no longer" in notes()[0]
    assert panel.result is None and not panel.facts["has_index"]
    assert len(panel.history) == 1, "what was tried is kept"
    state, answers = recorded(panel.page())
    assert state["history"] == []
    made = sw.generate(engine, TEXT, recipe, n_tokens=3, temperature=panel.temperature, seed=panel.seed)
    (generated,) = (a["r"] for a in answers if a["ch"] == "generate")
    assert generated["edited"][0]["ids"] == made.edited[0].token_ids.tolist()
    panel.feature = best - 1 if best else 1
    panel.recipe = {}
    panel.feature = 5
    assert panel.value.interventions[0].unit == "resid", "without maxima"

    with torch.no_grad():
        for name, parameter in b.named_parameters():
            parameter.copy_(saved[name])
    for widget in (panel, dashboard):
        widget.refresh()
    assert scales() == (old, []) and not notes() and panel.facts["has_index"]


def test_an_answer_that_began_before_a_refresh_is_not_kept(engine: sw.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    heatmap = sw.TokenFeatureHeatmap(engine, TEXT)
    activations = engine.activations

    def slow(*args: Any, **kwargs: Any) -> sw.FeatureActivations:
        made = activations(*args, **kwargs)
        heatmap.refresh()
        return made

    with monkeypatch.context() as patch:
        patch.setattr(engine, "activations", slow)
        old = heatmap.activations
    assert heatmap.activations is not old
    panel = sw.SteeringPanel(engine, prompt=TEXT, recipe=sw.add(5, 1.0), n_tokens=2)
    send = panel.send
    monkeypatch.setattr(panel, "send", lambda content, buffers=None: (refresh_once(), send(content, buffers))[1])
    done: list[int] = []

    def refresh_once() -> None:
        if not done:
            done.append(1)
            panel.refresh()

    assert good(panel, "generate", **asked(panel.recipe, settings=SETTINGS))
    assert done and panel.result is None
    assert [a["ch"] for a in recorded(panel.page(views=()))[1]] == ["scales"]

"""What is set on a widget: arrays, ids, junk and links are taken or refused, and both SAEs of an engine are told apart."""

from __future__ import annotations

import html
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
import traitlets
from front_end import ask, good, rank_params, recorded

import saewidgets as sw
from saewidgets.errors import TokenIdError
from saewidgets.interventions.recipe.errors import RecipeError

TEXT = "In the beginning God created the heaven"
TEXTS = [TEXT * 3, "Zwölf Boxkämpfer 日本語"]
SETTINGS = {"n_tokens": 3, "temperature": 1.0}


pytestmark = pytest.mark.usefixtures("fake_comm")


@pytest.fixture
def engine() -> Iterator[sw.Engine]:
    with sw.Engine(tiny.hooked(), {"a": tiny.sae(seed=1), "b": tiny.sae(seed=2)}) as engine:
        yield engine


@pytest.fixture
def index(engine: sw.Engine, tmp_path: Path) -> sw.FeatureIndex:
    """Of the second SAE."""
    return sw.build_index(engine, TEXTS, tmp_path / "index", sae="b", progress=False, wait=True)


def asked(recipe: Any, **more: Any) -> dict[str, Any]:
    return {"recipe": recipe, "prompt": TEXT, "chat": False, "messages": [], **more}


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert engine.tokenizer.display([ord("a")]).strings[0] in html.unescape(fresh.fallback_html())
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

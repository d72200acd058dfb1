"""SteeringPanel's kernel side: recipe, units, search."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tiny
import torch
import traitlets
from steering_made import PROMPT, SETTINGS, ask, good, maxima, prompt_of, strong

import saewidgets as sw
from saewidgets.interventions.recipe.errors import RecipeError

pytestmark = pytest.mark.usefixtures("fake_comm")


# -- traits


def test_a_recipe_goes_in_as_objects_and_comes_out_as_data_and_objects(engine: sw.Engine) -> None:
    recipe = sw.Recipe([sw.add(5, 2), sw.ablate(6)], keep_error=True)
    for given in (recipe, recipe.to_dict(), list(recipe)):
        panel = sw.SteeringPanel(engine, recipe=given)
        assert panel.value == recipe
        assert json.loads(json.dumps(panel.recipe)) == recipe.to_dict()
    assert sw.SteeringPanel(engine, recipe=sw.add(5, 2)).value == sw.Recipe(sw.add(5, 2))
    assert sw.SteeringPanel(engine).value == sw.Recipe()


def test_steer_this_feature_from_a_cell(engine: sw.Engine) -> None:
    panel = sw.SteeringPanel(engine, recipe=sw.Recipe(sw.add(5, 2), name="mine"))
    panel.add(sw.clamp(7, 1), sw.ablate(8))
    assert panel.value == sw.Recipe([sw.add(5, 2), sw.clamp(7, 1), sw.ablate(8)], name="mine")
    with pytest.raises(RecipeError, match="twice"):
        panel.add(sw.ablate(5))
    assert len(panel.value) == 3, "a refused addition must not lose what was there"


def test_the_feature_links_with_another_widget(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    dashboard = sw.FeatureDashboard(engine, index, feature=11)
    panel = sw.SteeringPanel(engine, index, recipe=[sw.add(5, 2, unit="max", max_activation=9.0), sw.ablate(8)])
    assert panel.feature == 5
    traitlets.link((dashboard, "feature"), (panel, "feature"))
    assert panel.value == sw.Recipe([sw.add(11, 2, unit="max"), sw.ablate(8)])
    dashboard.feature = 12
    assert panel.value.interventions[0] == sw.add(12, 2, unit="max")
    panel.recipe = sw.Recipe(sw.ablate(20)).to_dict()
    assert dashboard.feature == 20
    empty = sw.SteeringPanel(engine, index)
    empty.feature = 3
    assert empty.value == sw.Recipe(sw.add(3, 1.0, unit="max"))
    empty.recipe = {"version": 1, "interventions": [{"kind": "add", "features": [], "value": 1.0}]}
    assert empty.feature is None


def test_what_cannot_be_is_refused_at_once(engine: sw.Engine) -> None:
    with pytest.raises(TypeError, match="seed"):
        sw.SteeringPanel(engine, sed=1)
    with pytest.raises(RecipeError):
        sw.SteeringPanel(engine, recipe={"interventions": [{"kind": "ad", "features": [1]}]})


def test_a_half_typed_recipe_from_the_view_breaks_nothing(engine: sw.Engine) -> None:
    panel = sw.SteeringPanel(engine, recipe=sw.add(5, 2))
    broken = {"version": 1, "interventions": [{"kind": "add", "features": [], "value": 1}]}
    panel.comm.view_sets(recipe=broken)
    assert panel.recipe == broken
    with pytest.raises(RecipeError):
        _ = panel.value
    message, _ = ask(panel, "generate", **prompt_of(broken, settings=SETTINGS))
    assert not message["ok"]
    assert message["e"]["type"] == "RecipeError"
    assert good(panel, "generate", **prompt_of(sw.Recipe().to_dict(), settings=SETTINGS))


def test_facts_tell_the_view_what_there_is(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    facts = sw.SteeringPanel(engine, index).facts
    assert facts["index_sae"] == facts["saes"][0]["name"]
    assert not facts["has_chat"]
    assert facts["context"] == tiny.N_CTX
    assert [(s["name"], s["n"], s["kind"]) for s in facts["saes"]] == [("mine", tiny.D_SAE, "SAE")]
    assert {p["key"] for p in facts["presets"]} == {"tutorial", "neuronpedia", "neuronpedia_orthogonal", "anthropic"}


# -- units


def test_units_of_a_row_are_each_other(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    f = strong(index)
    panel = sw.SteeringPanel(engine, index, prompt=PROMPT)
    ids = torch.tensor(engine.to_ids(PROMPT))
    x = engine.model.read(ids, ["blocks.1.hook_resid_pre"])["blocks.1.hook_resid_pre"][0, 1:]
    median = float(np.median(x.norm(dim=-1).detach().numpy()))
    row = engine.dictionary().sae.W_dec[f].detach()  # type: ignore[attr-defined]
    for unit, raw in (("raw", 2.0), ("max", 2 * maxima(index)[f]), ("resid", 2 * median / float(row.norm()))):
        r, _ = good(panel, "scales", **prompt_of(sw.Recipe(sw.add(f, 2, unit=unit)).to_dict()))
        (found,) = r["rows"][0]["features"]
        assert found["raw"] == pytest.approx(raw, rel=1e-5)
        assert found["in_max"] == pytest.approx(raw / maxima(index)[f], rel=1e-5)
        assert found["in_resid"] == pytest.approx(raw * float(row.norm()) / median, rel=1e-5)
        assert found["max_from"] == "index"
        assert r["median_norm"]["mine"] == pytest.approx(median, rel=1e-5)
        low, high = r["rows"][0]["range"]["min"], r["rows"][0]["range"]["max"]
        assert low <= 2 <= high
        assert not r["noop"]


def test_without_an_index_the_maximum_is_the_prompts_and_says_so(engine: sw.Engine) -> None:
    acts = engine.activations(PROMPT)
    f = int(acts.top(1).to_pandas().index[0])
    r, _ = good(sw.SteeringPanel(engine), "scales", **prompt_of(sw.Recipe(sw.add(f, 1, unit="max")).to_dict()))
    (found,) = r["rows"][0]["features"]
    assert found["max_from"] == "prompt"
    assert found["max"] == pytest.approx(float(acts[:, f][1:].max()), rel=1e-5)
    assert "in the prompt" in r["text"]


def test_each_row_has_its_own_error_and_the_others_go_on(engine: sw.Engine) -> None:
    rows = [
        {"features": [5], "kind": "add", "value": 1.0},
        {"features": [5000], "kind": "add", "value": 1.0},
        {"features": [6], "kind": "add", "value": None},
        {"features": [7], "kind": "ablate", "sae": "nobody"},
    ]
    r, _ = good(sw.SteeringPanel(engine), "scales", **prompt_of({"version": 1, "interventions": rows}))
    assert [row["ok"] for row in r["rows"]] == [True, False, False, False]
    assert [row["error_field"] for row in r["rows"]] == [None, "features", "value", "sae"]
    assert "outside" in r["rows"][1]["error"]


def test_the_same_feature_twice_is_said_at_the_row(engine: sw.Engine) -> None:
    rows = [{"features": [5], "kind": "add", "value": 1.0}, {"features": [5], "kind": "ablate"}]
    r, _ = good(sw.SteeringPanel(engine), "scales", **prompt_of({"version": 1, "interventions": rows}))
    assert [row["ok"] for row in r["rows"]] == [True, False]
    assert "twice" in r["rows"][1]["error"]


# -- search


def test_search_by_number_label_and_in_the_prompt(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    panel = sw.SteeringPanel(engine, index, prompt=PROMPT)
    assert good(panel, "search", q="12", sae=None)[0]["items"][0]["f"] == 12
    assert [i["f"] for i in good(panel, "search", q="genes", sae=None)[0]["items"]] == [3]
    found = good(panel, "search", q="", sae=None)[0]["items"]
    acts = engine.activations(PROMPT)
    assert [i["f"] for i in found] == [int(f) for f in acts.top(12)]
    assert found[0]["a"] == pytest.approx(float(acts[:, found[0]["f"]][1:].max()), rel=1e-5)
    assert good(panel, "search", q="no such words", sae=None)[0]["items"] == []

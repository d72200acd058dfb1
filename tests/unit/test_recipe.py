"""A recipe goes through JSON unchanged; what is none is refused by name."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from typing import Any

import pytest
from recipe_made import EVERY_KIND, HOOK

from saewidgets.interventions.recipe.constructors import (
    ablate,
    add,
    replace,
)
from saewidgets.interventions.recipe.errors import RecipeError
from saewidgets.interventions.recipe.intervention import Intervention
from saewidgets.interventions.recipe.recipe import Recipe

# -- JSON


@pytest.mark.parametrize("one", EVERY_KIND, ids=repr)
def test_through_json_and_back(one: Intervention) -> None:
    recipe = Recipe(one, keep_error=False, system=False, thinking=False, name="x </script> \u2028 é")
    text = recipe.to_json()
    assert Recipe.from_json(text) == recipe and hash(Recipe.from_json(text)) == hash(recipe)
    assert Recipe.from_json(text).to_json() == text == recipe.to_json(), "the same every time"
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert Recipe.from_json(recipe.to_json(indent=2)) == recipe
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_json_holds_every_field_and_only_plain_values() -> None:
    (data,) = Recipe(EVERY_KIND[2]).to_dict()["interventions"]  # type: ignore[misc]
    assert set(data) == {f.name for f in fields(Intervention)}
    assert data["positions"] == [0, [2, 5], [7, None], [None, 1]] and data["features"] == [3, 4, 5]
    (data,) = Recipe(EVERY_KIND[3]).to_dict()["interventions"]  # type: ignore[misc]
    assert data["when"] == {"feature": 9, "above": 0.25}
    assert json.loads(json.dumps(data)) == data


def test_the_smallest_json() -> None:
    assert Recipe.from_json("{}") == Recipe() and not len(Recipe())
    recipe = Recipe.from_json('{"interventions": [{"features": [3], "value": 2}]}')
    assert recipe == Recipe(add(3, 2)) and recipe.keep_error and recipe.system and recipe.thinking
    assert Recipe.from_json('{"interventions": [{"features": [3], "kind": "ablate"}]}') == Recipe(ablate(3))
    replaced = Recipe.from_json('{"interventions": [{"features": [3], "kind": "replace", "by": 4}]}')
    assert replaced == Recipe(replace(3, by=4))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"interventions": [], "keep_errors": True}, "keep_errors"),
        ({"interventions": [{"feature": 3, "value": 1}]}, "'feature'"),
        ({"interventions": [{"features": [3], "value": 1, "when": {"feature": 3, "over": 1}}]}, "'over'"),
        ({"version": 2}, "version 2.*Update"),
        ({"version": 10**30}, "version"),
        ({"version": "1"}, "version"),
        ({"version": None}, "version"),
        ({"interventions": {"features": [3]}}, "list"),
        ({"interventions": "add"}, "list"),
        ({"interventions": [3]}, "JSON object"),
        ({"interventions": [None]}, "JSON object"),
        ({"keep_error": "no"}, "keep_error"),
        ({"keep_error": 0}, "keep_error"),
        ({"system": None}, "system"),
    ],
)
def test_json_that_is_no_recipe(data: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        Recipe.from_dict(data)
    with pytest.raises(RecipeError, match=said):
        Recipe.from_json(json.dumps(data))


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"value": "4"}, "value"),
        ({"value": None}, "value"),
        ({"value": True}, "value"),
        ({"value": [4]}, "value"),
        ({"value": 10**400}, "value"),
        ({"value": math.nan}, "value"),
        ({"value": math.inf}, "value"),
        ({"value": 1e39}, "value"),
        ({"max_activation": 10**400}, "max_activation"),
        ({"max_activation": 0}, "max_activation"),
        ({"features": 3}, None),
        ({"features": "3"}, "features"),
        ({"features": []}, "features"),
        ({"features": None}, "features"),
        ({"features": [3.0]}, "features"),
        ({"features": [True]}, "features"),
        ({"features": [-1]}, "features"),
        ({"features": [[3]]}, "features"),
        ({"features": [3, 3]}, "features"),
        ({"kind": "steer"}, "kind"),
        ({"kind": ["add"]}, "kind"),
        ({"kind": {}}, "kind"),
        ({"unit": "max-activation"}, "unit"),
        ({"unit": ["raw"]}, "unit"),
        ({"positions": "everywhere"}, "positions"),
        ({"positions": []}, "positions"),
        ({"positions": {}}, "positions"),
        ({"positions": 3}, "positions"),
        ({"positions": [[1]]}, "positions"),
        ({"positions": [[1, 2, 3]]}, "positions"),
        ({"positions": [[3, 3]]}, "positions"),
        ({"positions": [[5, 2]]}, "positions"),
        ({"positions": [[None, 0]]}, "positions"),
        ({"positions": [-1]}, "positions"),
        ({"positions": [1.0]}, "positions"),
        ({"positions": [None]}, "positions"),
        ({"positions": ["1"]}, "positions"),
        ({"positions": [True]}, "positions"),
        ({"positions": [[{}, 4]]}, "positions"),
        ({"when": [3, 0]}, "when"),
        ({"when": 3}, "when"),
        ({"when": {"feature": 3.0}}, "when"),
        ({"when": {"feature": -3}}, "when"),
        ({"when": {"feature": True}}, "when"),
        ({"when": {"feature": 3, "above": math.nan}}, "when"),
        ({"when": {"feature": 3, "above": "0"}}, "when"),
        ({"when": {}}, None),
        ({"special": 1}, "special"),
        ({"only_active": "yes"}, "only_active"),
        ({"on": 0}, "on"),
        ({"sae": 5}, "sae"),
        ({"label": 5}, "label"),
        ({"hook": HOOK}, "hook"),
        ({"hook": 5}, "hook"),
        ({"direction": [1.0]}, "features"),
        ({"features": [], "direction": [1.0]}, "hook"),
        ({"features": [], "direction": [1.0], "hook": 5}, "hook"),
        ({"features": [], "direction": [0.0, 0.0], "hook": HOOK}, "direction"),
        ({"features": [], "direction": [1.0, math.nan], "hook": HOOK}, "direction"),
        ({"features": [], "direction": [], "hook": HOOK}, "direction"),
        ({"features": [], "direction": ["x"], "hook": HOOK}, None),
        ({"features": [], "direction": 1.0, "hook": HOOK}, None),
        ({"features": [], "direction": [1.0], "hook": HOOK, "unit": "max"}, None),
        ({"features": [], "direction": [1.0], "hook": HOOK, "when": {"feature": 3}}, "when"),
        ({"by": 4}, "by"),
        ({"kind": "replace"}, "by"),
        ({"kind": "replace", "by": 3}, "by"),
        ({"kind": "replace", "by": -1}, "by"),
        ({"kind": "replace", "by": True}, "by"),
        ({"kind": "replace", "by": 4.0}, "by"),
        ({"kind": "ablate"}, "value"),
        ({"kind": "scale", "unit": "max"}, "unit"),
        ({"kind": "orthogonal", "unit": "resid"}, "unit"),
        ({"kind": "cap", "unit": "max"}, "unit"),
        ({"kind": "clamp", "unit": "own"}, "unit"),
        ({"low": 1.0}, "low"),
        ({"kind": "cap", "low": 5.0}, "low"),
        ({"kind": "cap", "low": math.nan}, "low"),
    ],
    ids=lambda case: str(case)[:60],
)
def test_json_that_is_no_intervention(changed: dict[str, Any], field: str | None) -> None:
    """Whatever comes from outside is a RecipeError, and never another exception or an intervention."""
    with pytest.raises(RecipeError) as caught:
        Recipe.from_dict({"interventions": [{"features": [3], "value": 4.0, **changed}]})
    assert len(str(caught.value)) > 20
    if field is not None:
        assert caught.value.field == field, caught.value


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "3", '"add"', "\x00", "[" * 100_000])
def test_text_that_is_no_json_recipe(text: str) -> None:
    with pytest.raises(RecipeError):
        Recipe.from_json(text)

"""Values, features and directions of a recipe, and how it is printed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from recipe_made import EVERY_KIND, HOOK

from saewidgets.interventions.recipe.constructors import (
    PRESETS,
    ablate,
    add,
    anthropic,
    cap,
    clamp,
    neuronpedia,
    neuronpedia_orthogonal,
    orthogonal,
    replace,
    scale,
    tutorial,
)
from saewidgets.interventions.recipe.errors import RecipeError
from saewidgets.interventions.recipe.intervention import Condition, Intervention
from saewidgets.interventions.recipe.recipe import Recipe

NAMES: dict[str, Any] = {
    "add": add,
    "scale": scale,
    "clamp": clamp,
    "ablate": ablate,
    "orthogonal": orthogonal,
    "cap": cap,
    "replace": replace,
    "Condition": Condition,
    "Recipe": Recipe,
}


# -- made in Python


@pytest.mark.parametrize(
    "number",
    [3, np.int64(3), np.int32(3), np.uint8(3), np.array(3), torch.tensor(3), torch.tensor(3, dtype=torch.int32)],
    ids=lambda n: type(n).__name__,
)
def test_any_integer_is_an_index(number: Any) -> None:
    assert add(number, 2) == add(3, 2) and type(add(number, 2).features[0]) is int
    assert ablate([number, 5]) == ablate([3, 5])
    assert replace(number, by=4) == replace(3, by=4)
    assert replace(4, by=number) == replace(4, by=3) and type(replace(4, by=number).by) is int
    assert add(1, 2, when=(number, 0.5)) == add(1, 2, when=Condition(3, 0.5))
    assert add(1, 2, when=Condition(number)) == add(1, 2, when=Condition(3))
    assert add(1, 2, positions=[number, (number, 7), (0, number)]) == add(1, 2, positions=[3, (3, 7), (0, 3)])
    assert add(1, 2, positions=slice(number, None)) == add(1, 2, positions=[(3, None)])
    assert Intervention(features=(number,), value=2.0) == add(3, 2)
    Recipe([add(number, 2, positions=[number], when=(number, 0))]).to_json()


@pytest.mark.parametrize(
    "number",
    [2.5, np.float32(2.5), np.float64(2.5), np.array(2.5), torch.tensor(2.5), torch.tensor(2.5, dtype=torch.bfloat16)],
    ids=lambda n: type(n).__name__,
)
def test_any_number_is_a_value(number: Any) -> None:
    made = add(3, number, unit="max", max_activation=number, when=(4, number))
    assert made == add(3, 2.5, unit="max", max_activation=2.5, when=(4, 2.5))
    assert cap(3, 4, low=number) == cap(3, 4, low=2.5)
    assert Recipe(add(3, 1)).with_value(0, number) == Recipe(add(3, 2.5))
    assert tutorial(3, 2, max_activation=number) == tutorial(3, 2, max_activation=2.5)
    assert Recipe.from_json(Recipe(made).to_json()) == Recipe(made)


@pytest.mark.parametrize("array", [torch.tensor([3, 8]), np.array([3, 8]), (3, 8), range(3, 9, 5), [3, 8]], ids=str)
def test_several_features_at_once(array: Any) -> None:
    assert ablate(array).features == (3, 8)
    assert replace(array, by=1).features == (3, 8)
    assert add(1, 2, positions=array).positions == (3, 8)


def test_a_vector_of_any_kind_is_a_direction() -> None:
    wanted = (0.5, -0.25)
    for vector in (torch.tensor(wanted), np.array(wanted, np.float32), wanted, torch.tensor(wanted).bfloat16()):
        made = add(vector, 2, hook=HOOK)
        assert made.direction == wanted and made.features == () and type(made.direction[0]) is float
    assert add(torch.tensor(wanted, requires_grad=True), 2, hook=HOOK).direction == wanted
    assert add(np.array([1, 0]), 2, hook=HOOK).direction == (1.0, 0.0)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: add(True, 1), "features"),
        (lambda: add(np.bool_(True), 1), "features"),
        (lambda: add(torch.tensor(True), 1), "features"),
        (lambda: add([True, False], 1), "features"),
        (lambda: add(torch.tensor([False, True]), 1), "features"),
        (lambda: add(3.0, 1), "features"),
        (lambda: add(torch.tensor([3.0, 1.0]), 1), "features"),
        (lambda: add(torch.tensor([[3, 4]]), 1), "features"),
        (lambda: add("3", 1), "features"),
        (lambda: add(None, 1), "features"),
        (lambda: add([], 1), "features"),
        (lambda: add(-1, 1), "features"),
        (lambda: add([3, np.int64(3)], 1), "features"),
        (lambda: replace(3.7, by=4), "features"),
        (lambda: replace(True, by=4), "features"),
        (lambda: replace([3.7], by=4), "features"),
        (lambda: replace(3, by=4.5), "by"),
        (lambda: replace(3, by=True), "by"),
        (lambda: replace(3, by=None), "by"),
        (lambda: replace([3, 4], by=4), "by"),
        (lambda: replace(3, by=4, hook=HOOK), "hook"),
        (lambda: add(3, math.inf), "value"),
        (lambda: add(3, math.nan), "value"),
        (lambda: add(3, -math.inf, unit="max"), "value"),
        (lambda: add(3, None), "value"),
        (lambda: add(3, "4"), "value"),
        (lambda: add(3, [4]), "value"),
        (lambda: add(3, torch.tensor([4.0, 5.0])), "value"),
        (lambda: scale(3, math.nan), "value"),
        (lambda: clamp(3, math.inf), "value"),
        (lambda: orthogonal(3, math.nan), "value"),
        (lambda: cap(3, math.inf), "value"),
        (lambda: replace(3, by=4, factor=math.nan), "value"),
        (lambda: replace(3, by=4, factor="two"), "value"),
        (lambda: add(3, 1, "maximum"), "unit"),
        (lambda: add(3, 1, unit=None), "unit"),
        (lambda: add(3, 1, positions=[]), "positions"),
        (lambda: add(3, 1, positions=()), "positions"),
        (lambda: add(3, 1, positions=None), "positions"),
        (lambda: add(3, 1, positions=3.5), "positions"),
        (lambda: add(3, 1, positions=True), "positions"),
        (lambda: add(3, 1, positions=[True]), "positions"),
        (lambda: add(3, 1, positions=torch.tensor([True, False])), "positions"),
        (lambda: add(3, 1, positions=[-2]), "positions"),
        (lambda: add(3, 1, positions=slice(-2, None)), "positions"),
        (lambda: add(3, 1, positions=slice(0, 8, 2)), "positions"),
        (lambda: add(3, 1, positions=slice(4, 4)), "positions"),
        (lambda: add(3, 1, positions=["generated"]), "positions"),
        (lambda: add(3, 1, when=3), "when"),
        (lambda: add(3, 1, when=(3,)), "when"),
        (lambda: add(3, 1, when=(3.7, 0)), "when"),
        (lambda: add(3, 1, when=(3, math.nan)), "when"),
        (lambda: add(3, 1, when=(3, "high")), "when"),
        (lambda: add(3, 1, when=(-3, 0)), "when"),
        (lambda: add(3, 1, max_activation=0), "max_activation"),
        (lambda: add(3, 1, max_activation=math.inf), "max_activation"),
        (lambda: add(3, 1, max_activation="big"), "max_activation"),
        (lambda: cap(3, 1, low=2), "low"),
        (lambda: cap(3, 1, low="x"), "low"),
        (lambda: add(3, 1, hook=HOOK), "direction"),
        (lambda: add("resid", 1, hook=HOOK), "direction"),
        (lambda: add([[1.0, 2.0]], 1, hook=HOOK), "direction"),
        (lambda: add(torch.ones(1, 4), 1, hook=HOOK), "direction"),
        (lambda: add(torch.tensor(1.0), 1, hook=HOOK), "direction"),
        (lambda: add([0.0, -0.0], 1, hook=HOOK), "direction"),
        (lambda: add([1.0, math.inf], 1, hook=HOOK), "direction"),
        (lambda: add([1.0, 2.0], 1, hook=HOOK, when=(3, 0)), "when"),
        (lambda: Recipe([add(3, 1), 4]), None),
        (lambda: Recipe("add"), None),
        (lambda: Recipe([{"features": [3]}]), None),
        (lambda: Recipe(3), None),
        (lambda: Recipe(add(3, 1)).with_value(0, math.nan), "value"),
        (lambda: Recipe(ablate(3)).with_value(0, 2), "value"),
        (lambda: Recipe(add(3, 1)) + Recipe(add(3, 2)), "features"),
    ],
)
def test_nonsense_is_refused_by_name(make: Any, field: str | None) -> None:
    with pytest.raises(RecipeError) as caught:
        make()
    assert field is None or caught.value.field == field, caught.value


def test_a_misspelt_kind_names_the_nearest() -> None:
    with pytest.raises(RecipeError, match="did you mean 'ablate'"):
        Intervention(features=(3,), kind="ablat", value=1.0)
    with pytest.raises(TypeError):
        add(3, 1, position="all")  # type: ignore[call-arg]


# -- the same feature twice


def test_the_same_feature_twice() -> None:
    for twice in ([add(3, 1), ablate(3)], [ablate([1, 3]), scale([3, 4], 2)], [add(3, 1), add(5, 1), add(3, 2)]):
        with pytest.raises(RecipeError, match="Feature 3 is changed twice") as caught:
            Recipe(twice)
        assert caught.value.row == len(twice) - 1 and caught.value.field == "features"
    Recipe([add(3, 1, positions="prompt"), ablate(3, positions="generated")])
    Recipe([add(3, 1), ablate(3, on=False)])
    Recipe([add(3, 1), ablate(3, sae="other")])
    Recipe([add([1.0, 0.0], 1, hook=HOOK), add([1.0, 0.0], 2, hook=HOOK)])  # simply their sum
    with pytest.raises(RecipeError, match="twice"):
        Recipe([add(3, 1, positions="prompt"), ablate(3, positions="generated"), scale(3, 2)])
    with pytest.raises(RecipeError, match="twice"):
        Recipe([add(3, 1, positions="prompt"), ablate(3, positions="prompt")])


# -- parts of recipes


def test_recipes_do_not_change() -> None:
    recipe = Recipe([add(3, 1), ablate(5)], name="one")
    with pytest.raises(AttributeError):
        recipe.name = "two"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        recipe.interventions[0].value = 2.0  # type: ignore[misc]
    changed = recipe.with_value(0, 9)
    assert changed.interventions[0] == add(3, 9) and changed.interventions[1] == ablate(5) and changed.name == "one"
    assert recipe.interventions[0] == add(3, 1)
    assert recipe.with_error(False) == Recipe([add(3, 1), ablate(5)], keep_error=False, name="one")
    both = recipe.with_error(False) + Recipe(add(7, 1), name="other")
    assert len(both) == 3 and not both.keep_error and both.name == "one"
    assert Recipe([add(3, 1), add(4, 1, on=False)]).active == (add(3, 1),)
    assert list(Recipe(add(3, 1))) == [add(3, 1)]
    given = [add(3, 1)]
    recipe = Recipe(given)
    given.append(add(4, 1))
    assert len(recipe) == 1


# -- as text


@pytest.mark.parametrize("one", [i for i in EVERY_KIND if i.direction is None], ids=repr)
def test_the_repr_is_the_call_that_makes_it(one: Intervention) -> None:
    made = eval(repr(one), {}, NAMES)
    assert {**vars(made), "label": None} == {**vars(one), "label": None}


def test_the_repr_of_recipes() -> None:
    assert repr(add(12, 4, unit="max")) == "add(12, 4, unit='max')"
    assert repr(ablate([12, 13])) == "ablate([12, 13])"
    assert repr(add(12, 0.1 + 0.2)) == "add(12, 0.30000000000000004)", "what a run can be repeated from"
    assert repr(add(12, 1234567)) == "add(12, 1234567)"
    assert repr(add([1.0] * 4096, 2, hook=HOOK)) == f"add(<direction of 4096>, 2, hook={HOOK!r})"
    recipe = Recipe([add(3, 1), ablate(5, positions="prompt")], False, False, False, "x")
    assert eval(repr(recipe), {}, NAMES) == recipe
    assert repr(Recipe()) == "Recipe([])"


# -- presets


def test_presets_are_what_their_sources_do() -> None:
    everywhere = {"positions": "all", "special": True, "only_active": False, "when": None}
    for recipe, kind, value, unit in (
        (tutorial(3, 2, 7.0), "add", 2, "max"),
        (neuronpedia(3, 45, 2), "add", 90, "raw"),
        (neuronpedia_orthogonal(3, 0.5, 2), "orthogonal", 1, "raw"),
        (anthropic(3, 5, 7.0), "clamp", 5, "max"),
    ):
        (one,) = recipe
        assert (one.kind, one.value, one.unit, one.features) == (kind, value, unit, (3,))
        assert {name: getattr(one, name) for name in everywhere} == everywhere
        assert recipe.keep_error and recipe.name
    for key, (name, formula, make) in PRESETS.items():
        recipe = make(3, "x")
        assert name == recipe.name and formula and recipe.interventions[0].sae == "x", key
        assert Recipe.from_json(recipe.to_json()) == recipe

"""One feature changed in several ways, at positions that no two of them share; and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import tiny
import torch
from edit_truth import PRE, TEXT, WRAPPERS, Truth, assert_close, logits_of, model_of, name_of, resolved

import saewidgets as sw
from saewidgets.interventions.recipe.constructors import ablate, add, clamp, scale
from saewidgets.interventions.recipe.errors import RecipeError
from saewidgets.interventions.recipe.recipe import Recipe

DISJOINT: list[tuple[Any, Any]] = [
    ([1], [2]),
    ([1, 5], [2, (6, 9)]),
    ([(1, 4)], [(4, 8)]),  # they only touch
    ([(4, 8)], [(None, 4)]),
    ([3], [(4, None)]),
    ([(0, 2), (6, 8)], [(2, 6), (8, None)]),
    ("prompt", "generated"),
]
# Whether these meet depends on the prompt: (positions, positions, lengths of prompts where they do, where they do not).
BY_THE_PROMPT: list[tuple[Any, Any, list[int], list[int]]] = [
    ("prompt", [5], [6, 9], [1, 5]),
    ("prompt", [(5, 7)], [6, 7, 9], [4, 5]),
    ("prompt", [(3, None)], [4, 9], [2, 3]),
    ("generated", [5], [1, 5], [6, 9]),
    ("generated", [(2, 7)], [3, 6], [7, 9]),
    ("generated", [2, 8], [1, 8], [9]),
]
MEETING: list[tuple[Any, Any, int]] = [
    ("all", "all", 0),
    ("all", "prompt", 0),
    ("generated", "all", 1),
    ("prompt", "prompt", 0),
    ("generated", "generated", 0),
    ("all", [7], 7),
    ([7], [7], 7),
    ([(2, 9)], [(8, 12)], 8),
    ([(2, None)], [(30, 31)], 30),
    ([(3, None)], [(5, None)], 5),
    ([1, 4, 9], [(9, 10)], 9),
    ("prompt", [0], 0),  # no prompt is without it
    ("prompt", [(None, 3)], 0),
    ("generated", [(5, None)], 5),  # texts may go on for ever
]


@pytest.mark.parametrize(("a", "b"), DISJOINT, ids=str)
def test_disjoint_positions_are_taken(a: Any, b: Any) -> None:
    for first, second in ((a, b), (b, a)):
        recipe = Recipe([add(3, 1, positions=first), scale([2, 3], 2, positions=second)])
        assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize(("a", "b", "at"), MEETING, ids=str)
def test_positions_that_meet_are_refused(a: Any, b: Any, at: int) -> None:
    for first, second in ((a, b), (b, a)):
        with pytest.raises(RecipeError, match=f"Feature 3 is changed twice at position {at}\\b") as caught:
            Recipe([ablate(7), add(3, 1, positions=first), scale([2, 3], 2, positions=second)])
        assert caught.value.row == 2 and caught.value.field == "features"
    Recipe([add(3, 1, positions=a), scale(3, 2, positions=b, on=False)])
    Recipe([add(3, 1, positions=a), scale(3, 2, positions=b, sae="other")])


def test_the_third_is_compared_with_both() -> None:
    with pytest.raises(RecipeError, match="position 2") as caught:
        Recipe([add(3, 1, positions=[1]), scale(3, 2, positions=[2]), ablate(3, positions=[(2, 4)])])
    assert caught.value.row == 2


@pytest.mark.parametrize(("a", "b", "meet", "miss"), BY_THE_PROMPT, ids=str)
def test_what_depends_on_the_prompt_is_judged_with_it(a: Any, b: Any, meet: list[int], miss: list[int]) -> None:
    engine = sw.Engine(model_of("hooked"), {"mine": tiny.sae()})
    recipe = Recipe([add(3, 1, positions=a), scale(3, 2, positions=b, sae="mine")])
    for n in miss:
        assert len(resolved(engine, recipe, [0, *range(10, 9 + n)]).amounts) == 2
    for n in meet:
        with pytest.raises(RecipeError, match="Feature 3 is changed twice at position") as caught:
            resolved(engine, recipe, [0, *range(10, 9 + n)])
        assert caught.value.row == 1


def test_generation_judges_by_its_prompt() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae())
    recipe = Recipe([add(3, 1, positions="prompt"), scale(3, 2, positions=[6])])
    sw.generate(engine, [0, 10, 11], recipe, n_tokens=5)
    with pytest.raises(RecipeError, match="position 6"):
        sw.generate(engine, [0, *range(10, 18)], recipe, n_tokens=5)


@WRAPPERS
def test_applied_judges_by_the_prompt_of_the_call(wrapper: str) -> None:
    """Its length is known only when the model is called."""
    model = model_of(wrapper)
    engine = sw.Engine(model, tiny.sae())
    recipe = Recipe([add(3, 1, positions="prompt"), scale(3, 2, positions=[(5, 9)])])
    with sw.applied(engine, recipe, text=TEXT), torch.no_grad():  # a text for units is no prompt
        model(torch.tensor([[0, 10, 11, 12, 13]]))
        with pytest.raises(RecipeError, match="position 5"):
            model(torch.tensor([[0, 20, 21, 22, 23, 24]]))
    recipe = Recipe([add(3, 1, positions="generated"), scale(3, 2, positions=[3])])
    with sw.applied(engine, recipe), torch.no_grad():
        model(torch.tensor([[0, 10, 11, 12, 13, 14]]))


@WRAPPERS
@pytest.mark.parametrize("architecture", ["standard", "topk"])
def test_the_edit_is_the_sum_of_its_parts(wrapper: str, architecture: str) -> None:
    """Each token gets what the one intervention there asks for: plain hooks, position by position."""
    model, sae = model_of(wrapper), tiny.sae(architecture)
    engine = sw.Engine(model, tiny.sae(architecture))
    (ids,) = engine.to_ids(TEXT)
    tokens, n = torch.tensor([ids]), len(ids)
    f = Truth(wrapper, tiny.sae(architecture), ids).f  # one that is active
    recipe = Recipe(
        [
            add(f, 1.5, positions=[1, (3, 5)]),
            scale([f, (f + 1) % tiny.D_SAE], 3, positions=[2, (5, 7)]),
            clamp(f, 2.5, positions=[(7, 9)]),
            ablate(f, positions=[(9, None)]),
        ]
    )
    g = (f + 1) % tiny.D_SAE

    def definition(h: torch.Tensor, hook: object) -> torch.Tensor:
        a = sae.encode(h)
        added = torch.zeros_like(h)
        for p in (1, 3, 4):
            added[0, p] = 1.5 * sae.W_dec[f]
        for p in (2, 5, 6):
            added[0, p] = 2 * a[0, p, f] * sae.W_dec[f] + 2 * a[0, p, g] * sae.W_dec[g]
        for p in (7, 8):
            added[0, p] = (2.5 - a[0, p, f]) * sae.W_dec[f]
        for p in range(9, n):
            added[0, p] = -a[0, p, f] * sae.W_dec[f]
        return h + added

    with torch.no_grad():
        expected = model.run_with_hooks(tokens, fwd_hooks=[(name_of(model, PRE), definition)])
    assert_close(logits_of(engine, [recipe], ids), expected, atol=1e-4)

"""What an edit is compared with: controls of its norm, density and reach."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from dose_response_made import PRE, PROMPT, TRANSCODER_HOOKS, model_of, name_of, run
from torch import Tensor

import saewidgets as sw
from saewidgets.engine.text.prompt import read_prompt
from saewidgets.errors import SaewidgetsError
from saewidgets.interventions.dose_response.controls import Control, controls_for
from saewidgets.interventions.dose_response.sweep import default_strengths
from saewidgets.interventions.edit.hooks import Edits
from saewidgets.interventions.edit.positions import scope_of
from saewidgets.interventions.recipe.errors import RecipeError
from saewidgets.interventions.recipe.recipe import Recipe
from saewidgets.interventions.recipe.units import maxima_of, resolve

WRAPPERS = pytest.mark.parametrize("wrapper", tiny.MODELS)


# -- controls


def controls(
    engine: sw.Engine, recipe: Any, strengths: Sequence[float], n: int = 3, **given: Any
) -> tuple[list[Control], list[str]]:
    whole = recipe if isinstance(recipe, Recipe) else Recipe(recipe)
    index, row, seed = given.get("index"), given.get("row", 0), given.get("seed", 0)
    prompt, maxima = read_prompt(engine, PROMPT), maxima_of(engine, index)
    return engine.worker.run(
        lambda ticket: controls_for(
            engine, whole, row, np.array(strengths, dtype=float), n, index, maxima, [prompt], seed, ticket
        )
    )


def added(engine: sw.Engine, recipe: Recipe, hook: str) -> Tensor:
    """[pos, d] what a recipe adds at a hook, as measured there by hooks of our own around a forward."""
    (ids,) = engine.to_ids(PROMPT)
    tokens, seen = torch.tensor([ids]), []
    prompt = read_prompt(engine, PROMPT)
    resolved = engine.worker.run(lambda ticket: resolve(engine, recipe, ids, ticket=ticket))
    with torch.no_grad():
        for rows in ([None], [resolved]):
            edits = Edits(engine, rows, scope_of(engine, prompt, 1))
            hooks = [(name, lambda h, hook, fn=fn: fn(h)) for name, fn in edits.hooks(tokens).items()]
            hooks.append(
                (name_of(engine.model.raw, hook), lambda h, hook: seen.append(h.reshape(len(ids), -1).clone()))
            )
            engine.model.raw.run_with_hooks(tokens, fwd_hooks=hooks)
    return seen[1] - seen[0]


STRENGTHS = [-2.0, 0.0, 0.5, 3.0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrapper", "architecture"),
    [
        *[("hooked", a) for a in ("standard", "topk_rescaled", "layer_norm", "constant_norm", "transcoder")],
        ("bridge", "standard"),
        ("bridge", "layer_norm"),
    ],
)
@pytest.mark.parametrize(
    "given", [{}, {"unit": "max", "max_activation": 3.0}, {"unit": "resid"}, {"positions": "prompt", "special": True}]
)
def test_controls_have_the_norm_of_the_edit(wrapper: str, architecture: str, given: dict[str, Any]) -> None:
    hooks = TRANSCODER_HOOKS if architecture == "transcoder" else (PRE, None)
    engine = sw.Engine(model_of(wrapper), tiny.sae(architecture, hooks[0], hook_out=hooks[1]))
    place = hooks[1] or hooks[0]
    recipe = sw.add(7, 1.0, **given)
    made, notes = controls(engine, recipe, STRENGTHS, n=2)
    assert [c.kind for c in made] == ["feature"] * 2 + ["direction"] * 2
    for n, strength in enumerate(STRENGTHS):
        edit = added(engine, Recipe(recipe).with_value(0, strength), place).norm(dim=-1)
        assert (edit.max() > 0.1) == (strength != 0), "the case tests nothing"
        for control in made:
            norm = added(engine, control.recipes[n], place).norm(dim=-1)
            if (
                control.kind == "direction"
                and architecture in ("layer_norm", "constant_norm")
                and "max_activation" in given
            ):
                # The SAE scales the edit token by token; a direction has the norm of the median token.
                np.testing.assert_allclose(norm[1:].median(), norm[1:].max(), rtol=1e-4, atol=1e-5)
                np.testing.assert_allclose(norm[1], np.median(edit[1:]), rtol=1e-4, atol=1e-5)
                assert any("token by token" in note for note in notes)
            else:
                np.testing.assert_allclose(norm, edit, rtol=1e-3, atol=1e-5, err_msg=f"{control.name} at {strength}")


@pytest.mark.slow
def test_directions_beside_several_features_have_the_norm_of_their_sum() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    made, _ = controls(engine, sw.add([7, 9, 11], 1.0), STRENGTHS, n=2)
    assert [c.kind for c in made] == ["feature"] * 2 + ["direction"] * 2
    for n, strength in enumerate(STRENGTHS):
        edit = added(engine, Recipe(sw.add([7, 9, 11], strength)), PRE).norm(dim=-1)
        for control in made[2:]:
            np.testing.assert_allclose(added(engine, control.recipes[n], PRE).norm(dim=-1), edit, rtol=1e-3, atol=1e-5)
        W = tiny.sae("standard").W_dec.detach()
        for control in made[:2]:
            assert len(control.recipes[n]) == 3
            for f, i in zip((7, 9, 11), control.recipes[n], strict=True):
                np.testing.assert_allclose(
                    abs(i.value) * W[i.features[0]].norm(), abs(strength) * W[f].norm(), rtol=1e-4
                )


def test_controls_of_a_conditional_edit_act_where_it_acts() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("jumprelu"))
    acts = engine.activations(PROMPT)
    f = next(f for f in range(tiny.D_SAE) if 2 <= (acts[1:, f] > 0).sum() <= 6)
    for given in ({"only_active": True}, {"when": (f, 0.1)}):
        made, notes = controls(engine, sw.add(7 if "when" in given else f, 2.0, **given), [1.0, 2.0], n=2)
        edit = added(engine, Recipe(sw.add(7 if "when" in given else f, 2.0, **given)), PRE).norm(dim=-1)
        assert 0 < (edit > 0.1).sum() < len(edit) - 1
        for control in made[:2]:
            np.testing.assert_allclose(added(engine, control.recipes[1], PRE).norm(dim=-1), edit, rtol=1e-3, atol=1e-5)
        assert any("all positions" in note for note in notes)


def test_control_features_are_of_the_edits_density(indexed: tuple[sw.Engine, Any]) -> None:
    engine, index = indexed
    count = np.asarray(index.column("count"), dtype=float)
    f = int(np.argsort(count)[len(count) // 2])
    made, notes = controls(engine, sw.add(f, 1), [1.0], n=2, index=index)
    features = [c.recipes[0].interventions[0].features[0] for c in made if c.kind == "feature"]
    assert len(set(features)) == 2 and f not in features
    others = [g for g in range(tiny.D_SAE) if g != f and count[g] > 0]
    distance = sorted(abs(count[g] - count[f]) for g in others)
    assert all(count[g] > 0 and abs(count[g] - count[f]) <= distance[min(20, len(distance)) - 1] for g in features)
    assert any("nearest in activation density" in note for note in notes)
    _, notes = controls(engine, sw.add(f, 1), [1.0], n=2)
    assert any("without an index" in note for note in notes)


@pytest.mark.slow
def test_features_that_never_fire_are_no_controls(tmp_path: Path) -> None:
    sae = tiny.sae("jumprelu")
    with torch.no_grad():
        sae.threshold[10:] = 1e9
    engine = sw.Engine(model_of("hooked"), sae)
    index = sw.build_index(engine, tiny.TEXTS, tmp_path, progress=False, wait=True)
    alive = set(np.flatnonzero(index.column("count")).tolist())
    assert 4 < len(alive) <= 10
    f = min(alive)
    for seed in range(3):
        made, _ = controls(engine, sw.add(f, 1), [1.0], n=4, index=index, seed=seed)
        drawn = [c.recipes[0].interventions[0].features[0] for c in made if c.kind == "feature"]
        assert len(drawn) == 4 and set(drawn) <= alive - {f}


@pytest.mark.slow
def test_controls_are_seeded() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    a, b, c = (controls(engine, sw.add(3, 2), [1.0, 2.0], seed=seed)[0] for seed in (5, 5, 6))
    assert a == b and a != c
    assert len({x.name for x in a}) == 6
    made = [run(engine, sw.add(3, 2), [1.0, 9.0], controls=2, seed=seed) for seed in (5, 5, 6)]
    assert made[0].controls == made[1].controls != made[2].controls
    for x, y in zip(made[0].control_curves, made[1].control_curves, strict=True):
        for m in ("target", "kl", "perplexity", "repetition"):
            np.testing.assert_array_equal(getattr(x, m), getattr(y, m))
    # The vector of a random direction is the same at every strength.
    first, second = (r.interventions[0] for r in a[-1].recipes)
    assert first.direction == second.direction and second.value == pytest.approx(2 * first.value)


@pytest.mark.parametrize("given", [{}, {"unit": "resid"}, {"unit": "max"}, {"kind": "clamp", "unit": "max"}])
def test_controls_of_several_prompts_are_those_of_each_alone(given: dict[str, Any]) -> None:
    """The same features and directions everywhere, each of the size that the edit has in that prompt."""
    engine = sw.Engine(model_of("hooked"), tiny.sae("layer_norm"))
    texts = [PROMPT, "the heaven and the earth"]
    loud = set.intersection(*({int(f) for f in engine.activations(text).top(20).features} for text in texts))
    make = sw.clamp if given.get("kind") == "clamp" else sw.add
    recipe = Recipe(make(min(loud), 2.0, unit=given.get("unit", "raw")))
    prompts = [read_prompt(engine, text) for text in texts]

    def drawn(several: list[Any]) -> list[Control]:
        doses = np.array([0.5, 3.0])
        return engine.worker.run(
            lambda ticket: controls_for(engine, recipe, 0, doses, 2, None, {}, several, 4, ticket)
        )[0]

    both = drawn(prompts)
    assert len(both) == (2 if make is sw.clamp else 4) and all(len(control.of_prompt) == 2 for control in both)
    for k in range(2):
        if make is sw.clamp:  # only features that fire in both prompts can be controls, so they may be other ones
            for control in both:
                (one,) = control.of_prompt[k][1].interventions
                assert all(engine.activations(text, features=[*one.features]).values.max() > 0 for text in texts)
            continue
        alone = drawn([prompts[k]])
        assert [control.of_prompt[k] for control in both] == [control.of_prompt[0] for control in alone]
    if given.get("unit") in ("resid", "max") and make is sw.add:
        assert both[0].of_prompt[0] != both[0].of_prompt[1], "the case tests nothing"


@pytest.mark.slow
def test_controls_keep_to_what_the_recipe_leaves_free() -> None:
    """A control on a feature that the recipe changes elsewhere would be no control, and is refused besides."""
    engine = sw.Engine(model_of("hooked"), {"a": tiny.sae("standard")})
    others = list(range(3, 44))
    recipe = Recipe([sw.add(0, 1), sw.ablate(others, sae="a"), sw.replace(44, by=45)])
    made, notes = controls(engine, recipe, [1.0], n=2)
    assert {c.recipes[0].interventions[0].features[0] for c in made if c.kind == "feature"} <= {1, 2, 46, 47}
    assert all(c.recipes[0].interventions[1:] == recipe.interventions[1:] for c in made)
    run(engine, recipe, [1.0, 2.0], controls=3, n_tokens=3)
    made, notes = controls(engine, Recipe([sw.add(0, 1), sw.ablate([*range(1, 47)])]), [1.0], n=3)
    assert [c.kind for c in made] == ["feature"] + ["direction"] * 3 and any("only 1" in note for note in notes)


@pytest.mark.slow
@pytest.mark.parametrize(
    "edit", [sw.clamp(3, 2), sw.scale(3, 2), sw.clamp(3, 2, unit="max"), sw.orthogonal(3), sw.add(3, 1, unit="own")]
)
def test_other_kinds_have_features_and_no_directions(edit: Any, indexed: tuple[sw.Engine, Any]) -> None:
    for seed in range(2):
        engine = sw.Engine(model_of("hooked"), tiny.sae("jumprelu"))
        f = int(engine.activations(PROMPT).top(1).features[0])
        edit = sw.Recipe(edit).interventions[0].__class__(**{**vars(edit), "features": (f,)})
        made = run(engine, edit, [1.0, 2.0], controls=3, seed=seed, n_tokens=3)
        assert [kind for kind, _ in made.controls] == ["feature"] * 3
        assert any("no random directions" in note for note in made.notes)
        engine, index = indexed
        assert len(run(engine, edit, [1.0], controls=3, seed=seed, index=index, n_tokens=3).controls) == 3
    found, _ = controls(engine, edit, [1.0, 2.0], n=2)
    for control in found:
        for recipe, strength in zip(control.recipes, (1.0, 2.0), strict=True):
            (one,) = recipe.interventions
            assert (one.kind, one.unit, one.value) == (edit.kind, edit.unit, strength) and one.features != edit.features


def test_controls_in_units_of_their_own_maxima_have_one() -> None:
    sae = tiny.sae("jumprelu")
    engine = sw.Engine(model_of("hooked"), sae)
    loud = engine.activations(PROMPT).top(6).features.tolist()
    with torch.no_grad():
        sae.threshold[[f for f in range(tiny.D_SAE) if f not in loud]] = 1e9
    made = run(engine, sw.clamp(loud[0], 2, unit="max"), [1.0, 2.0], controls=3, n_tokens=3)
    assert {name for _, name in made.controls} < {f"feature {f}" for f in loud[1:]} and len(made.controls) == 3
    assert any("fire in the prompt" in note for note in made.notes)


def test_one_head_has_no_directions() -> None:
    sae = tiny.sae("standard", "blocks.0.attn.hook_z", d_in=4, hook_head_index=2)
    sae.turn_off_forward_pass_hook_z_reshaping()
    engine = sw.Engine(model_of("hooked"), sae)
    made, notes = controls(engine, sw.add(3, 1), [1.0], n=2)
    assert [c.kind for c in made] == ["feature"] * 2 and any("one head" in note for note in notes)


NAN = float("nan")


# -- strengths, refusals, tables


@pytest.mark.parametrize(
    ("edit", "first", "last"),
    [
        (sw.add(3, 4), 0, 8),
        (sw.add(3, -4), 0, -8),
        (sw.add(3, 0), 0, 2),
        (sw.clamp(3, 5, unit="max"), 0, 10),
        (sw.scale(3, 3), 1, 5),
        (sw.scale(3, 1), 1, 3),
        (sw.scale(3, 0), 1, -1),
        (sw.orthogonal(3), 1, -1),
        (sw.cap(3, 0.5), 0, 1),
        (sw.cap(3, 0.5, low=0.25), 0.25, 0.75),
        (sw.cap(3, -1, low=-2), -2, 0),
    ],
)
def test_default_strengths(edit: Any, first: float, last: float) -> None:
    found = default_strengths(edit)
    np.testing.assert_allclose(found, np.linspace(first, last, 9))
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    if edit.unit == "raw":
        assert run(engine, edit, n_tokens=2).strengths.tolist() == found


def test_bad_input() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    for recipe, row, said in (
        (sw.ablate(3), 0, "no strength"),
        (sw.add(3, 1, on=False), 0, "switched off"),
        (sw.add(3, 1), 1, "no intervention 1"),
        (sw.add(3, 1), -1, "no intervention -1"),
        (sw.Recipe(), 0, "no intervention 0"),
        (sw.add(48, 1), 0, "48"),
        (sw.add(3, 1, positions=[99]), 0, "past the end"),
    ):
        with pytest.raises(RecipeError, match=said):
            run(engine, recipe, [1.0], row=row)
    for strengths in ([], [NAN], [1.0, float("inf")]):
        with pytest.raises(SaewidgetsError, match="finite numbers"):
            run(engine, sw.add(3, 1), strengths)
    with pytest.raises(RecipeError):
        run(engine, sw.cap(3, 1, low=0), [-1.0])


@WRAPPERS
def test_up_to_the_end_of_the_context(wrapper: str) -> None:
    engine = sw.Engine(model_of(wrapper), tiny.sae("standard"))
    prompt = [0, *range(2, tiny.N_CTX - 2)]
    assert sw.sweep(engine, prompt, sw.add(3, 1), [1.0], n_tokens=3, controls=0, temperature=0).texts
    with pytest.raises(SaewidgetsError, match="65 tokens.*at most 3"):
        sw.sweep(engine, prompt, sw.add(3, 1), [1.0], n_tokens=4, controls=0, temperature=0)

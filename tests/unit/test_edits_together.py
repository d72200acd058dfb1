"""Several edits: at one hook, at a later one, in the rows of a batch."""

from __future__ import annotations

from typing import Any

import pytest
import tiny
import torch
from edit_truth import (
    PRE,
    SPLIT,
    TEXT,
    TRANSCODER_HOOKS,
    WRAPPERS,
    Truth,
    assert_close,
    logits_of,
    model_of,
    name_of,
)
from torch import Tensor

import saewidgets as sw
from saewidgets.interventions.recipe.constructors import ablate, add, cap, clamp, orthogonal, replace, scale
from saewidgets.interventions.recipe.recipe import Recipe

# -- several at once


@WRAPPERS
def test_several_at_one_hook_see_the_value_before_any(wrapper: str) -> None:
    """Clamping f changes what g reads when it comes after; together, both go from the same value."""
    engine = sw.Engine(model_of(wrapper), tiny.sae("standard"))
    (ids,) = engine.to_ids(TEXT)
    t = Truth(wrapper, tiny.sae("standard"), ids)
    where = t.where()[None, :, None]
    unit = t.sae.W_dec[t.f].detach() / t.sae.W_dec[t.f].detach().norm()

    def both(a: Tensor) -> None:
        a[..., t.f], a[..., t.g] = 4.0, 3 * a[..., t.g]

    cases = {
        Recipe([clamp(t.f, 4), scale(t.g, 3)]): t.with_acts(both, t.where()),
        Recipe([add(t.f, 4), orthogonal(t.f, sae="twin")]): where
        * (4 * t.sae.W_dec[t.f].detach() - (t.h @ unit)[..., None] * unit),
        Recipe([add(t.f, 4), add(unit * 2, 3, hook=PRE), add(unit, -1, hook=PRE)]): where
        * (4 * t.sae.W_dec[t.f].detach() + 5 * unit),
    }
    two = sw.Engine(model_of(wrapper), {"one": tiny.sae("standard"), "twin": tiny.sae("standard")})
    for recipe, change in cases.items():
        wanted = t.run(change)
        for flipped in (recipe, Recipe(tuple(reversed(recipe.interventions)))):
            assert_close(logits_of(two, [flipped], ids)[0], wanted, repr(recipe), atol=1e-4)
        if all(i.sae is None for i in recipe):
            assert_close(logits_of(engine, [recipe], ids)[0], wanted, repr(recipe), atol=1e-4)


@WRAPPERS
@pytest.mark.parametrize("swap", [False, True])
def test_a_later_hook_sees_the_earlier_edit(wrapper: str, swap: bool) -> None:
    first, second = "blocks.0.hook_mlp_out", "blocks.1.hook_resid_post"
    model = model_of(wrapper)
    saes = {"a": tiny.sae("standard", first), "b": tiny.sae("jumprelu", second, seed=3)}
    engine = sw.Engine(model, dict(reversed(saes.items())) if swap else saes)
    (ids,) = engine.to_ids(TEXT)
    f = int(engine.activations(ids, sae="a").top(1).features[0])
    g = int(engine.activations(ids, sae="b").top(1).features[0])
    a, b = tiny.sae("standard", first), tiny.sae("jumprelu", second, seed=3)
    seen: list[float] = []

    def clamped(sae: Any, feature: int, value: float, x: Tensor) -> Tensor:
        acts = sae.encode(x)
        seen.append(float(acts[..., feature].sum()))
        new = x + (value - acts[..., feature])[..., None] * sae.W_dec[feature]
        return torch.cat([x[:, :1], new[:, 1:]], 1)

    with torch.no_grad():
        model.run_with_hooks(
            torch.tensor([ids]), fwd_hooks=[(name_of(model, second), lambda x, hook: clamped(b, g, 2, x))]
        )
        wanted = model.run_with_hooks(
            torch.tensor([ids]),
            fwd_hooks=[
                (name_of(model, first), lambda x, hook: clamped(a, f, 5, x)),
                (name_of(model, second), lambda x, hook: clamped(b, g, 2, x)),
            ],
        )[0]
    assert abs(seen[0] - seen[2]) > 1e-3, "the second would have read something else"
    for recipe in ([clamp(f, 5, sae="a"), clamp(g, 2, sae="b")], [clamp(g, 2, sae="b"), clamp(f, 5, sae="a")]):
        assert_close(logits_of(engine, [Recipe(recipe)], ids)[0], wanted, atol=1e-4)


@WRAPPERS
def test_resid_mid_sees_an_edit_of_attn_out(wrapper: str) -> None:
    """On a bridge both are written at attn_out; still the one comes after the other."""
    model = model_of(wrapper)
    attn, mid = "blocks.0.hook_attn_out", "blocks.0.hook_resid_mid"
    engine = sw.Engine(model, {"mid": tiny.sae("standard", mid), "attn": tiny.sae("standard", attn, seed=4)})
    (ids,) = engine.to_ids(TEXT)
    f = int(engine.activations(ids, sae="mid").top(1).features[0])
    sae, push = tiny.sae("standard", mid), tiny.sae("standard", attn, seed=4).W_dec[3].detach() * 2
    tokens = torch.tensor([ids])
    with torch.no_grad():
        _, seen = model.run_with_cache(tokens)
        before, out = seen[name_of(model, "blocks.0.hook_resid_pre")], seen[name_of(model, attn)]
        acts = sae.encode(before + out + push)
        change = push + (4 - acts[..., f])[..., None] * sae.W_dec[f]
        change[:, 0] = 0
        wanted = model.run_with_hooks(tokens, fwd_hooks=[(name_of(model, attn), lambda x, hook: x + change)])[0]
    for recipe in ([clamp(f, 4, sae="mid"), add(3, 2, sae="attn")], [add(3, 2, sae="attn"), clamp(f, 4, sae="mid")]):
        assert_close(logits_of(engine, [Recipe(recipe)], ids)[0], wanted, repr(recipe), atol=1e-4)


@WRAPPERS
def test_a_transcoder_reads_what_an_edit_at_its_input_left(wrapper: str) -> None:
    model = model_of(wrapper)
    engine = sw.Engine(
        model,
        {
            "t": tiny.sae("transcoder", TRANSCODER_HOOKS[0], hook_out=TRANSCODER_HOOKS[1]),
            "in": tiny.sae("standard", TRANSCODER_HOOKS[0], seed=4),
            "out": tiny.sae("standard", TRANSCODER_HOOKS[1], seed=5),
        },
    )
    (ids,) = engine.to_ids(TEXT)
    t = tiny.sae("transcoder", TRANSCODER_HOOKS[0], hook_out=TRANSCODER_HOOKS[1])
    push = 3 * tiny.sae("standard", seed=4).W_dec[2].detach()
    also = 2 * tiny.sae("standard", seed=5).W_dec[6].detach()
    f, kept = 11, []
    bos = torch.tensor([0.0] + [1.0] * (len(ids) - 1))[None, :, None]

    def into(x: Tensor, hook: Any) -> Tensor:
        kept.append(x + push * bos)
        return kept[-1]

    def out(x: Tensor, hook: Any) -> Tensor:
        acts = t.encode(kept[-1])
        return x + bos * ((4 - acts[..., f])[..., None] * t.W_dec[f] + also)

    names = [name_of(model, hook) for hook in TRANSCODER_HOOKS]
    with torch.no_grad():
        wanted = model.run_with_hooks(torch.tensor([ids]), fwd_hooks=[(names[0], into), (names[1], out)])[0]
    recipe = Recipe([clamp(f, 4, sae="t"), add(2, 3, sae="in"), add(6, 2, sae="out")])
    assert_close(logits_of(engine, [recipe], ids)[0], wanted, atol=1e-4)


# -- batches


@pytest.mark.slow
@WRAPPERS
@pytest.mark.parametrize("architecture", ["jumprelu", "temporal", "layer_norm", "topk_rescaled", "batchtopk"])
def test_rows_with_different_recipes_are_as_alone(wrapper: str, architecture: str) -> None:
    engine = sw.Engine(model_of(wrapper), tiny.sae(architecture))
    (ids,) = engine.to_ids(TEXT)
    f, g = engine.activations(ids).top(2).features[:2].tolist()
    v, w = torch.randn(2, tiny.D_MODEL, generator=torch.Generator().manual_seed(2)).tolist()
    recipes = [
        None,
        Recipe(clamp(f, 3)),
        Recipe(clamp(f, -3)),
        Recipe(clamp(f, 2), keep_error=False),
        Recipe([clamp(f, 5, positions="prompt"), ablate(g)]),
        Recipe(cap(f, 0.5)),
        Recipe(cap(f, 0.5, low=0.4)),
        Recipe(add(v, 2, hook=PRE)),
        Recipe(add(w, 2, hook=PRE)),
        Recipe(add(v, 5, hook=PRE)),
        Recipe([ablate(f), clamp(w, 2, hook="blocks.0.hook_mlp_out")]),
        Recipe(add(f, 1, unit="max", max_activation=2)),
        Recipe(add(f, 1, unit="max", max_activation=4)),
        Recipe(replace(f, by=g)),
        Recipe(replace(f, by=(g + 1) % 48)),
        Recipe(clamp(f, 3, when=(g, 0.1))),
    ]
    together = logits_of(engine, recipes, ids, SPLIT)
    for row, recipe in zip(together, recipes, strict=True):
        assert_close(row, logits_of(engine, [recipe], ids, SPLIT)[0], repr(recipe), atol=1e-5)
    different = [bool((a - b).abs().max() > 1e-3) for n, a in enumerate(together) for b in together[:n]]
    assert sum(different) > 0.9 * len(different), "the case tests little"


def test_a_direction_of_the_name_of_a_dictionary_is_still_another() -> None:
    model = model_of("hooked")
    v, w = torch.randn(2, tiny.D_MODEL, generator=torch.Generator().manual_seed(2))
    engine = sw.Engine(model, [tiny.sae(), sw.Directions(v, PRE, name="direction")])
    (ids,) = engine.to_ids(TEXT)
    recipe = Recipe([add(w.tolist(), 2, hook=PRE), add(0, 3, sae="direction"), add(5, 1)])
    change = 2 * w + 3 * v + tiny.sae().W_dec[5].detach()
    truth = Truth("hooked", tiny.sae(), ids)
    assert_close(logits_of(engine, [recipe], ids)[0], truth.run(truth.where()[None, :, None] * change), atol=1e-4)

"""Edits against the definitions, every kind and unit at every hook; what must be nothing; what is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from edit_truth import (
    ALL_CASES,
    PRE,
    SPLIT,
    TEXT,
    TRANSCODER_HOOKS,
    WRAPPERS,
    Truth,
    assert_close,
    kinds,
    logits_of,
    model_of,
    name_of,
    resolved,
)
from torch import Tensor

import saewidgets as sw
from saewidgets.errors import NonFiniteError, SaewidgetsError
from saewidgets.interventions.edit.hooks import Edits
from saewidgets.interventions.edit.positions import Scope
from saewidgets.interventions.recipe.constructors import ablate, add, cap, clamp, orthogonal, replace, scale
from saewidgets.interventions.recipe.errors import RecipeError
from saewidgets.interventions.recipe.recipe import Recipe
from saewidgets.interventions.recipe.units import maxima_of

# -- every kind, everywhere


@WRAPPERS
@ALL_CASES
def test_every_kind_is_its_definition(
    wrapper: str, architecture: str, hook: str, hook_out: str | None, d_in: int
) -> None:
    def sae() -> Any:
        return tiny.sae(architecture, hook, hook_out=hook_out, d_in=d_in)

    engine = sw.Engine(model_of(wrapper), sae())
    (ids,) = engine.to_ids(TEXT)
    truth = Truth(wrapper, sae(), ids)
    changed = 0
    for special in (False, True):
        cases = kinds(truth, truth.where(special), special=special)
        if special:
            cases = {kind: cases[kind] for kind in ("add", "add own", "clamp", "ablate", "cap both")}
        found = logits_of(engine, [None, *(i for i, _ in cases.values())], ids)
        assert_close(found[0], truth.clean[0], "clean")
        for n, (kind, (_, change)) in enumerate(cases.items(), 1):
            wanted = truth.run(change)
            assert_close(found[n], wanted, f"{kind}, special={special}", atol=1e-4)
            changed += float((wanted - truth.clean[0]).abs().max()) > 1e-3
    assert changed >= 16, "the case tests nothing"


@WRAPPERS
@ALL_CASES
def test_the_error_dropped_is_the_splice(
    wrapper: str, architecture: str, hook: str, hook_out: str | None, d_in: int
) -> None:
    def sae() -> Any:
        return tiny.sae(architecture, hook, hook_out=hook_out, d_in=d_in)

    engine = sw.Engine(model_of(wrapper), sae())
    (ids,) = engine.to_ids(TEXT)
    truth = Truth(wrapper, sae(), ids)
    with torch.no_grad():
        # Of a temporal SAE, decode() alone leaves out what is predicted.
        rebuilt = truth.sae(truth.x) if architecture == "temporal" else truth.decode()
        skip = getattr(truth.sae, "W_skip", None)
        rebuilt = rebuilt if skip is None else rebuilt + truth.x @ skip.T
    splice = rebuilt - truth.h
    for special in (False, True):
        where = truth.where(special)

        def setting(value: float, where: Tensor = where) -> Tensor:
            def to_value(a: Tensor) -> None:
                a[..., truth.f] = value

            return splice + truth.with_acts(to_value, where)

        cases = {
            "scale one": (scale(truth.f, 1, special=special), splice),
            "clamp": (clamp(truth.f, 2.5, special=special), setting(2.5)),
            "ablate": (ablate(truth.f, special=special), setting(0)),
            "add": (add(truth.f, 1.5, special=special), splice + where[None, :, None] * 1.5 * truth.sae.W_dec[truth.f]),
        }
        found = logits_of(engine, [Recipe(i, keep_error=False) for i, _ in cases.values()], ids)
        for row, (kind, (_, change)) in zip(found, cases.items(), strict=True):
            assert_close(row, truth.run(change), f"{kind}, special={special}", atol=1e-4)
    assert (truth.run(splice) - truth.clean[0]).abs().max() > 1e-3


SPLICEABLE = [a for a in tiny.SAES if a not in ("temporal", "matching_pursuit", "batchtopk", "matryoshka")]


@WRAPPERS
@pytest.mark.parametrize(
    ("architecture", "hook"), [*[(a, PRE) for a in SPLICEABLE], ("standard", "blocks.0.attn.hook_z")]
)
def test_the_error_dropped_is_run_with_saes(wrapper: str, architecture: str, hook: str) -> None:
    """By sae-lens's own path: its SAE spliced in, and a hook on its activations."""
    model, sae = tiny.MODELS[wrapper](), tiny.sae(architecture, hook)
    engine = sw.Engine(model_of(wrapper), tiny.sae(architecture, hook))
    (ids,) = engine.to_ids(TEXT)
    feature = Truth(wrapper, tiny.sae(architecture, hook), ids).f
    tokens = torch.tensor([ids])
    for made, fn in (
        (clamp(feature, 2.5, special=True), lambda a: 2.5),
        (ablate(feature, special=True), lambda a: 0.0),
        (scale(feature, 3, special=True), lambda a: 3 * a),
    ):

        def edit(acts: Tensor, hook: Any, fn: Callable[[Tensor], Any] = fn) -> Tensor:
            acts = acts.clone()
            acts[..., feature] = fn(acts[..., feature])
            return acts

        for keep in (False, True):
            with torch.no_grad(), model.saes(saes=[sae], use_error_term=keep):
                name = next(n for n in model.hook_dict if n.endswith("hook_sae_acts_post"))
                wanted = model.run_with_hooks(tokens, fwd_hooks=[(name, edit)])[0]
            assert_close(logits_of(engine, [Recipe(made, keep_error=keep)], ids)[0], wanted, repr(made), atol=1e-4)


@WRAPPERS
def test_one_head_only(wrapper: str) -> None:
    hook = "blocks.0.attn.hook_z"

    def sae() -> Any:
        made = tiny.sae("standard", hook, d_in=4, hook_head_index=2)
        made.turn_off_forward_pass_hook_z_reshaping()
        return made

    model = model_of(wrapper)
    engine = sw.Engine(model, sae())
    (ids,) = engine.to_ids(TEXT)
    name, tokens, mine = name_of(model, hook), torch.tensor([ids]), sae()
    with torch.no_grad():
        clean, seen = model.run_with_cache(tokens)
        z = seen[name].reshape(1, len(ids), 4, 4)[:, :, 2]
        acts = mine.encode(z)
        f = int((acts[0] > 0).sum(0).argmax())
        d = mine.W_dec[f]
        unit = d / d.norm()
        cases = {
            clamp(f, 2.0): (2.0 - acts[..., f])[..., None] * d,
            ablate(f): -acts[..., f][..., None] * d,
            add(f, 2.0): (2.0 * d).expand_as(z),
            add(f, 2.0, unit="resid"): (2.0 * float(np.median(z[0, 1:].norm(dim=-1))) * unit).expand_as(z),
            orthogonal(f): -(z @ unit)[..., None] * unit,
        }
        found = logits_of(engine, [*cases, Recipe(scale(f, 1), keep_error=False)], ids)
        changes = [*cases.values()]
        for change in changes:
            change = change * torch.tensor([0.0] + [1.0] * (len(ids) - 1))[None, :, None]
            whole = torch.zeros(1, len(ids), 4, 4)
            whole[:, :, 2] = change
            wanted = model.run_with_hooks(tokens, fwd_hooks=[(name, lambda h, hook, c=whole: h + c.reshape(h.shape))])
            row = found[0]
            assert (wanted - clean).abs().max() > 1e-3
            assert_close(row, wanted[0], atol=1e-4)
            found = found[1:]
        whole = torch.zeros(1, len(ids), 4, 4)
        whole[:, :, 2] = mine.decode(acts) - z
        wanted = model.run_with_hooks(tokens, fwd_hooks=[(name, lambda h, hook, c=whole: h + c.reshape(h.shape))])
        assert_close(found[0], wanted[0], atol=1e-4)


@WRAPPERS
@pytest.mark.parametrize("kind", ["raw direction", "Directions", "Neurons"])
def test_directions_and_neurons(wrapper: str, kind: str) -> None:
    """The activation is h·v; so what it stands for is (h·v) v / |v|^2."""
    model = model_of(wrapper)
    v = torch.randn(tiny.D_MODEL, generator=torch.Generator().manual_seed(5)) * 3
    given: dict[str, Any] = {}
    if kind == "raw direction":
        engine, target, given = sw.Engine(model, tiny.sae()), v, {"hook": PRE}
    elif kind == "Directions":
        others = torch.randn(2, tiny.D_MODEL)
        engine, target = sw.Engine(model, sw.Directions(torch.stack([others[0], v, others[1]]), PRE)), 1
    else:
        v = torch.zeros(tiny.D_MODEL)
        v[7] = 1.0
        engine, target = sw.Engine(model, sw.Neurons(PRE)), 7
    (ids,) = engine.to_ids(TEXT)
    name, tokens = name_of(model, PRE), torch.tensor([ids])
    with torch.no_grad():
        _, seen = model.run_with_cache(tokens)
    h = seen[name]
    dot, square = h @ v, v @ v
    median = float(np.median(h[0, 1:].norm(dim=-1)))
    unit = v / v.norm()
    cases = {
        add(target, 0.5, **given): (0.5 * v).expand_as(h),
        add(target, 0.5, unit="resid", **given): (0.5 * median * unit).expand_as(h),
        add(target, 0.5, unit="own", **given): (0.5 * dot / square)[..., None] * v,
        scale(target, 3, **given): (2 * dot / square)[..., None] * v,
        clamp(target, 4.0, **given): ((4.0 - dot) / square)[..., None] * v,
        ablate(target, **given): (-dot / square)[..., None] * v,
        orthogonal(target, 0.5, **given): (-0.5 * (h @ unit))[..., None] * unit,
        cap(target, 0.3, low=-0.2, **given): ((h @ unit).clamp(-0.2, 0.3) - h @ unit)[..., None] * unit,
    }
    found = logits_of(engine, list(cases), ids)
    for row, (made, change) in zip(found, cases.items(), strict=True):
        change = change.clone()
        change[:, 0] = 0
        with torch.no_grad():
            hooks = [(name, lambda x, hook, c=change: x + c)]
            assert_close(row, model.run_with_hooks(tokens, fwd_hooks=hooks)[0], repr(made), atol=1e-4)
    assert_close(
        found[5], logits_of(engine, [orthogonal(target, **given)], ids)[0], "ablated: nothing is left along it"
    )
    with pytest.raises(RecipeError, match="no error to drop") as caught:
        resolved(engine, Recipe(ablate(target, **given), keep_error=False), ids)
    assert caught.value.row == 0 and caught.value.field == "keep_error"


# -- what must be nothing


@WRAPPERS
def test_an_empty_recipe_is_bit_exact(wrapper: str) -> None:
    engine = sw.Engine(model_of(wrapper), tiny.sae())
    (ids,) = engine.to_ids(TEXT)
    with torch.no_grad():
        clean = engine.model.raw(torch.tensor([ids]))
    for recipe in (Recipe(), Recipe(add(3, 5, on=False)), Recipe(keep_error=False), None):
        assert torch.equal(logits_of(engine, [recipe], ids), clean)
    assert resolved(engine, Recipe(add(3, 5, on=False)), ids).noop


@WRAPPERS
@ALL_CASES
def test_identities(wrapper: str, architecture: str, hook: str, hook_out: str | None, d_in: int) -> None:
    engine = sw.Engine(model_of(wrapper), tiny.sae(architecture, hook, hook_out=hook_out, d_in=d_in))
    (ids,) = engine.to_ids(TEXT)
    acts = engine.activations(ids)
    f, g = acts.top(2).features[:2].tolist()
    own = [clamp(f, float(acts[p, f]), positions=[p]) for p in range(1, len(ids))]
    silent = [p for p in range(1, len(ids)) if acts[p, f] == 0]
    rows = [
        None,
        ablate(f),
        scale(f, 0),
        clamp(f, 0),
        scale(f, 1),
        orthogonal(f, 1),
        clamp(f, 3, positions=silent, only_active=True) if silent else None,
        *own,
        Recipe([scale(f, 2), clamp(g, 3)]),
        Recipe([clamp(g, 3), scale(f, 2)]),
        add([f, g], 2),
        Recipe([add(g, 2), add(f, 2)]),
    ]
    found = logits_of(engine, rows, ids)
    assert (found[1] - found[0]).abs().max() > 1e-3, "ablating an active feature changes the logits"
    assert torch.equal(found[1], found[2]) and torch.equal(found[1], found[3])
    for n in range(4, 7 + len(own)):
        assert_close(found[n], found[0], repr(rows[n]), atol=1e-5)
    assert torch.equal(found[4], found[0]) and torch.equal(found[6], found[0])
    assert_close(found[-4], found[-3], "simultaneous: the order means nothing", atol=1e-5)
    assert_close(found[-2], found[-1], "several features in one intervention", atol=1e-5)


def test_orthogonal_leaves_no_component_and_cap_bounds_it() -> None:
    sae = tiny.sae()
    engine = sw.Engine(model_of("hooked"), sae)
    (ids,) = engine.to_ids(TEXT)
    unit = sae.W_dec[5].detach() / sae.W_dec[5].detach().norm()
    rows = [resolved(engine, r, ids) for r in (orthogonal(5), orthogonal(5, 0.5), cap(5, 0.5, low=-0.25), cap(5, 0.5))]
    tokens = torch.tensor([ids] * 4)
    edits = Edits(engine, rows, Scope(engine.counting, [len(ids)] * 4), keep=True)
    with torch.no_grad():
        engine.model.logits(tokens, edits.hooks(tokens))
    (seen,) = edits.seen.values()
    before, after = (seen.before @ unit)[:, 1:], (seen.after @ unit)[:, 1:]
    assert (after[0].abs() < 1e-5).all() and before[0].abs().max() > 0.5
    assert_close(after[1], before[1] / 2)
    assert_close(after[2], before[2].clamp(-0.25, 0.5))
    assert_close(after[3], before[3].clamp(max=0.5))
    assert torch.equal(seen.after[:, 0], seen.before[:, 0]), "BOS is left alone"


def test_a_silent_feature() -> None:
    """Multiplying and ablating it is nothing at all; orthogonal is not."""
    sae = tiny.sae("jumprelu")
    with torch.no_grad():
        sae.threshold[7] = 1e9
    engine = sw.Engine(model_of("hooked"), sae)
    (ids,) = engine.to_ids(TEXT)
    found = logits_of(
        engine, [None, scale(7, 50), ablate(7), add(7, 9, unit="own"), replace(7, by=3), orthogonal(7)], ids
    )
    for row in found[1:5]:
        assert torch.equal(row, found[0])
    assert (found[5] - found[0]).abs().max() > 1e-3


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


# -- where


def where_of(scope: Scope, recipe: Recipe) -> list[list[int]]:
    """Positions at which the only intervention of `recipe` may act, row by row."""
    (one,) = recipe
    at = scope.where(one, recipe)
    return [scope.positions[b][at[b]].tolist() for b in range(len(at))]


@pytest.mark.parametrize(
    ("positions", "wanted"),
    [
        ("all", [1, 2, 3, 4, 6, 7]),
        ("prompt", [1, 2, 3, 4]),
        ("generated", [6, 7]),
        ([0, 3, 7, 99], [3, 7]),
        ([(2, 4), (6, None)], [2, 3, 6, 7]),
        ([(None, 3)], [1, 2]),
        ([(None, None)], [1, 2, 3, 4, 6, 7]),
        (slice(2, None), [2, 3, 4, 6, 7]),
    ],
)
def test_positions(positions: Any, wanted: list[int]) -> None:
    counting = sw.Engine(model_of("hooked"), tiny.sae()).counting
    tokens = torch.tensor([[0, 50, 51, 52, 53, 1, 54, 55]])
    recipe = Recipe(add(3, 1, positions=positions))
    scope = Scope(counting, [5])
    scope.advance(tokens)
    assert where_of(scope, recipe) == [wanted]
    special = Recipe(add(3, 1, positions=positions, special=True))
    everything = list(range(8))
    chosen = {"all": everything, "prompt": everything[:5], "generated": everything[5:]}
    if isinstance(positions, str):
        assert where_of(scope, special) == [chosen[positions]]
    scope, found = Scope(counting, [5]), []
    for p in (slice(0, 5), slice(5, 6), slice(6, 8)):
        scope.advance(tokens[:, p])
        found += where_of(scope, recipe)[0]
    assert found == wanted
    scope = Scope(counting, [5, 2])
    padded = torch.tensor([[1, 1, 0, 50, 51, 52, 53, 1, 54, 55], [1, 1, 1, 1, 1, 1, 0, 50, 51, 52]])
    real = torch.ones(2, 10, dtype=torch.bool)
    real[0, :2] = real[1, :6] = False
    scope.advance(padded, real)
    assert where_of(scope, recipe)[0] == wanted
    assert scope.positions[1].tolist() == [-1] * 6 + [0, 1, 2, 3]


def test_template_and_system_masks() -> None:
    counting = sw.Engine(model_of("hooked"), tiny.sae()).counting
    template = np.array([1, 1, 0, 0, 1, 0], bool)
    system = np.array([0, 0, 1, 1, 0, 0], bool)
    tokens = torch.tensor([[50, 51, 52, 53, 54, 55, 56, 57]])

    def found(recipe: Recipe) -> list[int]:
        scope = Scope(counting, [6], [template], [system])
        scope.advance(tokens)
        return where_of(scope, recipe)[0]

    assert found(Recipe(add(3, 1))) == [2, 3, 5, 6, 7]
    assert found(Recipe(add(3, 1), system=False)) == [5, 6, 7]
    assert found(Recipe(add(3, 1, special=True))) == list(range(8))
    assert found(Recipe(add(3, 1, special=True), system=False)) == [0, 1, 4, 5, 6, 7]
    assert found(Recipe(add(3, 1, positions=[0, 2, 5]))) == [2, 5]


@pytest.mark.parametrize(
    ("text", "thinking"),
    [
        ("ab<cd>ef", "  <cd>  "),
        ("<a>b<c>d", "<a> <c> "),
        ("a>b", "   "),
        ("a>b<c>d", "   <c> "),
        ("><a", " <a"),
        ("<a<b>c", "<a<b> "),
        ("<a>>b", "<a>  "),
        ("<a", "<a"),
        ("<>a", "<> "),
    ],
)
def test_thinking(text: str, thinking: str) -> None:
    """From the opening token up to the first closing one, both included, however the text is cut into forwards."""
    counting = sw.Engine(model_of("hooked"), tiny.sae()).counting
    tokens = torch.tensor([[{"<": 60, ">": 61}.get(c, 50) for c in text]])
    recipe = Recipe(add(3, 1), thinking=False)
    wanted = [n for n, c in enumerate(thinking) if c == " "]
    for cut in range(len(text)):
        for step in (1, len(text)):
            scope, found = Scope(counting, [1], think=(60, 61)), []
            starts = [0, *range(max(cut, 1), len(text), step)]
            for start, stop in zip(starts, [*starts[1:], len(text)], strict=True):
                scope.advance(tokens[:, start:stop])
                found += where_of(scope, recipe)[0]
                assert where_of(scope, Recipe(add(3, 1)))[0] == list(range(start, stop))
            assert found == wanted, (cut, step)


@WRAPPERS
def test_norm_outliers_of_the_prompt_are_left_alone(wrapper: str) -> None:
    model = tiny.MODELS[wrapper]()
    with torch.no_grad():
        model.embed.W_E[60] *= 1000
    engine = sw.Engine(model, tiny.sae("standard", "blocks.0.hook_resid_pre"))
    ids = [0, 60, 70, 71, 60, 72, 60, 73]
    name, tokens = name_of(model, "blocks.0.hook_resid_pre"), torch.tensor([ids])
    row = tiny.sae("standard").W_dec[3].detach()
    for special, where in ((False, [0, 0, 1, 1, 0, 1, 1, 1]), (True, [1] * 8)):
        change = torch.tensor(where)[None, :, None] * 3 * row
        with torch.no_grad():
            wanted = model.run_with_hooks(tokens, fwd_hooks=[(name, lambda x, hook, c=change: x + c)])[0]
        # Six tokens of prompt: the outlier that is generated is none.
        assert_close(logits_of(engine, [add(3, 3, special=special)], ids, 6)[0], wanted, atol=1e-4)


@WRAPPERS
def test_seen(wrapper: str) -> None:
    """What a view compares: where it was edited, what was asked for, and the values before and after all edits."""
    saes = {"a": tiny.sae("standard"), "b": tiny.sae("jumprelu", seed=4)}
    engine = sw.Engine(model_of(wrapper), saes)
    (ids,) = engine.to_ids(TEXT)
    f = int(engine.activations(ids, sae="a").top(1).features[0])
    recipe = Recipe([clamp(f, 3, sae="a", only_active=True), add(5, 2, sae="a", positions=[4]), add(7, 2, sae="b")])
    edits = Edits(engine, [None, resolved(engine, recipe, ids)], Scope(engine.counting, [len(ids)] * 2), keep=True)
    tokens = torch.tensor([ids] * 2)
    with torch.no_grad():
        engine.model.logits(tokens, edits.hooks(tokens))
    h = edits.seen["a"].before
    acts, at = engine.activations(ids, sae="a"), np.arange(len(ids)) > 0
    active = at & (np.asarray(acts[:, f]) != 0)
    change = 2 * saes["b"].W_dec[7].detach() * torch.from_numpy(at)[:, None]
    change[4] += 2 * saes["a"].W_dec[5].detach()
    change += torch.from_numpy(np.where(active, 3 - np.asarray(acts[:, f]), 0))[:, None] * saes["a"].W_dec[f].detach()
    for seen in edits.seen.values():
        assert_close(seen.before[0], seen.after[0])
        assert_close(seen.after[1], h[1] + change, "after all edits at the hook, of other SAEs, too", atol=1e-4)
    a = edits.seen["a"]
    order = next(terms.features for terms in edits.terms if terms.key == "a")
    assert order == [f, 5] and not a.edited[0].any()
    np.testing.assert_array_equal(a.edited[1, :, 0].numpy(), active)
    assert a.edited[1, :, 1].nonzero().flatten().tolist() == [4]
    assert (a.requested[1, active, 0] == 3).all() and a.requested[1, ~active, 0].isnan().all()
    assert a.requested[1, 4, 1].item() == pytest.approx(float(acts[4, 5]) + 2, abs=1e-5)
    np.testing.assert_array_equal(edits.edited(), [np.zeros(len(ids), bool), at])


# -- units


def test_max_activation_from_where() -> None:
    sae = tiny.sae("standard")
    engine = sw.Engine(model_of("hooked"), {"x": sae})
    (ids,) = engine.to_ids(TEXT)
    t = Truth("hooked", tiny.sae("standard"), ids)
    maxima = np.zeros(tiny.D_SAE, np.float32)
    maxima[t.f] = 42.0
    for made, value, source, more in (
        (add(t.f, 2, unit="max"), 2 * t.max, "prompt", {}),
        (add(t.f, 2, unit="max"), 84.0, "index", {"maxima": {"x": maxima}}),
        (add(t.f, 2, unit="max", max_activation=5), 10.0, "given", {"maxima": {"x": maxima}}),
        (clamp(t.f, -1, unit="max"), -t.max, "prompt", {"maxima": {"other": maxima}}),
    ):
        found = resolved(engine, made, ids, **more)
        (amount,) = found.amounts
        assert amount.value == pytest.approx(value, rel=1e-5) and amount.max_from == source
        assert f"{made.value:g} × max activation" in found.lines()[0] and source in found.lines()[0]
    silent = next(f for f in range(tiny.D_SAE) if f != t.f)
    with pytest.raises(RecipeError, match="never fires in the index") as caught:
        resolved(engine, [ablate(t.f), add(silent, 1, unit="max")], ids, maxima={"x": maxima})
    assert caught.value.row == 1 and caught.value.field == "unit"
    with pytest.raises(RecipeError, match="no index"):
        resolved(engine, add(t.f, 1, unit="max"), ids[:1])


def test_the_index_that_is_asked() -> None:
    engine = sw.Engine(model_of("hooked"), {"x": tiny.sae(), "y": tiny.sae("standard", seed=3)})

    class Index:
        def check(self, engine: sw.Engine, sae: str | None = None) -> None:
            if sae != "y":
                raise SaewidgetsError("of another SAE")

        def column(self, name: str) -> Any:
            return {"high": np.arange(48.0), "low": -np.full(48, 20.0)}[name]

    assert list(maxima_of(engine, Index())) == ["y"] and maxima_of(engine, None) == {}
    assert maxima_of(engine, Index())["y"].tolist() == [20.0] * 20 + list(range(20, 48)), "max |activation|"
    with pytest.raises(SaewidgetsError, match="of another SAE"):
        maxima_of(sw.Engine(model_of("hooked"), {"x": tiny.sae()}), Index())


@WRAPPERS
def test_resid_is_in_median_norms(wrapper: str) -> None:
    engine = sw.Engine(model_of(wrapper), tiny.sae("layer_norm"))
    (ids,) = engine.to_ids(TEXT)
    t = Truth(wrapper, tiny.sae("layer_norm"), ids)
    row = resolved(engine, add(t.f, 3, unit="resid"), ids)
    assert row.amounts[0].median_norm == pytest.approx(t.median, rel=1e-5)
    assert f"3 × median residual norm {t.median:.4g}" in row.lines()[0]
    edits = Edits(engine, [row], Scope(engine.counting, [len(ids)]), keep=True)
    tokens = torch.tensor([ids])
    with torch.no_grad():
        engine.model.logits(tokens, edits.hooks(tokens))
    (seen,) = edits.seen.values()
    added = (seen.after - seen.before)[0].norm(dim=-1)
    assert_close(added[1:], torch.full((len(ids) - 1,), 3 * t.median), atol=1e-3)
    with pytest.raises(RecipeError, match="needs a prompt") as caught:
        resolved(engine, add(t.f, 3, unit="resid"), [0])
    assert caught.value.row == 0 and caught.value.field == "unit"


def test_lines_say_what_is_done() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    (ids,) = engine.to_ids(TEXT)
    recipe = Recipe([ablate([3, 4]), add(5, 2), scale(6, 3), add(7, 1, unit="own"), add([1.0] * 16, 2, hook=PRE)])
    assert resolved(engine, recipe, ids).lines() == [
        "ablate feature 3",
        "ablate feature 4",
        "add feature 5: 2",
        "scale feature 6: 3",
        "add feature 7: 1 × its own activation",
        "add direction: 2",
    ]


# -- refused


@pytest.mark.parametrize("architecture", ["standard", "topk_rescaled", "layer_norm"])
def test_a_zero_decoder_row(architecture: str) -> None:
    sae = tiny.sae(architecture)
    with torch.no_grad():
        sae.W_dec[7] = 0
    engine = sw.Engine(model_of("hooked"), sae)
    (ids,) = engine.to_ids(TEXT)
    for made in (add(7, 1), ablate([3, 7]), orthogonal(7), replace(3, by=7)):
        with pytest.raises(RecipeError, match="Feature 7 .*norm 0") as caught:
            resolved(engine, [scale(5, 1), made], ids)
        assert caught.value.row == 1 and caught.value.field == "features"
    zero = sw.Engine(model_of("hooked"), sw.Directions(torch.zeros(2, tiny.D_MODEL), PRE))
    with pytest.raises(RecipeError, match="norm 0"):
        resolved(zero, ablate(0), ids)


@pytest.mark.parametrize(
    ("recipe", "field", "said"),
    [
        (add(48, 1), "features", "48"),
        (add(3, 1, sae="none"), "sae", "'x', 'y'"),
        (add(3, 1, when=(48, 0)), "when", "48"),
        (replace(3, by=48), "by", "48"),
        (add([1.0] * 16, 1, hook="blocks.1.hook_resid_pr"), "hook", "blocks.1.hook_resid_pre"),
        ([add(3, 1), add(3, 2, sae="x")], "features", "twice"),
        ([add(3, 1, sae="x"), add(3, 2)], "features", "twice"),
        (Recipe([clamp(3, 1, sae="x"), clamp(3, 1, sae="y")], keep_error=False), "keep_error", "only one"),
    ],
)
def test_what_the_engine_cannot_do(recipe: Any, field: str, said: str) -> None:
    engine = sw.Engine(model_of("hooked"), {"x": tiny.sae(), "y": tiny.sae(seed=3)})
    (ids,) = engine.to_ids(TEXT)
    rows = list(recipe) if isinstance(recipe, (Recipe, list)) else [recipe]
    whole = Recipe([ablate(20, on=False), *rows], keep_error=getattr(recipe, "keep_error", True))
    with pytest.raises(RecipeError, match=said) as caught:
        resolved(engine, whole, ids)
    assert caught.value.field == field and caught.value.row == len(whole) - 1


def test_a_direction_of_the_wrong_width() -> None:
    for wrapper in tiny.MODELS:
        engine = sw.Engine(model_of(wrapper), tiny.sae())
        (ids,) = engine.to_ids(TEXT)
        for made in (add([1.0] * 15, 1, hook=PRE), add([1.0] * 2, 1, hook="blocks.0.attn.hook_z")):
            with pytest.raises(SaewidgetsError, match="width"):
                logits_of(engine, [made], ids)


def test_one_reconstruction_at_a_hook_whatever_it_is_called() -> None:
    model = model_of("bridge")
    name = name_of(model, PRE)
    assert name != PRE
    engine = sw.Engine(model, {"x": tiny.sae(), "y": tiny.sae(hook=name, seed=3)})
    (ids,) = engine.to_ids(TEXT)
    with pytest.raises(RecipeError, match="only one reconstruction"):
        resolved(engine, Recipe([clamp(3, 1, sae="x"), clamp(3, 1, sae="y")], keep_error=False), ids)


# -- dtypes


@WRAPPERS
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_a_model_in_half_precision(wrapper: str, dtype: torch.dtype) -> None:
    model = tiny.MODELS[wrapper]().to(dtype)
    engine = sw.Engine(model, tiny.sae("jumprelu"))
    sae = tiny.sae("jumprelu")
    (ids,) = engine.to_ids(TEXT)
    name, tokens = name_of(model, PRE), torch.tensor([ids])
    f = int(engine.activations(ids).top(1).features[0])

    def clamped(x: Tensor, hook: Any) -> Tensor:
        new = (x.float() + (3 - sae.encode(x.float())[..., f])[..., None] * sae.W_dec[f]).to(dtype)
        return torch.cat([x[:, :1], new[:, 1:]], 1)

    with torch.no_grad():
        wanted = model.run_with_hooks(tokens, fwd_hooks=[(name, clamped)])[0].float()
        clean = model(tokens)[0].float()
    found = logits_of(engine, [clamp(f, 3), scale(f, 1), Recipe(scale(f, 1), keep_error=False)], ids).float()
    assert (wanted - clean).abs().max() > 0.1
    tolerance = 0.02 * float(clean.abs().max())
    assert_close(found[0], wanted, atol=tolerance)
    assert_close(found[1], clean, atol=tolerance)
    assert found[2].isfinite().all()


@WRAPPERS
@pytest.mark.parametrize("architecture", ["jumprelu", "topk_rescaled", "layer_norm", "skip_transcoder", "temporal"])
def test_an_sae_in_bfloat16(wrapper: str, architecture: str) -> None:
    hooks = TRANSCODER_HOOKS if "transcoder" in architecture else (PRE, None)

    def sae() -> Any:
        made = tiny.sae(architecture, hooks[0], hook_out=hooks[1])
        made.cfg.dtype = "bfloat16"
        made.dtype = torch.bfloat16
        return made.to(torch.bfloat16)

    engine = sw.Engine(model_of(wrapper), sae())
    (ids,) = engine.to_ids(TEXT)
    acts = engine.activations(ids)
    f = int(acts.top(1).features[0])
    row = sae().W_dec[f].detach().float()
    place = hooks[1] or PRE
    found = logits_of(engine, [None, scale(f, 1), add(f, 2), ablate(f), Recipe(ablate(f), keep_error=False)], ids)
    assert found.dtype == torch.float32 and found.isfinite().all()
    assert torch.equal(found[0], found[1]), "the value at the hook is not rounded to the SAE's dtype"
    model = model_of(wrapper)
    change = 2 * row * torch.tensor([0.0] + [1.0] * (len(ids) - 1))[None, :, None]
    with torch.no_grad():
        wanted = model.run_with_hooks(
            torch.tensor([ids]), fwd_hooks=[(name_of(model, place), lambda x, hook: x + change)]
        )
    assert_close(found[2], wanted[0], atol=1e-4)


def test_too_strong_is_said() -> None:
    sae = tiny.sae()
    with torch.no_grad():
        sae.W_dec[3] *= 100
    engine = sw.Engine(model_of("hooked"), sae)
    (ids,) = engine.to_ids(TEXT)
    with pytest.raises(NonFiniteError, match="smaller strength"):
        logits_of(engine, [add(3, 3e38)], ids)
    with pytest.raises(RecipeError, match="too large"):
        resolved(engine, add(3, 3e38, unit="max", max_activation=100), ids)
    engine = sw.Engine(tiny.hooked().to(torch.float16), tiny.sae())
    with pytest.raises(NonFiniteError, match="smaller strength"):
        logits_of(engine, [add(3, 1e6)], ids)


# -- C1: the user's objects


def hooks_of(model: Any) -> Mapping[str, int]:
    return {
        name: len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)
        for name, module in model.named_modules()
    }


@WRAPPERS
def test_the_users_objects_are_as_before(wrapper: str) -> None:
    model, sae = tiny.MODELS[wrapper](), tiny.sae("layer_norm")
    weights = {**model.state_dict(), **{f"sae {k}": v for k, v in sae.state_dict().items()}}
    weights = {name: tensor.clone() for name, tensor in weights.items()}
    fired: list[float] = []
    name = name_of(model, PRE)
    model.add_hook(name, lambda x, hook: fired.append(float(x.sum())))
    engine = sw.Engine(model, sae)
    (ids,) = engine.to_ids(TEXT)
    before, attributes = hooks_of(model), {k: id(v) for k, v in vars(sae).items()}
    fired.clear()
    clean = float(Truth("hooked" if wrapper == "hooked" else "bridge", tiny.sae(), ids).h.sum())
    logits_of(engine, [clamp(3, 5)], ids)
    # Once when the prompt is read as it is (which tokens are norm outliers), once in the edited forward.
    assert fired == [pytest.approx(clean, rel=1e-4)] * 2, "the user's own hook fires, before the edit"
    assert hooks_of(model) == before and {k: id(v) for k, v in vars(sae).items()} == attributes

    for broken in (RuntimeError("boom"), KeyboardInterrupt()):

        def breaks(*_: Any, error: BaseException = broken) -> None:
            raise error

        handle = model.unembed.register_forward_hook(breaks)
        with pytest.raises(type(broken)):
            logits_of(engine, [clamp(3, 5)], ids)
        handle.remove()
        assert hooks_of(model) == before
    with pytest.raises(NonFiniteError):
        logits_of(engine, [add([1e15] * 16, 1e25, hook=PRE)], ids)
    assert hooks_of(model) == before
    after = {**model.state_dict(), **{f"sae {k}": v for k, v in sae.state_dict().items()}}
    assert weights.keys() == after.keys() and all(torch.equal(after[k], weights[k]) for k in weights)
    assert all(p.grad is None for p in [*model.parameters(), *sae.parameters()])


def test_the_users_hooks_on_the_sae_fire() -> None:
    """Someone who ablates inside the SAE sees that in what is edited, too."""
    sae = tiny.sae("standard")
    engine = sw.Engine(model_of("hooked"), sae)
    (ids,) = engine.to_ids(TEXT)
    f = int(engine.activations(ids).top(1).features[0])

    def silence(acts: Tensor, hook: Any) -> Tensor:
        acts = acts.clone()
        acts[..., f] = 0
        return acts

    sae.add_hook("hook_sae_acts_post", silence)
    found = logits_of(engine, [None, ablate(f), clamp(f, 2)], ids)
    sae.reset_hooks()
    assert torch.equal(found[0], found[1])
    assert_close(found[2], logits_of(engine, [add(f, 2)], ids)[0], atol=1e-5)


def test_grad_mode_is_left_alone() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae())
    (ids,) = engine.to_ids(TEXT)
    assert torch.is_grad_enabled()
    logits_of(engine, [clamp(3, 5)], ids)
    assert torch.is_grad_enabled()

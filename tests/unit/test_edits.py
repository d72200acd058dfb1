"""Every kind of intervention is its formula, on every architecture, alone and together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from edit_truth import (
    ALL_CASES,
    PRE,
    TEXT,
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
from saewidgets.interventions.edit.hooks import Edits
from saewidgets.interventions.edit.positions import Scope
from saewidgets.interventions.recipe.constructors import ablate, add, cap, clamp, orthogonal, replace, scale
from saewidgets.interventions.recipe.errors import RecipeError
from saewidgets.interventions.recipe.recipe import Recipe

# -- every kind, everywhere


@pytest.mark.slow
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

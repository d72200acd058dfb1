"""The measures of a sweep that need no sampling, against plain hooks: promoted tokens and the activation read again."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor

import saewidgets as sw
from saewidgets.errors import SaewidgetsError
from saewidgets.interventions.dose_response.result import Sweep

PROMPT = "In the beginning God created 日本語 and"
PRE = "blocks.1.hook_resid_pre"
TRANSCODER_HOOKS = ("blocks.0.mlp.hook_in", "blocks.0.hook_mlp_out")
F, OTHER, K = 7, 5, 6


@cache
def model_of(wrapper: str) -> Any:
    """Shared between tests: none may change it."""
    return tiny.MODELS[wrapper]()


def name_of(model: Any, hook: str) -> str:
    return model._resolve_hook_name(hook) if hasattr(model, "_resolve_hook_name") else hook


def run(engine: sw.Engine, recipe: Any, strengths: list[float], **more: Any) -> Sweep:
    given = {"n_tokens": 1, "samples": 1, "controls": 0, "n_promoted": K, **more}
    return sw.sweep(engine, given.pop("prompt", PROMPT), recipe, strengths, **given)


def promoted(model: Any, direction: Tensor) -> list[int]:
    """Ids of the K largest entries of direction @ W_U, ties by the lower id."""
    weights = (direction.detach() @ model.unembed.W_U.detach()).tolist()
    return sorted(range(len(weights)), key=lambda i: (-weights[i], i))[:K]


def total_logprob(logits: Tensor, ids: list[int], counted: Tensor) -> float:
    """Mean over counted positions of log(sum of the probabilities of `ids`)."""
    return float(logits.softmax(-1)[..., ids].sum(-1).log()[counted].mean())


@pytest.mark.parametrize("wrapper", tiny.MODELS)
@pytest.mark.parametrize("architecture", ["standard", "topk", "jumprelu", "temporal"])
def test_both_numbers_are_those_of_plain_hooks(wrapper: str, architecture: str) -> None:
    model = model_of(wrapper)
    engine, sae = sw.Engine(model, tiny.sae(architecture)), tiny.sae(architecture)
    strengths = [0.0, 2.0, -3.0, 8.0]
    made = run(engine, [sw.add(F, 1), sw.add(OTHER, 2, positions="prompt")], strengths)
    (ids,) = engine.to_ids(PROMPT)
    tokens, counted = torch.tensor([ids]), torch.tensor([i not in (0, 1) for i in ids])
    wanted_ids = promoted(model, sae.W_dec[F])
    assert made.promoted is not None and made.promoted.token_ids.tolist() == wanted_ids
    assert made.promoted.tokens == tuple(engine.tokenizer.display([i]).strings[0] for i in wanted_ids)
    assert made.reading_tokens.tolist() == [int(counted.sum())]
    place = name_of(model, PRE)
    for n, strength in enumerate([None, *strengths]):
        seen: list[Tensor] = []

        def edit(h: Tensor, hook: Any, v: float | None = strength, seen: list[Tensor] = seen) -> Tensor:
            change = 0 if v is None else v * sae.W_dec[F] + 2 * sae.W_dec[OTHER]
            seen.append(h + counted[None, :, None] * change)
            return seen[-1]

        with torch.no_grad():
            logits = model.run_with_hooks(tokens, fwd_hooks=[(place, edit)])[0]
            acts = sae.encode(seen[0])[0, :, F]
        found = made.reading_base if strength is None else made.reading.part(n - 1)
        np.testing.assert_allclose(found.promoted, total_logprob(logits, wanted_ids, counted), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found.activation, float(acts[counted].mean()), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(made.promoted_change, made.promoted_logprob - made.reading_base.promoted[0], atol=1e-9)
    assert np.ptp(made.promoted_logprob) > 1e-2 and np.ptp(made.realised) > 1e-2, "the case tests nothing"


def test_no_dice_no_seed_no_sampling() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    made = [run(engine, sw.add(F, 1), [1.0, 9.0], seed=s, samples=1 + s, temperature=1 + s) for s in (0, 1)]
    np.testing.assert_array_equal(made[0].reading.promoted, made[1].reading.promoted)
    np.testing.assert_array_equal(made[0].reading.activation, made[1].reading.activation)


@pytest.mark.slow
def test_it_is_smooth_in_the_strength() -> None:
    """Small steps of the strength are small steps of the numbers: nothing is chosen by dice on the way."""
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    made = run(engine, sw.add(F, 1), np.linspace(0, 4, 41).tolist())
    for values in (made.promoted_logprob, made.realised):
        assert np.abs(np.diff(values)).max() < 0.1 * max(np.ptp(values), 0.5)


def test_controls_stand_beside() -> None:
    """What another feature of the same size does to the edited feature's tokens and activation."""
    model = model_of("hooked")
    engine, sae = sw.Engine(model, tiny.sae("standard")), tiny.sae("standard")
    made = run(engine, sw.add(F, 1), [0.0, 6.0], controls=1)
    (ids,) = engine.to_ids(PROMPT)
    counted = torch.tensor([i not in (0, 1) for i in ids])
    other = int(made.controls[0][1].removeprefix("feature "))
    size = 6.0 * float(sae.W_dec[F].detach().norm())
    change = counted[None, :, None] * size * sae.W_dec[other].detach() / sae.W_dec[other].norm()
    with torch.no_grad():
        logits = model.run_with_hooks(torch.tensor([ids]), fwd_hooks=[(PRE, lambda h, hook: h + change)])[0]
    wanted = total_logprob(logits, promoted(model, sae.W_dec[F]), counted)
    np.testing.assert_allclose(made.reading_controls[0].promoted[1, 0], wanted, rtol=1e-3)
    for control in made.reading_controls:
        np.testing.assert_array_equal(control.promoted[0], made.reading_base.promoted)
    curve = made.curve_of("promoted")
    assert curve.controls.shape == (2, 2) and curve.n.tolist() == [1, 1] and np.isnan(curve.low).all()


def test_a_direction_has_promoted_tokens_too() -> None:
    model = model_of("hooked")
    engine = sw.Engine(model, tiny.sae("standard"))
    v = torch.randn(tiny.D_MODEL, generator=torch.Generator().manual_seed(5))
    made = run(engine, sw.add(v, 2, hook=PRE), [0.0, 3.0])
    assert made.promoted is not None and made.promoted.token_ids.tolist() == promoted(model, v)
    (ids,) = engine.to_ids(PROMPT)
    counted = torch.tensor([i not in (0, 1) for i in ids])
    with torch.no_grad():
        h = model.run_with_cache(torch.tensor([ids]))[1][PRE][0]
    np.testing.assert_allclose(made.realised[1], float(((h + 3 * v) @ v)[counted].mean()), rtol=1e-4)


def test_a_transcoder_reads_no_edit_of_its_own() -> None:
    sae = tiny.sae("transcoder", TRANSCODER_HOOKS[0], hook_out=TRANSCODER_HOOKS[1])
    model = model_of("hooked")
    made = run(sw.Engine(model, sae), sw.add(F, 1), [0.0, 6.0])
    assert made.promoted is not None and made.promoted.token_ids.tolist() == promoted(model, sae.W_dec[F])
    assert np.isfinite(made.promoted_logprob).all() and np.isnan(made.realised).all()
    assert any("not read again" in note for note in made.notes)


def test_a_hook_without_a_way_to_the_logits_says_so() -> None:
    sae = tiny.sae("standard", "blocks.1.attn.hook_q")
    made = run(sw.Engine(model_of("hooked"), sae), sw.add(F, 1), [0.0, 6.0])
    assert made.promoted is None and np.isnan(made.promoted_logprob).all() and np.isfinite(made.realised).all()
    assert any("No promoted tokens" in note for note in made.notes)


def test_what_follows_the_prompt_can_be_given() -> None:
    """Edits at generated positions act there; without it their curves are flat, and the sweep says so."""
    model = model_of("hooked")
    engine, sae = sw.Engine(model, tiny.sae("standard")), tiny.sae("standard")
    edit = sw.add(F, 1, positions="generated")
    flat = run(engine, edit, [0.0, 9.0])
    assert flat.promoted_change.tolist() == [0.0, 0.0] and any("Give a text" in note for note in flat.notes)
    text = " the heaven and the earth"
    made = run(engine, edit, [0.0, 9.0], text=text)
    ids, (n,) = engine.to_ids(PROMPT + text)[0], [len(engine.to_ids(PROMPT)[0])]
    counted = torch.tensor([i not in (0, 1) for i in ids])
    assert made.reading_tokens.tolist() == [int(counted.sum())] and not any(
        "Give a text" in note for note in made.notes
    )
    later = (torch.arange(len(ids)) >= n)[None, :, None]
    with torch.no_grad():
        logits = model.run_with_hooks(
            torch.tensor([ids]), fwd_hooks=[(PRE, lambda h, hook: h + later * 9.0 * sae.W_dec[F])]
        )[0]
    wanted = total_logprob(logits, promoted(model, sae.W_dec[F]), counted)
    np.testing.assert_allclose(made.promoted_logprob[1], wanted, rtol=1e-4)
    by_ids = run(engine, edit, [0.0, 9.0], text=ids[n:])
    np.testing.assert_array_equal(by_ids.reading.promoted, made.reading.promoted)
    for wrong, said in (([1] * 99, "more than the context"), ("nning", "melts")):
        with pytest.raises(SaewidgetsError, match=said):
            run(engine, edit, [0.0], text=wrong, prompt="In the begi")


def test_a_prompt_without_a_counted_token_has_no_number() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    made = run(engine, sw.add(F, 1), [0.0, 6.0], prompt=[0])
    assert made.reading_tokens.tolist() == [0] and np.isnan(made.promoted_logprob).all()
    assert any("no counted token" in note for note in made.notes)

"""The units of an edit, and what the engine cannot do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny
import torch
from edit_truth import (
    PRE,
    TEXT,
    TRANSCODER_HOOKS,
    WRAPPERS,
    Truth,
    assert_close,
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
from saewidgets.interventions.recipe.constructors import ablate, add, clamp, orthogonal, replace, scale
from saewidgets.interventions.recipe.errors import RecipeError
from saewidgets.interventions.recipe.recipe import Recipe
from saewidgets.interventions.recipe.units import maxima_of

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

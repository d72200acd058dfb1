"""Presets against the code of their sources, written out as plain TransformerLens hooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from cases import on_either
from torch import Tensor

import saewidgets as sw
from saewidgets.engine.model.kv_cache import CachedForward
from saewidgets.interventions.edit.hooks import Edits
from saewidgets.interventions.edit.positions import Scope
from saewidgets.interventions.generation.generate import generate
from saewidgets.interventions.recipe.constructors import (
    ablate,
    anthropic,
    neuronpedia,
    neuronpedia_orthogonal,
    tutorial,
)
from saewidgets.interventions.recipe.recipe import Recipe
from saewidgets.interventions.recipe.units import resolve

TEXT = "In the beginning God created 日本語 and the earth."
PRE = "blocks.1.hook_resid_pre"
F, MAX = 11, 3.5


@cache
def model_of(wrapper: str) -> Any:
    return tiny.MODELS[wrapper]()


def ours(engine: sw.Engine, recipe: Recipe, ids: Sequence[int], pieces: Sequence[int]) -> Tensor:
    """Logits [pos, d_vocab], at once or in pieces with a cache."""
    resolved = engine.worker.run(lambda ticket: resolve(engine, recipe, ids, ticket=ticket))
    edits = Edits(engine, [resolved], Scope(engine.counting, [pieces[0]]))
    forward = CachedForward(engine.model, 1)
    with torch.no_grad():
        made = [forward(part, edits.hooks(part)) for part in torch.tensor([list(ids)]).split(list(pieces), 1)]
    return torch.cat(made, 1)[0]


def steering_hook(sae: Any, strength: float) -> Callable[..., Tensor]:
    """SAELens, tutorials/tutorial_2_0.ipynb."""
    steering_vector = sae.W_dec[F].detach()

    def steering(activations: Tensor, hook: Any) -> Tensor:
        # Note if the feature fires anyway, we'd be adding to that here.
        return activations + strength * MAX * steering_vector

    return steering


def ablate_feature_hook(sae: Any, keep_error: bool) -> Callable[..., Tensor]:
    """The tutorial's ablation: the feature set to 0 in what the spliced-in SAE decodes, with or without error term."""

    def ablation(activations: Tensor, hook: Any) -> Tensor:
        feature_acts = sae.encode(activations)
        error = activations - sae.decode(feature_acts)
        feature_acts = sae.encode(activations)
        feature_acts[:, :, F] = 0.0
        return sae.decode(feature_acts) + (error if keep_error else 0)

    return ablation


def additive_hook(sae: Any, coefficient: float) -> Callable[..., Tensor]:
    """Neuronpedia, SIMPLE_ADDITIVE: h += c·v, v the row of W_dec as it is."""
    return lambda h, hook: h + coefficient * sae.W_dec[F]


def orthogonal_hook(sae: Any, coefficient: float) -> Callable[..., Tensor]:
    """Neuronpedia, ORTHOGONAL_DECOMP: h += (c - 1)(h·v̂)v̂."""

    def steering(h: Tensor, hook: Any) -> Tensor:
        unit = sae.W_dec[F] / sae.W_dec[F].norm()
        return h + (coefficient - 1) * (h @ unit)[..., None] * unit

    return steering


def clamp_hook(sae: Any, times: float) -> Callable[..., Tensor]:
    """Scaling Monosemanticity: the SAE's reconstruction with the feature clamped, and the error unchanged."""

    def clamping(h: Tensor, hook: Any) -> Tensor:
        error = h - sae.decode(sae.encode(h))
        acts = sae.encode(h)
        acts[..., F] = times * MAX
        return sae.decode(acts) + error

    return clamping


PRESETS: dict[str, tuple[Recipe, Callable[[Any], Callable[..., Tensor]]]] = {
    "tutorial": (tutorial(F, 2.0, MAX), lambda sae: steering_hook(sae, 2.0)),
    "tutorial, negative": (tutorial(F, -1.5, MAX), lambda sae: steering_hook(sae, -1.5)),
    "tutorial's ablation": (Recipe(ablate(F, special=True)), lambda sae: ablate_feature_hook(sae, True)),
    "the same without error term": (
        Recipe(ablate(F, special=True), keep_error=False),
        lambda sae: ablate_feature_hook(sae, False),
    ),
    "additive": (neuronpedia(F, 5, 1.5), lambda sae: additive_hook(sae, 7.5)),
    "orthogonal 0": (neuronpedia_orthogonal(F), lambda sae: orthogonal_hook(sae, 0)),
    "orthogonal": (neuronpedia_orthogonal(F, -2, 2), lambda sae: orthogonal_hook(sae, -4)),
    "clamp": (anthropic(F, 5, MAX), lambda sae: clamp_hook(sae, 5)),
}


@pytest.mark.slow
@on_either(("name", "architecture"), list(product(PRESETS, ["standard", "gated", "jumprelu", "topk", "no_b_dec"])))
def test_a_preset_is_its_source(wrapper: str, name: str, architecture: str) -> None:
    model, (recipe, make) = model_of(wrapper), PRESETS[name]
    engine = sw.Engine(model, tiny.sae(architecture))
    ids = [*engine.to_ids(TEXT)[0], 1, 60, 61]
    hook = model._resolve_hook_name(PRE) if wrapper == "bridge" else PRE
    with torch.no_grad():
        wanted = model.run_with_hooks(torch.tensor([ids]), fwd_hooks=[(hook, make(tiny.sae(architecture)))])[0]
        clean = model(torch.tensor([ids]))[0]
    assert (wanted - clean).abs().max() > 1e-3
    n = len(ids)
    for pieces in ([n], [8, n - 8], [5, *[1] * (n - 5)]):
        np.testing.assert_allclose(ours(engine, recipe, ids, pieces), wanted, atol=1e-4, rtol=1e-3, err_msg=str(pieces))


@pytest.mark.parametrize("architecture", ["topk_rescaled", "layer_norm", "constant_norm"])
def test_additive_presets_add_the_stored_row_of_any_sae(architecture: str) -> None:
    """Neuronpedia knows neither norms nor scales: what is added is W_dec[f] as it is stored."""
    model = model_of("hooked")
    engine = sw.Engine(model, tiny.sae(architecture))
    (ids,) = engine.to_ids(TEXT)
    for name in ("additive", "orthogonal"):
        recipe, make = PRESETS[name]
        with torch.no_grad():
            wanted = model.run_with_hooks(torch.tensor([ids]), fwd_hooks=[(PRE, make(tiny.sae(architecture)))])[0]
        np.testing.assert_allclose(ours(engine, recipe, ids, [len(ids)]), wanted, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_steered_text_is_the_tutorials(wrapper: str) -> None:
    """`model.hooks(...)` around `generate`, as the tutorial steers, greedily."""
    model, (recipe, make) = model_of(wrapper), PRESETS["tutorial"]
    engine = sw.Engine(model, tiny.sae())
    tokens = torch.tensor(engine.to_ids("In the beginning God"))
    hook = model._resolve_hook_name(PRE) if wrapper == "bridge" else PRE
    with torch.no_grad(), model.hooks(fwd_hooks=[(hook, make(tiny.sae()))]):
        wanted = model.generate(
            tokens, max_new_tokens=10, do_sample=False, stop_at_eos=False, verbose=False, return_type="tokens"
        )[0, tokens.shape[1] :]
    found = generate(engine, "In the beginning God", recipe, n_tokens=10, temperature=0, stop_at_eos=False)
    assert found.edited[0].token_ids.tolist() == wanted.tolist()
    assert found.baseline[0].token_ids.tolist() != wanted.tolist(), "the unsteered text is another"
    assert found.edited_at.all(), "BOS too"

"""What edits must do, by the definitions: plain TransformerLens hooks, sae-lens's own encode() and decode()."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import norms
import numpy as np
import pytest
import tiny
import torch
from cases import on_either
from torch import Tensor

import saewidgets as sw
from saewidgets.engine.text.prompt import Prompt
from saewidgets.interventions.edit.hooks import Edits
from saewidgets.interventions.edit.positions import Scope
from saewidgets.interventions.recipe.constructors import ablate, add, cap, clamp, orthogonal, replace, scale
from saewidgets.interventions.recipe.intervention import Intervention
from saewidgets.interventions.recipe.recipe import Recipe
from saewidgets.interventions.recipe.units import Resolved, resolve

TEXT = "In the beginning God created 日本語 and the earth."
PRE = "blocks.1.hook_resid_pre"
TRANSCODER_HOOKS = ("blocks.0.mlp.hook_in", "blocks.0.hook_mlp_out")
SPLIT = 9
"""Tokens of the prompt, where a text is cut into prompt and generated."""
CASES = [
    *[(a, PRE, None, tiny.D_MODEL) for a in tiny.SAES],
    *[(a, *TRANSCODER_HOOKS, tiny.D_MODEL) for a in tiny.TRANSCODERS],
    ("jumprelu", "blocks.0.hook_mlp_out", None, tiny.D_MODEL),
    ("jumprelu", "blocks.0.hook_attn_out", None, tiny.D_MODEL),
    ("standard", "blocks.0.hook_resid_mid", None, tiny.D_MODEL),
    ("topk", "blocks.1.hook_resid_post", None, tiny.D_MODEL),
    ("jumprelu", "blocks.0.mlp.hook_post", None, tiny.D_MLP),
    ("layer_norm", "blocks.0.attn.hook_z", None, tiny.D_MODEL),
    ("topk_rescaled", "blocks.1.attn.hook_z", None, tiny.D_MODEL),
]
WRAPPERS = pytest.mark.parametrize("wrapper", tiny.MODELS)
ALL_CASES = on_either(("architecture", "hook", "hook_out", "d_in"), CASES)


@cache
def model_of(wrapper: str) -> Any:
    """Shared between tests: none may change it."""
    return tiny.MODELS[wrapper]()


def name_of(model: Any, hook: str) -> str:
    return model._resolve_hook_name(hook) if hasattr(model, "_resolve_hook_name") else hook


def resolved(engine: sw.Engine, recipe: Any, ids: Sequence[int], **more: Any) -> Resolved:
    whole = recipe if isinstance(recipe, Recipe) else Recipe(recipe)
    return engine.worker.run(lambda ticket: resolve(engine, whole, ids, ticket=ticket, **more))


def logits_of(
    engine: sw.Engine, recipes: Sequence[Any], ids: Sequence[int], n_prompt: int | None = None, **scope: Any
) -> Tensor:
    """Ours: [recipes, pos, d_vocab] of one text under several recipes, in one batch."""
    rows = [None if recipe is None else resolved(engine, recipe, ids[:n_prompt]) for recipe in recipes]
    n = len(rows)
    prompt = Prompt.plain(ids[:n_prompt])

    def outlier(dictionary: Any) -> list[Any]:
        return [engine.worker.run(lambda ticket: prompt.roles(engine, dictionary, ticket)).outlier] * n

    more = {k: [v] * n for k, v in scope.items()}
    edits = Edits(engine, rows, Scope(engine.counting, [n_prompt or len(ids)] * n, outlier=outlier, **more))
    tokens = torch.tensor([list(ids)] * n)
    with torch.no_grad():
        return engine.model.logits(tokens, edits.hooks(tokens))


# -- the definitions


class Truth:
    """What an SAE does in a model on a text, found out with plain hooks. `sae` must be one of its own."""

    def __init__(self, wrapper: str, sae: Any, ids: Sequence[int]) -> None:
        self.model, self.sae, self.tokens = model_of(wrapper), sae, torch.tensor([list(ids)])
        meta = sae.cfg.metadata
        if meta.hook_name.endswith("hook_z"):
            sae.turn_off_forward_pass_hook_z_reshaping()
        self.out = meta.hook_name_out or meta.hook_name
        # A bridge's resid_mid is a copy that only the MLP's norm reads; attn_out is added to the stream just before.
        self.place = self.out.replace("resid_mid", "attn_out") if wrapper == "bridge" else self.out
        with torch.no_grad():
            self.clean, seen = self.model.run_with_cache(self.tokens)
            self.x = seen[name_of(self.model, meta.hook_name)].reshape(1, len(ids), -1)
            self.h = seen[name_of(self.model, self.out)].reshape(1, len(ids), -1)
            self.acts = self.encode()
        self.special = np.isin(ids, [0, 1])
        self.outlier = norms.outliers(self.model, norms.streams_of(meta.hook_name), ids)
        out_norm = self.h[0].norm(dim=-1).numpy()
        self.median = float(np.median(out_norm[~self.special & ~self.outlier]))
        counted = torch.from_numpy(~self.special & ~self.outlier)
        order = (self.acts[0][counted] != 0).sum(0).argsort(descending=True, stable=True)
        self.f, self.g, self.third = order[:3].tolist()
        self.max = float(self.acts[0, counted][:, self.f].max())

    def encode(self) -> Tensor:
        return self.sae.encode(self.x)

    def decode(self, change: Callable[[Tensor], Tensor] = lambda acts: acts) -> Tensor:
        acts = self.encode()  # anew each time: decode() uses up the statistics of the tokens
        return self.sae.decode(change(acts.clone()))

    def where(self, special: bool = False) -> Tensor:
        """[pos] at which tokens an edit acts that is for all positions."""
        return torch.from_numpy(np.ones(len(self.special), bool) if special else ~self.special & ~self.outlier)

    def with_acts(self, change: Callable[[Tensor], None], where: Tensor) -> Tensor:
        """[1, pos, d_out] that is added, where `change` edits the activations and the error stays."""

        def edited(acts: Tensor) -> Tensor:
            before = acts.clone()
            change(acts)
            return torch.where(where[None, :, None], acts, before)

        with torch.no_grad():
            return self.decode(edited) - self.decode()

    def run(self, change: Tensor) -> Tensor:
        """Logits [pos, d_vocab] with `change` [1, pos, d_out] added."""
        hooks = [(name_of(self.model, self.place), lambda h, hook: h + change.reshape(h.shape))]
        with torch.no_grad():
            return self.model.run_with_hooks(self.tokens, fwd_hooks=hooks)[0]


def kinds(t: Truth, where: Tensor, **given: Any) -> dict[str, tuple[Intervention, Tensor]]:
    """Every kind and unit, beside what it adds [1, pos, d_out] by its definition."""
    f, g, h = t.f, t.g, t.h
    row = t.sae.W_dec[f].detach()
    unit = row / row.norm()
    mask = where[None, :, None]

    def acts(change: Callable[[Tensor], None]) -> Tensor:
        return t.with_acts(change, where)

    def setting(value: float) -> Callable[[Tensor], None]:
        def change(a: Tensor) -> None:
            a[..., f] = value

        return change

    def scaling(factor: float) -> Callable[[Tensor], None]:
        def change(a: Tensor) -> None:
            a[..., f] *= factor

        return change

    def adding(value: float) -> Callable[[Tensor], None]:
        def change(a: Tensor) -> None:
            a[..., f] += value

        return change

    def replacing(factor: float) -> Callable[[Tensor], None]:
        def change(a: Tensor) -> None:
            a[..., g] += factor * a[..., f]
            a[..., f] = 0

        return change

    along = (h @ unit)[..., None] * unit
    projection = h @ unit
    return {
        "add": (add(f, 1.5, **given), mask * 1.5 * row),
        "add max": (add(f, -0.5, unit="max", max_activation=3.0, **given), acts(adding(-1.5))),
        "add resid": (add(f, 0.25, unit="resid", **given), mask * 0.25 * t.median * unit),
        "add own": (add(f, 0.75, unit="own", **given), acts(scaling(1.75))),
        "scale": (scale(f, -2, **given), acts(scaling(-2))),
        "scale one": (scale(f, 1, **given), torch.zeros_like(h)),
        "clamp": (clamp(f, 2.5, **given), acts(setting(2.5))),
        "clamp max": (clamp(f, 2, unit="max", max_activation=3.0, **given), acts(setting(6.0))),
        "clamp where active": (
            clamp(f, 2.5, **{**given, "only_active": True}),
            t.with_acts(setting(2.5), where & (t.acts[0, :, f] != 0)),
        ),
        "clamp when": (
            clamp(f, 2.5, **{**given, "when": (g, 0.3)}),
            t.with_acts(setting(2.5), where & (t.acts[0, :, g] > 0.3)),
        ),
        "add where active": (
            add(f, 1.5, **{**given, "only_active": True}),
            (where & (t.acts[0, :, f] != 0))[None, :, None] * 1.5 * row,
        ),
        "ablate": (ablate(f, **given), acts(setting(0))),
        "orthogonal": (orthogonal(f, **given), mask * -along),
        "orthogonal 3": (orthogonal(f, 3, **given), mask * 2 * along),
        "orthogonal one": (orthogonal(f, 1, **given), torch.zeros_like(h)),
        "cap": (cap(f, 0.2, **given), mask * (projection.clamp(max=0.2) - projection)[..., None] * unit),
        "cap both": (
            cap(f, 0.2, low=-0.1, **given),
            mask * (projection.clamp(-0.1, 0.2) - projection)[..., None] * unit,
        ),
        "cap resid": (
            cap(f, 0.1, unit="resid", low=-0.05, **given),
            mask * (projection.clamp(-0.05 * t.median, 0.1 * t.median) - projection)[..., None] * unit,
        ),
        "replace": (replace(f, by=g, factor=1.5, **given), acts(replacing(1.5))),
    }


def assert_close(found: Tensor, wanted: Tensor, message: str = "", atol: float = 2e-5) -> None:
    np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), atol=atol, rtol=1e-3, err_msg=message)

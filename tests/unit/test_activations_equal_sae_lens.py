"""The engine's activations are SAELens's: every architecture, both model wrappers, several hooks, column subsets.

The reference is sae-lens's own run_with_cache_with_saes, or, for what that path cannot give (matching pursuit never
fires its hook), sae.encode on the cached input.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import sae_lens
import tiny
import torch

import saewidgets as sw
from saewidgets.errors import FeatureIndexError

TEXT = "In the beginning God created 日本語 and the earth."
HOOKS = [
    ("blocks.1.hook_resid_pre", tiny.D_MODEL),
    ("blocks.0.hook_resid_post", tiny.D_MODEL),
    ("blocks.1.hook_mlp_out", tiny.D_MODEL),
    ("blocks.1.attn.hook_z", tiny.D_MODEL),
]
CASES = [(a, hook, None) for a in tiny.SAES for hook, _ in HOOKS] + [
    (a, "blocks.1.mlp.hook_in", "blocks.1.hook_mlp_out") for a in tiny.TRANSCODERS
]


def reference(model: Any, sae: Any, tokens: torch.Tensor) -> np.ndarray:
    """SAELens's activations [pos, d_sae] of one text. Give it an SAE of its own: sae-lens writes to what it splices."""
    twin = sae
    name = sae.cfg.metadata.hook_name
    # Training SAEs of hook_z expect flattened heads, which a HookedTransformer does not give them when they are spliced.
    unspliceable = name.endswith("hook_z") and isinstance(sae, sae_lens.TrainingSAE)
    if sae.cfg.architecture() == "matching_pursuit" or unspliceable:
        resolved = model._resolve_hook_name(name) if hasattr(model, "_resolve_hook_name") else name
        _, cache = model.run_with_cache(tokens)
        x = cache[resolved]
        if x.ndim == 4 or name.endswith("hook_z"):
            x = x.flatten(2)
            twin.turn_off_forward_pass_hook_z_reshaping()
        return twin.encode(x)[0].detach().numpy()
    _, cache = model.run_with_cache_with_saes(tokens, saes=[twin])
    key = (
        model.get_sae_hook_name(twin)
        if hasattr(model, "get_sae_hook_name")
        else f"{sae.cfg.metadata.hook_name_out or name}.hook_sae_acts_post"
    )
    return cache[key][0].detach().numpy()


@pytest.mark.parametrize("wrapper", tiny.MODELS)
@pytest.mark.parametrize(("architecture", "hook", "hook_out"), CASES)
def test_equal_to_sae_lens(wrapper: str, architecture: str, hook: str, hook_out: str | None) -> None:
    model = tiny.MODELS[wrapper]()
    sae = tiny.sae(architecture, hook, hook_out=hook_out)
    with torch.no_grad():
        wanted = reference(
            model, tiny.sae(architecture, hook, hook_out=hook_out), model.to_tokens(TEXT, prepend_bos=True)
        )
    engine = sw.Engine(model, sae)

    acts = engine.activations(TEXT)
    np.testing.assert_allclose(acts[:, :], wanted, atol=1e-5, rtol=1e-4)
    assert (wanted != 0).any(), "the case tests nothing"
    np.testing.assert_array_equal(acts.l0, (acts[:, :] != 0).sum(1))

    columns = [3, 0, 47, 17]
    some = engine.activations(TEXT, features=columns)
    np.testing.assert_allclose(some[:, columns], wanted[:, columns], atol=1e-5, rtol=1e-4)

    # Together with other texts, padded or cut differently, the numbers stay the same.
    batch = engine.activations(["the", TEXT, "God created the heaven and the earth and the"])
    part = slice(*batch.text_ptr[1:3])
    np.testing.assert_allclose(batch[part, :], wanted, atol=1e-5, rtol=1e-4)
    short = slice(*batch.text_ptr[2:4])  # padded in the batch
    alone = engine.activations("God created the heaven and the earth and the")
    np.testing.assert_allclose(batch[short, :], alone[:, :], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("wrapper", tiny.MODELS)
@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_nothing_of_the_user_changes(wrapper: str, architecture: str) -> None:
    model = tiny.MODELS[wrapper]()
    transcoder = architecture in tiny.TRANSCODERS
    hook, out = ("blocks.1.mlp.hook_in", "blocks.1.hook_mlp_out") if transcoder else ("blocks.1.hook_resid_pre", None)
    sae = tiny.sae(architecture, hook, hook_out=out)
    for parameter in sae.parameters():
        parameter.requires_grad_(True)
    sae.train()
    seen: list[tuple[int, ...]] = []
    resolved = model._resolve_hook_name(hook) if wrapper == "bridge" else hook
    model.add_hook(resolved, lambda x, hook: seen.append(tuple(x.shape)), is_permanent=True)
    model(model.to_tokens("the"))  # a bridge hooks up its own blocks on the first forward
    before = _state(model, sae)
    torch.set_grad_enabled(True)

    engine = sw.Engine(model, sae)
    engine.activations(TEXT, reconstruction=True)
    sw.predictions(engine, "In the", " beginning")
    with pytest.raises(FeatureIndexError):
        engine.activations(TEXT, features=[tiny.D_SAE])

    assert torch.is_grad_enabled()
    assert _state(model, sae) == before
    assert len(seen) >= 2, "the user's own hook went on firing"


def _state(model: Any, sae: Any) -> dict[str, Any]:
    modules = [*model.named_modules(), *(("sae", m) for _, m in sae.named_modules())]
    return {
        "parameters": [
            (n, id(p), p._version, p.requires_grad, p.grad is None)
            for n, p in [*model.named_parameters(), *sae.named_parameters()]
        ],
        "values": [p.detach().sum().item() for p in sae.parameters()],
        "training": [m.training for _, m in modules],
        "hooks": [(n, len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for n, m in modules],
        "sae": {k: id(v) for k, v in vars(sae).items()},
        "hook names": list(model.hook_dict),
    }


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_several_saes_in_one_forward(wrapper: str) -> None:
    model = tiny.MODELS[wrapper]()

    def saes() -> dict[str, Any]:
        return {
            "early": tiny.sae("standard", "blocks.0.hook_resid_pre"),
            "late": tiny.sae("topk", "blocks.1.hook_resid_post"),
            "mlp": tiny.sae("transcoder", "blocks.1.mlp.hook_in", hook_out="blocks.1.hook_mlp_out"),
        }

    tokens = model.to_tokens(TEXT, prepend_bos=True)
    engine = sw.Engine(model, saes())
    found = engine.all_activations(TEXT)
    assert list(found) == list(saes())
    for name, sae in saes().items():
        np.testing.assert_allclose(found[name][:, :], reference(model, sae, tokens), atol=1e-5, rtol=1e-4)
        np.testing.assert_allclose(engine.activations(TEXT, sae=name)[:, :], found[name][:, :], atol=1e-6)


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_where_the_user_has_spliced_an_sae(wrapper: str) -> None:
    model = tiny.MODELS[wrapper]()
    sae = tiny.sae("jumprelu")
    wanted = sw.Engine(model, sae).activations(TEXT)[:, :]
    model.add_sae(copy.deepcopy(sae))
    np.testing.assert_allclose(sw.Engine(model, sae).activations(TEXT)[:, :], wanted, atol=1e-6)


def test_directions_and_neurons_by_definition() -> None:
    model = tiny.hooked()
    vectors = torch.randn(3, tiny.D_MODEL, generator=torch.Generator().manual_seed(5))
    engine = sw.Engine(
        model,
        [sw.Directions(vectors, "blocks.1.hook_resid_pre", ["a", "b", "c"]), sw.Neurons("blocks.0.mlp.hook_post")],
    )
    _, cache = model.run_with_cache(TEXT)
    found = engine.all_activations(TEXT)
    x = cache["blocks.1.hook_resid_pre"][0]
    np.testing.assert_allclose(found["directions"][:, :], (x @ vectors.T).detach(), atol=1e-5)
    np.testing.assert_allclose(
        found["neurons of blocks.0.mlp.hook_post"][:, :], cache["blocks.0.mlp.hook_post"][0].detach(), atol=1e-6
    )
    assert found["directions"].labels == {0: "a", 1: "b", 2: "c"}

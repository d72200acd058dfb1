"""A hook by the name that the other wrapper gives it, heads of keys and values, and values that are broken there."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import twins

import saewidgets as sw
from saewidgets import errors
from saewidgets.engine.model.heads import heads_at
from saewidgets.engine.model.hook_names import bridge_names
from saewidgets.engine.model.model import Model

TEXT = "In the beginning God created the heaven and the earth."
TOKENS = torch.arange(2, 14)[None]


# -- names of a bridge on a HookedTransformer


@pytest.mark.slow
@pytest.mark.parametrize("kind", twins.MODELS)
def test_a_bridges_name_is_the_same_value(kind: str) -> None:
    """Read: both models have the same weights, and each name is read in each by its own hooks."""
    hooked, bridge = twins.MODELS[kind](), twins.MODELS[kind](wrapper="bridge")
    names = [name for name in bridge.hook_dict if name in bridge_names(hooked)]
    assert {"blocks.1.mlp.hook_out", "blocks.0.attn.hook_out", "blocks.1.hook_in", "ln_final.hook_in"} <= set(names)
    with torch.no_grad():
        _, cache = bridge.run_with_cache(TOKENS)
    found = 0
    for name in names:
        if name not in cache:  # behind a switch that is off
            with pytest.raises(errors.HookDidNotFireError):
                Model(hooked).read(TOKENS, [name])
            continue
        found += 1
        value = Model(hooked).read(TOKENS, [name])[name]
        torch.testing.assert_close(value.flatten(2), cache[name].flatten(2), atol=1e-4, rtol=1e-4, msg=name)
    assert found > 20


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_what_stands_after_the_last_norm_is_read(wrapper: str) -> None:
    """A HookedTransformer unembeds only where logits are asked for."""
    model = tiny.MODELS[wrapper]()
    with torch.no_grad():
        wanted = model(TOKENS, return_type="logits")
        normed = model.run_with_cache(TOKENS)[1]["ln_final.hook_normalized"]
    names = ["unembed.hook_in", "unembed.hook_out"]
    found = Model(model).read(TOKENS, names)
    torch.testing.assert_close(found[names[1]], wanted)
    torch.testing.assert_close(found[names[0]] @ model.W_U + model.b_U, wanted, atol=1e-4, rtol=1e-4)
    assert found[names[0]].shape == normed.shape
    assert set(Model(model).read(TOKENS, [*names, "blocks.0.hook_resid_pre"])) == {*names, "blocks.0.hook_resid_pre"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", twins.MODELS)
def test_a_bridges_name_is_the_same_place(kind: str) -> None:
    """Written: a change at the name moves the logits of both models alike."""
    hooked, bridge = twins.MODELS[kind](), twins.MODELS[kind](wrapper="bridge")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        _, cache = bridge.run_with_cache(TOKENS)
        for name in bridge_names(hooked):
            # A bridge's ln2.hook_in is the input of that norm alone; sw writes to the stream there, as at hook_resid_mid.
            if name not in cache or name.endswith("ln2.hook_in"):
                continue
            change = torch.randn(cache[name].flatten(2).shape, generator=generator)

            def add(x: torch.Tensor, change: torch.Tensor = change, **_: Any) -> torch.Tensor:
                return x + change.reshape(x.shape)

            moved = bridge.run_with_hooks(TOKENS, fwd_hooks=[(name, add)])
            found = Model(hooked).logits(TOKENS, edits={name: add})
            torch.testing.assert_close(found, moved, atol=1e-3, rtol=1e-3, msg=name)


@pytest.mark.parametrize(("short", "same"), [("mlp.hook_out", "hook_mlp_out"), ("attn.hook_out", "hook_attn_out")])
def test_an_sae_named_after_a_bridge(short: str, same: str) -> None:
    """The published transcoders' `blocks.1.mlp.hook_out`: activations and reconstruction as at `hook_mlp_out`."""
    model = twins.gpt2()
    found = sw.Engine(model, tiny.sae("standard", f"blocks.1.{short}")).activations(TEXT)
    wanted = sw.Engine(model, tiny.sae("standard", f"blocks.1.{same}")).activations(TEXT)
    with torch.no_grad():
        _, cache = model.run_with_cache(model.to_tokens(TEXT, prepend_bos=True))
        acts = tiny.sae("standard").encode(cache[f"blocks.1.{same}"])[0].numpy()
    np.testing.assert_allclose(found[:, :], acts, atol=1e-5)
    np.testing.assert_allclose(found[:, :], wanted[:, :], atol=0)
    engine = sw.Engine(model, tiny.sae("transcoder", "blocks.1.hook_resid_pre", hook_out=f"blocks.1.{short}"))
    there = sw.Engine(model, tiny.sae("transcoder", "blocks.1.hook_resid_pre", hook_out=f"blocks.1.{same}"))
    error = engine.activations(TEXT, reconstruction=True).reconstruction_error
    np.testing.assert_allclose(error, there.activations(TEXT, reconstruction=True).reconstruction_error, atol=0)
    recipe = sw.Recipe([sw.add(3, 2.0)])
    moved = [sw.effects(one, TEXT, recipe).to_pandas() for one in (engine, there)]
    assert moved[0].equals(moved[1])


def with_norms_after(**changes: Any) -> Any:
    from sae_lens import HookedSAETransformer
    from transformer_lens import HookedTransformerConfig

    cfg = {**tiny.hooked().cfg.to_dict(), "dtype": torch.float32, **changes}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return HookedSAETransformer(HookedTransformerConfig.from_dict(cfg), tokenizer=tiny.tokenizer()).eval()


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("blocks.1.attn.hook_in", tiny.hooked),  # the normed input of attention: no hook of a HookedTransformer has it
        ("blocks.1.ln1.hook_in", tiny.hooked),  # read it is the stream, written to it is not
        (
            "blocks.1.mlp.hook_out",
            lambda: with_norms_after(use_normalization_before_and_after=True, normalization_type="RMS"),
        ),
        ("blocks.2.mlp.hook_out", tiny.hooked),  # there are two blocks
        ("blocks.1.mlp.gate.hook_out", tiny.hooked),
        ("blocks.1.ln2.hook_in", lambda: with_norms_after(parallel_attn_mlp=True)),
    ],
)
def test_a_name_without_an_equal_is_refused(name: str, model: Any) -> None:
    with pytest.raises(errors.HookNotFoundError) as caught:
        sw.Engine(model(), tiny.sae(hook=name))
    assert caught.value.nearest
    assert all(near.startswith("blocks.") for near in caught.value.nearest)


def test_behind_norms_the_sums_have_their_name() -> None:
    """Gemma 2: what comes out of the norm after a sublayer is what is added to the stream."""
    names = bridge_names(with_norms_after(use_normalization_before_and_after=True, normalization_type="RMS"))
    assert names["blocks.1.ln2_post.hook_out"] == "blocks.1.hook_mlp_out"
    assert names["blocks.1.ln1_post.hook_out"] == "blocks.1.hook_attn_out"


# -- heads


@pytest.mark.slow
@pytest.mark.parametrize("wrapper", ["hooked", "bridge"])
@pytest.mark.parametrize(
    ("hook", "heads"),
    [("attn.hook_q", 4), ("attn.hook_k", 2), ("attn.hook_v", 2), ("attn.hook_z", 4), ("attn.k.hook_out", 2)],
)
def test_one_head_of_grouped_queries(wrapper: str, hook: str, heads: int) -> None:
    """Queries have four heads, keys and values two, of four numbers each."""
    model = twins.llama(wrapper=wrapper)
    name = f"blocks.1.{hook}"
    assert heads_at(Model(model), name) == heads
    for head in range(heads):
        sae = tiny.sae("standard", d_in=4)
        sae.cfg.metadata.hook_name, sae.cfg.metadata.hook_head_index = name, head
        acts = sw.Engine(model, sae).activations(TEXT)
        with torch.no_grad():
            tokens = model.to_tokens(TEXT, prepend_bos=True)
            value = twins.llama().run_with_cache(tokens)[1][name.replace("k.hook_out", "hook_k")]  # [1, pos, head, 4]
            wanted = sae.encode(value[0, :, head]).numpy()
        np.testing.assert_allclose(acts[:, :], wanted, atol=1e-4, rtol=1e-3)


# -- broken values


@pytest.mark.parametrize("wrapper", tiny.MODELS)
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
@pytest.mark.parametrize("architecture", ["standard", "jumprelu", "topk"])
def test_a_broken_value_raises_whatever_is_asked(wrapper: str, value: float, architecture: str) -> None:
    """ReLU makes 0 of -inf, so a few features can look silent, and an infinite norm like an attention sink."""
    model = tiny.MODELS[wrapper]()
    engine = sw.Engine(model, tiny.sae(architecture))
    texts = ["the", TEXT]
    fine = engine.activations(texts)[:, :]

    def break_one(_module: Any, _inputs: Any, x: torch.Tensor) -> torch.Tensor:
        x = x.clone()
        x[0, 1, 5] = value
        return x

    handle = Model(model)._module(engine.model.resolve("blocks.1.hook_resid_pre")).register_forward_hook(break_one)
    for asked in [{}, {"reconstruction": True}, *({"features": [f]} for f in (0, 17, 30)), {"features": []}]:
        with pytest.raises(errors.NonFiniteError, match=r"'blocks\.1\.hook_resid_pre'.*NaN or infinite"):
            engine.activations(texts, **asked)
    handle.remove()
    np.testing.assert_allclose(engine.activations(texts)[:, :], fine, atol=1e-6)


def test_a_broken_target_raises() -> None:
    """A transcoder's reconstruction is compared with what the model has at the hook it writes to."""
    model = tiny.hooked()
    engine = sw.Engine(model, tiny.sae("transcoder", "blocks.1.mlp.hook_in", hook_out="blocks.1.hook_mlp_out"))
    model.blocks[1].hook_mlp_out.register_forward_hook(lambda _m, _i, x: x + float("inf"))
    assert len(engine.activations(TEXT))
    with pytest.raises(errors.NonFiniteError, match=r"'blocks\.1\.hook_mlp_out'"):
        engine.activations(TEXT, reconstruction=True)

"""What a freeze promises: with everything held, effects are attributions to rounding; by RelP's rules, relevance is conserved."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from ablation_made import TEXT
from by_hand import hooked
from sae_lens import HookedSAETransformer, SAETransformerBridge
from torch import Tensor
from transformer_lens import HookedTransformerConfig
from transformers import LlamaConfig, LlamaForCausalLM

import saewidgets as sw
from saewidgets.attribution.errors import GradientError

EARLY, LATE = "blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre"
SCALES = [
    "blocks.0.ln1.hook_scale",
    "blocks.0.ln2.hook_scale",
    "blocks.1.ln1.hook_scale",
    "blocks.1.ln2.hook_scale",
    "ln_final.hook_scale",
]
PATTERNS = ["blocks.0.attn.hook_pattern", "blocks.1.attn.hook_pattern"]
MLPS = ["blocks.0.hook_mlp_out", "blocks.1.hook_mlp_out"]


def recorded(model: Any, ids: list[int], hooks: list[str]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}

    def see(name: str, value: Tensor) -> Tensor:
        found[name] = value.detach().clone()
        return value

    with contextlib.ExitStack() as stack, torch.no_grad():
        for hook in hooks:
            stack.enter_context(hooked(model, partial(see, hook), hook))
        found["logits"] = model(torch.tensor([ids]), return_type="logits")
    return found


@contextlib.contextmanager
def held(model: Any, values: dict[str, Tensor], hooks: list[str]) -> Iterator[None]:
    """Inside, these hooks have the values of the clean run, whatever comes."""
    with contextlib.ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a bridge says that it computes an edited norm by itself
        for hook in hooks:
            stack.enter_context(hooked(model, lambda _, hook=hook: values[hook], hook))
        yield


@pytest.mark.slow
@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_with_everything_held_doubling_a_feature_is_its_edge(wrapper: str) -> None:
    """circuit-tracer's own property: a feature doubled, everything nonlinear held, changes what is later by the edge."""
    model = tiny.MODELS[wrapper]()
    early, late = tiny.sae("jumprelu", EARLY), tiny.sae("jumprelu", LATE, seed=2)
    with sw.Engine(model, {"early": early, "late": late}) as engine:
        ids = engine.to_ids(TEXT)[0]
        token = engine.to_ids("the")[0][-1]
        acts = engine.all_activations(TEXT)
        at = len(ids) - 2
        target = int(acts["late"].token(at)[0][0])
        to_feature = sw.attribute(
            engine, TEXT, sw.feature_activation(target, sae="late", position=at), linearised="circuit-tracer"
        )
        to_logit = sw.attribute(engine, TEXT, sw.logit(token), linearised="circuit-tracer", sae="early")
    assert to_feature.dictionaries == ("early",) and "late" in to_feature.notes[0]
    clean = recorded(model, ids, [*SCALES, *PATTERNS, *MLPS, EARLY, LATE])
    with torch.no_grad():
        before = (clean[LATE][0, at] - late.b_dec) @ late.W_enc[:, target] + late.b_enc[target]
    edges = to_feature.to_pandas().set_index(["position", "feature"])["attribution"]
    logits = to_logit.to_pandas().set_index(["position", "feature"])["attribution"]
    strongest = edges.abs().sort_values(ascending=False).index[:4]
    for position, feature in [*strongest, *logits.abs().sort_values(ascending=False).index[:4]]:
        activation = early.encode(clean[EARLY])[0, position, feature].detach()
        added = torch.zeros(1, len(ids), tiny.D_MODEL)
        added[0, position] = activation * early.W_dec[feature].detach()
        kept: dict[str, Tensor] = {}

        def see(value: Tensor, kept: dict[str, Tensor] = kept) -> Tensor:
            kept["late"] = value
            return value

        with torch.no_grad(), held(model, clean, [*SCALES, *PATTERNS, *MLPS]), hooked(model, see, LATE):
            with hooked(model, lambda value, added=added: value + added, EARLY):
                changed = model(torch.tensor([ids]), return_type="logits")
            after = (kept["late"][0, at] - late.b_dec) @ late.W_enc[:, target] + late.b_enc[target]
        assert float(after - before) == pytest.approx(edges.get((position, feature), 0.0), abs=5e-4)
        effect = float(changed[0, -1, token] - clean["logits"][0, -1, token])
        assert effect == pytest.approx(logits[position, feature], abs=5e-4)
    assert edges.abs().max() > 0.05 and logits.abs().max() > 0.05


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_each_freeze_is_held_in_the_backward_alone(wrapper: str) -> None:
    """Norm scales, patterns and activation ratios that are held give the effects of a model in which they are held."""
    model = tiny.MODELS[wrapper]()
    posts, pres = ([f"blocks.{n}.mlp.hook_{end}" for n in range(2)] for end in ("post", "pre"))
    with sw.Engine(model, tiny.sae("jumprelu", LATE)) as engine:
        ids, token = engine.to_ids(TEXT)[0], engine.to_ids("the")[0][-1]
        plain = sw.attribute(engine, TEXT, sw.logit(token))
        found = sw.attribute(engine, TEXT, sw.logit(token), linearised=("attention", "norm", "activation"))
    assert np.array_equal(plain.values, found.values)
    assert found.linearised == ("norm", "attention", "activation") and "attention patterns" in found.method
    clean = recorded(model, ids, [*SCALES, *PATTERNS, *posts, *pres])
    sae = tiny.sae("jumprelu", LATE)
    table = found.to_pandas().sort_values("attribution", key=abs, ascending=False)
    for row in table.head(4).itertuples():
        added = torch.zeros(1, len(ids), tiny.D_MODEL)
        added[0, row.position] = row.activation * sae.W_dec[row.feature].detach()
        with torch.no_grad(), held(model, clean, [*SCALES, *PATTERNS]), contextlib.ExitStack() as stack:
            for n in (0, 1):
                ratio = clean[posts[n]] / clean[pres[n]]
                now: dict[str, Tensor] = {}

                def see(value: Tensor, now: dict[str, Tensor] = now) -> Tensor:
                    now["pre"] = value
                    return value

                stack.enter_context(hooked(model, see, pres[n]))
                stack.enter_context(hooked(model, lambda _, now=now, ratio=ratio: now["pre"] * ratio, posts[n]))
            stack.enter_context(hooked(model, lambda value, added=added: value + added, LATE))
            changed = model(torch.tensor([ids]), return_type="logits")
        effect = float(changed[0, -1, token] - clean["logits"][0, -1, token])
        assert effect == pytest.approx(row.attribution, abs=5e-4)


def gated_hooked() -> HookedSAETransformer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        cfg = HookedTransformerConfig(
            n_layers=2, d_model=16, n_ctx=64, d_head=4, n_heads=4, d_mlp=32, d_vocab=len(tiny.tokenizer()), act_fn="silu",
            gated_mlp=True, normalization_type="RMS", positional_embedding_type="rotary", rotary_dim=4, seed=0, device="cpu",
        )  # fmt: skip
        model = HookedSAETransformer(cfg, tokenizer=tiny.tokenizer())
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim > 1:
                p.mul_(3)
    return model.eval()


def gated_bridge() -> SAETransformerBridge:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tiny.tokenizer()), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, bos_token_id=0, eos_token_id=1, architectures=["LlamaForCausalLM"],
    )  # fmt: skip
    config._attn_implementation = "eager"
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim > 1:
                p.mul_(8)
    return SAETransformerBridge.boot_transformers("llama", hf_model=model, tokenizer=tiny.tokenizer(), device="cpu")


@pytest.mark.parametrize("made", [gated_hooked, gated_bridge])
def test_relevance_is_conserved(made: Any) -> None:
    """In a gated model without biases, by RelP's rules and with patterns held, what flows through any layer is the metric."""
    names = {"early": tiny.sae("standard", EARLY), "late": tiny.sae("standard", LATE, seed=2)}
    with sw.Engine(made(), names) as engine:
        token = engine.to_ids("the")[0][-1]
        found = sw.attribute(engine, TEXT, sw.logit(token), linearised=("relp", "attention"))
        steep = sw.attribute(engine, TEXT, sw.logit(token), linearised=("norm", "attention", "activation"))
    assert found.linearised == ("norm", "attention", "activation", "half")
    np.testing.assert_allclose(found.total.sum(1), found.values[0], rtol=1e-3)
    # Without the half rule each gate counts twice.
    assert np.abs(steep.total.sum(1) - found.values[0]).max() > 0.01 * abs(found.values[0])


def test_the_half_rule_is_named_only_where_there_are_gates() -> None:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu", LATE)) as engine:
        found = sw.attribute(engine, TEXT, sw.logit(5), linearised="relp")
    assert found.linearised == ("norm", "activation")


def test_what_cannot_be_frozen_is_an_error() -> None:
    wrong = pytest.raises(ValueError, match="'relp', 'circuit-tracer', or some of 'norm'")
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu", LATE)) as engine, wrong:
        sw.attribute(engine, TEXT, sw.logit(5), linearised="relpp")
    model = tiny.hooked()
    model.blocks[1].ln1.forward = lambda x: torch.tanh(x)  # no norm by what it does
    with sw.Engine(model, tiny.sae("jumprelu", LATE)) as engine, pytest.raises(GradientError, match="leave out 'norm'"):
        sw.attribute(engine, TEXT, sw.logit(5), linearised=("norm",))

"""Whether attention patterns can be frozen at all: models that make none, and models that only show them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny
import torch
import transformers
from sae_lens import SAETransformerBridge
from torch import Tensor

import saewidgets as sw
from saewidgets.errors import SaewidgetsError
from saewidgets.interventions.effects.frozen_attention import Patterns

TEXT = "In the beginning God created 日本語 and the earth."
HOOK = "blocks.0.hook_resid_pre"
SIZES: dict[str, Any] = {
    "vocab_size": len(tiny.tokenizer()),
    "hidden_size": tiny.D_MODEL,
    "max_position_embeddings": tiny.N_CTX,
    "bos_token_id": 0,
    "eos_token_id": 1,
}


def bridge_of(name: str, model: Any) -> Any:
    torch.manual_seed(0)
    made = model.eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0, 0.3) if parameter.ndim > 1 else None
    return SAETransformerBridge.boot_transformers(name, hf_model=made, tokenizer=tiny.tokenizer(), device="cpu")


def gpt_neo() -> Any:
    """Its bridge runs Hugging Face's attention and then shows the patterns (so do those of TinyStories models)."""
    config = transformers.GPTNeoConfig(
        **SIZES, num_layers=2, num_heads=4, intermediate_size=32, attention_types=[[["global", "local"], 1]]
    )
    config.architectures = ["GPTNeoForCausalLM"]
    return bridge_of("EleutherAI/gpt-neo-125M", transformers.GPTNeoForCausalLM(config))


def opt(attention: str) -> Any:
    config = transformers.OPTConfig(  # type: ignore[call-arg]
        **SIZES,
        num_hidden_layers=2,
        num_attention_heads=4,
        ffn_dim=32,
        word_embed_proj_dim=tiny.D_MODEL,
        pad_token_id=1,
        attn_implementation=attention,
    )
    config.architectures = ["OPTForCausalLM"]
    return bridge_of("facebook/opt-125m", transformers.OPTForCausalLM(config))


def llama() -> Any:
    config = transformers.LlamaConfig(
        **SIZES, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=32
    )
    config.architectures = ["LlamaForCausalLM"]
    return bridge_of("meta-llama/Llama-3.2-1B", transformers.LlamaForCausalLM(config))


def test_patterns_that_are_only_shown_are_refused() -> None:
    model = gpt_neo()
    engine = sw.Engine(model, tiny.sae("standard", HOOK))
    tokens = torch.tensor(engine.to_ids(TEXT))
    with torch.no_grad():
        clean = model(tokens)
        names = [f"blocks.{n}.attn.hook_pattern" for n in range(2)]
        none = model.run_with_hooks(tokens, fwd_hooks=[(name, lambda p, hook: 0 * p) for name in names])
    assert torch.equal(clean, none), "the premise: what is put in their place is not used"
    with pytest.raises(SaewidgetsError, match=r"after it used them.*HookedSAETransformer.from_pretrained"):
        sw.effects(engine, TEXT, sw.add(3, 5), freeze_attention=True)
    assert np.abs(sw.effects(engine, TEXT, sw.add(3, 5)).delta[1:]).max() > 1e-3


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_model_that_makes_no_patterns_says_so(attention: str) -> None:
    engine = sw.Engine(opt(attention), tiny.sae("standard", HOOK))
    wanted = "attn_implementation='eager'" if attention == "sdpa" else "after it used them"
    with pytest.raises(SaewidgetsError, match=wanted):
        sw.effects(engine, TEXT, sw.add(3, 5), freeze_attention=True)
    assert np.abs(sw.effects(engine, TEXT, sw.add(3, 5)).delta[1:]).max() > 1e-3


def test_a_layer_without_attention_says_so() -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae("standard", HOOK))
    engine.model.raw.cfg.n_layers = 3
    with pytest.raises(SaewidgetsError, match=r"no attention patterns to freeze.*blocks.2.attn.hook_pattern"):
        Patterns(engine.model).reads()


@pytest.mark.parametrize("hook", [HOOK, "blocks.0.hook_attn_out"])
def test_a_bridge_with_patterns_of_its_own(hook: str) -> None:
    """Also where the SAE reads what is looked at to know that patterns are used."""
    model = llama()
    engine = sw.Engine(model, tiny.sae("standard", hook))
    (ids,) = engine.to_ids(TEXT)
    tokens, row = torch.tensor([ids]), tiny.sae("standard", hook).W_dec[3].detach()
    place, names = model._resolve_hook_name(hook), [f"blocks.{n}.attn.hook_pattern" for n in range(2)]

    def push(h: Tensor, hook: Any) -> Tensor:
        return torch.cat([h[:, :1], h[:, 1:] + 5 * row], 1)

    with torch.no_grad():
        logits, seen = model.run_with_cache(tokens)
        patterns = [(name, lambda p, hook, name=name: seen[name]) for name in names]
        clean = logits[0].log_softmax(-1)
        free = model.run_with_hooks(tokens, fwd_hooks=[(place, push)])[0].log_softmax(-1)
        held = model.run_with_hooks(tokens, fwd_hooks=[(place, push), *patterns])[0].log_softmax(-1)
    found = sw.effects(engine, ids, sw.add(3, 5), freeze_attention=True)
    assert found.frozen is not None and (free - held).abs().max() > 1e-3
    at = torch.arange(len(ids) - 1), torch.tensor(ids[1:])
    np.testing.assert_allclose(found.delta[1:], (free - clean)[at], atol=5e-5, rtol=2e-3)
    np.testing.assert_allclose(found.frozen.delta[1:], (held - clean)[at], atol=5e-5, rtol=2e-3)

"""One model twice: the same random weights as a HookedTransformer and as a TransformerBridge (GPT-2-like, Llama-like)."""

from __future__ import annotations

import warnings
from typing import Any

import tiny
import torch
from sae_lens import HookedSAETransformer, SAETransformerBridge
from transformer_lens import HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights, convert_llama_weights
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

SIZES: dict[str, Any] = {"n_layers": 2, "d_model": 16, "n_ctx": 64, "d_head": 4, "n_heads": 4, "device": "cpu"}


def gpt2(
    *,
    wrapper: str = "hooked",
    fold_ln: bool = False,
    center_writing_weights: bool = False,
    fold_value_biases: bool = False,
) -> Any:
    """LayerNorm, biases everywhere; processed as `from_pretrained` does it."""
    vocabulary = len(tiny.tokenizer())
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=vocabulary,
        n_positions=64,
        n_embd=16,
        n_layer=2,
        n_head=4,
        n_inner=32,
        bos_token_id=0,
        eos_token_id=1,
        architectures=["GPT2LMHeadModel"],
        activation_function="gelu_new",
    )
    hf_model = GPT2LMHeadModel(config).eval()
    _shake(hf_model)
    options = {
        "fold_ln": fold_ln,
        "center_writing_weights": center_writing_weights,
        "fold_value_biases": fold_value_biases,
    }
    if wrapper == "bridge":
        bridge = SAETransformerBridge.boot_transformers(
            "gpt2", hf_model=hf_model, tokenizer=tiny.tokenizer(), device="cpu"
        )
        if any(options.values()):
            bridge.enable_compatibility_mode(disable_warnings=True, center_unembed=False, **options)
        return bridge
    cfg = HookedTransformerConfig(**SIZES, d_mlp=32, d_vocab=vocabulary, act_fn="gelu_new", normalization_type="LN")
    return _hooked(cfg, convert_gpt2_weights(hf_model, cfg), options)


def llama(*, wrapper: str = "hooked") -> Any:
    """RMSNorm, gated MLP, four query heads on two key-value heads; unprocessed."""
    vocabulary = len(tiny.tokenizer())
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        bos_token_id=0,
        eos_token_id=1,
        architectures=["LlamaForCausalLM"],
    )
    hf_model = LlamaForCausalLM(config).eval()
    _shake(hf_model)
    if wrapper == "bridge":
        return SAETransformerBridge.boot_transformers(
            "meta-llama/Llama-3.2-1B", hf_model=hf_model, tokenizer=tiny.tokenizer(), device="cpu"
        )
    cfg = HookedTransformerConfig(
        **SIZES,
        n_key_value_heads=2,
        d_mlp=24,
        d_vocab=vocabulary,
        act_fn="silu",
        normalization_type="RMS",
        gated_mlp=True,
        positional_embedding_type="rotary",
        rotary_dim=4,
        rotary_adjacent_pairs=False,
        final_rms=True,
        eps=config.rms_norm_eps,
        original_architecture="LlamaForCausalLM",
    )
    return _hooked(cfg, convert_llama_weights(hf_model, cfg), {})


MODELS = {"gpt2": gpt2, "llama": llama}


def _hooked(cfg: HookedTransformerConfig, weights: dict[str, torch.Tensor], options: dict[str, bool]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model = HookedSAETransformer(cfg, tokenizer=tiny.tokenizer())
    if options.get("fold_ln"):
        model.load_and_process_state_dict(weights, center_unembed=False, **options)
        model.cfg.normalization_type = "LNPre"
    else:
        model.load_and_process_state_dict(weights, center_unembed=False, **{"fold_ln": False, **options})
    model.eval()
    return model


def _shake(model: torch.nn.Module) -> None:
    """Weights in which norms and biases matter, and tokens differ."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.3)
            else:
                parameter.mul_(5)

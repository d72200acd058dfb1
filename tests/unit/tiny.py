"""Tiny random models and SAEs of every architecture, made in milliseconds and without a network."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import torch
from sae_lens import SAE, HookedSAETransformer, SAETransformerBridge
from sae_lens.saes import (
    AbsTopKSAE,
    AbsTopKSAEConfig,
    BatchTopKTrainingSAE,
    BatchTopKTrainingSAEConfig,
    GatedSAE,
    GatedSAEConfig,
    JumpReLUSAE,
    JumpReLUSAEConfig,
    JumpReLUSkipTranscoder,
    JumpReLUSkipTranscoderConfig,
    JumpReLUTranscoder,
    JumpReLUTranscoderConfig,
    MatchingPursuitSAE,
    MatchingPursuitSAEConfig,
    MatryoshkaBatchTopKTrainingSAE,
    MatryoshkaBatchTopKTrainingSAEConfig,
    SkipTranscoder,
    SkipTranscoderConfig,
    StandardSAE,
    StandardSAEConfig,
    TemporalSAE,
    TemporalSAEConfig,
    TopKSAE,
    TopKSAEConfig,
    Transcoder,
    TranscoderConfig,
)
from sae_lens.saes.sae import SAEMetadata
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformer_lens import HookedTransformerConfig
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

D_MODEL, D_SAE, N_CTX, N_HEADS, D_MLP = 16, 48, 64, 4, 32

TEXTS = ["In the beginning God created the heaven and the earth. " * 5, "日本語のテキスト 😀 Zwölf Boxkämpfer"]


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer with BOS and EOS, like GPT-2's."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|bos|>", "<|eos|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<|bos|>",
        eos_token="<|eos|>",
        pad_token="<|eos|>",
        name_or_path="tiny",
        add_bos_token=True,
    )


def hooked(seed: int = 0) -> HookedSAETransformer:
    """A two-layer HookedSAETransformer."""
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        cfg = HookedTransformerConfig(
            n_layers=2,
            d_model=D_MODEL,
            n_ctx=N_CTX,
            d_head=D_MODEL // N_HEADS,
            n_heads=N_HEADS,
            d_mlp=D_MLP,
            d_vocab=len(tokenizer()),
            act_fn="gelu",
            seed=seed,
            device="cpu",
        )
        model = HookedSAETransformer(cfg, tokenizer=tokenizer())
    model.eval()
    return model


def bridge(seed: int = 0) -> SAETransformerBridge:
    """A two-layer SAETransformerBridge over a GPT-2 of Hugging Face."""
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=len(tokenizer()),
        n_positions=N_CTX,
        n_embd=D_MODEL,
        n_layer=2,
        n_head=N_HEADS,
        n_inner=D_MLP,
        bos_token_id=0,
        eos_token_id=1,
        architectures=["GPT2LMHeadModel"],
    )
    hf_model = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for parameter in hf_model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(5)  # GPT-2 starts so small that nothing would differ between tokens
    return SAETransformerBridge.boot_transformers("gpt2", hf_model=hf_model, tokenizer=tokenizer(), device="cpu")


MODELS = {"hooked": hooked, "bridge": bridge}


def sae_of(engine: Any) -> Any:
    """The SAE of an engine that has one, to look at or to change."""
    return engine.dictionary().sae


ARCHITECTURES: dict[str, tuple[type[Any], type[Any], dict[str, Any]]] = {
    "standard": (StandardSAE, StandardSAEConfig, {}),
    "gated": (GatedSAE, GatedSAEConfig, {}),
    "jumprelu": (JumpReLUSAE, JumpReLUSAEConfig, {}),
    "topk": (TopKSAE, TopKSAEConfig, {"k": 5}),
    "topk_rescaled": (TopKSAE, TopKSAEConfig, {"k": 5, "rescale_acts_by_decoder_norm": True}),
    "abstopk": (AbsTopKSAE, AbsTopKSAEConfig, {"k": 5}),
    "batchtopk": (BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig, {"k": 4}),
    "matryoshka": (
        MatryoshkaBatchTopKTrainingSAE,
        MatryoshkaBatchTopKTrainingSAEConfig,
        {"k": 4, "matryoshka_widths": [16, D_SAE]},
    ),
    "matching_pursuit": (MatchingPursuitSAE, MatchingPursuitSAEConfig, {"max_iterations": 6}),
    "temporal": (
        TemporalSAE,
        TemporalSAEConfig,
        {"n_heads": 2, "bottleneck_factor": 4, "sae_diff_type": "topk", "kval_topk": 5},
    ),
    "layer_norm": (StandardSAE, StandardSAEConfig, {"normalize_activations": "layer_norm"}),
    "constant_norm": (JumpReLUSAE, JumpReLUSAEConfig, {"normalize_activations": "constant_norm_rescale"}),
    "no_b_dec": (StandardSAE, StandardSAEConfig, {"apply_b_dec_to_input": False}),
    "transcoder": (Transcoder, TranscoderConfig, {"d_out": D_MODEL, "apply_b_dec_to_input": False}),
    "skip_transcoder": (SkipTranscoder, SkipTranscoderConfig, {"d_out": D_MODEL, "apply_b_dec_to_input": False}),
    "jumprelu_transcoder": (
        JumpReLUTranscoder,
        JumpReLUTranscoderConfig,
        {"d_out": D_MODEL, "apply_b_dec_to_input": False},
    ),
    "jumprelu_skip_transcoder": (
        JumpReLUSkipTranscoder,
        JumpReLUSkipTranscoderConfig,
        {"d_out": D_MODEL, "apply_b_dec_to_input": False},
    ),
}
TRANSCODERS = [name for name in ARCHITECTURES if "transcoder" in name]
SAES = [name for name in ARCHITECTURES if "transcoder" not in name]


def sae(
    architecture: str = "jumprelu",
    hook: str = "blocks.1.hook_resid_pre",
    *,
    hook_out: str | None = None,
    d_in: int = D_MODEL,
    seed: int = 1,
    **metadata: Any,
) -> SAE[Any]:
    """A random SAE in which every weight matters (biases, thresholds and skips are not zero)."""
    torch.manual_seed(seed)
    cls, config, kwargs = ARCHITECTURES[architecture]
    facts = SAEMetadata(
        **{"hook_name": hook, "hook_name_out": hook_out, "prepend_bos": True, "context_size": N_CTX, **metadata}
    )
    if hook.endswith("hook_z"):
        kwargs = {**kwargs, "reshape_activations": "hook_z"}
    made = cls(config(d_in=d_in, d_sae=D_SAE, metadata=facts, **kwargs))
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name.startswith("attn_layers"):
                parameter.normal_(0, 0.2)
            elif name == "threshold":
                parameter.uniform_(0.05, 0.5)
            elif parameter.ndim == 1:
                parameter.normal_(0, 0.1)
            else:
                parameter.normal_(0, 0.4)
    return made.eval()

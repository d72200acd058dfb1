"""What a feature writes: decoder rows are what decode() adds, paths are what the model adds, logits are the model's.

The references are sae-lens's decode() and forward passes with plain TransformerLens hooks.
"""

from __future__ import annotations

from typing import Any

import pytest
import tiny
import torch
from sae_lens import HookedSAETransformer, SAETransformerBridge
from transformer_lens import HookedTransformerConfig
from transformers import Gemma2Config, Gemma2ForCausalLM, LlamaConfig, LlamaForCausalLM

from saewidgets.engine.dictionary.base import Dictionary
from saewidgets.engine.dictionary.directions import Directions, Neurons
from saewidgets.engine.dictionary.sae import SaeDictionary
from saewidgets.engine.model.model import Model
from saewidgets.engine.model.residual_path import path, residual_directions
from saewidgets.engine.model.unembedding import FOLDED, NO_NORM, NOT_FOLDED, THROUGH_NORM, Unembedding
from saewidgets.errors import ReadoutError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
TRANSCODER_HOOKS = ("blocks.1.mlp.hook_in", "blocks.1.hook_mlp_out")


def made(architecture: str) -> Any:
    hook, out = TRANSCODER_HOOKS if architecture in tiny.TRANSCODERS else ("blocks.1.hook_resid_pre", None)
    return tiny.sae(architecture, hook, hook_out=out)


def folded_hooked() -> Any:
    """A HookedTransformer whose norms have weights, folded as from_pretrained does it."""
    model = with_norm_weights(tiny.hooked())
    model.process_weights_(fold_ln=True, center_writing_weights=True, center_unembed=True)
    return model


def folded_bridge() -> Any:
    model = with_norm_weights(tiny.bridge())
    model.enable_compatibility_mode(disable_warnings=True)
    return model


def with_norm_weights(model: Any) -> Any:
    """Fresh norms have weight 1 and bias 0, which would hide a forgotten weight."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "ln" in name.split(".")[-3:][0] or ".ln" in name or name.startswith("ln_final"):
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model


WRAPPERS = {
    "hooked": lambda: with_norm_weights(tiny.hooked()),
    "bridge": lambda: with_norm_weights(tiny.bridge()),
    "hooked folded": folded_hooked,
    "bridge folded": folded_bridge,
}


def special_model(**changes: Any) -> HookedSAETransformer:
    """A HookedTransformer with another norm, soft caps or norms after the sublayers."""
    cfg = {**tiny.hooked().cfg.to_dict(), "dtype": torch.float32, **changes}
    torch.manual_seed(0)
    model = HookedSAETransformer(HookedTransformerConfig.from_dict(cfg), tokenizer=tiny.tokenizer())
    return with_norm_weights(model.eval())


# -- decoder rows


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_a_decoder_row_times_its_scale_is_what_decode_adds(architecture: str) -> None:
    sae = made(architecture)
    dictionary = SaeDictionary(sae)
    x = torch.randn(7, tiny.D_MODEL, generator=torch.Generator().manual_seed(2)) * 3 + 1
    x = x[None] if architecture == "temporal" else x
    with torch.no_grad():
        acts = sae.encode(x)
        with_feature = sae.decode(acts)
        feature = int(acts.abs().flatten(0, -2).max(0).values.argmax())
        less = sae.encode(x)  # again: decode() used up the statistics of the tokens
        less[..., feature] = 0
        wanted = with_feature - sae.decode(less)
        found = acts[..., feature, None] * dictionary.decoder_scale(x) * dictionary.decoder()[feature]
    assert wanted.abs().max() > 0.1, "the case tests nothing"
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_temporal_saes_scale_by_their_own_constant() -> None:
    cls, config, kwargs = tiny.ARCHITECTURES["temporal"]
    facts = made("temporal").cfg.metadata
    kwargs = {**kwargs, "normalize_activations": "constant_scalar_rescale", "activation_normalization_factor": 4.0}
    dictionary = SaeDictionary(cls(config(d_in=tiny.D_MODEL, d_sae=tiny.D_SAE, metadata=facts, **kwargs)))
    torch.testing.assert_close(dictionary.decoder_scale(torch.randn(2, 3, tiny.D_MODEL)), torch.full((2, 3, 1), 0.25))


def test_decoder_of_columns_directions_and_neurons() -> None:
    sae = made("topk_rescaled")
    columns = torch.tensor([5, 0, 47])
    torch.testing.assert_close(SaeDictionary(sae).decoder(columns), SaeDictionary(sae).decoder()[columns])
    torch.testing.assert_close(SaeDictionary(sae).decoder().norm(dim=-1), torch.ones(tiny.D_SAE))
    vectors = torch.randn(4, 16).half()
    assert torch.equal(Directions(vectors, "blocks.0.hook_resid_pre").decoder(), vectors.float())
    neurons = Neurons("blocks.0.mlp.hook_post", 10**6)
    few = neurons.decoder(torch.tensor([3, 999_999]))
    assert few.shape == (2, 10**6) and few[0, 3] == few[1, 999_999] == 1 and few.sum() == 2
    assert torch.equal(Neurons("blocks.0.mlp.hook_post", 5).decoder(), torch.eye(5))


def test_nothing_of_the_sae_changes() -> None:
    sae = made("layer_norm")
    before = {name: id(value) for name, value in vars(sae).items()}, [p._version for p in sae.parameters()]
    SaeDictionary(sae).decoder()[0, 0] += 0
    SaeDictionary(sae).decoder_scale(torch.randn(3, tiny.D_MODEL))
    assert ({name: id(value) for name, value in vars(sae).items()}, [p._version for p in sae.parameters()]) == before


# -- paths


def added(model: Any, hook: str, change: torch.Tensor, end: str) -> torch.Tensor:
    """How much the residual stream at `end` changes when `change` is added at `hook`, with everything after frozen.

    The last block is used and the change enters after its attention pattern, so nothing else can react but the MLP,
    whose output is frozen where it is not asked for.
    """
    engine_model = Model(model)
    if engine_model.is_bridge and hook.endswith("resid_mid"):
        hook = "blocks.1.hook_attn_out"  # a bridge's resid_mid is a copy for the MLP's norm: edits end there
    names = {name: engine_model.resolve(name) for name in (hook, end, "blocks.1.hook_mlp_out")}
    tokens = torch.tensor([[0, 5, 9, 2]])
    _, cache = model.run_with_cache(tokens)
    frozen = cache[names["blocks.1.hook_mlp_out"]]

    def add(x: torch.Tensor, hook: Any) -> torch.Tensor:
        return x + change.reshape(x.shape[2:])

    def freeze(x: torch.Tensor, hook: Any) -> torch.Tensor:
        return frozen

    seen: list[torch.Tensor] = []
    hooks = [(names[hook], add)]
    if ".attn" in hook or hook.endswith(("attn_out", "resid_mid", "resid_pre")):
        hooks.append((names["blocks.1.hook_mlp_out"], freeze))
    hooks.append((names[end], lambda x, hook: seen.append(x)))
    with torch.no_grad():
        model.run_with_hooks(tokens, fwd_hooks=hooks)
    return seen[0] - cache[names[end]]


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize(
    ("hook", "width"),
    [
        ("blocks.1.hook_resid_mid", tiny.D_MODEL),
        ("blocks.1.hook_attn_out", tiny.D_MODEL),
        ("blocks.1.hook_mlp_out", tiny.D_MODEL),
        ("blocks.1.attn.hook_z", tiny.D_MODEL),
        ("blocks.1.mlp.hook_post", tiny.D_MLP),
        ("blocks.1.hook_resid_post", tiny.D_MODEL),
    ],
)
def test_a_path_is_what_arrives_in_the_residual_stream(wrapper: str, hook: str, width: int) -> None:
    model = WRAPPERS[wrapper]()
    vectors = torch.randn(2, width, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        wanted = added(model, hook, vectors[1], "blocks.1.hook_resid_post")
    found = residual_directions(Model(model), Directions(vectors, hook), vectors)
    torch.testing.assert_close(wanted, found[1].expand_as(wanted), atol=1e-4, rtol=1e-3)
    assert path(Model(model), Directions(vectors, hook)).note == ""


@pytest.mark.parametrize("name", ["blocks.1.hook_in", "blocks.1.hook_out", "blocks.1.attn.o.hook_in"])
def test_a_bridges_own_names_are_known(name: str) -> None:
    model = Model(tiny.bridge())
    legacy = {"hook_in": "hook_resid_pre", "hook_out": "hook_resid_post"}.get(name[9:], "attn.hook_z")
    rows = torch.randn(3, tiny.D_MODEL)
    wanted = residual_directions(model, Directions(rows, f"blocks.1.{legacy}"), rows)
    torch.testing.assert_close(residual_directions(model, Directions(rows, name), rows), wanted)


def test_one_head_and_transcoders_and_pre_activations() -> None:
    raw = tiny.hooked()
    model = Model(raw)
    sae = tiny.sae("standard", "blocks.1.attn.hook_z", d_in=4, hook_head_index=2)
    rows = torch.randn(3, 4)
    torch.testing.assert_close(
        residual_directions(model, SaeDictionary(sae), rows), (rows @ raw.blocks[1].attn.W_O[2]).detach()
    )
    transcoder = SaeDictionary(made("transcoder"))
    rows = torch.randn(3, tiny.D_MODEL)
    assert torch.equal(residual_directions(model, transcoder, rows), rows)
    before: Dictionary = Neurons("blocks.1.mlp.hook_pre", tiny.D_MLP)
    torch.testing.assert_close(
        residual_directions(model, before, before.decoder()), raw.blocks[1].mlp.W_out.detach(), atol=1e-6, rtol=0
    )
    assert path(model, before).note == "without the MLP's nonlinearity"


@pytest.mark.parametrize("wrapper", tiny.MODELS)
@pytest.mark.parametrize("hook", ["blocks.1.mlp.hook_in", "blocks.0.attn.hook_q", "ln_final.hook_normalized"])
def test_other_hooks_have_no_path(wrapper: str, hook: str) -> None:
    with pytest.raises(ReadoutError, match=f"'{hook}' has no direct path to the logits"):
        residual_directions(
            Model(tiny.MODELS[wrapper]()), Directions(torch.ones(1, 16), hook), torch.ones(1, tiny.D_MODEL)
        )


def test_a_width_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(ReadoutError, match="width 5"):
        residual_directions(
            Model(tiny.hooked()), Directions(torch.ones(1, 5), "blocks.0.attn.hook_z"), torch.ones(1, 5)
        )


def test_a_norm_after_the_block_is_linearised_and_said() -> None:
    raw = special_model(normalization_type="RMS", use_normalization_before_and_after=True)
    model = Model(raw)
    rows = torch.randn(3, tiny.D_MODEL)
    heads = Directions(rows, "blocks.1.attn.hook_z")
    wanted = (rows @ raw.blocks[1].attn.W_O.flatten(0, 1)) * raw.blocks[1].ln1_post.w
    torch.testing.assert_close(residual_directions(model, heads, rows), wanted.detach(), atol=1e-4, rtol=1e-4)
    assert path(model, heads).note == "through the block's norm (linearised)"
    assert path(model, Directions(rows, "blocks.1.hook_attn_out")).note == ""
    out = added(raw, "blocks.1.hook_attn_out", rows[0], "blocks.1.hook_resid_post")
    torch.testing.assert_close(out, rows[0].expand_as(out), atol=1e-4, rtol=1e-3)


# -- unembedding


def models() -> dict[str, Any]:
    return {
        **WRAPPERS,
        "rms": lambda: special_model(normalization_type="RMS"),
        "no norm": lambda: special_model(normalization_type=None),
        "soft cap": lambda: special_model(output_logits_soft_cap=0.5),
        "odd width": lambda: special_model(d_model=15, d_head=5, n_heads=3),
    }


@pytest.mark.parametrize("name", models())
def test_logits_of_the_last_residual_are_the_models(name: str) -> None:
    model = models()[name]()
    tokens = torch.tensor([[0, 7, 3, 100], [0, 5, 5, 2]])
    with torch.no_grad():
        logits, cache = model.run_with_cache(tokens)
    resid = cache[Model(model).resolve("blocks.1.hook_resid_post")]
    unembedding = Unembedding(Model(model))
    torch.testing.assert_close(unembedding.logits(resid), logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(unembedding.logits(resid[0, 1]), logits[0, 1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in models() if name != "soft cap"])  # which weights leave out
def test_through_the_norm_is_its_derivative_up_to_scale(name: str) -> None:
    model = models()[name]()
    d_model = model.cfg.d_model
    generator = torch.Generator().manual_seed(8)
    directions = torch.randn(5, d_model, generator=generator).double()
    unembedding = Unembedding(Model(model))
    found = unembedding.through_norm(directions.float()).double()

    # A residual orthogonal to the direction, and both without a mean: only there is the derivative the bare product.
    resid = torch.randn(5, d_model, generator=generator).double()
    centred = directions - directions.mean(-1, keepdim=True)
    resid -= resid.mean(-1, keepdim=True)
    used = directions if name in ("rms", "no norm") else centred
    resid -= used * (resid * used).sum(-1, keepdim=True) / (used * used).sum(-1, keepdim=True)
    model = model.double()
    model.cfg.dtype = torch.float64
    eps = 1e-4
    double = Unembedding(Model(model))
    slope = (double.logits(resid + eps * directions) - double.logits(resid - eps * directions)) / (2 * eps)
    scale = 1.0 if name == "no norm" else resid.pow(2).mean(-1, keepdim=True).sqrt()
    torch.testing.assert_close(slope * scale, found, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_direct_is_the_product_with_the_stored_weights_and_says_so(wrapper: str) -> None:
    model = WRAPPERS[wrapper]()
    unembedding = Unembedding(Model(model))
    rows = torch.randn(3, tiny.D_MODEL)
    torch.testing.assert_close(unembedding.direct(rows), (rows @ model.W_U).detach(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(unembedding.weights, model.W_U.detach())
    assert unembedding.label() == (FOLDED if "folded" in wrapper else NOT_FOLDED)
    assert unembedding.label(final_norm=True) == THROUGH_NORM
    if "folded" in wrapper:  # centred already, and the weight is in W_U: only the directions' own mean is left
        centred = rows - rows.mean(-1, keepdim=True)
        torch.testing.assert_close(unembedding.through_norm(rows), unembedding.direct(centred), atol=1e-5, rtol=1e-4)


def test_other_dtypes_are_multiplied_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.hooked().to(torch.bfloat16)
    unembedding = Unembedding(Model(model))
    monkeypatch.setattr("saewidgets.engine.model.unembedding._CONVERT", 100 * tiny.D_MODEL)
    rows = torch.randn(3, tiny.D_MODEL)
    found = unembedding.direct(rows)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, rows @ model.W_U.detach().float(), atol=1e-6, rtol=1e-5)


def test_a_model_without_a_norm_says_so() -> None:
    assert Unembedding(Model(special_model(normalization_type=None))).label(final_norm=True) == NO_NORM


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_the_users_hooks_do_not_fire_and_stay(wrapper: str) -> None:
    model = WRAPPERS[wrapper]()
    fired: list[str] = []
    points = [model.ln_final, model.unembed, model.ln_final.hook_normalized, model.ln_final.hook_scale]
    for point in points:
        point.register_forward_hook(lambda *_: fired.append("forward"))
    for point in points[2:]:
        point.add_hook(lambda x, hook: fired.append("point"))
    before = [len(point._forward_hooks) for point in points], [p._version for p in model.parameters()]
    unembedding = Unembedding(Model(model))
    logits = unembedding.logits(torch.randn(1, 3, tiny.D_MODEL))
    unembedding.through_norm(torch.randn(2, tiny.D_MODEL))
    assert fired == [] and not logits.requires_grad
    assert ([len(point._forward_hooks) for point in points], [p._version for p in model.parameters()]) == before
    with torch.no_grad():
        model(torch.tensor([[1, 2]]))
    assert fired, "the hooks are the user's still"


def test_training_of_the_model_goes_on_being_visible() -> None:
    model = tiny.hooked()
    unembedding = Unembedding(Model(model))
    resid = torch.randn(1, 2, tiny.D_MODEL)
    before = unembedding.logits(resid)
    with torch.no_grad():
        model.unembed.W_U.mul_(2)
    assert not torch.allclose(unembedding.logits(resid), before)
    torch.testing.assert_close(unembedding.weights, model.W_U.detach())


FAMILIES = {
    "llama": ("meta-llama/Llama-3.2-1B", LlamaForCausalLM, LlamaConfig, {"architectures": ["LlamaForCausalLM"]}),
    "gemma2": (
        "google/gemma-2-2b",
        Gemma2ForCausalLM,
        Gemma2Config,
        {"architectures": ["Gemma2ForCausalLM"], "head_dim": 4, "final_logit_softcapping": 1.0},
    ),
}


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_other_families_on_a_bridge(family: str, folded: bool) -> None:
    """RMSNorm, grouped heads, Gemma's weights that are offsets from 1, its soft cap and its norms after a block."""
    name, cls, config, more = FAMILIES[family]
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "max_position_embeddings": 64}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    torch.manual_seed(0)
    hf_model = cls(config(vocab_size=len(tiny.tokenizer()), **sizes, **heads, **more)).eval()
    with torch.no_grad():
        for parameter in hf_model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.3)
            else:
                parameter.mul_(5)
    norms = hf_model.model
    offset = 1 if family == "gemma2" else 0
    gamma = norms.norm.weight.detach().clone() + offset
    model = SAETransformerBridge.boot_transformers(name, hf_model=hf_model, tokenizer=tiny.tokenizer(), device="cpu")
    if folded:
        model.enable_compatibility_mode(disable_warnings=True)
    engine_model = Model(model)
    unembedding = Unembedding(engine_model)
    with torch.no_grad():
        logits, cache = model.run_with_cache(torch.tensor([[0, 7, 3, 100]]))
    resid = cache[engine_model.resolve("blocks.1.hook_resid_post")]
    torch.testing.assert_close(unembedding.logits(resid), logits, atol=1e-5, rtol=1e-5)

    rows = torch.randn(3, tiny.D_MODEL)
    weighted = rows if folded else rows * gamma
    torch.testing.assert_close(unembedding.through_norm(rows), (weighted @ model.W_U).detach(), atol=1e-4, rtol=1e-4)
    assert unembedding.label() == (FOLDED if folded else NOT_FOLDED)

    out = rows @ model.blocks[1].mlp.W_out.detach()[: tiny.D_MODEL]
    padded = torch.nn.functional.pad(rows, (0, tiny.D_MLP - tiny.D_MODEL))
    mlp = Directions(padded, "blocks.1.mlp.hook_post")
    if family == "gemma2":
        out = out * (norms.layers[1].post_feedforward_layernorm.weight.detach() + offset)
        assert path(engine_model, mlp).note == "through the block's norm (linearised)"
    torch.testing.assert_close(residual_directions(engine_model, mlp, padded), out, atol=1e-4, rtol=1e-4)

"""How a feature writes: from its decoder row to the residual stream, and from there to the logits.

Reading is the business of `dictionary.py`; this is the way out. Index, ablation and steering all need the same three
facts (the direction, its way to the residual stream, the final norm and unembedding), and each is easy to get subtly
wrong: TopK SAEs that divide by the decoder norm, normalised SAEs, heads, folded LayerNorm, Gemma's norms after a
block. So they are settled here, once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from .dictionary.base import Dictionary
from .dictionary.directions import Directions
from .dictionary.sae import SaeDictionary
from .errors import HookNotFoundError, ReadoutError
from .model.model import Model
from .unembedding import Norm, Unembedding

__all__ = [
    "Path",
    "Unembedding",
    "decoder",
    "decoder_scale",
    "path",
    "residual_directions",
    "rows_label",
    "writing_hook",
]

# -- directions


def decoder(dictionary: Dictionary, columns: Tensor | None = None) -> Tensor:
    """What one unit of each feature adds to the hook that the dictionary writes to: [n_features, d_out] float32.

    SAEs and transcoders: the rows of W_dec as stored; where decoding divides by their norms (TopK SAEs with
    `rescale_acts_by_decoder_norm`), the unit rows. An SAE that normalises its input scales them anew at every token:
    see `decoder_scale`. Directions: the vectors. Neurons: one-hot rows; ask for a few `columns` where there are many.

    Args:
        columns: [n] feature indices; default: all.

    Returns:
        [n, d_out] on the device of the dictionary's weights.
    """
    if isinstance(dictionary, SaeDictionary):
        rows = _rows(dictionary.sae.W_dec, columns)
        return rows / rows.norm(dim=-1, keepdim=True) if _divides_by_norm(dictionary) else rows
    if isinstance(dictionary, Directions):
        return _rows(dictionary.vectors, columns)
    # Neurons, whatever else reads its own basis: built from the indices, so that a few of many cost little.
    wanted = torch.arange(dictionary.n_features) if columns is None else columns.cpu()
    return torch.zeros(len(wanted), dictionary.n_features).scatter_(1, wanted[:, None], 1.0)


def decoder_scale(dictionary: Dictionary, x: Tensor) -> Tensor:
    """By what decoding multiplies the rows of `decoder` at each token: [..., 1] float32 for `x` [..., d_in].

    1, unless the SAE normalises its input token by token: `layer_norm` multiplies by the standard deviation of the
    token's vector, `constant_norm_rescale` by its norm over sqrt(d_in). Transcoders do not undo the normalisation,
    because what they write is not what they read.
    """
    one = torch.ones(*x.shape[:-1], 1, device=x.device)
    if not isinstance(dictionary, SaeDictionary) or _writes_elsewhere(dictionary):
        return one
    if dictionary.sae.cfg.normalize_activations in ("none", "expected_average_only_in"):
        return one
    # sae-lens's own functions, on a copy (they keep the token statistics on the SAE). Undoing the normalisation is
    # affine; the difference of two points leaves its slope.
    x = x.to(dictionary.dtype).float()
    twin = dictionary._twin()
    ends = []
    for end in (torch.zeros_like(one), one):
        twin.run_time_activation_norm_fn_in(x)
        ends.append(twin.run_time_activation_norm_fn_out(end))
    return cast(Tensor, ends[1] - ends[0])


def _rows(weights: Tensor, columns: Tensor | None) -> Tensor:
    # Copied even where nothing is to do: whoever scales the rows in place must not scale the user's weights.
    rows = weights.detach()
    return (rows if columns is None else rows[columns.to(rows.device)]).to(torch.float32, copy=True)


def _divides_by_norm(dictionary: SaeDictionary) -> bool:
    from sae_lens.saes import TopKSAE, TopKTrainingSAE

    # By class: others have no such setting, or keep it without heeding it in decode().
    return isinstance(dictionary.sae, (TopKSAE, TopKTrainingSAE)) and bool(
        getattr(dictionary.sae.cfg, "rescale_acts_by_decoder_norm", False)
    )


def _writes_elsewhere(dictionary: SaeDictionary) -> bool:
    from sae_lens.saes import Transcoder

    return isinstance(dictionary.sae, Transcoder)


# -- from the hook to the residual stream


@dataclass(frozen=True)
class Path:
    """The way from a hook to the residual stream.

    Attributes:
        kind: "residual" (the hook is the stream, or is added to it), "heads" (through W_O), "mlp" (through W_out).
        layer: the block.
        post_norm: name of the block's norm that comes after (Gemma 2), or None.
        note: what the linear path leaves out, for labels; "" if it is exact.
    """

    kind: str
    layer: int
    post_norm: str | None = None
    note: str = ""


# Hook names without "blocks.N.", in the order in which they are tried: what is there, and in which sublayer.
_WAYS = {
    "hook_resid_pre": ("residual", ""),
    "hook_resid_mid": ("residual", ""),
    "hook_resid_post": ("residual", ""),
    "hook_attn_out": ("residual", ""),
    "hook_mlp_out": ("residual", ""),
    "attn.hook_out": ("residual", "attn"),  # of a bridge: before the norm, if one comes after
    "mlp.hook_out": ("residual", "mlp"),
    "attn.hook_z": ("heads", "attn"),
    "mlp.hook_post": ("mlp", "mlp"),
    "mlp.hook_pre": ("mlp", "mlp"),
}


def path(model: Model, dictionary: Dictionary) -> Path:
    """How what `dictionary` writes gets to the residual stream.

    Raises:
        ReadoutError: for a hook that only reaches the logits through attention patterns or a nonlinearity.
    """
    written = dictionary.hook_name_out or dictionary.hook_name
    found = re.fullmatch(r"blocks\.(\d+)\.(.+)", written)
    for end, (kind, sublayer) in _WAYS.items() if found else ():
        assert found is not None
        layer = int(found[1])
        # A bridge calls its hooks differently; its own table of aliases says which is which.
        if found[2] != end and _resolved(model, f"blocks.{layer}.{end}") != model.resolve(written):
            continue
        norm, notes = _norm_after(model, layer, sublayer) if sublayer else (None, [])
        if end == "mlp.hook_pre":
            notes = ["without the MLP's nonlinearity", *notes]
        return Path(kind, layer, norm, ", ".join(notes))
    raise ReadoutError(
        f"{written!r} has no direct path to the logits: what is written there acts only through attention or a "
        "nonlinearity. Direct paths start at hook_resid_pre, hook_resid_mid, hook_resid_post, hook_attn_out, "
        "hook_mlp_out, attn.hook_z and mlp.hook_post."
    )


def writing_hook(model: Model, dictionary: Dictionary) -> str:
    """The hook at which a change must be made for the residual stream, or what reads there, to feel it.

    `hook_name_out` of a transcoder, `hook_name` of others, with one exception: on a TransformerBridge `hook_resid_mid`
    is only the input of the MLP's norm, and an edit there passes the residual stream by. The same change made to
    `hook_attn_out`, which is added to the stream just before, does what it does on a HookedTransformer.
    """
    written = dictionary.hook_name_out or dictionary.hook_name
    found = re.match(r"blocks\.\d+\.", written)
    if model.is_bridge and found and _resolved(model, f"{found[0]}hook_resid_mid") == model.resolve(written):
        return f"{found[0]}hook_attn_out"
    return written


def _resolved(model: Model, name: str) -> str | None:
    try:
        return model.resolve(name)
    except HookNotFoundError:
        return None


def _norm_after(model: Model, layer: int, sublayer: str) -> tuple[str | None, list[str]]:
    """The norm between the output of attention or MLP and the residual stream (Gemma 2, OLMo 2), and notes on it."""
    if model.is_bridge:
        # The bridge points hook_attn_out at whatever is added to the stream: the sublayer, a norm, or a scaled copy.
        added = _resolved(model, f"blocks.{layer}.hook_{sublayer}_out")
        end = "" if added is None else added.split(".", 2)[2].split(".")[0]
        if end.startswith("hook_"):
            return None, ["without the block's residual scale"]
        name = end if end.startswith("ln") else None
    else:
        from transformer_lens.utilities.architectures import POST_NORM_ARCHITECTURES

        cfg, ln = model.raw.cfg, {"attn": "ln1", "mlp": "ln2"}[sublayer]
        name = f"{ln}_post" if cfg.use_normalization_before_and_after else None
        if getattr(cfg, "original_architecture", None) in POST_NORM_ARCHITECTURES:
            name = ln
    return name, ["through the block's norm (linearised)"] if name else []


def residual_directions(model: Model, dictionary: Dictionary, directions: Tensor) -> Tensor:
    """`directions` [n, d_out] in the space of the hook, as directions [n, d_model] of the residual stream, float32.

    Unchanged from the residual stream and from what is added to it; times W_O from `attn.hook_z` (of one head, if the
    SAE reads one); times W_out from `mlp.hook_post` (and from `mlp.hook_pre`, as SAEDashboard does, as if the
    nonlinearity were not there). A transcoder's start at `hook_name_out`. Norms after a block's attention or MLP
    (Gemma 2) are linearised: their weight is applied, not their scale.

    Raises:
        ReadoutError: for any other hook.

    Example:
        >>> residual_directions(engine.model, engine.dictionary(), decoder(engine.dictionary()))
    """
    way = path(model, dictionary)
    block = _block(model, way.layer)
    rows = directions.float()
    if way.kind == "heads":
        weight = cast(Tensor, cast(nn.Module, block.attn).W_O).detach()
        head = getattr(dictionary, "head", None)
        weight = weight.flatten(0, 1) if head is None else weight[head]
        rows = _times(rows, weight, dictionary)
    elif way.kind == "mlp":
        rows = _times(rows, cast(Tensor, cast(nn.Module, block.mlp).W_out).detach(), dictionary)
    if way.post_norm:
        rows = Norm(cast(nn.Module, getattr(block, way.post_norm)), model).linearised(rows)
    return rows


def rows_label(model: Model, dictionary: Dictionary) -> str:
    """What `residual_directions(model, dictionary, decoder(dictionary))` is, as a product: for labels.

    Raises:
        ReadoutError: as `residual_directions`.
    """
    name = "W_dec"
    if isinstance(dictionary, SaeDictionary):
        name = "W_dec/|W_dec|" if _divides_by_norm(dictionary) else name
    else:
        name = "direction" if isinstance(dictionary, Directions) else "neuron"
    return name + {"heads": " @ W_O", "mlp": " @ W_out"}.get(path(model, dictionary).kind, "")


def _times(rows: Tensor, weight: Tensor, dictionary: Dictionary) -> Tensor:
    if rows.shape[-1] != weight.shape[0]:
        raise ReadoutError(
            f"{dictionary.name!r} writes vectors of width {rows.shape[-1]}, but the weights after its hook take "
            f"{weight.shape[0]}: its features have no direct path to the logits."
        )
    return rows.to(weight.device) @ weight.float()


def _block(model: Model, layer: int) -> nn.Module:
    return cast("nn.ModuleList", model.raw.blocks)[layer]

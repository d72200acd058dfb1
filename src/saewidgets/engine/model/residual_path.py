"""How a feature writes: from its decoder row to the residual stream.

The direction itself is the dictionary's business (`Dictionary.decoder`), where it is written `Site`'s; this is the way
from there to the residual stream, easy to get subtly wrong (heads, MLP neurons, Gemma's norms after a block), so it is
settled here, once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from ...errors import HookNotFoundError, ReadoutError
from ..dictionary.base import Dictionary
from .model import Model
from .unembedding import Norm

__all__ = [
    "Path",
    "path",
    "residual_directions",
    "rows_label",
]

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
        >>> residual_directions(engine.model, engine.dictionary(), engine.dictionary().decoder())
    """
    way = path(model, dictionary)
    block = _block(model, way.layer)
    rows = directions.float()
    if way.kind == "heads":
        weight = cast(Tensor, cast(nn.Module, block.attn).W_O).detach()
        weight = weight.flatten(0, 1) if dictionary.head is None else weight[dictionary.head]
        rows = _times(rows, weight, dictionary)
    elif way.kind == "mlp":
        rows = _times(rows, cast(Tensor, cast(nn.Module, block.mlp).W_out).detach(), dictionary)
    if way.post_norm:
        rows = Norm(cast(nn.Module, getattr(block, way.post_norm)), model).linearised(rows)
    return rows


def rows_label(model: Model, dictionary: Dictionary) -> str:
    """What `residual_directions(model, dictionary, dictionary.decoder())` is, as a product: for labels.

    Raises:
        ReadoutError: as `residual_directions`.
    """
    return dictionary.direction_name + {"heads": " @ W_O", "mlp": " @ W_out"}.get(path(model, dictionary).kind, "")


def _times(rows: Tensor, weight: Tensor, dictionary: Dictionary) -> Tensor:
    if rows.shape[-1] != weight.shape[0]:
        raise ReadoutError(
            f"{dictionary.name!r} writes vectors of width {rows.shape[-1]}, but the weights after its hook take "
            f"{weight.shape[0]}: its features have no direct path to the logits."
        )
    return rows.to(weight.device) @ weight.float()


def _block(model: Model, layer: int) -> nn.Module:
    return cast("nn.ModuleList", model.raw.blocks)[layer]

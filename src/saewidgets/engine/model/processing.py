"""What was done to a model's weights, read from the weights: a flag says what was asked for, not what is so.

Folding and centring leave the logits as they are and change the values at hooks, so an SAE only reads what it was
trained on if the model is processed as its training's was. Which hooks feel which processing is written down here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from .hook_names import in_block

if TYPE_CHECKING:
    from transformer_lens import HookedTransformer
    from transformer_lens.model_bridge import TransformerBridge

# Of an unprocessed embedding of width d, a row's mean is about 1/sqrt(d) of its size; of one centred in bfloat16, 1e-4.
_CENTRED, _ROWS = 1e-3, 64

_RESIDUAL = frozenset(
    "hook_embed hook_pos_embed hook_resid_pre hook_resid_mid hook_resid_post hook_attn_out hook_mlp_out hook_mlp_in "
    "hook_attn_in hook_q_input hook_k_input hook_v_input attn.hook_result embed.hook_out pos_embed.hook_out hook_in "
    "hook_out ln1.hook_in ln2.hook_in ln_final.hook_in attn.hook_out attn.o.hook_out mlp.hook_out mlp.out.hook_out "
    "attn.hook_attn_in attn.hook_q_input attn.hook_k_input attn.hook_v_input".split()
)
_NORMED = frozenset(
    "mlp.hook_in ln1.hook_out ln2.hook_out ln_final.hook_out attn.hook_in attn.q.hook_in attn.k.hook_in attn.v.hook_in "
    "mlp.in.hook_in mlp.gate.hook_in unembed.hook_in".split()
)
_VALUES = frozenset("attn.hook_v attn.v.hook_out attn.hook_z attn.o.hook_in attn.hook_result".split())


@dataclass(frozen=True)
class Processing:
    """What was done to a model's weights.

    Attributes:
        folded: the norms' weights are in the linear maps after them (`fold_ln`).
        centred: what writes to the residual stream has mean 0 over its width (`center_writing_weights`).
        value_biases: the values' biases are in the attention's output bias (`fold_value_biases`); False where nothing
            else was done either: a model can have none in the first place.
    """

    folded: bool
    centred: bool
    value_biases: bool

    def __str__(self) -> str:
        done = {
            "LayerNorm folded": self.folded,
            "writing weights centred": self.centred,
            "value biases folded": self.value_biases,
        }
        return ", ".join(name for name, is_so in done.items() if is_so) or "none"


def processing_of(model: HookedTransformer | TransformerBridge) -> Processing:
    """What was done to the weights of `model`, as they are now."""
    folded, centred = _folded(model), _centred(model)
    return Processing(folded, centred, (folded or centred) and _no_value_biases(model))


def felt_at(hook_name: str) -> frozenset[str]:
    """Fields of `Processing` that change the value at a hook; neither changes queries, keys, patterns or neurons."""
    end = in_block(hook_name)
    places = {"centred": _RESIDUAL, "folded": _NORMED, "value_biases": _VALUES}
    return frozenset(field for field, ends in places.items() if end in ends)


def has_layer_norm(model: HookedTransformer | TransformerBridge) -> bool:
    """Whether the norms subtract the mean: only then can weights be centred without changing the model's output."""
    cfg = model.cfg
    rms = str(getattr(cfg, "normalization_type", "") or "").startswith("RMS") or getattr(cfg, "uses_rms_norm", False)
    return not rms


def _folded(model: HookedTransformer | TransformerBridge) -> bool:
    if not hasattr(model, "_weights_processed"):
        return str(getattr(model.cfg, "normalization_type", "") or "").endswith("Pre")
    # A bridge keeps its norms and gives them the weights that do nothing.
    if not model._weights_processed:
        return False
    block = cast("nn.ModuleList", model.blocks)[0]
    norm = getattr(block, "ln1", None)
    weight, bias = getattr(norm, "weight", None), getattr(norm, "bias", None)
    if not isinstance(weight, Tensor):
        return False
    neutral = 0.0 if getattr(model.cfg, "rmsnorm_uses_offset", False) else 1.0
    return bool((weight == neutral).all()) and not (isinstance(bias, Tensor) and bool(bias.any()))


@torch.no_grad()
def _centred(model: HookedTransformer | TransformerBridge) -> bool:
    # Of quantised or missing weights nothing can be said: they cannot be centred either.
    rows = getattr(model, "W_E", None)
    if not isinstance(rows, Tensor) or not rows.is_floating_point() or rows.ndim != 2:
        return False
    rows = rows[:_ROWS].float()
    size = rows.pow(2).mean(-1).sqrt()
    return bool(size.any()) and bool(rows.mean(-1).abs().sum() < _CENTRED * size.sum())


@torch.no_grad()
def _no_value_biases(model: HookedTransformer | TransformerBridge) -> bool:
    # Folding a LayerNorm puts its bias into b_V; that there is none then is the work of `fold_value_biases`.
    biases = getattr(getattr(cast("nn.ModuleList", model.blocks)[0], "attn", None), "b_V", None)
    return has_layer_norm(model) and isinstance(biases, Tensor) and not bool(biases.any())

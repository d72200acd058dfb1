"""The same value under two names: what a TransformerBridge calls its hooks, and what a HookedTransformer calls them.

Published SAEs and transcoders are named after either. A bridge knows the older names itself; a HookedTransformer does
not know the newer ones, so they are translated here, and only where reading *and* writing at both is the same thing:
`ln1.hook_in` is the residual stream to a reader, but who writes there changes the attention's input alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformer_lens import HookedTransformer


def reads_heads(hook_name: str) -> bool:
    """Whether the value at a hook is what each attention head brought, still apart: what attention-output SAEs read.

    Example:
        >>> reads_heads("blocks.3.attn.hook_z")
        True
    """
    return hook_name.endswith("hook_z")


_GLOBAL = {
    "embed.hook_out": "hook_embed",
    "pos_embed.hook_out": "hook_pos_embed",
}
_BLOCK = {
    "hook_in": "hook_resid_pre",
    "hook_out": "hook_resid_post",
    "ln2.hook_out": "mlp.hook_in",
    "attn.q.hook_out": "attn.hook_q",
    "attn.k.hook_out": "attn.hook_k",
    "attn.v.hook_out": "attn.hook_v",
    "attn.o.hook_in": "attn.hook_z",
    "attn.hook_attn_in": "hook_attn_in",
    "attn.hook_q_input": "hook_q_input",
    "attn.hook_k_input": "hook_k_input",
    "attn.hook_v_input": "hook_v_input",
    "mlp.out.hook_in": "mlp.hook_post",
}
_PLAIN_MLP = {"mlp.in.hook_in": "mlp.hook_in", "mlp.in.hook_out": "mlp.hook_pre"}
_GATED_MLP = {"mlp.gate.hook_out": "mlp.hook_pre", "mlp.in.hook_out": "mlp.hook_pre_linear"}
_ADDED_AS_IT_IS = {
    "attn.hook_out": "hook_attn_out",
    "attn.o.hook_out": "hook_attn_out",
    "mlp.hook_out": "hook_mlp_out",
    "mlp.out.hook_out": "hook_mlp_out",
}
# Gemma 2: the stream gets what comes out of a norm, and HookedTransformer has no hook on what goes into it.
_ADDED_THROUGH_A_NORM = {"ln1_post.hook_out": "hook_attn_out", "ln2_post.hook_out": "hook_mlp_out"}


def bridge_names(model: HookedTransformer) -> dict[str, str]:
    """Hook names of a TransformerBridge, each with the hook of `model` that is the same: read and written alike."""
    from transformer_lens.utilities.architectures import POST_NORM_ARCHITECTURES

    cfg = model.cfg
    in_block = {**_BLOCK, **(_GATED_MLP if cfg.gated_mlp else _PLAIN_MLP)}
    if getattr(cfg, "original_architecture", None) not in POST_NORM_ARCHITECTURES:
        in_block |= _ADDED_THROUGH_A_NORM if cfg.use_normalization_before_and_after else _ADDED_AS_IT_IS
        if not cfg.parallel_attn_mlp:
            in_block["ln2.hook_in"] = "hook_resid_mid"
    else:
        del in_block["ln2.hook_out"]
    names = {**_GLOBAL, "ln_final.hook_in": f"blocks.{cfg.n_layers - 1}.hook_resid_post"}
    for layer in range(int(cfg.n_layers)):
        names |= {f"blocks.{layer}.{new}": f"blocks.{layer}.{old}" for new, old in in_block.items()}
    return {new: old for new, old in names.items() if old in model.hook_dict and new not in model.hook_dict}


def in_block(name: str) -> str:
    """A hook's name without its block: "blocks.7.attn.hook_z" is "attn.hook_z"; others as they are."""
    return re.sub(r"^blocks\.\d+\.", "", name)

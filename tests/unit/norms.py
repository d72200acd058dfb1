"""Norm outliers by their definition: a token's norm in the residual stream against the model's on a fixed text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tiny
import torch

from saewidgets.engine.text.counted import REFERENCE_TEXT


def reference_ids() -> list[int]:
    """The fixed text as a tiny model reads it."""
    return [0, *tiny.tokenizer()(REFERENCE_TEXT, add_special_tokens=False)["input_ids"]][: tiny.N_CTX]


def norms(model: Any, hook: str, ids: Sequence[int]) -> np.ndarray[Any, Any]:
    """[pos] norms at a hook of the residual stream (a legacy name)."""
    names = model.hook_dict if not hasattr(model, "hook_aliases") else {}
    name = hook if hook in names or not hasattr(model, "_resolve_hook_name") else model._resolve_hook_name(hook)
    with torch.no_grad():
        return model.run_with_cache(torch.tensor([list(ids)]))[1][name][0].double().norm(dim=-1).numpy()


def reference(model: Any, hook: str) -> float:
    """The lower median over the fixed text's tokens that are neither BOS (0) nor EOS (1)."""
    usual = np.sort(norms(model, hook, reference_ids())[np.array(reference_ids()) > 1])
    return float(usual[(len(usual) - 1) // 2])


def outliers(model: Any, streams: Sequence[str], ids: Sequence[int], factor: float = 10.0) -> np.ndarray[Any, Any]:
    """[pos] which tokens of a text are norm outliers, given the hooks of the residual stream that are asked."""
    far = np.any([norms(model, hook, ids) > factor * reference(model, hook) for hook in streams], axis=0)
    return far & (np.asarray(ids) > 1)


def streams_of(hook: str) -> list[str]:
    """The hooks of the residual stream for what reads at `hook`."""
    block, end = hook.rsplit(".hook_", 1)[0] if ".hook_resid" in hook else ".".join(hook.split(".")[:2]), hook
    if "hook_resid_" in end:
        return [hook]
    inside = end.split(".", 2)[2]
    mlp = "mlp" in inside and inside not in ("hook_mlp_in", "mlp.hook_in")  # what the MLP makes
    return [f"{block}.hook_resid_pre", *([f"{block}.hook_resid_post"] if mlp else [])]

"""An SAE of sae-lens with one setting of its making turned, as a copy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sae_lens import SAE

__all__ = ["turned"]


def turned(sae: SAE[Any]) -> dict[str, Callable[[], SAE[Any]]]:
    """What is different, and a function that makes the SAE so."""
    now = sae.cfg.apply_b_dec_to_input
    return {f"folding: computed with apply_b_dec_to_input={not now}": lambda: _with(sae, apply_b_dec_to_input=not now)}


def _with(sae: SAE[Any], **settings: Any) -> SAE[Any]:
    made = copy.copy(sae)  # its weights are the same tensors, and are only read
    made.cfg = copy.deepcopy(sae.cfg)
    for name, value in settings.items():
        setattr(made.cfg, name, value)
    return made

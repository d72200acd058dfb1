"""What is padding in a forward, read off the attention mask that it was given, in whichever of its forms."""

from __future__ import annotations

import torch
from torch import Tensor

from ...errors import SaewidgetsError

__all__ = ["real_tokens"]


def real_tokens(mask: object, n: int, cached: int) -> Tensor | None:
    """Which of a forward's `n` tokens [batch, n] an attention mask takes for real; None without a mask.

    Args:
        mask: [batch, cached + n], 1 at real tokens, as both model classes take it; or [batch, 1, query, key] with True or
            0 where attention goes, as Hugging Face makes of it. It may be longer, for caches of fixed length.
    """
    if mask is None:
        return None
    if not isinstance(mask, Tensor) or mask.ndim not in (2, 4):
        raise SaewidgetsError(
            "applied() cannot read off this attention_mask what is padding: give it as [batch, tokens], 1 at real tokens."
        )
    if mask.ndim == 4:
        mask = _attended(mask, cached)
    return (mask[:, cached : cached + n] if mask.shape[1] >= cached + n else mask[:, -n:]).bool()


def _attended(mask: Tensor, cached: int) -> Tensor:
    """The keys [batch, key] that real tokens attend to, from what attention each query pays to which key."""
    sees = mask[:, 0] == 0 if mask.is_floating_point() else mask[:, 0].bool()
    # From the last token, which may see only a window; rows of padding may see anything, so they have no say.
    found = sees[:, -1]
    while True:
        rows = found[:, cached : cached + sees.shape[1]]
        more = found | (sees[:, : rows.shape[1]] & rows[:, :, None]).any(1)
        if torch.equal(more, found):
            return found
        found = more

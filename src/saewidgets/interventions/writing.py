"""Where a change goes: onto the value at a hook, in whatever shape the hook has."""

from __future__ import annotations

import torch
from torch import Tensor

from ..engine.dictionary.base import Dictionary
from ..engine.dictionary.directions import Directions
from ..engine.errors import SaeMismatchError
from ..engine.readout import decoder

__all__ = ["contribution", "with_change"]


def contribution(dictionary: Dictionary, columns: Tensor) -> Tensor:
    """What one unit of each feature's activation adds to the value at the hook: [n, d_out] float32.

    `decoder`, except for raw directions: their activation is h·v, so the part of h that it stands for is
    (h·v) v / |v|^2. Without the division, ablating a direction that is no unit vector would overshoot.
    """
    rows = decoder(dictionary, columns)
    return rows / rows.square().sum(-1, keepdim=True) if isinstance(dictionary, Directions) else rows


def with_change(value: Tensor, change: Tensor, dictionary: Dictionary) -> Tensor:
    """`value` [batch, pos, d] or [batch, pos, head, d_head] plus `change` [batch, pos, d_out], added in float32.

    Raises:
        SaeMismatchError: if the dictionary writes vectors of another width.
    """
    head = getattr(dictionary, "head", None)
    change = change.to(value.device)
    if head is not None and value.ndim == 4:
        change = torch.nn.functional.pad(change[:, :, None], (0, 0, head, value.shape[2] - head - 1))
    elif head is not None:  # a bridge's heads are joined
        after = value.shape[-1] - (head + 1) * change.shape[-1]
        change = torch.nn.functional.pad(change, (head * change.shape[-1], after))
    if change.shape[2:].numel() != value.shape[2:].numel():
        raise SaeMismatchError(
            f"{dictionary.name!r} writes vectors of width {change.shape[2:].numel()}, but "
            f"{dictionary.hook_name_out or dictionary.hook_name!r} has width {value.shape[2:].numel()}."
        )
    return (value.float() + change.reshape(value.shape)).to(value.dtype)

"""What the decoder alone says: which features point the same way, and along which neurons."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ...engine.arrays import Floats, Ints
from ..record.settings import NONE

_CHUNK = 2**25
# The norm of a row of zeros, at most.
_NOTHING = 1e-12


def neighbours(
    decoder: Tensor, norms: Tensor, first: int, last: int, k: int, breathe: Callable[[], None]
) -> tuple[Ints, Floats]:
    """The k features whose decoder rows have the largest cosine with each of first .. last-1: indices and cosines [n, k].

    A row of zeros has no direction: it has no neighbours and is nobody's. Where there are fewer than k, `NONE` and NaN.

    Args:
        norms: [n_features] of the rows; those of rows of zeros may be as much as 1e-12, so as to divide by them.
        breathe: called between steps.
    """
    n = len(decoder)
    k = min(k, max(n - 1, 0))
    index, cosine = np.zeros((last - first, k), np.int64), np.zeros((last - first, k), np.float32)
    rows, nowhere = max(1, _CHUNK // max(n, 1)), norms <= _NOTHING
    for low in range(first, last, rows):
        breathe()
        high = min(low + rows, last)
        part = (decoder[low:high] / norms[low:high, None]) @ decoder.T
        part /= norms
        part[torch.arange(high - low), torch.arange(low, high)] = -torch.inf  # itself
        part[:, nowhere] = -torch.inf
        part[nowhere[low:high]] = -torch.inf
        values, found = part.topk(k, dim=1)
        at = slice(low - first, high - first)
        index[at], cosine[at] = found.cpu().numpy(), values.cpu().numpy()
    lacking = np.isneginf(cosine)
    index[lacking], cosine[lacking] = NONE, np.nan
    return index, cosine


def alignment(decoder: Tensor, k: int) -> tuple[Ints, Floats, Floats]:
    """The k largest entries, by size, of each decoder row: neuron, value, and share of the row's L1 norm [n, k]."""
    decoder = decoder.float()
    size = decoder.abs()
    found = size.topk(min(k, decoder.shape[1]), dim=1).indices
    values = decoder.gather(1, found)
    share = values.abs() / size.sum(1, keepdim=True).clamp(min=1e-30)
    return found.cpu().numpy(), values.cpu().numpy(), share.cpu().numpy()

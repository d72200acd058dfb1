"""What the decoder alone says: which features point the same way, and along which neurons."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..engine.ranking import Floats, Ints

_CHUNK = 2**25


def neighbours(decoder: Tensor, k: int, step: Callable[[int], None]) -> tuple[Ints, Floats]:
    """The k features whose decoder rows have the largest cosine with each: indices and cosines [n_features, k].

    A row of zeros has cosine 0 with everything.
    """
    n = len(decoder)
    k = min(k, max(n - 1, 0))
    unit = torch.nn.functional.normalize(decoder.float(), dim=1)
    index, cosine = np.zeros((n, k), np.int64), np.zeros((n, k), np.float32)
    rows = max(1, _CHUNK // max(n, 1))
    for low in range(0, n, rows):
        part = unit[low : low + rows] @ unit.T
        high = low + len(part)
        part[torch.arange(high - low), torch.arange(low, high)] = -torch.inf  # itself
        values, found = part.topk(k, dim=1)
        index[low:high], cosine[low:high] = found.cpu().numpy(), values.cpu().numpy()
        step(high)
    return index, cosine


def alignment(decoder: Tensor, k: int) -> tuple[Ints, Floats, Floats]:
    """The k largest entries, by size, of each decoder row: neuron, value, and share of the row's L1 norm [n, k]."""
    decoder = decoder.float()
    size = decoder.abs()
    found = size.topk(min(k, decoder.shape[1]), dim=1).indices
    values = decoder.gather(1, found)
    share = values.abs() / size.sum(1, keepdim=True).clamp(min=1e-30)
    return found.cpu().numpy(), values.cpu().numpy(), share.cpu().numpy()

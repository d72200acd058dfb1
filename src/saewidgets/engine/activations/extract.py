"""Activations that are not 0, compacted where they were computed, and on their way to the host in one copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...errors import NonFiniteError
from ..arrays import Ints
from ..transfer import Arriving, Transfer
from .piece import Piece


@dataclass(frozen=True)
class Sparse:
    """Activations on some tokens, on the device that computed them.

    Attributes:
        counts: [tokens], how many are not 0.
        features: [entries], by token, ascending. values: [entries] float32.
    """

    counts: Tensor
    features: Tensor
    values: Tensor


def sparse(acts: Tensor) -> Sparse:
    """What is not 0 of dense activations [tokens, features]."""
    rows, features = acts.nonzero(as_tuple=True)
    return Sparse(counts_of(rows, len(acts)), features, acts[rows, features].float())


def counts_of(rows: Tensor, n: int) -> Tensor:
    """How often each of 0 .. n-1 is in `rows`, which ascend. Unlike `bincount` it does not wait for a device."""
    return torch.searchsorted(rows, torch.arange(n + 1, device=rows.device)).diff()


def joined(parts: Sequence[Sparse]) -> Sparse:
    """The tokens of all parts, one after the other."""
    if len(parts) == 1:
        return parts[0]
    return Sparse(*(torch.cat([getattr(part, name) for part in parts]) for name in ("counts", "features", "values")))


@dataclass(frozen=True)
class Sent:
    """Numbers of a batch on their way to the host: several arrays as one tensor, so that there is one copy to wait for."""

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    floats: frozenset[str]
    arriving: Arriving

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, once they are there: int64 or float32, in memory of their own."""
        packed = self.arriving.wait().numpy()
        parts = np.split(packed, np.cumsum(self.sizes)[:-1])
        return {
            name: part.view(np.float32).copy() if name in self.floats else part.astype(np.int64)
            for name, part in zip(self.names, parts, strict=True)
        }


def send(arrays: Mapping[str, Tensor], transfer: Transfer) -> Sent:
    """Send arrays of integers below 2**31 and of float32, each [n], all on one device."""
    packed = [a.view(torch.int32) if a.is_floating_point() else a.to(torch.int32) for a in arrays.values()]
    return Sent(
        names=tuple(arrays),
        sizes=tuple(map(len, packed)),
        floats=frozenset(name for name, a in arrays.items() if a.is_floating_point()),
        arriving=transfer.to_host(torch.cat(packed)),
    )


def received(sent: Sent, columns: Ints | None, name: str) -> Piece:
    """The piece of a whole batch of the dictionary `name`.

    Args:
        columns: of which features, if only these were encoded.

    Raises:
        NonFiniteError: if an activation is NaN or infinite.
    """
    arrays = sent.arrays()
    values = arrays["values"]
    if not np.isfinite(values).all():
        raise NonFiniteError(
            f"{int((~np.isfinite(values)).sum())} activations of {name!r} are NaN or infinite. If the model runs in "
            "float16, its values overflow: load it in bfloat16 or float32. Otherwise the SAE's weights are broken."
        )
    features = arrays["features"]
    return Piece(
        counts=arrays["counts"],
        features=features if columns is None else columns[features],
        values=values,
        norm=arrays["norm"],
        error=arrays.get("error"),
        relative=arrays["relative"],
    )

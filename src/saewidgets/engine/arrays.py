"""The NumPy arrays that results are made of; what is a tensor and what a whole number, told without loading torch."""

from __future__ import annotations

import operator
import sys
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch
    from typing_extensions import TypeIs

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]


def is_tensor(value: object) -> TypeIs[torch.Tensor]:
    """Whether it is a tensor: where nobody loaded torch, nothing is."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def whole(value: object, floats: bool = True) -> int:
    """`value` as a plain integer: NumPy's, torch's and whole floats (what a table with gaps makes of integers) are as good.

    Raises:
        TypeError: if it is none.
    """
    kind = str(getattr(value, "dtype", type(value).__name__))
    if "bool" in kind or getattr(value, "ndim", 0) != 0:
        raise TypeError(f"{value!r} is no integer.")
    if floats and "float" in kind and float(cast(float, value)).is_integer():
        return int(cast(float, value))
    return operator.index(value)  # type: ignore[arg-type]

"""What a front-end is told of a token beside its text: bits, as in js/src/tokens/flags.ts."""

from __future__ import annotations

import numpy as np

from ..engine.activations.result import Bools

__all__ = ["BEYOND", "FIRST", "LATER", "OUTLIER", "SPECIAL", "uncounted"]

SPECIAL, OUTLIER, FIRST, LATER, BEYOND = 1, 2, 4, 8, 16


def uncounted(special: Bools, outlier: Bools) -> list[int]:
    """[pos] why a token is not counted, or 0: special before outlier."""
    flags: list[int] = np.where(special, SPECIAL, np.where(outlier, OUTLIER, 0)).tolist()
    return flags

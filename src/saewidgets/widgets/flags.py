"""Which tokens are not counted, as a view is told: bits."""

from __future__ import annotations

import numpy as np

from ..engine.arrays import Bools
from .constants import OUTLIER, SPECIAL


def uncounted(special: Bools, outlier: Bools) -> list[int]:
    """[pos] why a token is not counted, or 0: special before outlier."""
    flags: list[int] = np.where(special, SPECIAL, np.where(outlier, OUTLIER, 0)).tolist()
    return flags

"""Many tests at once: p-values as false discovery rates."""

from __future__ import annotations

import numpy as np

from ...engine.arrays import Doubles

__all__ = ["benjamini_hochberg"]


def benjamini_hochberg(p: Doubles) -> tuple[Doubles, int]:
    """q [n] by Benjamini and Hochberg (1995), and m, the tests that it corrects for: those whose p is not NaN.

    q of the i-th smallest p is the smallest of p_j m / j over all j >= i. NaN stays NaN.
    """
    from scipy.stats import false_discovery_control

    tested = ~np.isnan(p)
    q = np.full(len(p), np.nan)
    if tested.any():
        q[tested] = false_discovery_control(p[tested])
    return q, int(tested.sum())

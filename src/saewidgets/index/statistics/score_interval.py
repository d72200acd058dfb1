"""The interval of a share that was seen in some of a number of cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ...engine.arrays import Doubles, Ints

__all__ = ["clopper_pearson", "wilson"]


def wilson(k: Ints | int, n: int, confidence: float = 0.95) -> tuple[Doubles, Doubles]:
    """The score interval of each proportion k / n (Wilson 1927), within 0 and 1.

    Example:
        >>> wilson(8, 10)
        (0.49..., 0.94...)
    """
    from scipy.special import ndtri

    z = float(ndtri(0.5 + confidence / 2))
    p = np.asarray(k, np.float64) / n
    centre, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = (centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n)
    return np.maximum(low, 0), np.minimum(high, 1)


def clopper_pearson(k: Ints, n: int, misses: Doubles) -> tuple[Doubles, Doubles]:
    """The exact interval of each proportion k / n (Clopper and Pearson 1934), which misses it at most that often: also where that
    is so rarely that the score interval, an approximation, misses more often."""
    from scipy.special import betaincinv

    k = np.asarray(k, np.int64)
    low = np.where(k > 0, betaincinv(np.maximum(k, 1), n - k + 1, misses / 2), 0.0)
    high = np.where(k < n, betaincinv(k + 1, np.maximum(n - k, 1), 1 - misses / 2), 1.0)
    return low, high

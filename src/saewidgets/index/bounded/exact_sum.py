"""Sums of float32 numbers without rounding, so that they are the same in whatever order and grouping they are added.

Every float32 is a whole number of 2**-149, its square one of 2**-298. A sum is such a whole number, in limbs of 32 bits held in
int64: the lower ones in [0, 2**32), the last one signed. (A superaccumulator; Kulisch and Miranker 1986.)
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...engine.arrays import Doubles, Floats, Ints

__all__ = ["SQUARES", "TOTALS", "Limbs", "as_float", "carried", "squares_of", "totals_of"]

Limbs = npt.NDArray[np.int64]

_BITS, _MASK = 32, 2**32 - 1
# Limbs of a sum of up to 2**40 numbers, of a sum of as many squares.
TOTALS, SQUARES = 10, 19
_TOTALS_UNIT, _SQUARES_UNIT = -149, -298
# So many numbers below 2**32 add up without rounding in float64.
_AT_ONCE = 2**21


def totals_of(of: Ints, values: Floats, n: int) -> Limbs:
    """[n, 10] sums of the values [entries] of each of n groups.

    Args:
        of: [entries] the group of each value. Values are finite.
    """
    mantissa, power, sign = _parts(values)
    return carried(_summed(of, mantissa, power, sign, n, TOTALS))


def squares_of(of: Ints, values: Floats, n: int) -> Limbs:
    """[n, 19] sums of the squares of the values."""
    mantissa, power, _ = _parts(values)
    square, power = mantissa * mantissa, 2 * power
    one = np.ones(len(values), np.int64)
    # 48 bits: in two halves, so that a shifted half fits into 64.
    low = _summed(of, square & (2**24 - 1), power, one, n, SQUARES)
    return carried(low + _summed(of, square >> 24, power + 24, one, n, SQUARES))


def carried(limbs: Limbs) -> Limbs:
    """The same numbers, each written in the one way there is; of limbs that were added limb by limb, their sum."""
    found = limbs.copy()
    for i in range(found.shape[1] - 1):
        found[:, i + 1] += found[:, i] >> _BITS
        found[:, i] &= _MASK
    return found


def as_float(limbs: Limbs) -> Doubles:
    """[n] the sums as float64, to its precision."""
    unit = _TOTALS_UNIT if limbs.shape[1] == TOTALS else _SQUARES_UNIT
    negative = limbs[:, -1] < 0
    positive = carried(np.where(negative[:, None], -limbs, limbs))
    found = np.zeros(len(limbs))
    for i in reversed(range(limbs.shape[1])):
        found += np.ldexp(positive[:, i].astype(np.float64), _BITS * i + unit)
    return np.where(negative, -found, found)


def _parts(values: Floats) -> tuple[Ints, Ints, Ints]:
    """Whole numbers below 2**24, powers of two in units of 2**-149, and signs."""
    bits = values.astype(np.float32).view(np.uint32).astype(np.int64)
    exponent = (bits >> 23) & 255
    mantissa = (bits & (2**23 - 1)) + np.where(exponent > 0, 2**23, 0)
    return mantissa, np.maximum(exponent, 1) - 1, np.where(bits >> 31, -1, 1)


def _summed(of: Ints, whole: Ints, power: Ints, sign: Ints, n: int, limbs: int) -> Limbs:
    """[n, limbs] sums of sign x whole x 2**power, for whole numbers below 2**24; not carried yet."""
    found = np.zeros((n, limbs), np.int64)
    for start in range(0, len(of), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        shifted = whole[part] << (power[part] % _BITS)
        where = of[part].astype(np.int64) * limbs + power[part] // _BITS
        for beyond, number in enumerate((shifted & _MASK, shifted >> _BITS)):
            summed = np.bincount(where + beyond, (sign[part] * number).astype(np.float64), n * limbs)
            found += summed[: n * limbs].astype(np.int64).reshape(n, limbs)
    return found

"""Which feature is meant: a whole number, of whatever kind it was given as."""

from __future__ import annotations

from typing import SupportsInt, cast

from ..errors import FeatureIndexError

__all__ = ["feature_number"]


def feature_number(given: object) -> int:
    """`given` as a plain integer: NumPy's, torch's and whole floats (what a table with gaps makes of integers) are as good.

    Raises:
        FeatureIndexError: for what is no whole number. Cut to one, it would be another feature.
    """
    try:
        number = int(cast(SupportsInt, given))
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or number != given:
        raise FeatureIndexError(f"{given!r} is no feature: features are whole numbers, counted from 0.")
    return number

"""Which feature is meant: a whole number, of whatever kind it was given as."""

from __future__ import annotations

from ...errors import FeatureIndexError
from ..arrays import whole

__all__ = ["feature_number"]


def feature_number(given: object) -> int:
    """`given` as a plain integer (`whole`).

    Raises:
        FeatureIndexError: for what is no whole number. Cut to one, it would be another feature.
    """
    try:
        return whole(given)
    except TypeError:
        raise FeatureIndexError(f"{given!r} is no feature: features are whole numbers, counted from 0.") from None

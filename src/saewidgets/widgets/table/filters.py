"""What a table's traits say, checked and as questions have it; and where a page's windows begin."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, cast

import traitlets

from .. import wire
from ..constants import ROWS
from .asked import Between

__all__ = ["betweens", "starts", "valid_filters"]


def valid_filters(value: Mapping[str, Any], columns: Collection[str]) -> dict[str, wire.Json]:
    """The trait `filters`: column to [low, high], each a number or None.

    Raises:
        TraitError: for a column that there is not, and for what are no bounds.
    """
    for name, bounds in value.items():
        if name not in columns:
            raise traitlets.TraitError(f"There is no column {name!r} to filter by; there are {', '.join(columns)}.")
        if not (isinstance(bounds, list) and len(bounds) == 2 and all(map(_is_bound, bounds))):
            raise traitlets.TraitError(f"A filter is [low, high], each a number or None; not {bounds!r} for {name}.")
    return cast("dict[str, wire.Json]", value)


def _is_bound(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value is None or (number and math.isfinite(cast(float, value)))


def betweens(filters: Mapping[str, Any]) -> tuple[Between, ...]:
    """Filters as a question has them (the view's are those of js/src/table/ranges.tsx)."""
    return tuple(Between(name, *filters[name]) for name in sorted(filters))


def starts(rows: int, listed: int) -> range:
    """Where the windows of a page with so many of the listed rows begin: as a view's do (js/src/table/virtual.tsx)."""
    return range(0, max(1, min(rows, listed)), ROWS // 2)

"""What tells points apart by colour: groups (the most frequent by name, the rest as one) or numbers on a scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ...engine.arrays import Floats
from ...geometry.errors import GeometryError
from ...geometry.subspace.places import named, numbers

if TYPE_CHECKING:
    from ...geometry.subspace.result import Subspace

__all__ = ["GROUPS", "OTHER", "Groups", "Scale", "choices", "coloured"]

GROUPS = 12
"""Groups that can be told apart: six hues that every kind of colour vision tells apart, each with two shapes."""
OTHER = 255
"""The group of what is in none of them."""

FEATURE = "feature:"


@dataclass(frozen=True, eq=False)
class Groups:
    """Points by name.

    Attributes:
        names: of the most frequent groups, the largest first. counts: their points.
        group: [n] the place of each point's group; `OTHER`: none of them.
        others: how many further names there are.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]
    group: npt.NDArray[np.uint8]
    others: int


@dataclass(frozen=True, eq=False)
class Scale:
    """Points by number.

    Attributes:
        value: [n], NaN where there is none. low, high: the least and the largest; None where no point has a number.
        missing: points without one.
    """

    value: Floats
    low: float | None
    high: float | None
    missing: int


def choices(sub: Subspace) -> list[tuple[str, str]]:
    """What points can be coloured by, each with its name for a list."""
    columns = [(name, name) for name in sub.places.columns if name not in ("token", "position", "document")]
    features = [(f"{FEATURE}{f}", f"activation of feature {f}") for f in sub.features.tolist()]
    return [
        ("token", "token"),
        ("position", "position in the text"),
        ("document", "document"),
        *columns,
        *features,
    ]


def coloured(sub: Subspace, colour: str) -> Groups | Scale:
    """What tells the points of `sub` apart.

    Raises:
        GeometryError: for what they cannot be coloured by, with all that they can.
    """
    if colour == "token":
        return _groups(sub.token)
    if colour == "position":
        return _scale(sub.places.in_document.astype(np.float32))
    if colour == "document":
        _, first, which = np.unique(sub.places.document, return_index=True, return_inverse=True)
        names = [sub.places.document_name(i) for i in first.tolist()]
        return _groups([names[d] for d in which.tolist()])
    if colour in sub.places.columns:
        return _column(sub.places.column(colour))
    known = sub.features.tolist()
    for at, f in enumerate(known):
        if colour == f"{FEATURE}{f}":
            return _scale(sub.activations[:, at].astype(np.float32))
    raise GeometryError(
        f"The points cannot be coloured by {colour!r}: colour is {', '.join(repr(value) for value, _ in choices(sub))}."
    )


def _groups(names: Sequence[str]) -> Groups:
    found, place, counts = np.unique(np.array(names, dtype=object), return_inverse=True, return_counts=True)
    order = np.lexsort((np.arange(len(found)), -counts))[:GROUPS]
    group = np.full(len(found), OTHER, np.uint8)
    group[order] = np.arange(len(order))
    return Groups(
        tuple(str(found[i]) for i in order.tolist()),
        tuple(counts[order].tolist()),
        group[place.ravel()],
        len(found) - len(order),
    )


def _scale(value: Floats) -> Scale:
    known = value[np.isfinite(value)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (None, None)
    return Scale(value, low, high, len(value) - len(known))


def _column(values: Sequence[object]) -> Groups | Scale:
    """Numbers on a scale, anything else by name; a missing value is a name of its own, or NaN."""
    known = numbers(values)
    return _groups(named(values)) if known is None else _scale(known.astype(np.float32))

"""Points for a picture: all of them, or a sample that keeps what is rare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...engine.arrays import Ints
from .pair import KINDS

__all__ = ["Scatter", "sampled"]

# Of each kind of point at least so many are drawn, if there are so many: what is rare is what one looks for.
_AT_LEAST = 500


@dataclass(frozen=True, eq=False)
class Scatter:
    """Which points are drawn.

    Attributes:
        rows: [m] ascending, rows of the result that they are of.
        note: what the sample is; "" if these are all points.
    """

    rows: Ints
    note: str


def sampled(kinds: Ints, n: int, seed: int = 0) -> Scatter:
    """At most `n` of the points: of each kind its share, but at least 500 of it or all that there are; uniform inside a kind.

    Args:
        kinds: [points] 0, 1 or 2.
    """
    total = len(kinds)
    if total <= n:
        return Scatter(np.arange(total), "")
    groups = [np.flatnonzero(kinds == kind) for kind in range(len(KINDS))]
    floor = [min(len(group), _AT_LEAST, n // len(KINDS)) for group in groups]
    left = n - sum(floor)
    rest = [len(group) - taken for group, taken in zip(groups, floor, strict=True)]
    sizes = [taken + int(left * more / max(1, sum(rest))) for taken, more in zip(floor, rest, strict=True)]
    dice = np.random.default_rng(seed)
    rows = [dice.choice(group, size, replace=False) for group, size in zip(groups, sizes, strict=True)]
    told = ", ".join(
        f"{size:,} of {len(group):,} where {says}"
        for size, group, says in zip(sizes, groups, ("both fire", "only A fires", "only B fires"), strict=True)
    )
    return Scatter(np.sort(np.concatenate(rows)), f"A seeded sample is drawn: {told}. Numbers are of all points.")

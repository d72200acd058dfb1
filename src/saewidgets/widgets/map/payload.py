"""A map on the wire: a point is four bytes, its colour one. A view draws them and knows no number but these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from ...engine.arrays import Floats, Ints
from .. import wire
from ..table.columns import Column

if TYPE_CHECKING:
    from ...geometry.map.layout import FeatureLayout

__all__ = [
    "NO_LEVEL",
    "Colouring",
    "Group",
    "by_groups",
    "by_number",
    "kept_in_words",
    "layout_reply",
    "made_in_words",
    "quantised",
]

# Steps of a coordinate: at the closest zoom half a pixel.
_STEPS = 65_535
# Of a colour scale, and what stands for no value.
_LEVELS, NO_LEVEL = 254, 255
# The scale's ends are quantiles: a few extremes would leave one colour for all others. Beyond them the end's colour.
_ENDS = (0.01, 0.99)

Levels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Group:
    """A colour that stands for a kind of feature: its name, and how many points have it."""

    name: str
    n: int


@dataclass(frozen=True, eq=False)
class Colouring:
    """The colours of all points.

    Attributes:
        level: [points] uint8. Of numbers 0 to 254, equal steps from `low` to `high` (of their logarithms, if `log`), what is
            beyond them included; of groups the group's number. 255: none.
        title, says: of its legend. form: how its numbers are written.
        groups: in the order of their numbers; none of numbers.
        rest: what no level means, and how many there are.
        below, above: whether there are values beyond the ends of the scale.
    """

    level: Levels
    title: str
    says: str
    rest: Group
    groups: tuple[Group, ...] = ()
    form: str = "num"
    log: bool = False
    low: float | None = None
    high: float | None = None
    below: bool = False
    above: bool = False

    def reply(self) -> wire.Reply:
        """As a view is sent it."""
        data: dict[str, wire.Json] = {
            "title": self.title,
            "says": self.says,
            "form": self.form,
            "log": self.log,
            "low": self.low,
            "high": self.high,
            "below": self.below,
            "above": self.above,
            "groups": [{"name": one.name, "n": one.n} for one in self.groups],
            "rest": {"name": self.rest.name, "n": self.rest.n},
        }
        return wire.Reply(data, {"level": self.level})


def by_number(column: Column, features: Ints) -> Colouring:
    """Colours by a column of numbers.

    On a logarithmic scale what is not positive has no level: a density of 0 is that of a feature that never fires.
    """
    values = np.asarray(column.values, np.float64)[features]
    has = np.isfinite(values) & ((values > 0) if column.log else True)
    level = np.full(len(values), NO_LEVEL, np.uint8)
    nothing = "0, or not known" if column.log else "not known"
    rest = Group(nothing, int((~has).sum()))
    if not has.any():
        return Colouring(level, column.title, column.says, rest, form=column.form, log=column.log)
    low, high = (float(end) for end in np.quantile(values[has], _ENDS, method="nearest"))
    at = np.log(values[has] / low) / np.log(high / low) if column.log and high > low else values[has] - low
    if not column.log and high > low:
        at = at / (high - low)
    level[has] = np.round(np.clip(at, 0, 1) * _LEVELS).astype(np.uint8)
    return Colouring(
        level,
        column.title,
        column.says,
        rest,
        form=column.form,
        log=column.log,
        low=low,
        high=high,
        below=bool(values[has].min() < low),
        above=bool(values[has].max() > high),
    )


def by_groups(title: str, says: str, level: Ints, names: Sequence[str], rest: str) -> Colouring:
    """Colours by kinds: `level` is each point's number in `names`; what is outside them is the rest."""
    known = (level >= 0) & (level < len(names))
    groups = tuple(Group(name, int((level == i).sum())) for i, name in enumerate(names))
    return Colouring(
        np.where(known, level, NO_LEVEL).astype(np.uint8), title, says, Group(rest, int((~known).sum())), groups
    )


def quantised(x: Floats, y: Floats) -> npt.NDArray[np.uint32]:
    """[points] x in the lower half of each number and y in the upper one, each of 65,536 equal steps over [-1, 1]."""

    def steps(values: Floats) -> npt.NDArray[np.uint32]:
        return np.round((np.clip(np.asarray(values, np.float64), -1, 1) + 1) / 2 * _STEPS).astype(np.uint32)

    return steps(x) | (steps(y) << np.uint32(16))


def layout_reply(layout: FeatureLayout) -> wire.Reply:
    """The points of a map, in the order of their features, and the features that have none."""
    missing = np.setdiff1d(np.arange(layout.n_features), layout.features)
    data: dict[str, wire.Json] = {
        "n": len(layout.features),
        "of": layout.n_features,
        "kept": kept_in_words(layout),
        "made": made_in_words(layout),
        "notes": cast("list[wire.Json]", list(layout.notes)),
        "provenance": [[key, value] for key, value in layout.provenance.items()],
    }
    return wire.Reply(data, {"xy": quantised(layout.x, layout.y), "missing": missing.astype(np.uint32)})


def kept_in_words(layout: FeatureLayout) -> str:
    """What a map is worth, to be read beside it."""
    return (
        f"UMAP keeps {_percent(layout.kept)} of each feature's {layout.k} nearest neighbours (decoder cosine; by chance "
        f"{_percent(layout.chance)}); distances between far points mean nothing."
    )


def made_in_words(layout: FeatureLayout) -> str:
    """By what, and with which settings, a map was made."""
    settings = ", ".join(f"{name} {value}" for name, value in layout.settings.items())
    return f"UMAP of decoder rows by {layout.method}: {settings}"


def _percent(share: float) -> str:
    return f"{share * 100:.0f}%" if share >= 0.1 else f"{share * 100:.2g}%"

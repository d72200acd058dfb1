"""What a dashboard's view asks, one class a channel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["AskedEffects", "AskedExamples", "AskedFeature", "AskedLabel", "AskedRandom", "AskedText"]


_F = {"wire": "f"}
_LIST = {"wire": "list"}


@dataclass(frozen=True)
class AskedFeature:
    """A feature, and what previous and next step through: those that are `listed`, or all, by `sort`."""

    feature: int = field(metadata=_F)
    sort: str = "density"
    listed: tuple[int, ...] = field(default=(), metadata=_LIST)


@dataclass(frozen=True)
class AskedExamples:
    """Examples of a feature.

    Attributes:
        bounds: (low, high) of a brushed range, or ().
        window: tokens on each side of a snippet; in the view "full" the whole chunk.
        token: only where this is the token; "": any.
        where: (column, value), or ().
    """

    feature: int = field(metadata=_F)
    group: str = "all"
    bounds: tuple[float, ...] = field(default=(), metadata={"wire": "range"})
    view: Literal["snippet", "full"] = "snippet"
    window: int = 10
    token: str = ""
    where: tuple[str, ...] = ()


@dataclass(frozen=True)
class AskedText:
    """The feature on the user's own text."""

    feature: int = field(metadata=_F)
    text: str


@dataclass(frozen=True)
class AskedEffects:
    """The effect of ablation, on the examples at the positions `of` as they are shown, or on the user's own text."""

    feature: int = field(metadata=_F)
    text: str | None = None
    of: tuple[int, ...] | None = None
    view: Literal["snippet", "full"] = "snippet"
    window: int = 10


@dataclass(frozen=True)
class AskedLabel:
    """A new name of a feature; None or "" for none."""

    feature: int = field(metadata=_F)
    label: str | None = None


@dataclass(frozen=True)
class AskedRandom:
    """Another feature than this, of those that are `listed`, or of all."""

    feature: int | None = field(default=None, metadata=_F)
    listed: tuple[int, ...] = field(default=(), metadata=_LIST)

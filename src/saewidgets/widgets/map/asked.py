"""What a map's view asks (its twin is js/src/widgets/map/wire.ts)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AskedColour", "AskedFacts", "AskedLayout", "AskedMarks"]


@dataclass(frozen=True)
class AskedFacts:
    """What the points can be coloured by, which lists there are, where the numbers come from."""


@dataclass(frozen=True)
class AskedLayout:
    """Where the points are: asked once, for it does not change."""


@dataclass(frozen=True)
class AskedColour:
    """One of the colourings, by name."""

    colour: str


@dataclass(frozen=True)
class AskedMarks:
    """The features that are found by what is said of them, and those of a list; "" for either: none asked for."""

    query: str = ""
    by: str = "words"
    only: str = ""

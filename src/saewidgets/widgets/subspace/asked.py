"""What the view of a subspace asks, one class a channel."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AskedColour", "AskedSubspace", "AskedTexts"]


@dataclass(frozen=True)
class AskedSubspace:
    """The points of some features.

    Attributes:
        features: which.
        colour: what the points are coloured by, to come along with them; None: that is asked for on its own.
    """

    features: tuple[int, ...] = ()
    colour: str | None = None


@dataclass(frozen=True)
class AskedColour:
    """What tells the points of some features apart.

    Attributes:
        features: whose points.
        colour: "token", "position", "document", a document column, or "feature:<number>".
    """

    features: tuple[int, ...]
    colour: str


@dataclass(frozen=True)
class AskedTexts:
    """The texts of some points.

    Attributes:
        features: whose points.
        points: which, by their numbers from 0.
    """

    features: tuple[int, ...]
    points: tuple[int, ...]

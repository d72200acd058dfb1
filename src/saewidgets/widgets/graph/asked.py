"""What a view of an attribution graph asks."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["AskedGraph", "AskedNodeCard", "AskedScores"]


@dataclass(frozen=True)
class AskedGraph:
    """Everything to draw: nodes, links, scores."""


@dataclass(frozen=True)
class AskedScores:
    """The scores of what is pinned: names of nodes."""

    pinned: tuple[str, ...]


@dataclass(frozen=True)
class AskedNodeCard:
    """The feature of a layer that is pointed at."""

    feature: int = field(metadata={"wire": "f"})
    layer: int

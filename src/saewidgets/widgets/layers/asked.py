"""What the view of the layers asks, one class a channel."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..wire import Json

__all__ = ["AskedLadder", "AskedLens", "Chosen"]


@dataclass(frozen=True)
class Chosen:
    """A feature of one of the dictionaries."""

    sae: str
    feature: int = field(metadata={"wire": "f"})


@dataclass(frozen=True)
class AskedLadder:
    """The layers one by one after a token.

    Attributes:
        text, target, k: as of the lens.
        position: of the token; None, and one that the text does not have: the last.
        top: features of each dictionary.
        chosen: a feature that is asked for beside the listed ones.
    """

    text: Json = ""
    target: str = ""
    k: int = 5
    position: int | None = None
    top: int = 5
    chosen: Chosen | None = None


@dataclass(frozen=True)
class AskedLens:
    """The lens on a text, and the ladder that is wanted with it: its own `text`, `target` and `k` are not read."""

    text: Json = ""
    target: str = ""
    k: int = 5
    ladder: AskedLadder | None = None

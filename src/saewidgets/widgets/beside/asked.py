"""What the view of two features asks, one class a channel; `a` and `b` are the features of the two sides."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..wire import Json

__all__ = ["AskedContext", "AskedPair", "AskedSide", "AskedText"]


@dataclass(frozen=True)
class AskedSide:
    """What is known of one side's feature, whatever the other one is."""

    side: Literal["A", "B"]
    feature: int = field(metadata={"wire": "f"})


@dataclass(frozen=True)
class AskedPair:
    """The two features on their corpus, or their decoder rows."""

    a: int
    b: int


@dataclass(frozen=True)
class AskedText:
    """The two features on a text."""

    text: Json
    a: int
    b: int


@dataclass(frozen=True)
class AskedContext:
    """A token of the corpus in its text, with the activations of both."""

    a: int
    b: int
    position: int

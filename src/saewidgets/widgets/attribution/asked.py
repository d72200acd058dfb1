"""What an attribution panel may be asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..wire import Json

__all__ = [
    "AskedCheck",
    "AskedColour",
    "AskedComplete",
    "AskedPredictions",
    "AskedRank",
    "AskedWithout",
    "Measure",
    "Question",
    "Sort",
]

Measure = Literal["logits", "logprob", "given"]
Sort = Literal["size", "positive", "negative", "effect"]


@dataclass(frozen=True)
class Question:
    """What is attributed, and how: the traits of those names.

    Attributes:
        path: where a feature is explained in place of the prediction, the last of {sae, feature, text, position}.
        sae: which dictionary is shown.
    """

    prompt: Json = ""
    target: str = ""
    foil: str = ""
    measure: Measure = "logits"
    path: Json = None
    linearised: tuple[str, ...] = ()
    steps: int = 1
    sae: str | None = None


@dataclass(frozen=True)
class AskedRank:
    """The ranking of features: over `tokens` (of all texts; none: all), with special tokens and outliers or without."""

    of: Question = Question()
    tokens: tuple[int, ...] = ()
    include_special: bool = False
    sort: Sort = "size"
    limit: int = 25


@dataclass(frozen=True)
class AskedColour:
    """One feature on every token."""

    of: Question = Question()
    feature: int = field(default=0, metadata={"wire": "f"})


@dataclass(frozen=True)
class AskedPredictions:
    """What comes next after each prompt, with and without the dictionary's reconstruction in its place."""

    prompt: Json = ""
    sae: str | None = None


@dataclass(frozen=True)
class AskedCheck:
    """The true effects of the first `top` features, and of `random` others."""

    of: Question = Question()
    top: int = 20
    random: int = 20
    seed: int = 0


@dataclass(frozen=True)
class AskedWithout:
    """What the model says without all of `features` of the shown dictionary, on their counted tokens, together."""

    of: Question = Question()
    features: tuple[int, ...] = ()


@dataclass(frozen=True)
class AskedComplete:
    """Tokens of the vocabulary that begin like this."""

    query: str = field(default="", metadata={"wire": "q"})

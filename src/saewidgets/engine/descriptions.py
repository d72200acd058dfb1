"""What is said of a feature, and by whom: a name that a person gave, an explanation, or a description made of its examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

__all__ = ["Describer", "Description", "Kind"]

Kind: TypeAlias = Literal["label", "explanation", "automatic"]


@dataclass(frozen=True)
class Description:
    """What a feature is said to be.

    Attributes:
        text: one line, or more.
        kind: "label", a name given by hand; "explanation", what somebody or some model wrote of it; "automatic", made of what
            an index counted, without anybody having looked.
        source: whose words they are, such as the name of a set of explanations; "" for a label.
        score: how well the explanation predicts the activations; None if nobody measured it.
        measure: what the score is, and by whom; "" if its source does not say.
    """

    text: str
    kind: Kind
    source: str = ""
    score: float | None = None
    measure: str = ""


class Describer(Protocol):
    """Whatever says something of features; several are asked in turn, and the first that knows a feature counts."""

    def describe(self, feature: int) -> Description | None:
        """What is said of a feature, if anything is."""
        ...

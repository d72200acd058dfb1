"""A feature at a glance, for whoever points at it: what it is said to be, its histogram, a few top examples and tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import wire
from .payload import examples_reply, numbers, token_weights
from .said import said_of

if TYPE_CHECKING:
    from ...index.feature_index import FeatureIndex

__all__ = ["AskedCard", "AskedCardOf", "card_reply"]

_EXAMPLES, _WINDOW, _TOKENS = 3, 8, 5


@dataclass(frozen=True)
class AskedCard:
    """A feature that is pointed at."""

    feature: int = field(metadata={"wire": "f"})


@dataclass(frozen=True)
class AskedCardOf(AskedCard):
    """The same where a view has several dictionaries; None: the first."""

    sae: str | None = None


def card_reply(index: FeatureIndex, feature: int) -> wire.Reply:
    """The answer of "card": numbers, histogram and examples in the form that a dashboard is sent.

    Raises:
        FeatureIndexError: if there is no such feature.
    """
    info = index.feature(feature)
    facts, arrays = numbers(info)
    examples = examples_reply(info, index.examples(feature, group="top", top=_EXAMPLES, window=_WINDOW))
    top, bottom = (info.logits.top[:_TOKENS], info.logits.bottom[:_TOKENS]) if info.logits else ((), ())
    return wire.Reply(
        {
            **said_of(index.labels, feature),
            **facts,
            "promotes": token_weights(top),
            "suppresses": token_weights(bottom),
            "logits_label": info.logits.label if info.logits else None,
            "logits_missing": info.logits_missing,
            "examples": examples.data,
        },
        {**arrays, **examples.arrays},
    )

"""What can be searched: every sentence that is said of a feature, with who says it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...engine.descriptions import Kind
from ...engine.labels import Labels
from .automatic import NOTHING_SAID, Automatic
from .sets import ExplanationSets

__all__ = ["Said", "labels_said", "others_said"]

_LONGEST = 20_000
"""Characters of an explanation that are searched."""


@dataclass(frozen=True)
class Said:
    """One sentence: the feature that it is about, its text, what kind it is, and whose."""

    feature: int
    text: str
    kind: Kind
    source: str


def labels_said(labels: Labels) -> list[Said]:
    """The labels."""
    return [Said(feature, label[:_LONGEST], "label", "") for feature, label in labels.to_dict().items()]


def others_said(sets: ExplanationSets, automatic: Automatic) -> Iterator[Said]:
    """Explanations, then automatic descriptions of what there are any of."""
    for name, one in sets.all():
        yield Said(one.feature, one.text[:_LONGEST], "explanation", name)
    for feature, text in enumerate(automatic.all()):
        if text == NOTHING_SAID:
            continue
        yield Said(feature, text, "automatic", "the index")

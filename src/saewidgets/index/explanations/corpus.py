"""What can be searched: every sentence that is said of a feature, with who says it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ...engine.descriptions import Kind
from ...engine.labels import Labels
from .automatic import Automatic
from .explanation import Explanation
from .sets import ExplanationSets

__all__ = ["OthersSaid", "Said", "Sentences", "labels_said"]

_LONGEST = 20_000
"""Characters of an explanation that are searched."""


@dataclass(frozen=True)
class Said:
    """One sentence: the feature that it is about, its text, what kind it is, and whose."""

    feature: int
    text: str
    kind: Kind
    source: str


class Sentences(Protocol):
    """Sentences, by number."""

    def __len__(self) -> int: ...

    def __getitem__(self, i: int, /) -> Said: ...

    def __iter__(self) -> Iterator[Said]: ...


def labels_said(labels: Labels) -> list[Said]:
    """The labels."""
    return [Said(feature, label[:_LONGEST], "label", "") for feature, label in labels.now.items()]


class OthersSaid:
    """Explanations, then automatic descriptions of what there are any of, as they are now: each made when it is asked for, for a
    million are many, and of those that are kept as vectors a search needs a few."""

    def __init__(self, sets: ExplanationSets, automatic: Automatic) -> None:
        self._sets, self._automatic = sets.by_name, automatic
        self._described = automatic.described
        self._ends = np.cumsum([len(one) for one in self._sets.values()] or [0])

    def __len__(self) -> int:
        return int(self._ends[-1]) + len(self._described)

    def __getitem__(self, i: int) -> Said:
        if i >= self._ends[-1]:
            feature = int(self._described[i - self._ends[-1]])
            found = self._automatic.describe(feature)
            assert found is not None
            return _by_counts(feature, found.text)
        which = int(np.searchsorted(self._ends, i, side="right"))
        name, one = [*self._sets.items()][which]
        return _explained(name, one[i - (int(self._ends[which - 1]) if which else 0)])

    def __iter__(self) -> Iterator[Said]:
        for name, one in self._sets.items():
            for explanation in one.all():
                yield _explained(name, explanation)
        if len(self._described):
            texts = self._automatic.all()
            for feature in self._described.tolist():
                yield _by_counts(feature, texts[feature])


def _explained(name: str, one: Explanation) -> Said:
    return Said(one.feature, one.text[:_LONGEST], "explanation", name)


def _by_counts(feature: int, text: str) -> Said:
    return Said(feature, text, "automatic", "the index")

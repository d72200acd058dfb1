"""Whose numbers an imported index shows, and where their definitions are others than an index's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...formats.errors import Skipped
from ...formats.records import Source

__all__ = ["Imported", "provenance"]

_DIFFERS = (
    "density is a share of all tokens, with BOS and other ignored ones in the denominator (here: of counted tokens)",
    "the histogram has only activations above 0 (here: all that are not 0)",
    "an interval's share is of all tokens, with those where the feature is silent (here: of active ones)",
    "the largest activation may be at a token that is in no example (here: never)",
    "examples are whole prompts, by SAEDashboard without their first token, and overlap between groups",
    "a correlation with features is within the batch that SAEDashboard computed at once (here: with all)",
    "SAEDashboard folds the norms of the decoder's rows into the activations (here: the SAE as it is)",
)


@dataclass(frozen=True)
class Imported:
    """What came of reading another tool's files.

    Attributes:
        format: "Neuronpedia" or "SAEDashboard"; of: whose numbers, as "gpt2-small/7-res-jb".
        features, examples: how many were taken.
        skipped: the first rows that could not be taken, with file and line; skipped_count: how many there were.
    """

    format: str
    of: str
    features: int
    examples: int
    skipped: tuple[Skipped, ...]
    skipped_count: int

    def __repr__(self) -> str:
        left = f". Left out: {self.skipped_count:,} rows, first {self.skipped[0]}" if self.skipped_count else ""
        return f"Imported({self.of} of {self.format}: {self.features:,} features, {self.examples:,} examples{left})"


def provenance(told: Imported, source: Source, facts: Mapping[str, Any], hook: str) -> dict[str, str]:
    """What stands beside the numbers."""
    on = []
    if source.dataset:
        on.append(source.dataset)
    if source.prompts and source.tokens_per_prompt:
        on.append(f"{source.prompts:,} prompts of {source.tokens_per_prompt:,} tokens")
    on.append(facts["counted_said"])
    found = {
        "numbers of": f"{told.format} export, {told.of or 'of an SAE that it does not name'}; nothing was computed here",
        "model": source.model or "not named",
        "SAE": source.source or "not named",
        "hook": hook or "not named",
        "corpus": ", ".join(on),
        "features": f"{told.features:,} in the files, {told.examples:,} examples",
        "not in the files": "mean, silent examples, all tokens that a feature fires on, dtype, processing, ignored tokens",
    }
    if told.skipped_count:
        found["left out"] = f"{told.skipped_count:,} rows, first {told.skipped[0]}"
    if source.notes and not source.of_counted:
        found["notes of the files"] = source.notes
    differs = source.notes if source.of_counted else f"{'; '.join(_DIFFERS)}."
    found["notes"] = (
        f"These numbers are those of a {told.format} export, by its definitions: {differs} "
        "sw.verify(engine, index) recomputes its examples."
    )
    return found

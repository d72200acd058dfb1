"""One explanation of a feature, and what came of reading many."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...engine.descriptions import Description
from ...engine.text.tokenizer import clean
from ...errors import SaewidgetsError
from ...formats.errors import Skipped as Skipped

__all__ = ["Added", "Explanation", "ExplanationError", "Skipped", "explanation_of"]

# By what people and Neuronpedia call it, best first.
_FEATURE = ("feature", "index", "feature_index", "feature_id", "latent", "neuron")
_TEXT = ("description", "explanation", "label", "text", "name")
_SCORE = ("score", "scoreV2", "scoreV1", "score_v2", "score_v1")


class ExplanationError(SaewidgetsError, ValueError):
    """Explanations that cannot be read, or not without guessing."""


@dataclass(frozen=True)
class Explanation:
    """What somebody, or some model, wrote of a feature.

    Attributes:
        feature: its index.
        text: what was written.
        method: how it was made, such as "oai_token-act-pair" (Neuronpedia's typeName).
        model: which model wrote it (explanationModelName).
        author: who gave it (authorId).
        notes: whatever else its source says in words.
        created: when, as the source writes it.
        score: how well it predicts the activations; None if nobody says.
        measure: what the score is, by whom; "" if its source does not say. Scores of two measures do not compare.
        key: the source's own id of it.
        of: the SAE that it is of, as Neuronpedia names them ("gpt2-small/7-res-jb"); "" if the source does not say.
    """

    feature: int
    text: str
    method: str = ""
    model: str = ""
    author: str = ""
    notes: str = ""
    created: str = ""
    score: float | None = None
    measure: str = ""
    key: str = ""
    of: str = ""

    def said_by(self, source: str) -> Description:
        """It as what is said of its feature by the set `source`."""
        return Description(self.text, "explanation", source, self.score, self.measure)


@dataclass(frozen=True)
class Added:
    """What came of adding explanations.

    Attributes:
        name: of the set that they are in now.
        added: how many are new; duplicates: how many were there already, word for word.
        features: how many features the set explains.
        skipped: the first rows that could not be taken; skipped_count: how many there were.
    """

    name: str
    added: int
    duplicates: int
    features: int
    skipped: tuple[Skipped, ...]
    skipped_count: int

    def __repr__(self) -> str:
        said = f"{self.name!r}: {self.added:,} explanations added"
        if self.duplicates:
            said += f", {self.duplicates:,} were there already"
        said += f"; {self.features:,} features have one"
        if self.skipped_count:
            said += f". Left out: {self.skipped_count:,}, first {self.skipped[0]}"
        return f"Added({said})"


def explanation_of(row: Mapping[str, Any]) -> Explanation:
    """The explanation in a row, whose fields may be called as people, DataFrames and Neuronpedia call them.

    Raises:
        ExplanationError: saying what is missing or wrong.
    """
    feature = _feature(_first(row, _FEATURE))
    text = _first(row, _TEXT)
    if not isinstance(text, str) or not text.strip():
        raise ExplanationError(
            "it has no description" if text is None or isinstance(text, str) else f"{text!r} is no text"
        )
    model_id, layer = row.get("modelId", row.get("model_id")), row.get("layer")
    scores = row.get("scores")
    score = _first(row, _SCORE)
    if score is None and isinstance(scores, list) and scores and isinstance(scores[0], Mapping):
        score = scores[0].get("value", scores[0].get("score"))
    return Explanation(
        feature,
        clean(text).strip(),
        method=_text(row, "typeName", "method", "type_name", "type"),
        model=_text(row, "explanationModelName", "model", "explanation_model_name"),
        author=_text(row, "authorId", "author", "triggeredById"),
        notes=_text(row, "notes"),
        created=_text(row, "createdAt", "created", "created_at"),
        score=_score(score),
        measure=_text(row, "measure", "explanationScoreTypeName"),
        key=_text(row, "id", "key"),
        of=clean(f"{model_id}/{layer}") if isinstance(model_id, str) and isinstance(layer, str) else _text(row, "of"),
    )


def _first(row: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if name in row and not _missing(row[name])), None)


def _missing(value: Any) -> bool:
    return (
        value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value)
    )


def _text(row: Mapping[str, Any], *names: str) -> str:
    found = _first(row, names)
    return "" if found is None else clean(str(found))


def _feature(given: Any) -> int:
    if given is None:
        raise ExplanationError("it does not say of which feature it is")
    if isinstance(given, str) and given.strip().isascii() and given.strip().isdigit():
        return int(given)
    if not isinstance(given, (bool, str)) and hasattr(given, "__index__"):
        number = int(given.__index__())
    elif isinstance(given, float) and given.is_integer():
        number = int(given)
    else:
        raise ExplanationError(f"its feature is {given!r}, not a number from 0")
    if number < 0:
        raise ExplanationError(f"its feature is {number}, not a number from 0")
    return number


def _score(given: Any) -> float | None:
    if isinstance(given, bool) or not isinstance(given, (int, float, str)):
        given = getattr(given, "item", lambda: None)()
    try:
        found = float(given)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None

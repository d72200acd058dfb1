"""The blind test without a kernel: a script-free picture of a finished one; of an unfinished one nothing is given away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...index.autointerp.blind_test import BlindResult
from ...snapshot.fallback import FallbackRow, fallback

if TYPE_CHECKING:
    from ...index.explanations.blind_score import BlindScore
    from ...index.feature_index import FeatureIndex

UNFINISHED = "This test was not finished. It needs a running notebook: only the kernel knows the answers."


def fallback_of(index: FeatureIndex, feature: int, result: BlindResult | None) -> str:
    """Script-free HTML: the texts with their activations, and which were judged rightly."""
    provenance = list(index.provenance.items())
    if result is None:
        return fallback(
            heading=f"Blind test of feature {feature}",
            tokens=[],
            left_out=0,
            caption=UNFINISHED,
            columns=[],
            rows=[],
            provenance=provenance,
            notes=[],
        )
    found = index.feature(feature)
    scale = max(abs(found.maximum or 0.0), abs(found.minimum or 0.0)) or 1.0
    judged = list(zip(result.texts, result.fires, result.answers, strict=True))
    return fallback(
        heading=f"Blind test of feature {feature}: {in_words(result.score)}",
        tokens=[row for i, (one, _, _) in enumerate(judged, 1) for row in _rows(i, one.tokens, one.activations, scale)],
        left_out=0,
        caption=f"Tested: {tested_in_words(result.score)}",
        columns=["text", "fires", "answer", "", f"max {found.activation_name}"],
        rows=[
            [
                str(i),
                "yes" if fires else "no",
                "fires" if answer else "does not fire",
                "\u2713 right" if fires == answer else "\u2717 wrong",
                f"{one.largest:.4g}",
            ]
            for i, (one, fires, answer) in enumerate(judged, 1)
        ],
        provenance=provenance,
        notes=[result.note] if result.note else [],
    )


def in_words(score: BlindScore) -> str:
    """The score in one line."""
    low, high = score.interval
    return (
        f"balanced accuracy {score.balanced_accuracy:.2f} (chance 0.5), {score.right} of {score.n} right, 95% interval "
        f"of the share right {low:.2f} to {high:.2f} (Wilson); true positive rate {score.tpr:.2f}, "
        f"true negative rate {score.tnr:.2f}"
    )


def tested_in_words(score: BlindScore) -> str:
    """What was shown, and what that is."""
    if score.kind == "nothing":
        return "no description was shown"
    names = {"label": "label", "explanation": f"explanation, {score.source}", "automatic": "automatic description"}
    return f"{score.description} ({names[score.kind]})"


def _rows(i: int, tokens: tuple[str, ...], activations: object, scale: float) -> Iterator[FallbackRow]:
    yield FallbackRow(f"{i}  ", 0.0, True, None)
    for text, value in zip(tokens, activations, strict=True):  # type: ignore[call-overload]
        yield FallbackRow(text.replace("\n", "\u21b5"), float(value) / scale, False, float(value))
    yield FallbackRow("\n", 0.0, False, None)

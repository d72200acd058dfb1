"""The dashboard without a kernel: the answers that a page carries, and the script-free picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from ...index.store.kept import ABOUT
from ...snapshot.fallback import FallbackRow, fallback
from .. import wire
from ..shot import Question
from .asked import AskedExamples, AskedFeature
from .payload import answer_examples

if TYPE_CHECKING:
    from ...index.feature_index import FeatureIndex
    from ...index.store.feature import Feature, FiredToken
    from ...index.store.snippets import Example

# Fewer than on screen with a kernel: 100 features must fit into 1.5 MB.
_PAGE_TOP, _PAGE_INTERVAL = 12, 2
_FALLBACK_EXAMPLES = 8


def questions(
    index: FeatureIndex, asked: Sequence[AskedExamples], features: Sequence[wire.Reply], sort: str
) -> Iterator[Question]:
    """What a page answers: each feature, and these examples."""
    listed = tuple(int(cast(int, reply.data["f"])) for reply in features)
    for feature, reply in zip(listed, features, strict=True):
        yield Question("feature", AskedFeature(feature, sort, listed), reply)
    # One feature may have all that is on screen.
    shown = (_PAGE_TOP, _PAGE_INTERVAL) if len(features) > 1 else ()
    for one in asked:
        yield Question("examples", one, answer_examples(index, one, *shown))


def fallback_of(index: FeatureIndex, feature: Feature) -> str:
    """Script-free HTML: the largest activations in their texts, and what the feature fires on and promotes."""
    examples = list(index.examples(feature.feature, group="top", top=_FALLBACK_EXAMPLES))
    label = f" {feature.label}" if feature.label else ""
    if feature.silence is not None:
        heading = f"Feature {feature.feature}{label}: {feature.silence}"
    else:
        density = "not known" if np.isnan(feature.density) else f"{feature.density:.3%} ({feature.density_of})"
        heading = f"Feature {feature.feature}{label}: {feature.activation_name} density {density}"
        heading += "" if feature.maximum is None else f", max {feature.maximum:.4g}"
        heading += "" if feature.mean is None else f", mean {feature.mean:.4g} over active tokens"
    promoted = feature.logits.top if feature.logits else ()
    rows = []
    for i in range(min(10, max(len(feature.tokens), len(promoted)))):
        fired = feature.tokens[i] if i < len(feature.tokens) else None
        weight = promoted[i] if i < len(promoted) else None
        rows.append(
            [
                *(_fired(fired) if fired else [""] * 4),
                *([weight.token, f"{weight.value:.4g}"] if weight else [""] * 2),
            ]
        )
    scale = max(abs(feature.maximum or 0), abs(feature.minimum or 0)) or 1
    return fallback(
        heading=heading,
        tokens=[row for example in examples for row in _rows(example, scale)],
        left_out=0,
        caption="Tokens it fires on (count, mean activation there, share of that token's occurrences), and tokens it promotes"
        + (f" ({feature.logits.label})" if feature.logits else ""),
        columns=["fires on", "count", "mean", "share", "promotes", "logit weight"],
        rows=rows,
        provenance=list(index.provenance.items()),
        notes=list(
            filter(None, [index.provenance.get("notes"), feature.logits_missing, _estimates(feature)]),
        ),
    )


def _fired(token: FiredToken) -> list[str]:
    sign = "" if token.low is None else f"{ABOUT} "
    return [token.token, token.said, f"{sign}{token.mean:.4g}", f"{sign}{token.share:.1%}"]


def _estimates(feature: Feature) -> str | None:
    return f"Counts: {feature.tokens_of}." if feature.estimated else None


def _rows(example: Example, scale: float) -> Iterator[FallbackRow]:
    for text, value in zip(example.tokens, example.activations.tolist(), strict=True):
        counted = not np.isnan(value)
        level = value / scale if counted else 0.0
        yield FallbackRow(text.replace("\n", "\u21b5"), level, not counted, value if counted else None)
    yield FallbackRow("\n", 0.0, False, None)

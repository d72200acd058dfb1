"""The dashboard without a kernel: the answers that a page carries, and the script-free picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...snapshot.fallback import FallbackRow, fallback
from ...snapshot.page import Recorded
from .. import wire
from ..heatmap.page import recorded_answer
from .payload import ExampleParams, answer_examples

if TYPE_CHECKING:
    from ...index.feature_index import FeatureIndex
    from ...index.store.feature import Feature
    from ...index.store.snippets import Example

# Fewer than on screen with a kernel: 100 features must fit into 1.5 MB.
_PAGE_TOP, _PAGE_INTERVAL = 12, 2
_FALLBACK_EXAMPLES = 8


def record(
    index: FeatureIndex, params: Sequence[ExampleParams], features: Sequence[wire.Reply], sort: str
) -> list[Recorded]:
    """The answers a page carries: each feature, and its examples with these parameters."""
    listed: list[wire.Json] = [reply.data["f"] for reply in features]
    answers = [
        recorded_answer("feature", {"f": reply.data["f"], "sort": sort, "list": listed}, reply) for reply in features
    ]
    # One feature may have all that is on screen.
    shown = (_PAGE_TOP, _PAGE_INTERVAL) if len(features) > 1 else ()
    for asked in params:
        answers.append(recorded_answer("examples", asked.to_wire(), answer_examples(index, asked, *shown)))
    return answers


def fallback_of(index: FeatureIndex, feature: Feature) -> str:
    """Script-free HTML: the largest activations in their texts, and what the feature fires on and promotes."""
    examples = list(index.examples(feature.feature, group="top", top=_FALLBACK_EXAMPLES))
    label = f" {feature.label}" if feature.label else ""
    if feature.dead:
        heading = f"Feature {feature.feature}{label} never fires on this corpus ({feature.counted:,} tokens)"
    else:
        heading = (
            f"Feature {feature.feature}{label}: {feature.activation_name} density {feature.density:.3%} of "
            f"{feature.counted:,} tokens, max {feature.maximum:.4g}, mean {feature.mean:.4g} over active tokens"
        )
    promoted = feature.logits.top if feature.logits else ()
    rows = []
    for i in range(min(10, max(len(feature.tokens), len(promoted)))):
        fired = feature.tokens[i] if i < len(feature.tokens) else None
        weight = promoted[i] if i < len(promoted) else None
        rows.append(
            [
                *([fired.token, f"{fired.count:,}", f"{fired.mean:.4g}", f"{fired.share:.1%}"] if fired else [""] * 4),
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
        notes=list(filter(None, [index.provenance.get("notes"), feature.logits_missing])),
    )


def _rows(example: Example, scale: float) -> Iterator[FallbackRow]:
    for text, value in zip(example.tokens, example.activations.tolist(), strict=True):
        counted = not np.isnan(value)
        level = value / scale if counted else 0.0
        yield FallbackRow(text.replace("\n", "\u21b5"), level, not counted, value if counted else None)
    yield FallbackRow("\n", 0.0, False, None)

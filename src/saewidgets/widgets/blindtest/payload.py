"""What the blind test's front-end is sent (its twin is js/src/widgets/blindtest/wire.ts).

Before everything is answered that is the texts, and nothing that follows from an activation: `texts_reply` is not even
given them. Only with a result comes `revealed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ...engine.descriptions import Description
from ...index.autointerp.blind_test import BlindResult, Drawn
from ...index.explanations.blind_score import CHANCE, BlindScore
from .. import wire
from .asked import AskedTest

if TYPE_CHECKING:
    from ...index.feature_index import FeatureIndex


@dataclass
class Begun:
    """A test that was begun: what it is of does not change any more.

    Attributes:
        asked: which. said: what can be shown of the feature, as it was at the start.
        drawn: the texts; None if none could be drawn, and then why.
        result: once everything was answered.
    """

    asked: AskedTest
    said: tuple[Description, ...]
    drawn: Drawn | None
    why: str = ""
    notes: tuple[str, ...] = ()
    result: BlindResult | None = field(default=None)

    def tested(self, description: int) -> Description | None:
        """What is said of the feature by number; None for none."""
        return self.said[description] if 0 <= description < len(self.said) else None


def begun_reply(index: FeatureIndex, test: Begun, earlier: Sequence[BlindScore]) -> wire.Reply:
    """A test as far as its view may know of it; `earlier` are the tests of the feature before this one."""
    texts = () if test.drawn is None else test.drawn.texts
    data = texts_reply(index, test.asked, test.said, [one.tokens for one in texts], test.why, test.notes)
    if test.result is None:
        return wire.Reply(data)
    activations = [np.zeros(0, np.float32), *(one.activations for one in texts)]
    data["result"] = revealed(index, test.result, earlier)
    return wire.Reply(data, {"act": np.concatenate(activations).astype(np.float32)})


def texts_reply(
    index: FeatureIndex,
    asked: AskedTest,
    said: Sequence[Description],
    texts: Sequence[Sequence[str]],
    why: str,
    notes: Sequence[str],
) -> dict[str, wire.Json]:
    """The texts alone."""
    return {
        "f": asked.feature,
        "features": len(index),
        "seed": asked.seed,
        "window": asked.window,
        "said": [{"text": one.text, "kind": one.kind, "source": one.source} for one in said],
        "n": [len(tokens) for tokens in texts],
        "str": [token for tokens in texts for token in tokens],
        "why": why or None,
        "notes": list(notes),
        "result": None,
        "provenance": [[key, value] for key, value in index.provenance.items()],
    }


def revealed(index: FeatureIndex, result: BlindResult, earlier: Sequence[BlindScore]) -> dict[str, wire.Json]:
    """What is told when everything is answered."""
    score = result.score
    feature = index.feature(score.feature)
    low, high = score.interval
    return {
        "answers": list(result.answers),
        "fires": list(result.fires),
        "largest": [one.largest for one in result.texts],
        "scale": max(abs(feature.maximum or 0.0), abs(feature.minimum or 0.0)),
        "activation_name": feature.activation_name,
        "score": score.balanced_accuracy,
        "chance": CHANCE,
        "tpr": score.tpr,
        "tnr": score.tnr,
        "active": score.active,
        "silent": score.silent,
        "true_positives": score.true_positives,
        "true_negatives": score.true_negatives,
        "low": low,
        "high": high,
        "measure": score.measure,
        "kind": score.kind,
        "description": score.description,
        "source": score.source,
        "note": result.note or None,
        "earlier": [
            {"at": one.at, "score": one.balanced_accuracy, "n": one.n, "kind": one.kind, "description": one.description}
            for one in earlier
        ],
    }

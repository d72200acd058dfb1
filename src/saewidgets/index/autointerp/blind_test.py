"""Detection by a person: texts in half of which a feature fires, in an order that tells nothing, and what came of judging them.

The texts are drawn as `score_explanations` draws them for a language model: windows of the scorer's half, those with
activations equally many of each tenth. So whoever judges saw none of what an explanation was made from.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ...engine.descriptions import Description
from ..explanations.blind_score import BlindScore, Tested
from .windows import Window, Windows, WindowsError

if TYPE_CHECKING:
    import pandas as pd

    from ..feature_index import FeatureIndex

__all__ = ["BlindResult", "Drawn", "draw", "judge"]


@dataclass(frozen=True)
class Drawn:
    """The texts of a test, in the order in which they are shown.

    Attributes:
        texts: the windows; fires: in which of them the feature is active.
        notes: what is to be said of the draw, without saying anything of a single text.
    """

    texts: tuple[Window, ...]
    fires: tuple[bool, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class BlindResult:
    """A finished blind test.

    Attributes:
        score: the numbers, as they are kept.
        texts: what was shown; fires: where the feature is active; answers: what was said of it.
        note: what is to be said of where the score is kept; "" if where it belongs.
    """

    score: BlindScore
    texts: tuple[Window, ...] = field(repr=False)
    fires: tuple[bool, ...] = field(repr=False)
    answers: tuple[bool, ...] = field(repr=False)
    note: str = ""

    def to_pandas(self) -> pd.DataFrame:
        """One row a text, as they were shown: text, fires, answer, right, max_activation, start (in the corpus)."""
        import pandas as pd

        rows = [
            ("".join(one.tokens), fires, answer, fires == answer, one.largest, one.start)
            for one, fires, answer in zip(self.texts, self.fires, self.answers, strict=True)
        ]
        return pd.DataFrame(rows, columns=["text", "fires", "answer", "right", "max_activation", "start"])


def draw(index: FeatureIndex, windows: Windows, feature: int, n: int, seed: int, seen: Collection[int] = ()) -> Drawn:
    """`n` texts, or as many as there are of either kind, half of them with activations.

    Args:
        windows: of the index, of the length wanted.
        seen: where texts begin that are taken only where there are no others.

    Raises:
        WindowsError: if there is none of one kind, saying what helps.
    """
    active, silent = _available(index, windows, feature)
    half = min(n // 2, active, silent)
    found = [(one, True) for one in windows.active(feature, "score", half, seed, seen)]
    found += [(one, False) for one in windows.silent(feature, half, seed, seen)]
    order = np.random.default_rng((seed, feature, 2)).permutation(len(found))
    texts, fires = zip(*(found[i] for i in order), strict=True)
    notes = []
    if index.texts.missing:
        notes.append(f"The texts are from those that the index keeps: {index.texts.missing}.")
    if 2 * half < n:
        few = f"fires in {active:,}" if active <= silent else f"is silent in {silent:,}"
        notes.append(
            f"{2 * half} texts instead of {n}: the feature {few} of the {active + silent:,} stretches of the corpus that are "
            "kept for tests."
        )
    again = sum(one.start in seen for one in texts)
    if again:
        notes.append(f"{again} of these texts were shown before: there are no others.")
    return Drawn(texts, fires, tuple(notes))


def _available(index: FeatureIndex, windows: Windows, feature: int) -> tuple[int, int]:
    found = index.feature(feature)
    if found.dead:
        raise WindowsError(
            f"Feature {feature} never fires on this corpus ({index.counted:,} tokens), so there is nothing to tell apart. "
            "Choose another feature, or add texts: sw.extend_index(engine, texts, path)."
        )
    if index.imported is not None:
        raise WindowsError("Its files do not say where a feature is silent: a blind test needs an index of a corpus.")
    if not found.complete:
        raise WindowsError(
            f"Feature {feature} fires on {found.count:,} tokens, of which the index keeps {found.kept:,}: it does not know where "
            "the feature is silent. Choose a rarer feature, or build the index with a larger keep=."
        )
    active, silent = windows.available(feature)
    if not active:
        raise WindowsError(
            f"Feature {feature} fires on {found.count:,} tokens, none of which is in the half of the corpus that is kept for "
            "tests. Choose another feature, or add texts: sw.extend_index(engine, texts, path)."
        )
    if not silent:
        raise WindowsError(
            f"Feature {feature} fires in all of the {active:,} stretches of the corpus that are kept for tests, so there is "
            "nothing to tell apart. Choose another feature, or shorter texts: a smaller window=."
        )
    return active, silent


def judge(
    feature: int, drawn: Drawn, answers: Sequence[bool], said: Description | None, window: int, seed: int
) -> BlindScore:
    """What answers to the texts of a test are worth."""
    pairs = list(zip(drawn.fires, answers, strict=True))
    kind: Tested = "nothing" if said is None else said.kind
    return BlindScore(
        feature=feature,
        kind=kind,
        description="" if said is None else said.text,
        source="" if said is None else said.source,
        active=sum(fires for fires, _ in pairs),
        silent=sum(not fires for fires, _ in pairs),
        true_positives=sum(fires and answer for fires, answer in pairs),
        true_negatives=sum(not fires and not answer for fires, answer in pairs),
        window=window,
        seed=seed,
        starts=tuple(one.start for one in drawn.texts),
    )

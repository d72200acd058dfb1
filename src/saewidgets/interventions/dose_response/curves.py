"""The measures of a sweep as arrays over its texts, and as curves over strength."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...engine.arrays import Doubles, Ints
from .usable import Interval, paired

__all__ = ["MEASURES", "READINGS", "Curve", "Measures", "difference", "mean_of", "stacked"]

MEASURES = ("target", "kl", "perplexity", "repetition")
READINGS = ("promoted", "activation")


@dataclass(frozen=True)
class Measures:
    """Four numbers a text, over its generated tokens, [..., texts] each: see `Sweep`."""

    target: Doubles
    kl: Doubles
    perplexity: Doubles
    repetition: Doubles

    def part(self, which: int | slice | Ints) -> Measures:
        """Those of some rows."""
        return Measures(self.target[which], self.kl[which], self.perplexity[which], self.repetition[which])


@dataclass(frozen=True)
class Curve:
    """One measure over the strengths, as it is drawn.

    Attributes:
        mean: [n] mean over the texts (geometric for perplexity).
        low, high: [n] the interval of the mean difference to the unedited texts, in pairs that share prompt and dice (of
            the ratio, for perplexity), laid around `mean`: where it holds `unedited`, the texts do not tell the edit from
            no edit. NaN for fewer than two pairs.
        n: [n] pairs.
        unedited: the mean of the unedited texts.
        controls: [controls, n] the means under each control.
    """

    mean: Doubles
    low: Doubles
    high: Doubles
    n: Ints
    unedited: float
    controls: Doubles


def mean_of(measure: str, values: Doubles) -> Doubles:
    """Mean over the last axis of what is known there, NaN without any; geometric for perplexity."""
    known = np.isfinite(values)
    logs = measure == "perplexity"
    kept = np.where(known, values, 1.0)
    kept = np.where(known, np.log(kept) if logs else kept, 0.0)
    count = known.sum(-1)
    mean: Doubles = np.asarray(kept.sum(-1) / np.where(count > 0, count, np.nan))
    return np.exp(mean) if logs else mean


def difference(measure: str, edited: Doubles, other: Doubles, level: float) -> Interval:
    """The paired difference `edited` [..., n] minus `other` [n] or [..., n]; of logarithms, for perplexity."""
    if measure == "perplexity":
        edited, other = np.log(edited), np.log(other)
    return paired(edited - other, level)


def stacked(parts: Sequence[Measures], shape: tuple[int, int]) -> Measures:
    """Measures of several prompts, each in `shape` [rows, samples], as [rows, prompts * samples]."""
    return Measures(*(np.concatenate([getattr(p, name).reshape(shape) for p in parts], -1) for name in MEASURES))

"""From texts to a verdict: mean differences with their intervals, the direction an edit should move its target, the usable strengths.

One sampled text a strength says what the dice did. So texts are compared in pairs that share their prompt and dice, the
mean difference gets an interval, and a strength is called usable only where that interval leaves no effect, or the
other direction, out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from ...engine.arrays import Bools, Doubles, Ints
from ..recipe.intervention import Intervention
from ..recipe.kinds import kind_of

__all__ = [
    "CONFIDENCE",
    "Band",
    "Interval",
    "bands_of",
    "directions_of",
    "level_of",
    "paired",
    "rule_of",
    "usable_at",
    "verdict_of",
]

CONFIDENCE = 0.95
PERPLEXITY_FACTOR = 2.0
REPETITION = 0.3

RAISES, NO_EDIT, SUPPRESSES = 1, 0, -1


@dataclass(frozen=True)
class Interval:
    """Means with their intervals, [...] each.

    Attributes:
        mean: the mean difference over the pairs that have one; NaN without any.
        low, high: ends of the interval of the mean; NaN for fewer than two pairs.
        n: how many pairs.
    """

    mean: Doubles
    low: Doubles
    high: Doubles
    n: Ints

    def clears(self, direction: Ints) -> Bools:
        """[...] where the whole interval lies above 0 (`direction` 1) or below it (-1); False where that is 0."""
        return ((direction > 0) & (self.low > 0)) | ((direction < 0) & (self.high < 0))


def paired(differences: Doubles, level: float) -> Interval:
    """Mean of `differences` [..., n] over their last axis, with the interval of Student's t: mean ± t · s / sqrt(n).

    s is the standard deviation with n - 1 in its denominator, t the quantile with n - 1 degrees of freedom. Pairs that
    are NaN (a text without a number) are left out, and do not count in n.

    Args:
        level: of the two-sided interval, such as 0.95.
    """
    known = np.isfinite(differences)
    n = known.sum(-1)
    mean = np.where(known, differences, 0.0).sum(-1) / np.where(n > 0, n, np.nan)
    spread = np.where(known, differences - mean[..., None], 0.0)
    degrees = np.where(n > 1, n - 1, np.nan)
    half = stdtrit(degrees, 0.5 + level / 2) * np.sqrt(np.square(spread).sum(-1) / degrees / np.where(n > 0, n, np.nan))
    return Interval(mean, mean - half, mean + half, n)


def level_of(confidence: float, n_strengths: int, n_controls: int) -> float:
    """The level of the intervals that strengths are judged by.

    Beside controls it is `confidence`: noise that happens to beat the unedited texts must beat every control too, at the
    same strength. Without controls nothing else guards against trying many strengths, so the intervals are widened
    (Bonferroni): all of them together hold with `confidence`.
    """
    return confidence if n_controls else 1 - (1 - confidence) / max(n_strengths, 1)


def directions_of(intervention: Intervention, strengths: Doubles, activations: Doubles, unedited: float) -> Ints:
    """[n] which way the edit should move its feature at each strength, beside no edit: 1 raises it, -1 suppresses it, 0 neither.

    From the formulas (see `make`): adding a positive value raises, a negative one suppresses; scaling by more than 1
    raises, by less suppresses, and so does scaling the projection (`orthogonal`); a clamp raises if what it clamps to is
    above the feature's mean in the unedited texts, and suppresses below it; a cap bounds from above and `replace` takes
    the feature away, so both suppress. Scaling (and adding multiples of) an activation that is negative on average works
    the other way round.

    Args:
        strengths: [n] values of the intervention; activations: [n] the same in units of activation, for a clamp.
        unedited: mean activation of the feature in the unedited texts (only where it is active, if the edit is only
            there), for a clamp and for signs.
    """
    kind = kind_of(intervention)
    found = [
        kind.direction(intervention, float(s), float(a), float(unedited))
        for s, a in zip(strengths, activations, strict=True)
    ]
    return np.array(found, dtype=np.int64)


@dataclass(frozen=True)
class Band:
    """Neighbouring usable strengths: the lowest and highest of them, and what the edit does there ("raises", "suppresses")."""

    low: float
    high: float
    direction: str


def usable_at(
    directions: Ints,
    against_base: Interval,
    against_controls: Interval,
    perplexity: Doubles,
    perplexity_limit: float,
    repetition: Doubles,
    repetition_limit: float,
) -> Bools:
    """[n] the strengths that meet `rule_of`.

    Args:
        directions: [n].
        against_base: [n] edit minus unedited. against_controls: [controls, n] edit minus control.
        perplexity, repetition: [n] means over the texts.
    """
    return (
        against_base.clears(directions)
        & against_controls.clears(directions[None]).all(0)
        & (perplexity <= perplexity_limit)
        & (repetition <= repetition_limit)
    )


def bands_of(strengths: Doubles, usable: Bools, directions: Ints) -> tuple[Band, ...]:
    """The runs of neighbouring usable strengths that go the same way, from the lowest strength to the highest."""
    order = np.argsort(strengths, kind="stable")
    runs: list[list[int]] = []
    last: int | None = None
    for i in map(int, order):
        if usable[i] and last is not None and directions[last] == directions[i]:
            runs[-1].append(i)
        elif usable[i]:
            runs.append([i])
        last = i if usable[i] else None
    return tuple(
        Band(float(strengths[r[0]]), float(strengths[r[-1]]), "raises" if directions[r[0]] > 0 else "suppresses")
        for r in runs
    )


def rule_of(
    directions: Ints, n: int, level: float, n_controls: int, perplexity_factor: float, repetition_limit: float
) -> str:
    """What makes a strength usable, as a sentence."""
    ways = {int(d) for d in directions} - {NO_EDIT}
    side = {frozenset({RAISES}): "above 0", frozenset({SUPPRESSES}): "below 0"}.get(
        frozenset(ways), "above 0 where the edit raises, below 0 where it suppresses"
    )
    beside = "the unedited text" + (" and every control at the same strength" if n_controls else "")
    widened = "" if n_controls else ", widened for all strengths together because there are no controls"
    return (
        f"the {level * 100:.4g}% interval of the mean difference in target to {beside} lies {side} (Student's t over {n} pairs "
        f"of texts that share prompt and dice{widened}); the geometric mean of perplexity is at most {perplexity_factor:g} times "
        f"the unedited texts'; on average at most {repetition_limit:.0%} of 4-grams are repeated."
    )


def verdict_of(bands: Sequence[Band]) -> str:
    """The bands as a sentence."""
    if not bands:
        return "No strength here is usable."
    where = (f"from {b.low:g} to {b.high:g}" if b.high > b.low else f"at {b.low:g}" for b in bands)
    said = "; ".join(f"{place} ({b.direction} the target)" for place, b in zip(where, bands, strict=True))
    return f"Usable: {said}."


def all_of(intervals: Sequence[Interval], n_strengths: int) -> Interval:
    """Several intervals [n] as one [len(intervals), n]."""

    def rows(name: str) -> Doubles:
        return np.array([getattr(i, name) for i in intervals], np.float64).reshape(len(intervals), n_strengths)

    return Interval(rows("mean"), rows("low"), rows("high"), rows("n").astype(np.int64))

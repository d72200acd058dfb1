"""The verdict on made-up numbers: intervals from their formula, directions, bands, and no band for noise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

import saewidgets as sw
from saewidgets.interventions.dose_response.usable import (
    Band,
    Interval,
    all_of,
    bands_of,
    directions_of,
    level_of,
    paired,
    rule_of,
    usable_at,
    verdict_of,
)

NAN = float("nan")


# -- intervals


def slow_interval(differences: list[float], level: float) -> tuple[float, float, float]:
    """Mean and ends, from the definition: mean ± t(1 - (1 - level) / 2, n - 1) · s / sqrt(n)."""
    n = len(differences)
    mean = sum(differences) / n
    s = math.sqrt(sum((d - mean) ** 2 for d in differences) / (n - 1))
    half = float(stats.t.ppf(1 - (1 - level) / 2, n - 1)) * s / math.sqrt(n)
    return mean, mean - half, mean + half


@pytest.mark.parametrize("level", [0.8, 0.95, 0.9944])
def test_an_interval_is_students(level: float) -> None:
    random = np.random.default_rng(3)
    values = random.standard_normal((2, 3, 5)) * 4 + 1
    values[1, 0, 3] = values[1, 1, :4] = values[1, 2] = NAN
    found = paired(values, level)
    for at in np.ndindex(2, 3):
        known = [v for v in values[at].tolist() if not math.isnan(v)]
        assert found.n[at] == len(known)
        if len(known) > 1:
            wanted = slow_interval(known, level)
            np.testing.assert_allclose([found.mean[at], found.low[at], found.high[at]], wanted, rtol=1e-9)
        else:
            assert np.isnan([found.low[at], found.high[at]]).all()
            assert found.mean[at] == known[0] if known else np.isnan(found.mean[at])


# -- which way


@pytest.mark.parametrize(
    ("edit", "strengths", "unedited", "wanted"),
    [
        (sw.add(3, 1), [-2, 0, 2], 1.0, [-1, 0, 1]),
        (sw.add(3, 1, unit="max"), [-2, 0, 2], 1.0, [-1, 0, 1]),
        (sw.add(3, 1, unit="own"), [-2, 0, 2], 1.0, [-1, 0, 1]),
        (sw.add(3, 1, unit="own"), [-2, 0, 2], -1.0, [1, 0, -1]),
        (sw.scale(3, 2), [-1, 0, 1, 2], 1.0, [-1, -1, 0, 1]),
        (sw.scale(3, 2), [-1, 0, 1, 2], -1.0, [1, 1, 0, -1]),
        (sw.orthogonal(3), [0, 1, 2], 1.0, [-1, 0, 1]),
        (sw.cap(3, 1), [0, 1], 1.0, [-1, -1]),
        (sw.replace(3, by=4), [0, 1], 1.0, [-1, -1]),
        (sw.clamp(3, 1), [0, 1, 2.5, 9], 2.5, [-1, -1, 0, 1]),
        (sw.clamp(3, 1), [0, 1, -1], NAN, [0, 1, -1]),
    ],
)
def test_directions(edit: Any, strengths: list[float], unedited: float, wanted: list[int]) -> None:
    doses = np.array(strengths, float)
    assert directions_of(edit, doses, doses, unedited).tolist() == wanted


# -- the verdict


def interval(low: list[float], high: list[float]) -> Interval:
    a, b = np.array(low, float), np.array(high, float)
    return Interval((a + b) / 2, a, b, np.full(a.shape, 4))


def verdict(directions: list[int], base: Interval, controls: list[Interval] = (), **given: Any) -> list[bool]:  # type: ignore[assignment]
    n = len(directions)
    perplexity, repeated = given.get("perplexity", [5.0] * n), given.get("repetition", [0.0] * n)
    found = usable_at(
        np.array(directions), base, all_of(controls, n), np.array(perplexity), 10.0, np.array(repeated), 0.3
    )
    return [bool(u) for u in found]


def test_a_strength_is_usable_where_every_interval_clears() -> None:
    up, base = [1, 1, 1, 1], interval([-1, 0, 0.1, 2], [1, 3, 3, 3])
    assert verdict(up, base) == [False, False, True, True]
    assert verdict([-1] * 4, base) == [False] * 4, "an effect the other way is none"
    assert verdict([0] * 4, base) == [False] * 4
    assert verdict([-1] * 3, interval([-3, -3, -3], [-0.1, 0, 1])) == [True, False, False]
    assert verdict([-1, 1], interval([-3, 1], [-1, 3])) == [True, True]
    one, two = interval([1, 1, 1, -1], [2] * 4), interval([1, 1, -1, 1], [2] * 4)
    assert verdict(up, interval([1] * 4, [2] * 4), [one, two]) == [True, True, False, False]
    assert verdict(up, interval([NAN] * 4, [NAN] * 4)) == [False] * 4
    assert verdict(up, interval([1] * 4, [2] * 4), [interval([NAN] * 4, [NAN] * 4)]) == [False] * 4
    assert verdict(up, interval([1] * 4, [2] * 4), perplexity=[5, 10, 10.1, NAN]) == [True, True, False, False]
    assert verdict(up, interval([1] * 4, [2] * 4), repetition=[0, 0.3, 0.31, NAN]) == [True, True, False, False]


@pytest.mark.parametrize(
    ("strengths", "usable", "directions", "wanted"),
    [
        ([0, 1, 2, 3], [0, 0, 0, 0], [1, 1, 1, 1], []),
        ([0, 1, 2, 3], [0, 1, 1, 0], [1, 1, 1, 1], [(1, 2, "raises")]),
        ([0, 1, 2, 3], [1, 1, 0, 1], [-1, -1, -1, -1], [(0, 1, "suppresses"), (3, 3, "suppresses")]),
        ([3, 0, 2, 1], [1, 0, 1, 0], [1, 1, 1, 1], [(2, 3, "raises")]),
        ([-2, -1, 1, 2], [1, 1, 1, 1], [-1, -1, 1, 1], [(-2, -1, "suppresses"), (1, 2, "raises")]),
    ],
)
def test_bands(strengths: list[float], usable: list[int], directions: list[int], wanted: list[Any]) -> None:
    found = bands_of(np.array(strengths, float), np.array(usable, bool), np.array(directions))
    assert found == tuple(Band(*one) for one in wanted)


def test_the_verdict_is_a_sentence() -> None:
    assert verdict_of([]) == "No strength here is usable."
    found = verdict_of([Band(-2.0, -1.0, "suppresses"), Band(0.5, 0.5, "raises")])
    assert found == "Usable: from -2 to -1 (suppresses the target); at 0.5 (raises the target)."


def simulated(seed: int, n: int, controls: int, effect: float = 0.0, skewed: bool = False) -> bool:
    """Whether nine strengths of made-up texts get a band: base, edit and controls drawn alike, but for `effect`."""
    random = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray[Any, Any]:
        return (
            random.exponential(size=shape) * (random.random(shape) < 0.6) if skewed else random.standard_normal(shape)
        )

    base, edited, others = draw(n), draw(9, n) + effect, draw(controls, 9, n)
    level = level_of(0.95, 9, controls)
    way = np.full(9, 1 if effect >= 0 else -1)
    against = all_of([paired(edited - other, level) for other in others], 9)
    return bool(usable_at(way, paired(edited - base, level), against, np.ones(9), 2.0, np.zeros(9), 0.3).any())


@pytest.mark.parametrize("n", [2, 4, 8])
@pytest.mark.parametrize("controls", [0, 1, 4])
@pytest.mark.parametrize("skewed", [False, True])
def test_noise_has_no_band(n: int, controls: int, skewed: bool) -> None:
    """At confidence 0.95 a band of noise, at any of nine strengths, must be rarer than 5% (here at most 10 of 200 + 2.6 sd)."""
    assert sum(simulated(seed, n, controls, skewed=skewed) for seed in range(200)) <= 18


@pytest.mark.parametrize("effect", [4.0, -4.0])
@pytest.mark.parametrize("controls", [0, 4])
def test_an_effect_has_one(effect: float, controls: int) -> None:
    """Raising or suppressing, by three standard deviations of a difference: found nearly always with four texts."""
    assert sum(simulated(seed, 4, controls, effect) for seed in range(200)) >= (190 if controls else 170)


def test_one_text_a_strength_never_has_a_band() -> None:
    assert not any(simulated(seed, 1, 4, effect=50.0) for seed in range(20))


def test_limits_are_of_means_and_the_unedited_texts_may_repeat_themselves() -> None:
    rule = rule_of(np.array([1]), 4, 0.95, 2, 3.0, 0.6)
    assert "geometric mean of perplexity is at most 3 times" in rule and "on average at most 60%" in rule
    assert "above 0" in rule and "4 pairs" in rule and "95% interval" in rule and "every control" in rule
    assert "control" not in rule_of(np.array([-1]), 4, 0.95, 0, 2.0, 0.3).split("widened")[0]

"""What is estimated is within what is stated of it, whatever was drawn: over a hundred seeds, on activations of many shapes."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import test_merging
from test_merging import BOUNDS, FEATURES, World, merged

from saewidgets.index.bounded.grid import Ends, exponents, gridded, shown
from saewidgets.index.bounded.rows import read_rows
from saewidgets.index.bounded.state import StateFolder
from saewidgets.index.bounded.to_store import write_store
from saewidgets.index.bounded.to_store.sample import Sample
from saewidgets.index.record.settings import NONE, Settings
from saewidgets.index.statistics.activation_statistics import Entries, summarise, token_statistics
from saewidgets.index.statistics.score_interval import clopper_pearson
from saewidgets.index.store.histogram import Histogram
from saewidgets.storage import array_folder

SHAPES = {
    "exponential": lambda dice, n: dice.exponential(3, n),
    "lognormal": lambda dice, n: dice.lognormal(0, 3, n),
    "two peaks": lambda dice, n: np.where(dice.random(n) < 0.5, dice.normal(1, 0.01, n), dice.normal(100, 1, n)),
    "signs": lambda dice, n: dice.normal(0, 1, n),
    "negative": lambda dice, n: -dice.exponential(1, n),
    "few values": lambda dice, n: dice.choice([0.25, 0.5, 1, 2.0], n),
    "all equal": lambda dice, n: np.full(n, 0.7),
}


def ends_of(values: np.ndarray, most: int) -> Ends:
    """The `most` largest positive ones, and the most negative ones."""
    ordered = np.sort(values)
    return Ends.of(np.concatenate([ordered[ordered < 0][:most], ordered[ordered > 0][-most:]]), most)


@pytest.mark.parametrize("most", [1, 8])
@pytest.mark.parametrize("shape", SHAPES)
def test_bins_and_intervals_of_the_grid(shape: str, most: int) -> None:
    for seed in range(100):
        dice = np.random.default_rng(seed)
        values = SHAPES[shape](dice, int(dice.integers(2, 400))).astype(np.float32)
        values = values[values != 0]
        low, high = values.min(), values.max()
        exact = values.astype(np.float64)
        exponent = exponents(low[None], high[None])
        grid = gridded(np.zeros(len(values), np.int64), values, exponent)
        seen = shown(grid.bin, grid.count, int(exponent[0]), float(low), float(high), ends_of(values, most))
        edges = np.linspace(float(low), float(high), 51)
        where = (
            np.clip(np.searchsorted(edges, exact, side="right") - 1, 0, 49)
            if low < high
            else np.zeros(len(values), int)
        )
        bins, sums = np.bincount(where, minlength=50), np.bincount(where, exact, 50)
        assert seen.bins.sum() == len(values)
        assert (np.abs(seen.bins - bins) <= seen.bins_bound).all()
        assert (np.abs(seen.sums - sums) <= seen.sums_bound + 1e-9 * np.abs(exact).sum()).all()
        if high > 0:
            top = float(high) * np.arange(11) / 10
            inside = np.array(
                [((exact > a) & (exact <= b)).sum() for a, b in zip(top, [*top[1:-1], float(high)], strict=False)]
            )
            assert (np.abs(seen.intervals - inside) <= seen.intervals_bound).all()
        # Beyond the kept ones nothing is estimated.
        beyond = edges[:-1] > np.sort(exact)[-most:].min() if most <= (exact > 0).sum() else edges[:-1] > 0
        assert not seen.bins_bound[beyond].any()
        np.testing.assert_array_equal(seen.bins[beyond], bins[beyond])
        np.testing.assert_allclose(seen.sums[beyond], sums[beyond], rtol=1e-12)
        if most <= (exact < 0).sum():
            beyond = edges[1:] < np.sort(exact)[:most].max()
            assert not seen.bins_bound[beyond].any() and not seen.sums_bound[beyond].any()
        # And they say something: a bar is off by no more than what two of the fine bins hold.
        fine = np.bincount(np.unique(grid.bin, return_inverse=True)[1], grid.count)
        assert seen.bins_bound.max() <= 2 * fine.max()


@pytest.mark.parametrize("value", [0.7, -0.7])
def test_of_activations_that_are_all_equal_nothing_is_estimated(value: float) -> None:
    equal = np.float32([value])
    exponent = exponents(equal, equal)
    values = np.repeat(equal, 300)
    grid = gridded(np.zeros(300, np.int64), values, exponent)
    seen = shown(grid.bin, grid.count, int(exponent[0]), float(equal[0]), float(equal[0]), ends_of(values, 8))
    truth = summarise(Entries(0, np.array([0, 300]), np.arange(300), values))
    np.testing.assert_array_equal(seen.bins, truth.bins[0])
    np.testing.assert_allclose(seen.sums, truth.bin_sums[0])
    np.testing.assert_array_equal(seen.intervals, truth.intervals[0])
    assert not any(bound.any() for bound in (seen.bins_bound, seen.sums_bound, seen.intervals_bound))
    assert Histogram(value, value, seen.bins, seen.sums, seen.bins_bound, seen.sums_bound).said is None


def test_tokens_that_a_feature_fires_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_folder, "sync", lambda path: None)  # of hundreds of small files nothing else is slow
    world = World(5, shards=24)
    world.blocks = [[block for blocks in world.blocks[i::2] for block in blocks] for i in range(2)]
    ids = {(d, p): token for d, p, token, _ in world.tokens}
    inside = estimated = 0
    for seed in range(100):
        monkeypatch.setattr(test_merging, "BOUNDS", replace(BOUNDS, seed=seed, sample=25))
        folder = tmp_path / str(seed)
        folder.mkdir()
        # Two shards are enough: in what parts it is read does not matter (test_merging.py).
        state = StateFolder(merged([world.write(folder / str(i), i) for i in range(2)], folder / "all"))
        sample = Sample(state)
        rows = read_rows(state, 0, FEATURES)
        tokens, occurrences = state.folder.read("tokens"), state.folder.read("occurrences")
        found = write_store._arrays(0, FEATURES, rows, state.facts.bounds, tokens, occurrences, sample, Settings())
        for f in range(FEATURES):
            of = world.of(f)
            whole = found["n_kept"][f] == len(of)
            for token, count, low, high, total in zip(
                *(found[f"token{name}"][f].tolist() for name in ("", "_count", "_low", "_high", "_total")), strict=True
            ):
                if token == NONE:
                    continue
                truth = [v for d, p, v in of if ids[d, p] == token]
                if whole:
                    assert (count, low, high) == (len(truth), len(truth), len(truth))
                    assert total == pytest.approx(sum(truth), rel=1e-5, abs=1e-5)
                    continue
                assert 1 <= low <= count <= high <= len(of)
                estimated += 1
                inside += low <= len(truth) <= high
    assert estimated > 5000
    assert inside / estimated >= write_store.CONFIDENCE - 0.005


def test_intervals_of_tokens_hold_though_the_sample_chose_the_tokens() -> None:
    """Of many rare tokens those are shown that are in the sample more often than they should."""
    drawn, words = 256, 3000
    inside = shown_ones = 0
    for seed in range(100):
        dice = np.random.default_rng(seed)
        n = int(dice.choice([1000, 10_000, 100_000]))
        tokens = dice.choice(words, n, p=_zipf(words))
        values = dice.exponential(1, n).astype(np.float32)
        some = dice.choice(n, drawn, replace=False)
        said = token_statistics(Entries(0, np.array([0, drawn]), some, values[some]), tokens[some], 20)
        occurrences = np.bincount(tokens, minlength=words) + 5
        found = write_store._tokens(said, np.array([n]), np.array([True]), drawn, occurrences)
        for token, about, low, high in zip(
            *(found[name][0].tolist() for name in ("token", "token_count", "token_low", "token_high")), strict=True
        ):
            assert low <= about <= high
            inside += low <= (tokens == token).sum() <= high
            shown_ones += 1
    assert shown_ones == 2000
    assert inside / shown_ones >= write_store.CONFIDENCE


def _zipf(n: int) -> np.ndarray:
    weights = 1 / np.arange(1, n + 1)
    return weights / weights.sum()


@pytest.mark.parametrize("k", [0, 1, 7, 24, 25])
def test_at_the_ends_of_the_exact_interval_what_was_seen_is_as_unlikely_as_stated(k: int) -> None:
    """Clopper and Pearson's, by its definition: P(as many or more | low) and P(as few or fewer | high) are half of the misses."""
    n, misses = 25, 1e-5

    def chances(p: float) -> list[float]:
        return [math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(n + 1)]

    low, high = (float(end) for end in clopper_pearson(np.array(k), n, np.array(misses)))
    assert (low == 0) if k == 0 else sum(chances(low)[k:]) == pytest.approx(misses / 2, rel=1e-6)
    assert (high == 1) if k == n else sum(chances(high)[: k + 1]) == pytest.approx(misses / 2, rel=1e-6)

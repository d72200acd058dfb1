"""The statistics over all features at once, against SciPy's one by one and against published tables."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
import scipy.stats

from saewidgets.datasets.statistics.correlations import correlate, interval, p_of
from saewidgets.datasets.statistics.many import benjamini_hochberg
from saewidgets.datasets.statistics.means import moments, welch
from saewidgets.datasets.statistics.proportions import fisher_exact, newcombe
from saewidgets.index.statistics.score_interval import wilson

# Newcombe (1998), "Interval estimation for the difference between independent proportions", table II, method 10.
NEWCOMBE = [
    (56, 70, 48, 80, 0.0524, 0.3339),
    (9, 10, 3, 10, 0.1705, 0.8090),
    (6, 7, 2, 7, 0.0582, 0.8062),
    (5, 56, 0, 29, -0.0381, 0.1926),
    (0, 10, 0, 20, -0.1611, 0.2775),
    (0, 10, 0, 10, -0.2775, 0.2775),
    (10, 10, 0, 20, 0.6791, 1.0),
    (10, 10, 0, 10, 0.6075, 1.0),
]


@pytest.mark.parametrize(("k_a", "n_a", "k_b", "n_b", "low", "high"), NEWCOMBE)
def test_newcombe_s_own_table(k_a: int, n_a: int, k_b: int, n_b: int, low: float, high: float) -> None:
    found = newcombe(np.array([k_a]), n_a, np.array([k_b]), n_b, 0.95)
    assert [round(float(one[0]), 4) for one in found] == [low, high]


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_wilson_is_scipy_s(confidence: float) -> None:
    n = 23
    low, high = wilson(np.arange(n + 1), n, confidence)
    for k in range(n + 1):
        wanted = scipy.stats.binomtest(k, n).proportion_ci(confidence, method="wilson")
        assert (low[k], high[k]) == (pytest.approx(wanted.low, abs=1e-9), pytest.approx(wanted.high, abs=1e-9))


@pytest.mark.slow
@pytest.mark.parametrize(("n_a", "n_b"), [(12, 12), (7, 19), (2, 2), (40, 3)])
def test_fisher_is_scipy_s(n_a: int, n_b: int) -> None:
    k_a, k_b = (grid.ravel() for grid in np.meshgrid(np.arange(n_a + 1), np.arange(n_b + 1)))
    found = fisher_exact(k_a, n_a, k_b, n_b)
    for a, b, p in zip(k_a.tolist(), k_b.tolist(), found, strict=True):
        wanted = scipy.stats.fisher_exact([[a, n_a - a], [b, n_b - b]]).pvalue
        assert p == pytest.approx(wanted, rel=1e-9)


def random_sparse(rows: int, columns: int, seed: int = 0, signed: bool = False) -> np.ndarray:
    """Dense; with ties, a silent column, one that is active everywhere and one that is the same everywhere."""
    rng = np.random.default_rng(seed)
    made = np.round(rng.gamma(1, 1, (rows, columns)), 1) * (rng.random((rows, columns)) < rng.random(columns))
    if signed:
        made *= rng.choice([-1, 1], made.shape)
    made[:, 0] = 0
    made[:, 1] = 0.1 + rng.random(rows)
    made[:, 2] = 0.3
    return made.astype(np.float32)


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_welch_is_scipy_s(confidence: float) -> None:
    a, b = random_sparse(17, 12), random_sparse(9, 12, seed=1)
    columns = np.array([0, 1, 2, 5, 6, 7, 11])
    one, other = (moments(scipy.sparse.csr_array(x), columns) for x in (a, b))
    low, high, p, flat = welch(one, other, confidence)
    for i, f in enumerate(columns):
        x, y = a[:, f].astype(np.float64), b[:, f].astype(np.float64)
        assert (one.mean[i], one.active[i]) == (pytest.approx(x.mean()), (x != 0).sum())
        if f in (0, 2):
            assert (one.variance[i], flat[i], p[i]) == (0, True, 1)
            assert np.isnan(low[i]) and np.isnan(high[i])
            continue
        wanted = scipy.stats.ttest_ind(x, y, equal_var=False)
        ends = wanted.confidence_interval(confidence)
        assert not flat[i]
        assert one.variance[i] == pytest.approx(x.var(ddof=1))
        assert (p[i], low[i], high[i]) == (
            pytest.approx(wanted.pvalue),
            pytest.approx(ends.low),
            pytest.approx(ends.high),
        )


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("method", ["spearman", "pearson"])
def test_correlations_are_scipy_s(method: str, signed: bool) -> None:
    x = random_sparse(31, 14, seed=3, signed=signed)
    numbers = np.round(np.random.default_rng(4).normal(size=31), 1) + x[:, 5]
    columns = np.array([0, 1, 2, 4, 5, 8, 13])
    sparse = scipy.sparse.csr_array(x)
    r = correlate(sparse, columns, numbers.astype(np.float64), method)  # type: ignore[arg-type]
    p = p_of(r, 31)
    low, high = interval(r, 31, method, 0.95)  # type: ignore[arg-type]
    for i, f in enumerate(columns):
        if f in (0, 2):
            assert np.isnan(r[i]) and p[i] == 1
            continue
        wanted = (scipy.stats.spearmanr if method == "spearman" else scipy.stats.pearsonr)(x[:, f], numbers)
        assert (r[i], p[i]) == (pytest.approx(wanted.statistic, rel=1e-6), pytest.approx(wanted.pvalue, rel=1e-5))
        if method == "pearson":
            ends = wanted.confidence_interval(0.95)
            assert (low[i], high[i]) == (pytest.approx(ends.low, rel=1e-5), pytest.approx(ends.high, rel=1e-5))
        else:
            half = scipy.stats.norm.ppf(0.975) * np.sqrt((1 + r[i] ** 2 / 2) / 28)
            ends = np.tanh(np.arctanh(wanted.statistic) + np.array([-half, half]))
            assert (low[i], high[i]) == (pytest.approx(ends[0], rel=1e-5), pytest.approx(ends[1], rel=1e-5))


def test_stored_zeros_rank_as_those_that_are_not() -> None:
    x = scipy.sparse.csr_array(
        (np.array([0.0, 2.0, 0.0, -1.0]), np.array([0, 0, 0, 0]), np.array([0, 1, 2, 2, 3, 4])), shape=(5, 1)
    )
    numbers = np.array([1.0, 5.0, 2.0, 2.0, 0.0])
    r = correlate(x, np.array([0]), numbers, "spearman")
    assert r[0] == pytest.approx(scipy.stats.spearmanr([0, 2, 0, 0, -1], numbers).statistic)


def test_a_perfect_correlation_has_a_p_and_an_interval() -> None:
    x = scipy.sparse.csr_array(np.arange(1.0, 9)[:, None])
    r = correlate(x, np.array([0]), np.arange(8.0), "spearman")
    assert (r[0], p_of(r, 8)[0]) == (1, 0)
    assert [float(end[0]) for end in interval(r, 8, "spearman", 0.95)] == [1, 1]


def test_benjamini_hochberg_by_its_definition() -> None:
    p = np.array([0.01, 0.04, np.nan, 0.03, 0.005, 0.9, 0.03])
    q, m = benjamini_hochberg(p)
    known = sorted(p[~np.isnan(p)])
    assert m == 6
    for one, found in zip(p, q, strict=True):
        if np.isnan(one):
            assert np.isnan(found)
            continue
        wanted = min(min(known[j] * m / (j + 1), 1) for j in range(m) if known[j] >= one)
        assert found == pytest.approx(wanted)
    assert benjamini_hochberg(np.array([np.nan]))[1] == 0

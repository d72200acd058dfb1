"""Associations with a column: categories against contrasts by hand, numbers against SciPy's correlations of one feature."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from contrast_made import matrix_from, numbers

import saewidgets as sw
from saewidgets.datasets.errors import DatasetError

N, F = 40, 20
DENSE = numbers(N, F)
STARS = np.round(np.random.default_rng(2).normal(3, 1, N)) + (DENSE[:, 5] > 0)
LANGUAGE = np.random.default_rng(3).choice(["en", "fr", "de", "ja"], N, p=[0.4, 0.3, 0.2, 0.1])


def matrix(**more: Any) -> sw.FeatureMatrix:
    return matrix_from(DENSE, **more)


def rows(which: Any) -> sw.FeatureMatrix:
    return matrix_from(DENSE[which])


@pytest.mark.parametrize("by", ["frequency", "mean"])
@pytest.mark.parametrize(
    "column", [LANGUAGE == "en", (LANGUAGE == "en").tolist(), pd.Series(LANGUAGE == "en", name="en")]
)
def test_booleans_are_one_contrast(column: Any, by: Any) -> None:
    found = sw.associate(matrix(), column, by=by)
    wanted = sw.contrast(None, rows(LANGUAGE == "en"), rows(LANGUAGE != "en"), by=by)
    assert list(found.contrasts) == ["True"] and found.kind == "category" and found.n_tests == F
    pd.testing.assert_frame_equal(found.contrasts["True"].to_pandas(), wanted.to_pandas())
    assert found.contrasts["True"].names == ("True", "False")
    assert found.to_pandas()["category"].unique().tolist() == ["True"]


@pytest.mark.parametrize("by", ["frequency", "mean"])
def test_categories_are_each_against_the_others(by: Any) -> None:
    found = sw.associate(matrix(), pd.Series(LANGUAGE, name="language"), by=by)
    assert list(found.contrasts) == ["de", "en", "fr", "ja"]
    p = []
    for name, one in found.contrasts.items():
        wanted = sw.contrast(None, rows(name == LANGUAGE), rows(name != LANGUAGE), by=by)
        for column in ("n_a", "n_b", "active_a", "active_b", "difference", "low", "high", "p"):
            np.testing.assert_allclose(getattr(one, column), getattr(wanted, column), equal_nan=True)
        p.append(one.p)
    # Corrected for all tests of the call.
    assert found.n_tests == 4 * F
    wanted_q = scipy.stats.false_discovery_control(np.concatenate(p))
    np.testing.assert_allclose(np.concatenate([one.q for one in found.contrasts.values()]), wanted_q)
    table = found.to_pandas()
    assert len(table) == 4 * F and table["difference"].abs().is_monotonic_decreasing
    assert found.column == "language" and "4 contrasts of categories" in repr(found)


def test_two_categories_are_compared_once() -> None:
    two = np.where(LANGUAGE == "en", "b", "a")
    found = sw.associate(matrix(), two)
    assert list(found.contrasts) == ["a"] and found.n_tests == F
    assert found.contrasts["a"].names == ("a", "b") and found.contrasts["a"].n_a == (two == "a").sum()


@pytest.mark.parametrize("method", ["spearman", "pearson"])
def test_numbers_are_scipy_s(method: Any) -> None:
    found = sw.associate(matrix(), pd.Series(STARS, name="stars"), method=method)
    assert found.kind == "number" and found.correlations is not None and found.n_tests == F
    table = found.to_pandas().set_index("feature")
    test = scipy.stats.spearmanr if method == "spearman" else scipy.stats.pearsonr
    for f in range(F):
        assert table.loc[f, "active"] == (DENSE[:, f] != 0).sum() and table.loc[f, "n"] == N
        if f in (0, 2):
            assert np.isnan(table.loc[f, "r"]) and table.loc[f, "p"] == 1
            continue
        wanted = test(DENSE[:, f].astype(np.float32), STARS)
        assert table.loc[f, "r"] == pytest.approx(wanted.statistic, rel=1e-5, abs=1e-9)
        assert table.loc[f, "p"] == pytest.approx(wanted.pvalue, rel=1e-4)
        assert table.loc[f, "low"] < table.loc[f, "r"] < table.loc[f, "high"]
    np.testing.assert_allclose(
        found.correlations.q, scipy.stats.false_discovery_control(found.correlations.p), rtol=1e-12
    )
    ranked = found.to_pandas()["r"].abs()
    assert ranked.dropna().is_monotonic_decreasing and ranked[-2:].isna().all()
    assert any("2 features are the same in all 40 documents" in note for note in found.notes)
    assert f"{method}'s r" in repr(found)


def test_what_has_no_value_is_left_out_and_said() -> None:
    gaps = pd.Series(STARS.copy(), name="stars")  # pandas 2 would write into what it is given
    gaps[[3, 17]] = np.nan
    found = sw.associate(matrix(), gaps)
    kept = gaps.notna().to_numpy()
    wanted = sw.associate(rows(kept), STARS[kept])
    pd.testing.assert_frame_equal(found.to_pandas(), wanted.to_pandas())
    assert "2 of 40 documents have no value of 'stars' and are left out (3, 17)." in found.notes
    words: list[object] = [*LANGUAGE]
    words[0] = None
    assert sum(one.n_a for one in sw.associate(matrix(), words).contrasts.values()) == N - 1
    truths: list[object] = [*(LANGUAGE == "en")]
    truths[5] = None
    assert list(sw.associate(matrix(), truths).contrasts) == ["True"]


def test_kind_is_told_by_the_values_or_said() -> None:
    codes = (LANGUAGE == "en").astype(int)
    found = sw.associate(matrix(), codes)
    assert found.kind == "number" and any("pass kind='category'" in note for note in found.notes)
    assert list(sw.associate(matrix(), codes, kind="category").contrasts) == ["0"]
    assert (
        list(sw.associate(matrix(), STARS.astype(int), kind="category").contrasts)[:2]
        == sorted({str(int(s)) for s in STARS})[:2]
    )
    assert sw.associate(matrix(), [str(s) for s in STARS], kind="number").kind == "number"
    assert sw.associate(matrix(), pd.Series(LANGUAGE, dtype="category")).kind == "category"
    with pytest.raises(DatasetError, match="kind is 'category', 'number' or None"):
        sw.associate(matrix(), codes, kind="both")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (STARS[:-1], "The column has 39 values, and the matrix 40 documents"),
        (np.ones(N), "'column' is 1 in every document"),
        (["x"] * N, "'column' is 'x' in every document"),
        ([True] * N, "'column' is True in every document"),
        ([None] * N, "No document has a value"),
        ([np.inf, *STARS[1:]], "1 values of 'column' are infinite"),
        ([f"text {i}" for i in range(N)], None),
        (pd.date_range("2020-01-01", periods=N), "holds dates"),
        ("a string", "pass one value for each document"),
        (7, "pass one value for each document"),
        (["1", 1] * (N // 2), "Several values of 'column' read '1'"),
    ],
)
def test_columns_that_cannot_be_used(column: Any, says: str | None) -> None:
    if says is None:  # as many categories as documents: few enough to be compared, and of one document each
        found = sw.associate(matrix(), column)
        assert found.n_tests == 0 and any("no interval and no test" in note for note in found.notes)
        return
    with pytest.raises(DatasetError, match=says):
        sw.associate(matrix(), column)


def test_free_text_is_no_category() -> None:
    with pytest.raises(DatasetError, match="has 120 different values, more than the 100"):
        sw.associate(matrix_from(numbers(120, 5)), [f"text {i}" for i in range(120)])
    with pytest.raises(DatasetError, match="no number"):
        sw.associate(matrix(), [*LANGUAGE], kind="number")


def test_rows_in_another_order_are_refused() -> None:
    frame = pd.DataFrame({"stars": STARS}, index=[f"d{i}" for i in range(N)])
    made = matrix(index=frame.index)
    sw.associate(made, frame["stars"])
    sw.associate(made, frame["stars"].to_numpy())
    with pytest.raises(DatasetError, match="index is not that of the texts"):
        sw.associate(made, frame["stars"].sort_values())


@pytest.mark.parametrize("n", [2, 3])
def test_few_documents_have_no_interval_and_that_is_said(n: int) -> None:
    found = sw.associate(matrix_from(DENSE[:n]), np.arange(n))
    assert found.correlations is not None and np.isnan(found.correlations.p).all() and found.n_tests == 0
    assert any(f"With {n} documents there is no interval" in note for note in found.notes)
    with pytest.raises(DatasetError, match="in every document"):
        sw.associate(matrix_from(DENSE[:1]), [1.0])


@pytest.mark.slow
def test_top_and_figure() -> None:
    found = sw.associate(matrix(labels={5: "five"}), STARS)
    top = found.top(4)
    assert top.columns.tolist() == "feature label description n active r low high p q".split()
    figure = found.figure(4)
    assert list(figure.data[0].x) == top["r"].tolist()
    both = sw.associate(matrix(), LANGUAGE)
    names = both.figure(3).layout.yaxis.ticktext
    assert all(any(f"{one}:" in name for one in both.contrasts) for name in names)
    for wrong, says in (
        ({"method": "kendall"}, "method is"),
        ({"by": "max"}, "by is"),
        ({"confidence": 2}, "confidence"),
    ):
        with pytest.raises(ValueError, match=says):
            sw.associate(matrix(), STARS, **wrong)  # type: ignore[arg-type]

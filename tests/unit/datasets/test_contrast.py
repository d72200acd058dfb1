"""Contrasts of two sets of texts, feature by feature against SciPy's tests of one; bad input; what is said where nothing is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import tiny
from contrast_made import A, B, matrix_from, numbers
from matrix_made import FACTOR, ids_of, place, reference

import saewidgets as sw
from saewidgets.datasets.errors import DatasetError, MatrixMismatchError
from saewidgets.datasets.statistics.proportions import newcombe


def made(architecture: str = "jumprelu", **options: Any) -> sw.Engine:
    hook, out = place(architecture)
    return sw.Engine(tiny.hooked(), tiny.sae(architecture, hook, hook_out=out), outlier_factor=FACTOR, **options)


def by_hand(a: Any, b: Any, by: str) -> pd.DataFrame:
    """One row a feature of dense matrices [documents, features], from the definitions."""
    rows = []
    for f in range(a.shape[1]):
        x, y = a[:, f], b[:, f]
        k, j = int((x != 0).sum()), int((y != 0).sum())
        row = {"feature": f, "n_a": len(x), "n_b": len(y), "active_a": k, "active_b": j}
        row |= {"frequency_a": k / len(x), "frequency_b": j / len(y), "mean_a": x.mean(), "mean_b": y.mean()}
        if by == "frequency":
            low, high = (float(e[0]) for e in newcombe(np.array([k]), len(x), np.array([j]), len(y), 0.95))
            p = scipy.stats.fisher_exact([[k, len(x) - k], [j, len(y) - j]]).pvalue
            row |= {"difference": k / len(x) - j / len(y), "low": low, "high": high, "p": p}
        elif np.ptp(x) == 0 and np.ptp(y) == 0:
            row |= {"difference": x.mean() - y.mean(), "low": np.nan, "high": np.nan, "p": 1.0}
        else:
            test = scipy.stats.ttest_ind(x, y, equal_var=False)
            ends = test.confidence_interval(0.95)
            row |= {"difference": x.mean() - y.mean(), "low": ends.low, "high": ends.high, "p": test.pvalue}
        rows.append(row)
    table = pd.DataFrame(rows)
    p = table["p"].to_numpy()
    ranked = np.sort(p)
    table["q"] = [min(min(ranked[j] * len(p) / (j + 1), 1) for j in range(len(p)) if ranked[j] >= one) for one in p]
    return table


def compare(found: sw.Contrast, wanted: pd.DataFrame) -> None:
    table = found.to_pandas().sort_values("feature").reset_index(drop=True)
    assert table["label"].tolist() == [found.labels.get(f, "") for f in range(len(table))]
    pd.testing.assert_frame_equal(
        table.drop(columns="label"), wanted, check_dtype=False, rtol=1e-4, atol=1e-6, check_column_type=False
    )


@pytest.mark.slow
@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
@pytest.mark.parametrize("by", ["frequency", "mean"])
def test_texts_by_definition(architecture: str, by: Any) -> None:
    with made(architecture) as engine:
        found = sw.contrast(engine, A, B, by=by)
    hook, out = place(architecture)
    model, sae = tiny.hooked(), tiny.sae(architecture, hook, hook_out=out)
    # What is 0 but for rounding is not active: as float32 tells it on either side.
    a, b = (reference(model, sae, ids_of(texts), "max")[0] for texts in (A, B))
    compare(found, by_hand(a, b, by))
    assert (found.n_a, found.n_b, found.n_tests) == (12, 10, tiny.D_SAE)
    assert (found.active_a + found.active_b > 0).any() and (found.p < 0.2).any()


@pytest.mark.slow
@pytest.mark.parametrize("by", ["frequency", "mean"])
@pytest.mark.parametrize("shape", [(30, 41), (5, 3), (2, 2)])
def test_matrices_by_definition(by: Any, shape: tuple[int, int]) -> None:
    a, b = numbers(shape[0], 40), numbers(shape[1], 40, seed=5)
    found = sw.contrast(None, matrix_from(a), matrix_from(b), by=by)
    compare(found, by_hand(a.astype(np.float32).astype(np.float64), b.astype(np.float32).astype(np.float64), by))


@pytest.mark.slow
def test_texts_and_matrices_are_the_same() -> None:
    with made() as engine:
        texts = sw.contrast(engine, A, B)
        matrices = sw.contrast(None, sw.feature_matrix(engine, A), sw.feature_matrix(engine, B))
        mixed = sw.contrast(engine, A, sw.feature_matrix(engine, B))
        some = sw.contrast(engine, A, B, features=[7, 5, 30])
    pd.testing.assert_frame_equal(texts.to_pandas(), matrices.to_pandas())
    pd.testing.assert_frame_equal(texts.to_pandas(), mixed.to_pandas())
    assert some.features.tolist() == [5, 7, 30] and some.n_tests == 3
    np.testing.assert_allclose(some.p, texts.p[[5, 7, 30]])
    assert not np.allclose(some.q, texts.q[[5, 7, 30]])


def test_it_is_ranked_by_the_magnitude_of_the_difference() -> None:
    found = sw.contrast(None, matrix_from(numbers(30, 20)), matrix_from(numbers(30, 20, seed=1)))
    table = found.to_pandas()
    assert table["difference"].abs().is_monotonic_decreasing
    assert sorted(table["feature"]) == list(range(20))
    assert found.top(4)["feature"].tolist() == table["feature"][:4].tolist()
    for side, sign in (("a", 1), ("b", -1)):
        top = found.top(50, side=side)  # type: ignore[arg-type]
        wanted = table[np.sign(table["difference"]) == sign]
        assert top["feature"].tolist() == wanted["feature"].tolist()
        assert 0 < len(top) < 20
    with pytest.raises(ValueError, match="side is 'both', 'a' or 'b', not 'c'"):
        found.top(side="c")  # type: ignore[arg-type]


def test_labels_and_descriptions() -> None:
    with made(labels={5: "<b>five</b>"}) as engine:
        found = sw.contrast(engine, A, B, features=[5, 6], names=("words", "<i>others</i>"))
    top = found.top().set_index("feature")
    assert top.loc[5, "label"] == top.loc[5, "description"] == "<b>five</b>"
    assert top.loc[6, "description"] == ""
    figure = found.figure()
    drawn = figure.to_json()
    assert "\\u003cb\\u003e" not in drawn and "<b>five" not in drawn and "<i>others" not in drawn
    bar = figure.data[0]
    assert list(bar.x) == found.top()["difference"].tolist()
    np.testing.assert_allclose(bar.error_x.array, found.top()["high"] - found.top()["difference"])
    np.testing.assert_allclose(bar.error_x.arrayminus, found.top()["difference"] - found.top()["low"])


def test_what_p_and_the_interval_are_is_said() -> None:
    found = sw.contrast(None, matrix_from(numbers(30, 20)), matrix_from(numbers(20, 20, seed=1)), confidence=0.9)
    assert (found.test, found.interval) == ("Fisher's exact test, two-sided", "90% Newcombe's hybrid score interval")
    assert repr(found).startswith("Contrast(a (30) less b (20) by frequency: 20 features of 'made', ")
    narrow = sw.contrast(None, matrix_from(numbers(30, 20)), matrix_from(numbers(20, 20, seed=1)), confidence=0.5)
    assert (narrow.high - narrow.low < found.high - found.low).all()


@pytest.mark.parametrize("by", ["frequency", "mean"])
def test_one_text_says_nothing_of_others(by: Any) -> None:
    found = sw.contrast(None, matrix_from(numbers(1, 20)), matrix_from(numbers(20, 20, seed=1)), by=by)
    for name in ("low", "high", "p", "q"):
        assert np.isnan(getattr(found, name)).all()
    assert found.n_tests == 0
    assert np.isfinite(found.difference).all()
    assert any("With 1 and 20 texts there is no interval and no test" in note for note in found.notes)
    assert len(found.top(3)) == 3 and found.figure().data and "0 with q < 0.05" in repr(found)


def test_without_spread_there_is_no_interval_and_that_is_said() -> None:
    same = np.array([[1.0, 0.0, 3.0]] * 4)
    found = sw.contrast(None, matrix_from(same), matrix_from(same * 2), by="mean")
    assert np.isnan(found.low).all() and found.p.tolist() == [1, 1, 1]
    assert found.difference.tolist() == [-1, 0, -3]
    assert any(
        "3 features have the same value in all texts of a side, on both sides (1 of them" in n for n in found.notes
    )


def test_notes_say_whose_they_are() -> None:
    with made() as engine:
        found = sw.contrast(engine, ["", "God"], B, names=("left", "right"))
    assert any(note.startswith("left: 1 text has no counted token") for note in found.notes)
    assert not any(note.startswith("right: 1 text has no") for note in found.notes)


def test_progress_is_of_both_together() -> None:
    told: list[tuple[int, int]] = []
    with made() as engine:
        sw.contrast(engine, A, B, on_progress=lambda *at: told.append(at))
    assert told[-1] == (22, 22) and told == sorted(told) and (12, 22) in told


def test_what_cannot_be_compared_is_refused() -> None:
    one = matrix_from(numbers(5, 20))
    with pytest.raises(MatrixMismatchError, match="the number of features differs: 20 there, 21 here"):
        sw.contrast(None, one, matrix_from(numbers(5, 21)))
    with pytest.raises(MatrixMismatchError, match="aggregate differs: 'max' there, 'sum' here"):
        sw.contrast(None, one, matrix_from(numbers(5, 20), aggregate="sum"))
    with pytest.raises(MatrixMismatchError, match="the features that were encoded differ"):
        sw.contrast(None, one, matrix_from(numbers(5, 20), columns=[1, 2]))
    with made() as engine, pytest.raises(MatrixMismatchError, match="'made'"):
        sw.contrast(engine, one, A)
    with pytest.raises(TypeError, match="Texts need an engine"):
        sw.contrast(None, A, one)
    with made() as engine, pytest.raises(DatasetError, match="There are no texts"):
        sw.contrast(engine, [], A)
    with pytest.raises(ValueError, match="by is 'frequency' or 'mean', not 'max'"):
        sw.contrast(None, one, one, by="max")  # type: ignore[arg-type]
    for wrong in (0, 1, 95, float("nan")):
        with pytest.raises(ValueError, match="confidence is a number between 0 and 1"):
            sw.contrast(None, one, one, confidence=wrong)

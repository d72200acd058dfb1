"""Columns that a result brings into the table: sorted, filtered, exported, and refused where the features are others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from dashboard_made import DEAD, ROWS, good, make_engine, with_dead
from test_feature_browser import NONE, between

import saewidgets as sw
from saewidgets.datasets.errors import MatrixMismatchError

pytestmark = pytest.mark.usefixtures("fake_comm")

A = [row["text"] for row in ROWS[3:9]]
B = [row["text"] for row in ROWS[:3]] + [row["text"] for row in ROWS[9:]]


@pytest.fixture(scope="module")
def matrices() -> tuple[sw.FeatureMatrix, sw.FeatureMatrix]:
    with with_dead(make_engine(), DEAD) as engine:
        return sw.feature_matrix(engine, A), sw.feature_matrix(engine, [*A, *B])


def contrasted(matrices: Any, **options: Any) -> sw.Contrast:
    return sw.contrast(None, *matrices, **options)


def window(widget: sw.FeatureBrowser, **chosen: Any) -> tuple[dict, Any]:
    return good(widget, "rows", {"chosen": NONE | chosen, "first": 0, "count": 200})


@pytest.mark.slow
@pytest.mark.parametrize("by", ["frequency", "mean"])
def test_a_contrast_is_columns_of_the_table(index: sw.FeatureIndex, matrices: Any, by: Any) -> None:
    found = contrasted(matrices, by=by, names=("few", "all"))
    widget = sw.FeatureBrowser(index, columns=found)
    assert widget.sort == "difference"
    names = ["difference", f"{by}_a", f"{by}_b", "q", "p", "low", "high", "active_a", "active_b"]
    summary, counts = good(widget, "summary", {})
    told = {one["name"]: one for one in summary["columns"]}
    assert [name for name in told if name not in ("density", "count", "max", "min", "mean", "std")][-9:] == names
    assert summary["shown"] == ["density", "difference", f"{by}_a", f"{by}_b", "q"]
    word = "in" if by == "frequency" else "mean"
    assert [told[name]["title"] for name in names[:4]] == ["diff", f"{word} few", f"{word} all", "q"]
    assert "few less all" in told["difference"]["says"]
    assert counts["counts_difference"].sum() == 48
    _, arrays = window(widget, sort="difference")
    for name in names:
        np.testing.assert_allclose(arrays[name], getattr(found, name)[arrays["feature"]], rtol=1e-6, equal_nan=True)
    assert (np.diff(arrays["difference"]) <= 0).all()
    _, up = window(widget, sort="difference", descending=False)
    assert (np.diff(up["difference"]) >= 0).all()
    low = float(np.median(found.difference))
    _, some = window(widget, filters=[between("difference", low, None)])
    assert sorted(some["feature"].tolist()) == np.flatnonzero(found.difference >= low).tolist()


def test_the_rows_as_a_table_have_them(index: sw.FeatureIndex, matrices: Any) -> None:
    found = contrasted(matrices)
    widget = sw.FeatureBrowser(index, columns=found, filters={"difference": [None, 0.0]})
    table = widget.to_pandas()
    for name in ("difference", "p", "q", "frequency_a", "active_b"):
        np.testing.assert_array_equal(table[name], getattr(found, name)[table.index])
    assert table["difference"].max() <= 0 and table["difference"].is_monotonic_decreasing
    assert {"density", "top_token"} <= set(table.columns)
    assert "difference" in widget.fallback_html() and "difference" in widget.page()


def test_some_features_have_numbers_and_the_others_none(index: sw.FeatureIndex) -> None:
    with with_dead(make_engine(), DEAD) as engine:
        found = sw.contrast(engine, A, B, features=[3, 9, 30])
    widget = sw.FeatureBrowser(index, columns=found)
    _, arrays = window(widget, sort="difference")
    assert sorted(arrays["feature"][:3].tolist()) == [3, 9, 30]
    assert np.isnan(arrays["difference"][3:]).all() and (arrays["active_a"][3:] == -1).all()
    _, some = window(widget, filters=[between("q", 0, 1)])
    assert sorted(some["feature"].tolist()) == [3, 9, 30]


def test_an_association_is_columns_of_the_table(index: sw.FeatureIndex, matrices: Any) -> None:
    n = len(matrices[1])
    numeric = sw.associate(matrices[1], np.arange(n))
    widget = sw.FeatureBrowser(index, columns=numeric)
    assert widget.sort == "r" and good(widget, "summary", {})[0]["shown"] == ["density", "r", "q"]
    assert numeric.correlations is not None
    _, arrays = window(widget, sort="r")
    np.testing.assert_allclose(arrays["r"], numeric.correlations.r[arrays["feature"]], rtol=1e-6, equal_nan=True)
    assert any("have no r" in note for note in good(widget, "summary", {})[0]["notes"])
    kinds = np.array(["<b>x</b>", "y", "z"])[np.arange(n) % 3]
    categorical = sw.associate(matrices[1], kinds)
    widget = sw.FeatureBrowser(index, columns=categorical)
    shown = good(widget, "summary", {})[0]["shown"]
    assert shown == ["density", "difference_<b>x</b>", "difference_y", "difference_z"]
    told = {one["name"]: one["title"] for one in good(widget, "summary", {})[0]["columns"]}
    assert told["difference_y"] == "diff y" and told["frequency_b_y"] == "in not y" and told["q_z"] == "q z"
    _, arrays = window(widget, sort="difference_y")
    np.testing.assert_allclose(
        arrays["difference_y"], categorical.contrasts["y"].difference[arrays["feature"]], rtol=1e-6
    )
    assert "<b>x</b>" not in widget.fallback_html()


def test_of_many_categories_those_that_differ_most(index: sw.FeatureIndex, matrices: Any) -> None:
    n = len(matrices[1])
    found = sw.associate(matrices[1], [f"c{i % 9}" for i in range(n)])
    columns = found.columns()
    assert sum(name.startswith("difference") for name in columns.columns) == 6
    assert any("6 of 9 categories" in note for note in columns.notes)
    sw.FeatureBrowser(index, columns=found)


def engine_with(**changed: Any) -> sw.Engine:
    return sw.Engine(changed.pop("model", None) or tiny.hooked(), tiny.sae(**changed))


@pytest.mark.slow
def test_columns_of_others_are_refused_with_both_named(index: sw.FeatureIndex, whole: Path) -> None:
    other = tiny.hooked()
    with torch.no_grad():
        other.W_E[0, 0] += 1
    for engine, says in (
        (engine_with(architecture="topk"), "the SAE \\(or its dtype\\) differs"),
        (engine_with(architecture="jumprelu", seed=2), "the SAE \\(or its dtype\\) differs"),
        (engine_with(architecture="jumprelu", hook="blocks.0.hook_resid_post"), "the hook differs"),
        (with_dead(engine_with(model=other, architecture="jumprelu"), DEAD), "its weights, not its name"),
    ):
        with engine:
            found = sw.contrast(engine, A, B)
            name = engine.default
        with pytest.raises(MatrixMismatchError, match=says) as raised:
            sw.FeatureBrowser(index, columns=found)
        assert repr(name) in str(raised.value) and str(whole) in str(raised.value)
        assert "'blocks.1.hook_resid_pre'" in str(raised.value)


def test_how_texts_were_read_may_differ(index: sw.FeatureIndex) -> None:
    """A shorter context, or another rule for norm outliers, makes no other features."""
    engine = sw.Engine(tiny.hooked(), tiny.sae("jumprelu"), context_size=20, outlier_factor=None)
    with with_dead(engine, DEAD):
        sw.FeatureBrowser(index, columns=sw.contrast(engine, A, B))


@pytest.mark.slow
def test_another_version_of_the_weights_that_both_name_is_said(tmp_path: Path) -> None:
    quantised = tiny.hooked()
    with torch.no_grad():
        quantised.W_E[0, 0] += 1e-3
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu"), provenance={"weights": "as published"}) as engine:
        index = sw.build_index(engine, A, tmp_path / "index", progress=False)
    with sw.Engine(quantised, tiny.sae("jumprelu"), provenance={"weights": "in 8 bits"}) as engine:
        found = sw.contrast(engine, A, B)
    notes = good(sw.FeatureBrowser(index, columns=found), "summary", {})[0]["notes"]
    assert any("as published; the columns with in 8 bits" in note for note in notes)


def test_what_is_no_result_is_refused(index: sw.FeatureIndex, matrices: Any) -> None:
    with pytest.raises(TypeError, match="what sw.contrast or sw.associate gives, not FeatureMatrix"):
        sw.FeatureBrowser(index, columns=matrices[0])

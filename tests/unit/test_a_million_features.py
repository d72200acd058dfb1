"""What a view asks of an index of a million features is done without a step of Python for each of them.

On a small index, by counting what is looked at: a loop over all features shows as clearly in three hundred as in a million.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np
import pandas as pd
import pytest

import saewidgets as sw
from benchmarks.made_up_index import made_up_words, write_index
from saewidgets.engine.labels import Labels
from saewidgets.geometry.errors import GeometryError
from saewidgets.geometry.map import feature_map as maps
from saewidgets.index.errors import IndexCorruptError
from saewidgets.index.record.schema import STORE
from saewidgets.storage.array_folder import Folder, FolderWriter
from saewidgets.widgets.browser.features import ChosenFeatures, Features
from saewidgets.widgets.dashboard.asked import AskedExamples, AskedFeature, AskedRandom
from saewidgets.widgets.table.asked import Between, Summary

F = 3000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "index"
    write_index(path, F, vocabulary=made_up_words(500), chunks=64)
    return path


@pytest.fixture
def index(folder: Path) -> sw.FeatureIndex:
    return sw.FeatureIndex.open(folder)


def steps(work: Callable[[], object]) -> int:
    """The most that one line of this package's Python runs while `work` does, comprehensions' included."""
    lines: Counter[tuple[CodeType, int]] = Counter()

    def line(frame: FrameType, event: str, _arg: object) -> Any:
        if event == "line":
            lines[frame.f_code, frame.f_lineno] += 1
        return line

    def called(frame: FrameType, _event: str, _arg: object) -> Any:
        if "saewidgets" not in frame.f_code.co_filename:
            return None
        lines[frame.f_code, 0] += 1
        return line

    before = sys.gettrace()
    sys.settrace(called)
    try:
        work()
    finally:
        sys.settrace(before)
    return max(lines.values())


def test_the_made_up_index_is_one(index: sw.FeatureIndex) -> None:
    index.verify()
    names = set(index.folder.names())
    assert names <= set(STORE)
    left_out = {"neuron", "neuron_r", "neuron_cosine", "correlated", "correlated_r", "correlated_both"}
    assert set(STORE) - names == left_out
    for feature in (0, F // 2, int(index.order("density")[0])):
        position, value = index.activations(feature)
        info = index.feature(feature)
        assert info.count == len(position) and info.complete
        assert info.count == 0 or info.maximum == value.max()
        tokens = Counter(index.texts.tokens(position).tolist())
        assert {t.id: t.count for t in info.tokens}.items() <= tokens.items()
        logits = index.feature(feature).logits
        assert logits is not None and logits.histogram.counts.sum() == index.folder.length("occurrences")
        assert logits.top[0].value == logits.histogram.high


def test_the_table_of_all_features_looks_every_token_up_once(
    index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.set_label(7, "seven")
    looked: Counter[int] = Counter()
    strings = type(index.texts).strings
    monkeypatch.setattr(type(index.texts), "strings", lambda self, ids: looked.update(ids) or strings(self, ids))
    found = index.features
    assert set(looked.values()) == {1}
    index.features  # noqa: B018
    assert set(looked.values()) == {1}
    index.set_label(7, "")
    monkeypatch.undo()

    read = index.folder.read
    none = 0xFFFFFFFF
    words = {int(t): strings(index.texts, (int(t),)).strings[0] for t in range(index.folder.length("occurrences"))}
    expected = {
        "label": [None] * 7 + ["seven"] + [None] * (F - 8),
        "top_token": [None if t == none else words[t] for t in read("token")[:, 0].tolist()],
        "top_logits": [[words[t] for t in row[:5]] for row in read("logit_top").tolist()],
        "bottom_logits": [[words[t] for t in row[:5]] for row in read("logit_bottom").tolist()],
    }
    frame = pd.DataFrame(expected, index=pd.RangeIndex(F, name="feature"))
    pd.testing.assert_frame_equal(found[[*expected]], frame)
    assert found["top_token"].isna().any() and found["top_token"].notna().any()


def test_no_line_runs_for_every_feature(index: sw.FeatureIndex) -> None:
    labels = Labels({feature: f"name {feature}" for feature in range(F)})
    labels.link(index.labels)
    assert index.labels.now  # made once
    browser, dashboard = sw.FeatureBrowser(index), sw.FeatureDashboard(index=index)
    rows = Features(index)
    index.features  # noqa: B018 -- tokens are looked up once
    asked: dict[str, Callable[[], object]] = {
        "features": lambda: index.features,
        "alive": lambda: index.alive,
        "a feature": lambda: index.feature(F // 2),
        "examples": lambda: index.examples(F // 2),
        "densest": lambda: index.order("density"),
        "by name": lambda: index.order("label"),
        "a label": lambda: index.label(F - 1),
        "dashboard": lambda: dashboard._answer("feature", AskedFeature(5, "mean"), None),
        "dashboard's examples": lambda: dashboard._answer("examples", AskedExamples(5), None),
        "a random feature": lambda: dashboard._answer("random", AskedRandom(5), None),
        "summary": lambda: browser._answer("summary", Summary(), None),
        "sorted": lambda: rows.listed(ChosenFeatures(sort="max")),
        "filtered": lambda: rows.listed(ChosenFeatures(filters=(Between("max", 1.0, 2.0),))),
        "by feature": lambda: rows.listed(ChosenFeatures(sort="feature")),
    }
    found = {name: steps(work) for name, work in asked.items()}
    assert {name: n for name, n in found.items() if n >= F - 500} == {}
    browser.close()
    dashboard.close()


def test_orders_are_made_once_and_anew_when_a_name_is_given(index: sw.FeatureIndex) -> None:
    count = index.column("count").astype(np.int64)
    densest = np.array(sorted(range(F), key=lambda f: (-count[f], f)))
    assert (index.order("density") == densest).all()
    assert index.order("density") is index.order("density") and not index.order("density").flags.writeable
    index.set_label(9, "b")
    index.set_label(20, "a")
    first = index.order("label")
    assert first is index.order("label")
    assert first.tolist() == [20, 9, *(f for f in range(F) if f not in (9, 20))]
    index.set_label(20, "c")
    assert index.order("label")[:3].tolist() == [9, 20, 0]
    for feature in (9, 20):
        index.set_label(feature, "")
    with pytest.raises(ValueError, match="no order 'size'"):
        index.order("size")  # type: ignore[arg-type]


def test_names_are_put_together_once_and_lists_do_not_read_them_again(index: sw.FeatureIndex) -> None:
    given = Labels({feature: f"name {feature}" for feature in range(F)})
    given.link(index.labels)
    now = index.labels.now
    assert index.labels.now is now and len(now) == F
    entries = index._own.names.entries
    index.add_to_list("mine", [1, 2])
    assert index.lists["mine"] == (1, 2) and index.notes == {}
    assert index._own.names.entries is entries and index.labels.now is now
    assert steps(lambda: index.set_label(3, "three")) < F // 3
    assert index.labels.now is not now and now[3] == "name 3"
    assert dict(index.labels.now) == {**now, 3: "three"} and index.labels.to_dict() == dict(given.items())
    # What another process takes away and names is seen, too.
    other = type(index._own)(index.path, index.path / "nowhere")
    other.append([{"t": "label", "f": 3, "text": ""}, {"t": "label", "f": 4, "text": "four"}])
    assert index.lists["mine"] == (1, 2)
    assert (index.label(3), index.label(4), index.label(5)) == ("name 3", "four", "name 5")
    other.append([{"t": "label", "f": 4, "text": ""}])


def test_a_table_sorts_all_features_once(index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    from saewidgets.widgets.browser import features as module

    sorts: list[str] = []
    ordered = module.ordered
    monkeypatch.setattr(module, "ordered", lambda *given: sorts.append(given[2]) or ordered(*given))
    rows = Features(index)
    high = index.folder.read("high").astype(np.float64)
    for low in (0.5, 1.0, 2.0):
        found = rows.listed(ChosenFeatures(sort="max", filters=(Between("max", low, None),))).features
        expected = sorted((f for f in range(F) if high[f] >= low), key=lambda f: (-high[f], f))
        assert found.tolist() == expected
    up = rows.listed(ChosenFeatures(sort="max", descending=False)).features.tolist()
    assert up == sorted(range(F), key=lambda f: (np.isnan(high[f]), high[f] if high[f] == high[f] else 0, f))
    assert sorts == ["max", "max"]


def test_rows_that_are_taken_are_verified_and_no_others(tmp_path: Path) -> None:
    rows = np.arange(39_999, dtype=np.uint32).reshape(-1, 3)  # of 12 bytes, in three pages
    with FolderWriter(tmp_path / "folder") as writer:
        writer.put("a", rows)
        writer.commit({})
    file = tmp_path / "folder" / "a.npy"
    content = bytearray(file.read_bytes())
    content[70_000] ^= 1  # in the second page, with which row 5450 ends and row 10,911 begins
    file.write_bytes(content)
    which = np.array([[0, 13_332], [5449, 10_912]])
    assert (Folder(tmp_path / "folder").take("a", which) == rows[which]).all()
    for row in (5450, 8000, 10_911):
        with pytest.raises(IndexCorruptError, match="was altered"):
            Folder(tmp_path / "folder").take("a", np.array([0, row]))
    with pytest.raises(IndexError, match="0 to 13332"):
        Folder(tmp_path / "folder").take("a", np.array([13_333]))
    assert Folder(tmp_path / "folder").take("a", np.zeros(0, np.int64)).shape == (0, 3)


def test_a_map_of_too_many_features_is_refused_with_what_there_is_instead(
    index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maps, "MOST", F - 1)
    with pytest.raises(GeometryError, match=r"2,999 features at most, .* has 3,000: .*FeatureBrowser\(index\)"):
        sw.feature_map(index)

"""An index opens when its corpus is read: what needs all pairs is computed for the feature that is looked at, and of all later."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from front_end import good, recording
from test_index_killed import contents

import saewidgets as sw
from saewidgets.errors import SaewidgetsError
from saewidgets.index.errors import IndexMismatchError
from saewidgets.index.remaining import compute
from saewidgets.index.remaining.compute import Remaining

TEXTS = [
    "In the beginning God created the heaven and the earth",
    "And the earth was without form, and void; and darkness was upon the face of the deep",
    "And God said, Let there be light: and there was light",
] * 4
LATE = ("logit_top", "neighbour", "aligned", "correlated")


@pytest.fixture
def engine() -> Iterator[sw.Engine]:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu")) as engine:
        yield engine


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Nothing is computed in the background until it is set; others go first meanwhile."""
    go, run = threading.Event(), Remaining.run

    def late(self: Remaining, ticket: Any) -> None:
        while not go.wait(0.01):
            ticket.breathe()
        run(self, ticket)

    monkeypatch.setattr(Remaining, "run", late)
    yield go
    go.set()


def build(engine: sw.Engine, path: Path, **settings: Any) -> sw.FeatureIndex:
    return sw.build_index(engine, TEXTS, path, progress=False, **settings)


def dense(engine: sw.Engine) -> np.ndarray[Any, Any]:
    """Activations of all counted tokens, by definition: each text alone."""
    made = []
    for text in TEXTS:
        acts = engine.activations(text)
        made.append(np.asarray(acts[:, :])[engine.counting.roles(engine.to_ids(text)[0], None).counted])
    return np.concatenate(made).astype(np.float64)


@pytest.mark.slow
def test_a_feature_is_whole_before_the_others_are(engine: sw.Engine, tmp_path: Path, held: threading.Event) -> None:
    index = build(engine, tmp_path / "index")
    assert index.remains
    assert not any(name in index.folder for name in LATE)
    rows = engine.dictionary().decoder().double().numpy()
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    acts = dense(engine)
    W_U = engine.model.raw.unembed.W_U.detach().double().numpy()
    for f in [int(i) for i in index.order("density")[:4]]:
        found = index.feature(f)
        cosine = unit @ unit[f]
        cosine[f] = -np.inf
        assert [n.feature for n in found.neighbours] == np.argsort(-cosine)[: len(found.neighbours)].tolist()
        np.testing.assert_allclose(
            [n.cosine for n in found.neighbours], np.sort(-cosine)[: len(found.neighbours)] * -1, atol=1e-6
        )
        weights = rows[f] @ W_U
        assert found.logits is not None
        assert [t.id for t in found.logits.top] == np.argsort(-weights, kind="stable")[:15].tolist()
        np.testing.assert_allclose(
            [t.value for t in found.logits.top], np.sort(weights)[::-1][:15], rtol=1e-4, atol=1e-6
        )
        assert found.logits.histogram.counts.sum() == W_U.shape[1]
        assert [a.neuron for a in found.alignment] == np.argsort(-np.abs(rows[f]))[:10].tolist()
        for other in found.correlated[:5]:
            r = np.corrcoef(acts[:, f], acts[:, other.feature])[0, 1]
            assert other.pearson == pytest.approx(r, abs=1e-5)
            assert other.together == int(((acts[:, f] != 0) & (acts[:, other.feature] != 0)).sum())
    held.set()


@pytest.mark.slow
def test_what_is_computed_at_once_is_what_is_stored(engine: sw.Engine, tmp_path: Path, held: threading.Event) -> None:
    index = build(engine, tmp_path / "index")
    early = [index.feature(f) for f in range(len(index))]
    held.set()
    assert index.wait(progress=False) is index
    assert not index.remains
    assert all(name in index.folder for name in LATE)
    index.verify()
    for now, before in zip((index.feature(f) for f in range(len(index))), early, strict=True):
        assert now.logits is not None and before.logits is not None
        assert [t.id for t in now.logits.top] == [t.id for t in before.logits.top]
        np.testing.assert_allclose(
            [now.logits.mean, now.logits.std, now.logits.kurtosis],
            [before.logits.mean, before.logits.std, before.logits.kurtosis],
            rtol=1e-4,
            atol=1e-6,
        )
        assert [n.feature for n in now.neighbours] == [n.feature for n in before.neighbours]
        assert [c.feature for c in now.correlated] == [c.feature for c in before.correlated]
        np.testing.assert_allclose(
            [c.pearson for c in now.correlated], [c.pearson for c in before.correlated], atol=1e-6
        )
        assert [a.neuron for a in now.alignment] == [a.neuron for a in before.alignment]


def test_the_table_says_what_it_lacks_and_gets_it(engine: sw.Engine, tmp_path: Path, held: threading.Event) -> None:
    index = build(engine, tmp_path / "index")
    early = index.features
    assert ".remains" in repr(index)
    assert "logit_kurtosis" not in early and "not there yet" in early.attrs["remains"]
    assert {"density", "max", "top_token"} <= set(early.columns)
    with pytest.raises(IndexMismatchError, match=r"index.wait\(\)"):
        index.column("neighbour")
    held.set()
    late = index.wait(progress=False).features
    assert {"logit_kurtosis", "neighbour", "top_logits"} <= set(late.columns)
    assert late.attrs["remains"] == "" and ".remains" not in repr(index)
    for name in early.columns:
        assert early[name].equals(late[name])


@pytest.mark.slow
def test_another_who_has_it_open_sees_it_arrive(engine: sw.Engine, tmp_path: Path, held: threading.Event) -> None:
    index = build(engine, tmp_path / "index")
    other = sw.FeatureIndex.open(index.path)
    f = int(other.order("density")[0])
    lacking = other.feature(f)
    assert lacking.logits is None and lacking.neighbours == () and lacking.correlated == ()
    assert "index.wait()" in str(lacking.logits_missing) and "index.wait()" in str(lacking.correlated_missing)
    with pytest.raises(IndexMismatchError, match=r"engine=engine\)"):
        other.wait()
    with recording():
        assert any("not there yet" in note for note in good(sw.FeatureDashboard(index=other), "feature", f=f)["notes"])
        lively = sw.FeatureDashboard(engine, index)
        shown = good(lively, "feature", f=f)
        assert shown["logits"] and shown["neighbours"] and not shown["notes"]
    held.set()
    index.wait(progress=False)
    assert other.feature(f).logits is not None
    assert other.wait().feature(f).neighbours


@pytest.mark.slow
def test_an_interrupted_one_goes_on_with_the_same_bytes(
    engine: sw.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compute, "_PART", 10)
    whole = contents(build(engine, tmp_path / "whole", wait=True).path)
    original, calls, fails = Remaining._rows, itertools.count(), [3]
    done: list[tuple[int, int]] = []

    def rows(self: Remaining, first: int, last: int, *more: Any) -> Any:
        if next(calls) in fails:
            raise OSError("the plug was pulled")
        done.append((first, last))
        return original(self, first, last, *more)

    monkeypatch.setattr(Remaining, "_rows", rows)
    with pytest.raises(OSError, match="plug"):
        build(engine, tmp_path / "index", wait=True)
    again = sw.FeatureIndex.open(tmp_path / "index", engine=engine)
    assert again.remains
    again.wait(progress=False)
    assert contents(again.path) == whole
    assert done == [(0, 10), (10, 20), (20, 30), (30, 40), (40, 48)], "each part once"
    assert not list(again.path.glob(".remaining-*"))


@pytest.mark.slow
def test_the_same_call_goes_on(engine: sw.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Remaining, "run", lambda self, ticket: None)  # a process that ended
        assert build(engine, tmp_path / "index").remains
    index = build(engine, tmp_path / "index")
    assert index.wait(progress=False).remains == ""


def test_weights_that_changed_are_refused(engine: sw.Engine, tmp_path: Path, held: threading.Event) -> None:
    index = build(engine, tmp_path / "index")
    with torch.no_grad():
        engine.dictionary().sae.W_dec += 1  # type: ignore[attr-defined]
    with pytest.raises(IndexMismatchError, match="were changed"):
        index.feature(3)
    held.set()
    with pytest.raises(IndexMismatchError, match="were changed"):
        index.wait(progress=False)


@pytest.mark.slow
def test_an_index_that_is_to_grow_no_more_keeps_its_scan_until_it_is_not_needed(
    engine: sw.Engine, tmp_path: Path, held: threading.Event
) -> None:
    index = build(engine, tmp_path / "index", keep_activations="until finished")
    assert list(index.path.glob("shard-*"))
    assert index.feature(int(index.order("density")[0])).correlated
    held.set()
    index.wait(progress=False)
    assert not list(index.path.glob("shard-*"))


@pytest.mark.slow
def test_a_build_that_goes_on_ends_what_ran_for_the_one_before(engine: sw.Engine, tmp_path: Path) -> None:
    build(engine, tmp_path / "index", tokens=40)
    index = build(engine, tmp_path / "index", wait=True)
    assert not index.remains
    assert contents(index.path) == contents(build(engine, tmp_path / "at once", wait=True).path)


@pytest.mark.slow
def test_correlations_that_would_take_days_are_not_begun(
    engine: sw.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compute, "_MOST_STEPS", 10)
    index = build(engine, tmp_path / "index", wait=True)
    f = int(index.order("density")[0])
    assert "correlated" not in index.folder and index.feature(f).correlated == ()
    assert "feature_correlations=True" in str(index.feature(f).correlated_missing)
    asked = build(engine, tmp_path / "asked", wait=True, feature_correlations=True)
    assert asked.feature(f).correlated
    never = build(engine, tmp_path / "never", wait=True, feature_correlations=False)
    assert "feature_correlations=False" in str(never.feature(f).correlated_missing)


def test_one_process_at_a_time(engine: sw.Engine, tmp_path: Path, held: threading.Event) -> None:
    from saewidgets.storage.process_lock import process_lock

    index = build(engine, tmp_path / "index")
    with process_lock(index.path / ".remaining.lock", lambda: None):
        held.set()
        with pytest.raises(SaewidgetsError, match="Another process"):
            index.wait(progress=False)
    index.wait(progress=False)
    assert not index.remains

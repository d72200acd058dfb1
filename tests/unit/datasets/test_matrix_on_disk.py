"""A matrix with a path: killed anywhere it goes on with the same result; of other texts, weights or settings it is refused."""

from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from forks import in_a_child, linux
from matrix_made import TEXTS

import saewidgets as sw
from saewidgets.datasets import build
from saewidgets.datasets.errors import MatrixMismatchError
from saewidgets.engine.activations import portion
from saewidgets.engine.activations.reader import Reader
from saewidgets.storage import array_folder
from saewidgets.storage.errors import IndexCorruptError, IndexWriteError

MANY = [text[i % 7 :] + f" and {i}" if text else text for i, text in enumerate(TEXTS * 5)]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portion, "TOKENS", 100)
    monkeypatch.setattr(build, "_PART_TOKENS", 250)


def make(path: Path | None, texts: Any = MANY, architecture: str = "jumprelu", **options: Any) -> sw.FeatureMatrix:
    with sw.Engine(tiny.hooked(), tiny.sae(architecture)) as engine:
        return sw.feature_matrix(engine, texts, path=path, **options)


def parts_in(path: Path) -> list[str]:
    return sorted(p.name for p in path.glob("part-*"))


def same(a: sw.FeatureMatrix, b: sw.FeatureMatrix) -> None:
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(a.matrix, name), getattr(b.matrix, name))
    assert (a.tokens.tolist(), a.notes, a.identity) == (b.tokens.tolist(), b.notes, b.identity)


def interrupted(path: Path, at: int, **options: Any) -> None:
    """A run that dies at its `at`-th forward."""
    original, calls = Reader._forward, itertools.count()

    def forward(self: Reader, *args: Any) -> Any:
        if next(calls) == at:
            raise KeyboardInterrupt
        return original(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reader, "_forward", forward)
        with pytest.raises(KeyboardInterrupt):
            make(path, **options)


@pytest.mark.slow
def test_interrupted_after_a_part_it_goes_on_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make(None)
    interrupted(tmp_path / "m", 12)
    done = parts_in(tmp_path / "m")
    assert len(done) > 0 and not (tmp_path / "m" / "manifest").exists()
    with pytest.raises(MatrixMismatchError, match="was not finished: .* texts are done"):
        sw.FeatureMatrix.open(tmp_path / "m")
    tokens: list[int] = []
    original = Reader.read

    def counting(reader: Reader, texts: Any, *args: Any, **kwargs: Any) -> Any:
        tokens.append(sum(map(len, texts)))
        return original(reader, texts, *args, **kwargs)

    monkeypatch.setattr(Reader, "read", counting)
    same(make(tmp_path / "m"), whole)
    assert 0 < sum(tokens) < sum(len(ids) for ids in sw_ids(MANY)) - 250, "what was done is not done again"
    tokens.clear()
    same(make(tmp_path / "m"), whole)
    assert tokens == []
    assert len(parts_in(tmp_path / "m")) > len(done)


def sw_ids(texts: Sequence[str]) -> list[list[int]]:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu")) as engine:
        return engine.to_ids([text for text in texts if text])


@pytest.mark.slow
@linux
def test_killed_at_random_points_and_taken_up_again(tmp_path: Path) -> None:
    def in_a_child_at(path: Path, at: int = 0) -> Any:
        return in_a_child(lambda: make(path), at, also=[(array_folder.ArrayWriter, "append")])

    calls = in_a_child_at(tmp_path / "whole").calls
    assert calls > 60
    whole = sw.FeatureMatrix.open(tmp_path / "whole")
    unfinished = 0
    for at in random.Random(0).sample(range(1, calls), 8):
        path = tmp_path / str(at)
        assert in_a_child_at(path, at).killed
        unfinished += not (path / "manifest").exists()
        in_a_child_at(path, 1 + at // 2)  # once more, at another moment
        assert not in_a_child_at(path).killed
        same(sw.FeatureMatrix.open(path), whole)
        assert not list(path.glob(".*.tmp"))
    assert unfinished >= 6
    same(make(tmp_path / "whole"), whole)


@pytest.mark.slow
def test_parts_of_another_size_are_the_same_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make(tmp_path / "many", MANY[:12])
    monkeypatch.setattr(build, "_PART_TOKENS", 10**6)
    same(make(tmp_path / "one", MANY[:12]), whole)
    assert len(parts_in(tmp_path / "many")) > len(parts_in(tmp_path / "one")) == 1


def test_opened_without_a_model(tmp_path: Path) -> None:
    kept = make(tmp_path / "m", MANY[:8], architecture="abstopk", aggregate="sum", features=[5, 9])
    found = sw.FeatureMatrix.open(tmp_path / "m")
    same(found, kept)
    for name in ("aggregate", "dictionary", "activation_name", "signed", "provenance"):
        assert getattr(found, name) == getattr(kept, name)
    assert found.columns is not None and found.columns.tolist() == [5, 9]
    assert found.signed and found.labels == {} and repr(found) == repr(kept)
    with pytest.raises(MatrixMismatchError, match="is not there"):
        sw.FeatureMatrix.open(tmp_path / "other")


@pytest.mark.slow
def test_of_anything_else_it_is_refused(tmp_path: Path) -> None:
    path, few = tmp_path / "m", MANY[:8]
    make(path, few)
    for texts, says in (
        ([*few[:2], "another", *few[3:]], "of other texts: they differ among the texts 0 to"),
        (few[:-1], "of other texts.* of which these have"),
        ([*few, "one more"], "is finished, of 8 texts; these are more"),
    ):
        with pytest.raises(MatrixMismatchError, match=says):
            make(path, texts)
    with pytest.raises(MatrixMismatchError, match="aggregate differs: 'max' there, 'mean' here"):
        make(path, few, aggregate="mean")
    with pytest.raises(MatrixMismatchError, match="features that were asked for differ \\(all there, 2 here\\)"):
        make(path, few, features=[1, 2])
    with pytest.raises(MatrixMismatchError, match="the SAE \\(or its dtype\\) differs"):
        make(path, few, "topk")
    model = tiny.hooked()
    with torch.no_grad():
        model.W_U[0, 0] += 1  # far from the hook: another model nevertheless
    with (
        sw.Engine(model, tiny.sae("jumprelu")) as engine,
        pytest.raises(MatrixMismatchError, match="its weights, not its name"),
    ):
        sw.feature_matrix(engine, few, path=path)
    with (
        sw.Engine(tiny.hooked(), tiny.sae("jumprelu"), outlier_factor=2.0) as engine,
        pytest.raises(MatrixMismatchError, match="norm outliers"),
    ):
        sw.feature_matrix(engine, few, path=path)
    same(make(path, few), make(None, few))


@pytest.mark.slow
def test_a_run_that_was_begun_with_other_settings_is_not_gone_on_with(tmp_path: Path) -> None:
    interrupted(tmp_path / "m", 12)
    assert parts_in(tmp_path / "m")
    with pytest.raises(MatrixMismatchError, match="aggregate differs"):
        make(tmp_path / "m", aggregate="sum")
    with pytest.raises(MatrixMismatchError, match="of other texts"):
        make(tmp_path / "m", ["something else", *MANY[1:]])


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    with pytest.raises(MatrixMismatchError, match="other things in it \\(thesis.tex"):
        make(tmp_path / "full", MANY[:2])
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexWriteError):
        make(tmp_path / "file" / "m", MANY[:2])


def test_an_altered_byte_is_an_error(tmp_path: Path) -> None:
    make(tmp_path / "m", MANY[:4])
    file = tmp_path / "m" / "part-000000" / "values.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(IndexCorruptError, match="values.npy"):
        sw.FeatureMatrix.open(tmp_path / "m")


def test_the_identity_is_json_and_of_the_moment(tmp_path: Path) -> None:
    """What is on disk must compare equal with what is computed anew."""
    kept = make(tmp_path / "m", MANY[:2], architecture="topk")
    found = sw.FeatureMatrix.open(tmp_path / "m")
    assert copy.deepcopy(dict(found.identity)) == dict(kept.identity)

"""Files that are damaged, missing, of another format, or cannot be written."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import tiny
from forks import contents
from index_bad_made import TEXTS, _full_at, build

import saewidgets as sw
from saewidgets.engine.activations import portion
from saewidgets.errors import FeatureIndexError
from saewidgets.index.errors import (
    IndexCorruptError,
    IndexMismatchError,
    IndexVersionError,
    IndexWriteError,
)


@pytest.mark.parametrize("feature", [-1, tiny.D_SAE, 10**12])
def test_a_feature_that_is_not_there(feature: int, built: Path) -> None:
    index = sw.FeatureIndex.open(built)
    for work in (
        lambda: index.feature(feature),
        lambda: index.examples(feature),
        lambda: index.activations(feature),
        lambda: index.neighbours(feature),
        lambda: index.set_label(feature, "x"),
    ):
        with pytest.raises(FeatureIndexError, match="features 0 to 47"):
            work()


# -- files that are damaged


def _flips(size: int) -> list[int]:
    return sorted({0, size // 3, size // 2, size - 1})


@pytest.mark.slow
def test_a_flipped_byte_in_any_file_is_noticed_and_the_file_named(copy: Path) -> None:
    store = sw.FeatureIndex.open(copy).folder.path
    assert len(list(store.iterdir())) > 30
    for file in sorted(store.iterdir()):
        whole = file.read_bytes()
        for at in _flips(len(whole)):
            file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            with pytest.raises(IndexCorruptError, match=file.name.replace(".", r"\.")):
                sw.FeatureIndex.open(copy).verify()
        file.write_bytes(whole)
    sw.FeatureIndex.open(copy).verify()


def test_a_changed_number_in_the_table_of_contents_is_noticed(copy: Path) -> None:
    file = sw.FeatureIndex.open(copy).folder.path / "contents.json"
    text = file.read_text()
    counted = json.loads(text)["facts"]["counted"]
    assert f'"counted": {counted}' in text
    file.write_text(text.replace(f'"counted": {counted}', f'"counted": {counted + 1}'))
    with pytest.raises(IndexCorruptError, match="contents.json"):
        sw.FeatureIndex.open(copy).verify()


@pytest.mark.slow
def test_a_file_that_is_truncated_or_missing_is_noticed_when_the_index_is_opened(copy: Path) -> None:
    store = sw.FeatureIndex.open(copy).folder.path
    for file in sorted(store.iterdir()):
        whole = file.read_bytes()
        for left in (whole[:-1], whole[: len(whole) // 2], b"", whole + b"\0"):
            file.write_bytes(left)
            with pytest.raises(IndexCorruptError, match=file.name.replace(".", r"\.")):
                sw.FeatureIndex.open(copy)
        file.unlink()
        with pytest.raises(IndexCorruptError, match=file.name.replace(".", r"\.")):
            sw.FeatureIndex.open(copy)
        file.write_bytes(whole)


def test_a_flipped_byte_is_noticed_by_the_view_that_reads_it(copy: Path) -> None:
    file = sw.FeatureIndex.open(copy).folder.path / "kept_value.npy"
    whole = bytearray(file.read_bytes())
    whole[-1] ^= 1
    file.write_bytes(whole)
    index = sw.FeatureIndex.open(copy)
    last = int(np.flatnonzero(index.column("count"))[-1])
    with pytest.raises(IndexCorruptError, match="kept_value.npy.*altered"):
        index.examples(last)


def test_a_damaged_shard_is_noticed(copy: Path, engine: sw.Engine) -> None:
    file = copy / "shard-000000" / "value.npy"
    whole = bytearray(file.read_bytes())
    whole[-2] ^= 4
    file.write_bytes(whole)
    with pytest.raises(IndexCorruptError, match="value.npy"):
        sw.FeatureIndex.open(copy).verify()
    with pytest.raises(IndexCorruptError, match="value.npy"):
        build(engine, TEXTS, copy, seed=5)
    assert sw.FeatureIndex.open(copy).tokens, "the store is unhurt"


@pytest.mark.parametrize("name", ["manifest.json", "scan.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"format": 2}', b'{"format": "x"}', b"\xff\xfe"])
def test_a_damaged_manifest_or_scan_is_named(name: str, content: bytes, copy: Path, engine: sw.Engine) -> None:
    (copy / name).write_bytes(content)
    with pytest.raises(IndexCorruptError, match=name):
        build(engine, TEXTS, copy)


@pytest.mark.parametrize("name", ["manifest.json", "scan.json"])
def test_a_newer_format_says_so(name: str, copy: Path, engine: sw.Engine) -> None:
    content = json.loads((copy / name).read_text())
    (copy / name).write_text(json.dumps({**content, "format": 99, "new": 1}))
    with pytest.raises(IndexVersionError, match="format 99.*Upgrade"):
        build(engine, TEXTS, copy)
    if name == "manifest.json":
        with pytest.raises(IndexVersionError, match="format 99"):
            sw.FeatureIndex.open(copy)


@pytest.mark.parametrize("name", ["manifest.json", "scan.json"])
def test_a_former_format_says_that_it_must_be_built_again(name: str, copy: Path, engine: sw.Engine) -> None:
    content = json.loads((copy / name).read_text())
    (copy / name).write_text(json.dumps({**content, "format": 1}))
    before = contents(copy) if name == "scan.json" else None
    with pytest.raises(
        IndexVersionError, match=f"{name} is of format 1.*Build the index again with build_index, at another"
    ):
        build(engine, TEXTS, copy)
    if name == "manifest.json":
        for work in (
            lambda: sw.FeatureIndex.open(copy),
            lambda: sw.FeatureIndex.open(copy, engine=engine),
            lambda: sw.extend_index(engine, TEXTS[:2], copy, progress=False, wait=True),
        ):
            with pytest.raises(IndexVersionError, match="format 1.*Build the index again"):
                work()
    else:
        assert contents(copy) == before


def test_what_is_no_index(engine: sw.Engine, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("x")
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "nowhere", tmp_path / "folder", tmp_path / "file"):
        with pytest.raises(IndexMismatchError, match="no index"):
            sw.FeatureIndex.open(path)
        with pytest.raises(IndexMismatchError, match="no finished index"):
            sw.extend_index(engine, TEXTS, path, progress=False, wait=True)
    with pytest.raises(IndexMismatchError, match="thesis.tex"):
        build(engine, TEXTS, tmp_path / "folder")
    assert [p.name for p in (tmp_path / "folder").iterdir()] == ["thesis.tex"]
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(IndexWriteError, match="choose another path"):
            build(engine, TEXTS, path)


# -- disks


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_place_that_cannot_be_written(
    code: int, engine: sw.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refused)
        with pytest.raises(IndexWriteError, match=os.strerror(code)):
            build(engine, TEXTS, tmp_path / "index")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", refused)
        with pytest.raises(IndexWriteError, match=os.strerror(code)):
            build(engine, TEXTS, tmp_path / "index")


@pytest.mark.slow
def test_a_full_disk_at_any_write_is_told_and_the_same_call_goes_on(
    engine: sw.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portion, "TOKENS", 96)
    with monkeypatch.context() as patch:
        calls = _full_at(patch, 0)
        whole = contents(build(engine, TEXTS, tmp_path / "whole", shard_tokens=150).path)
    assert calls[0] > 60
    for at in [1, 2, 3, 8, 14, 15, 28, 29, calls[0] // 2, calls[0]]:
        path = tmp_path / str(at)
        with monkeypatch.context() as patch:
            _full_at(patch, at)
            with pytest.raises(IndexWriteError, match="disk is full"):
                build(engine, TEXTS, path, shard_tokens=150)
        build(engine, TEXTS, path, shard_tokens=150)
        assert contents(path) == whole, f"full at write {at} of {calls[0]}"
        assert not list(path.glob("**/.*.tmp"))

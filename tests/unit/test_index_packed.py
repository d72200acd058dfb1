"""A finished index without its scan, as it is shipped: it is opened by the call that made it, and is nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny

import saewidgets as sw
from saewidgets.demo.index import _unpack, pack
from saewidgets.engine.activations.reader import Reader
from saewidgets.index.errors import IndexMismatchError

TEXTS = [tiny.TEXTS[i % 2][i % 9 : i % 9 + 70] + str(i) for i in range(24)]
MORE = [f"something else {i}" for i in range(5)]


def build(path: Path, corpus: Any = TEXTS, **settings: Any) -> sw.FeatureIndex:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu")) as engine:
        return sw.build_index(engine, corpus, path, progress=False, wait=True, **settings)


def extend(path: Path, corpus: Any = MORE) -> sw.FeatureIndex:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu")) as engine:
        return sw.extend_index(engine, corpus, path, progress=False, wait=True)


def _packed(index: Path, to: Path) -> None:
    asset = to.with_suffix(".tar.xz")
    pack(index, asset)
    _unpack(asset, to)


def _without(pattern: str) -> Callable[[Path, Path], None]:
    def copied(index: Path, to: Path) -> None:
        shutil.copytree(index, to, ignore=shutil.ignore_patterns(pattern))

    return copied


WAYS = {"packed": _packed, "no shards": _without("shard-*"), "no scan.json": _without("scan.json")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("whole") / "index").path


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("short") / "index", tokens=200, seed=3).path


@pytest.fixture(scope="module")
def grown(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = shutil.copytree(whole, tmp_path_factory.mktemp("grown") / "index")
    return extend(Path(path)).path


@pytest.fixture(autouse=True)
def no_forward(short: Path, grown: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here reads the corpus, whatever comes of it."""

    def ran(*_: object) -> None:
        raise AssertionError("the model ran")

    monkeypatch.setattr(Reader, "read", ran)


def files_in(path: Path) -> dict[str, int]:
    return {str(file.relative_to(path)): file.stat().st_mtime_ns for file in path.rglob("*")}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_the_same_call_opens_it_and_writes_nothing(way: str, whole: Path, short: Path, tmp_path: Path) -> None:
    WAYS[way](whole, tmp_path / "whole")
    WAYS[way](short, tmp_path / "short")
    before = files_in(tmp_path)
    tokens = sw.FeatureIndex.open(whole).tokens
    for asked in (None, tokens, 10**9):  # the corpus has no more
        assert build(tmp_path / "whole", tokens=asked).tokens == tokens
    assert build(tmp_path / "whole", keep_activations="until finished", neuron_correlations=True).tokens == tokens
    for asked in (100, 200):
        found = build(tmp_path / "short", tokens=asked, seed=3)
        assert found.tokens == sw.FeatureIndex.open(short).tokens
    assert found.path == tmp_path / "short"
    assert files_in(tmp_path) == before


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_what_it_is_not_is_refused_with_a_remedy(way: str, short: Path, tmp_path: Path) -> None:
    path = tmp_path / "index"
    WAYS[way](short, path)
    before = files_in(path)
    asked: list[tuple[Callable[[], object], str]] = [
        (lambda: build(path, tokens=320, seed=3), "cannot be extended"),
        (lambda: build(path, seed=3), "cannot be extended"),
        (lambda: extend(path), "cannot be extended"),
        (lambda: extend(path, TEXTS), "cannot be extended"),
        (lambda: build(path, tokens=200), "anew with seed=0, not 3"),
        (
            lambda: build(path, tokens=200, seed=3, keep=5),
            r"anew with keep=Keeping\(complete=5.*not Keeping\(complete=10000",
        ),
    ]
    for work, told in asked:
        with pytest.raises(IndexMismatchError, match=f"finished index without its scan.*{told}.*choose another path"):
            work()
    with pytest.raises(IndexMismatchError, match=r"of another corpus. Open it with FeatureIndex.open, or choose"):
        build(path, MORE, tokens=200, seed=3)
    with pytest.raises(IndexMismatchError, match="neuron_correlations=True, and cannot change.*another path"):
        build(path, tokens=200, seed=3, neuron_correlations=False)
    changed = tiny.sae("jumprelu")
    changed.W_enc.data[0, 0] += 1e-3
    with sw.Engine(tiny.hooked(), changed) as engine:
        for call in (sw.build_index, sw.extend_index):
            with pytest.raises(IndexMismatchError, match="the SAE.*another path"):
                call(engine, TEXTS, path, progress=False, wait=True)
    assert files_in(path) == before


@pytest.mark.slow
def test_an_extended_index_packed(grown: Path, tmp_path: Path) -> None:
    _packed(grown, tmp_path / "index")
    assert len(build(tmp_path / "index").documents) == len(TEXTS) + len(MORE)
    with pytest.raises(IndexMismatchError, match="without its scan.*cannot be extended.*another path"):
        extend(tmp_path / "index")

"""An index that is taken up again: after a kill while it grows, by the same call, by another call, with other settings."""

from __future__ import annotations

import random
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
from forks import contents, in_a_child, linux

import saewidgets as sw
from saewidgets.engine.activations import portion
from saewidgets.engine.activations.reader import Reader
from saewidgets.errors import SaewidgetsError
from saewidgets.index import job as job_module
from saewidgets.index.errors import IndexMismatchError
from saewidgets.index.scan import scan
from saewidgets.index.scan.shards import shards_in
from saewidgets.storage import array_folder

TEXTS = [tiny.TEXTS[i % 2][i % 9 : i % 9 + 70] + str(i) for i in range(24)]
MORE = [tiny.TEXTS[(i + 1) % 2][i % 5 : i % 5 + 60] + f" more {i}" for i in range(16)]
SHARD = 96


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portion, "TOKENS", 96)
        yield


def build(path: Path, corpus: Any = TEXTS, **settings: Any) -> sw.FeatureIndex:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu")) as engine:
        return sw.build_index(engine, corpus, path, shard_tokens=SHARD, progress=False, wait=True, **settings)


def extend(path: Path, corpus: Any = MORE) -> sw.FeatureIndex:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu")) as engine:
        return sw.extend_index(engine, corpus, path, shard_tokens=SHARD, progress=False, wait=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("built") / "index").path


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("short") / "index", tokens=200).path


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    """A finished index to do things to."""
    return Path(shutil.copytree(built, tmp_path / "index"))


def _no_forward(*_: object) -> None:
    raise AssertionError("the model ran")


def _interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def _unfinished(work: Callable[[], object]) -> None:
    """Do `work`, interrupted when its scan is done and its store is not begun."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job_module, "write_store", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            work()


# -- killed

_ALSO = ((array_folder.FolderWriter, "put"), (array_folder.FolderWriter, "commit"), (job_module, "write_store"))


def _calls(work: Callable[[], object]) -> int:
    """How many calls of `work` it can be killed at."""
    return in_a_child(work, also=_ALSO).calls


def _killed(work: Callable[[], object], at: int) -> None:
    assert in_a_child(work, at, also=_ALSO).killed


def _is_one_of(found: dict[str, str], before: dict[str, str], wanted: dict[str, str]) -> bool:
    """Whether it is the former index or the new one, of which something may remain to be computed."""
    new = {name: sum for name, sum in found.items() if name != array_folder.CONTENTS}
    return found == before or ("kept_position.npy" in new and new.items() <= wanted.items())


@pytest.mark.slow
@linux
def test_killed_at_its_first_writes(built: Path, tmp_path: Path) -> None:
    for at in range(1, 6):
        path = tmp_path / str(at)
        _killed(lambda path=path: build(path), at)  # type: ignore[misc]
        build(path)
        assert contents(path) == contents(built), f"killed at call {at}"


@pytest.mark.slow
@linux
def test_killed_while_extending(built: Path, tmp_path: Path) -> None:
    before = contents(built)
    whole = shutil.copytree(built, tmp_path / "whole")
    calls = _calls(lambda: extend(whole))
    wanted = contents(whole)
    for at in [*random.Random(1).sample(range(2, calls), 4), calls]:
        path = shutil.copytree(built, tmp_path / str(at))
        _killed(lambda path=path: extend(path), at)  # type: ignore[misc]
        assert _is_one_of(contents(path), before, wanted), "the index as it was is readable"
        sw.FeatureIndex.open(path).verify()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*nothing was added")  # it had ended
            extend(path)
        assert contents(path) == wanted, f"killed at call {at} of {calls}"


@pytest.mark.slow
@linux
def test_killed_while_going_on_to_more_tokens(short: Path, tmp_path: Path) -> None:
    before = contents(short)
    whole = shutil.copytree(short, tmp_path / "whole")
    calls = _calls(lambda: build(whole, tokens=320))
    wanted = contents(whole)
    for at in [*random.Random(2).sample(range(2, calls), 4), calls]:
        path = shutil.copytree(short, tmp_path / str(at))
        _killed(lambda path=path: build(path, tokens=320), at)  # type: ignore[misc]
        assert _is_one_of(contents(path), before, wanted), "the index as it was is readable"
        build(path, tokens=320)
        assert contents(path) == wanted, f"killed at call {at} of {calls}"


@pytest.mark.slow
def test_interrupted_at_the_end_of_going_on(short: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(short, tmp_path / "index"))
    _unfinished(lambda: build(path, tokens=320))
    assert sw.FeatureIndex.open(path).tokens < 300
    assert build(path, tokens=320).tokens >= 320


# -- the same call again


def test_a_finished_index_is_opened_without_a_forward(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(p.name for p in copy.iterdir())
    monkeypatch.setattr(Reader, "read", _no_forward)
    monkeypatch.setattr(job_module, "write_store", _no_forward)
    again = build(copy)
    assert again.tokens == sw.FeatureIndex.open(copy).tokens
    assert sorted(p.name for p in copy.iterdir() if p.name != ".lock") == [n for n in before if n != ".lock"]


def test_fewer_tokens_than_there_are_change_nothing(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copytree(short, tmp_path / "index"))
    monkeypatch.setattr(Reader, "read", _no_forward)
    assert build(path, tokens=100).tokens == sw.FeatureIndex.open(short).tokens


@pytest.mark.slow
def test_all_of_the_corpus_after_a_part_of_it(short: Path, built: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(short, tmp_path / "index"))
    grown, whole = build(path), sw.FeatureIndex.open(built)
    assert grown.tokens == whole.tokens
    assert grown.column("count").tolist() == whole.column("count").tolist()
    assert list(grown.documents["name"]) == list(whole.documents["name"])


@pytest.mark.slow
def test_other_settings_need_no_forward(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = build(tmp_path / "fresh", seed=7, keep=sw.Keeping(complete=5, top=3, interval=2))
    with monkeypatch.context() as patch:
        patch.setattr(Reader, "read", _no_forward)
        build(copy, seed=7, keep=sw.Keeping(complete=5, top=3, interval=2))
        assert contents(copy) == contents(fresh.path)
        assert len(list(copy.glob("store-*"))) == 1
        build(copy)  # and back again
    assert sw.FeatureIndex.open(copy).provenance["seed of samples"] == "0"


# -- another call


def test_another_corpus_is_refused(copy: Path) -> None:
    for corpus in (MORE, TEXTS[::-1], TEXTS[1:]):
        with pytest.raises(IndexMismatchError, match="another corpus"):
            build(copy, corpus)


def test_another_corpus_is_refused_also_with_other_settings(copy: Path) -> None:
    with pytest.raises(IndexMismatchError, match="another corpus"):
        build(copy, MORE, seed=3)


@pytest.mark.slow
def test_another_corpus_is_refused_by_an_unfinished_scan(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "write_shard", _after(2, scan.write_shard))
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path / "index")
    assert len(shards_in(tmp_path / "index")) == 2
    for corpus in (MORE, TEXTS[1:], TEXTS[:2]):
        with pytest.raises(IndexMismatchError, match="another corpus"):
            build(tmp_path / "index", corpus)
    build(tmp_path / "index")


@pytest.mark.slow
def test_another_corpus_is_refused_where_only_the_store_is_missing(built: Path, tmp_path: Path) -> None:
    _unfinished(lambda: build(tmp_path / "index"))
    with pytest.raises(IndexMismatchError, match="another corpus"):
        build(tmp_path / "index", MORE)
    build(tmp_path / "index")
    assert contents(tmp_path / "index") == contents(built)


@pytest.mark.slow
def test_a_corpus_that_comes_after_an_unfinished_extension_is_not_lost(copy: Path) -> None:
    _unfinished(lambda: extend(copy))
    third = [f"something else {i}" for i in range(5)]
    try:
        found = extend(copy, third)
    except IndexMismatchError:  # it may say that the other extension must end first
        assert len(extend(copy).documents) == len(TEXTS) + len(MORE)
        return
    assert len(found.documents) == len(TEXTS) + len(MORE) + len(third)


@pytest.mark.slow
def test_the_first_corpus_again_while_an_extension_is_unfinished(copy: Path) -> None:
    """A notebook that is run again from its top opens what is there, and its next cell goes on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "write_shard", _after(1, scan.write_shard))
        with pytest.raises(KeyboardInterrupt):
            extend(copy)
    again = build(copy)
    assert len(again.documents) == len(TEXTS)
    assert len(extend(copy).documents) == len(TEXTS) + len(MORE)


def _after(n: int, original: Callable[..., None]) -> Callable[..., None]:
    """`original` for n calls, then an interrupt."""
    calls = 0

    def called(*args: object) -> None:
        nonlocal calls
        calls += 1
        if calls > n:
            raise KeyboardInterrupt
        original(*args)

    return called


def test_another_sae_or_context_is_refused(copy: Path) -> None:
    changed = tiny.sae("jumprelu")
    changed.W_enc.data[0, 0] += 1e-3
    with sw.Engine(tiny.hooked(), changed) as engine:
        for work in (
            lambda: sw.build_index(engine, TEXTS, copy, progress=False, wait=True),
            lambda: sw.extend_index(engine, MORE, copy, progress=False, wait=True),
            lambda: sw.FeatureIndex.open(copy, engine=engine),
        ):
            with pytest.raises(IndexMismatchError, match="the SAE"):
                work()
    with pytest.raises(IndexMismatchError, match="context size.*64 there, 32 here"):
        build(copy, context_size=32)
    with (
        sw.Engine(tiny.hooked(), tiny.sae("jumprelu", prepend_bos=False)) as engine,
        pytest.raises(IndexMismatchError, match="BOS"),
    ):
        sw.build_index(engine, TEXTS, copy, progress=False, wait=True)
    assert sw.FeatureIndex.open(copy).tokens == build(copy).tokens


def test_an_engine_of_shorter_context_does_not_extend(copy: Path) -> None:
    with (
        sw.Engine(tiny.hooked(), tiny.sae("jumprelu"), context_size=32) as engine,
        pytest.raises(IndexMismatchError, match="context"),
    ):
        sw.extend_index(engine, ["In the beginning God created the heaven " * 9], copy, progress=False, wait=True)


@pytest.mark.slow
def test_an_extended_corpus_cannot_go_on(short: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(short, tmp_path / "index"))
    extend(path)
    with pytest.raises(IndexMismatchError, match="extended by another corpus"):
        build(path, tokens=320)


@pytest.mark.slow
def test_without_its_activations_an_index_cannot_grow(tmp_path: Path, built: Path) -> None:
    index = build(tmp_path / "index", keep_activations="until finished")
    assert contents(index.path) == contents(built)
    assert not list(index.path.glob("shard-*")) and not list(index.path.glob("sums-*"))
    build(index.path, keep_activations="until finished")
    for work in (lambda: extend(index.path), lambda: build(index.path, seed=1)):
        with pytest.raises(IndexMismatchError, match="activations were not kept|cannot grow"):
            work()
    assert contents(index.path) == contents(built)


@pytest.mark.slow
def test_an_index_that_was_open_while_it_grew_says_so(copy: Path) -> None:
    old = sw.FeatureIndex.open(copy)
    extend(copy)
    with pytest.raises(SaewidgetsError, match="open|again"):
        old.feature(3)

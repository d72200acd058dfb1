"""A scan that dies at any moment, and is taken up again, ends with the same bytes; so does one cut into other shards."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny

import saewidgets as sw
from saewidgets.engine.worker import Ticket
from saewidgets.index import files, finish, scan
from saewidgets.index.shards import shards_in
from saewidgets.index.state import State

TEXTS = [tiny.TEXTS[i % 2][i % 9 :] + str(i) for i in range(24)]
BLOCK, SHARD = 96, 200


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "_BLOCK_TOKENS", BLOCK)


def build(path: Path, shard_tokens: int = SHARD) -> sw.FeatureIndex:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu")) as engine:
        return sw.build_index(engine, TEXTS, path, shard_tokens=shard_tokens, progress=False)


def contents(path: Path) -> dict[str, str]:
    """The store's files and their hashes."""
    store = sw.FeatureIndex.open(path).folder.path
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(store.iterdir())}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    before, scan._BLOCK_TOKENS = scan._BLOCK_TOKENS, BLOCK
    path = tmp_path_factory.mktemp("whole") / "index"
    build(path)
    scan._BLOCK_TOKENS = before
    return contents(path)


def test_one_two_or_three_shards_are_the_same_to_the_byte(whole: dict[str, str], tmp_path: Path) -> None:
    tokens = sw.FeatureIndex.open(build(tmp_path / "1", 10**6).path).tokens
    counts = []
    for name, size in (("1", 10**6), ("2", tokens // 2 + 1), ("3", tokens // 3 + 1)):
        build(tmp_path / name, size)
        counts.append(len(shards_in(tmp_path / name)))
        assert contents(tmp_path / name) == whole
    assert counts == [1, 2, 3]


def test_the_order_in_which_shards_are_merged_does_not_matter(whole: dict[str, str], tmp_path: Path) -> None:
    build(tmp_path / "index", 250)
    shards = shards_in(tmp_path / "index")
    assert len(shards) >= 3
    state = State.load(tmp_path / "index")
    assert state is not None
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu")) as engine:
        for i, order in enumerate(list(itertools.permutations(shards))[::5]):
            dictionary = engine.dictionary()
            sums = scan.load_sums(tmp_path / "index", state, dictionary, engine.tokenizer.special_ids)
            store = tmp_path / f"store-{i}"
            finish.write_store(store, engine, dictionary, order, sums, finish.Settings(), lambda *_: None)
            found = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(store.iterdir())}
            assert found == whole


class _Counted:
    """Counts the calls of everything that writes, renames, removes or computes, and acts at the n-th."""

    def __init__(self, at: int, act: Callable[[], None]) -> None:
        self.calls, self._at, self._act = 0, at, act

    def around(self, owner: object, name: str) -> None:
        original = getattr(owner, name)

        def counted(*args: object, **kwargs: object) -> object:
            self.calls += 1
            if self.calls == self._at:
                self._act()
            return original(*args, **kwargs)

        setattr(owner, name, counted)

    def everywhere(self) -> None:
        from saewidgets.engine.reading import Reader

        for owner, name in (
            (os, "replace"),
            (files.ArrayWriter, "append"),
            (files.FolderWriter, "put_bytes"),
            (files, "sync"),
            (scan.shutil, "rmtree"),
            (Reader, "_forward"),
            (Path, "write_text"),
        ):
            self.around(owner, name)


def _in_a_child(path: Path, at: int) -> tuple[int, list[int]]:
    """Build in a forked process that kills itself at its `at`-th counted call (0: never).

    Returns its wait status, and how many calls were counted when the scan was done and at the end.
    """
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads: the child makes its own
        child = os.fork()
    if child == 0:
        try:
            os.close(read)
            import torch

            torch.set_num_threads(1)  # the parent's pool of threads does not live here
            counted = _Counted(at, lambda: os.kill(os.getpid(), signal.SIGKILL))
            counted.everywhere()
            run = scan.Scan.run

            def scanned(self: scan.Scan, ticket: Ticket) -> None:
                run(self, ticket)
                os.write(write, f"{counted.calls} ".encode())

            scan.Scan.run = scanned  # type: ignore[method-assign]
            build(path)
            os.write(write, str(counted.calls).encode())
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    os.close(write)
    told = b""
    while part := os.read(read, 64):
        told += part
    os.close(read)
    return os.waitpid(child, 0)[1], [int(n) for n in told.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="forks, which only Linux does safely here")
def test_killed_at_twenty_random_points_and_taken_up_again(tmp_path: Path) -> None:
    status, (scanned, calls) = _in_a_child(tmp_path / "whole", 0)
    assert status == 0 and scanned > 60
    whole = contents(tmp_path / "whole")
    seeded = random.Random(0)
    # Most calls are of the end, where features are written one by one: the scan gets its own share.
    chosen = seeded.sample(range(1, scanned), 14) + seeded.sample(range(scanned, calls), 6)
    before_the_end = 0
    for at in chosen:
        path = tmp_path / str(at)
        status, _ = _in_a_child(path, at)
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        before_the_end += not (path / "manifest.json").exists()
        # Once more, at another moment, before it is let through.
        _in_a_child(path, 1 + at // 2)
        status, _ = _in_a_child(path, 0)
        assert status == 0
        assert contents(path) == whole, f"killed at call {at} of {calls}"
        assert not [left for left in path.iterdir() if left.name.endswith(".tmp")]
    assert before_the_end >= 15


def test_an_interrupt_keeps_what_is_scanned(whole: dict[str, str], tmp_path: Path) -> None:
    from saewidgets.engine.reading import Reader

    original = Reader._forward
    calls = itertools.count()

    def interrupted(self: Reader, *args: object) -> object:
        if next(calls) == 5:
            raise KeyboardInterrupt
        return original(self, *args)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reader, "_forward", interrupted)
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path / "index")
    assert len(shards_in(tmp_path / "index")) >= 1
    with pytest.raises(sw.FeatureIndex.open.__globals__["IndexMismatchError"], match="did not end"):
        sw.FeatureIndex.open(tmp_path / "index")
    build(tmp_path / "index")
    assert contents(tmp_path / "index") == whole


def test_more_tokens_later_are_the_same_corpus_longer(tmp_path: Path) -> None:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu")) as engine:
        few = sw.build_index(engine, TEXTS, tmp_path / "grown", tokens=300, shard_tokens=SHARD, progress=False)
        assert 300 <= few.tokens < 400
        grown = sw.build_index(engine, TEXTS, tmp_path / "grown", tokens=800, shard_tokens=SHARD, progress=False)
        fresh = sw.build_index(engine, TEXTS, tmp_path / "fresh", tokens=800, shard_tokens=SHARD, progress=False)
    assert grown.tokens == fresh.tokens >= 800
    for name in ("count", "total", "squares", "high", "bins", "intervals", "near", "silent"):
        np.testing.assert_allclose(grown.column(name), fresh.column(name), rtol=1e-5, atol=1e-5)


def test_an_extended_index_is_that_of_both_corpora(tmp_path: Path) -> None:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu")) as engine:
        first = sw.build_index(engine, TEXTS[:10], tmp_path / "grown", progress=False)
        both = sw.extend_index(engine, TEXTS[10:], tmp_path / "grown", progress=False)
        fresh = sw.build_index(engine, TEXTS, tmp_path / "fresh", progress=False)
        assert first.tokens < both.tokens == fresh.tokens
        assert list(both.documents["tokens"]) == list(fresh.documents["tokens"])
        for name in ("count", "total", "squares", "high", "bins", "intervals", "token", "neuron_r", "correlated_both"):
            np.testing.assert_allclose(both.column(name), fresh.column(name), rtol=1e-5, atol=1e-5)
        with pytest.warns(UserWarning, match="nothing was added"):
            again = sw.extend_index(engine, TEXTS[10:], tmp_path / "grown", progress=False)
        assert again.tokens == both.tokens

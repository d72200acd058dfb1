"""A scan that dies at any moment, and is taken up again, ends with the same bytes; so does one cut into other shards."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np
import pytest
import tiny
from forks import Child, contents, hashes, in_a_child, linux

import saewidgets as sw
from saewidgets.engine.activations import portion
from saewidgets.index.errors import IndexMismatchError
from saewidgets.index.record.state import State
from saewidgets.index.scan import scan
from saewidgets.index.scan.shards import shards_in
from saewidgets.index.statistics import write_store
from saewidgets.storage import array_folder

TEXTS = [tiny.TEXTS[i % 2][i % 9 :] + str(i) for i in range(24)]
BLOCK, SHARD = 96, 200


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portion, "TOKENS", BLOCK)


def build(path: Path, shard_tokens: int = SHARD) -> sw.FeatureIndex:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu")) as engine:
        return sw.build_index(engine, TEXTS, path, shard_tokens=shard_tokens, progress=False, wait=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    before, portion.TOKENS = portion.TOKENS, BLOCK
    path = tmp_path_factory.mktemp("whole") / "index"
    build(path)
    portion.TOKENS = before
    return contents(path)


@pytest.mark.slow
def test_one_two_or_three_shards_are_the_same_to_the_byte(whole: dict[str, str], tmp_path: Path) -> None:
    tokens = sw.FeatureIndex.open(build(tmp_path / "1", 10**6).path).tokens
    counts = []
    for name, size in (("1", 10**6), ("2", tokens // 2 + 1), ("3", tokens // 3 + 1)):
        build(tmp_path / name, size)
        counts.append(len(shards_in(tmp_path / name)))
        assert contents(tmp_path / name) == whole
    assert counts == [1, 2, 3]


@pytest.mark.slow
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
            write_store.write_store(store, engine, dictionary, order, sums, write_store.Settings(), lambda *_: None)
            made = {name: sum for name, sum in hashes(store).items() if name != "contents.json"}
            assert len(made) > 30 and made.items() <= whole.items(), (
                "the weights of the decoder aside, which no shard has"
            )


@pytest.mark.slow
@linux
def test_killed_at_twenty_random_points_and_taken_up_again(tmp_path: Path) -> None:
    def in_a_child_at(path: Path, at: int = 0) -> Child:
        return in_a_child(lambda: build(path), at, also=[(array_folder.ArrayWriter, "append")])

    undisturbed = in_a_child_at(tmp_path / "whole")
    scanned, calls = undisturbed.scanned, undisturbed.calls
    assert scanned > 60
    whole = contents(tmp_path / "whole")
    seeded = random.Random(0)
    # Most calls are of the end, where features are written one by one: the scan gets its own share.
    chosen = seeded.sample(range(1, scanned), 14) + seeded.sample(range(scanned, calls), 6)
    before_the_end = 0
    for at in chosen:
        path = tmp_path / str(at)
        assert in_a_child_at(path, at).killed
        before_the_end += not (path / "manifest.json").exists()
        # Once more, at another moment, before it is let through.
        in_a_child_at(path, 1 + at // 2)
        assert not in_a_child_at(path).killed
        assert contents(path) == whole, f"killed at call {at} of {calls}"
        assert not [left for left in path.iterdir() if left.name.endswith(".tmp")]
    assert before_the_end >= 15


@pytest.mark.slow
def test_an_interrupt_keeps_what_is_scanned(whole: dict[str, str], tmp_path: Path) -> None:
    from saewidgets.engine.activations.reader import Reader

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
    with pytest.raises(IndexMismatchError, match="did not end"):
        sw.FeatureIndex.open(tmp_path / "index")
    build(tmp_path / "index")
    assert contents(tmp_path / "index") == whole


@pytest.mark.slow
def test_more_tokens_later_are_the_same_corpus_longer(tmp_path: Path) -> None:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu")) as engine:
        few = sw.build_index(
            engine, TEXTS, tmp_path / "grown", tokens=300, shard_tokens=SHARD, progress=False, wait=True
        )
        assert 300 <= few.tokens < 400
        grown = sw.build_index(
            engine, TEXTS, tmp_path / "grown", tokens=800, shard_tokens=SHARD, progress=False, wait=True
        )
        fresh = sw.build_index(
            engine, TEXTS, tmp_path / "fresh", tokens=800, shard_tokens=SHARD, progress=False, wait=True
        )
    assert grown.tokens == fresh.tokens >= 800
    for name in ("count", "total", "squares", "high", "bins", "intervals", "near", "silent"):
        np.testing.assert_allclose(grown.column(name), fresh.column(name), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_an_extended_index_is_that_of_both_corpora(tmp_path: Path) -> None:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu")) as engine:
        first = sw.build_index(engine, TEXTS[:10], tmp_path / "grown", progress=False, wait=True)
        both = sw.extend_index(engine, TEXTS[10:], tmp_path / "grown", progress=False, wait=True)
        fresh = sw.build_index(engine, TEXTS, tmp_path / "fresh", progress=False, wait=True)
        assert first.tokens < both.tokens == fresh.tokens
        assert list(both.documents["tokens"]) == list(fresh.documents["tokens"])
        for name in ("count", "total", "squares", "high", "bins", "intervals", "token", "neuron_r", "correlated_both"):
            np.testing.assert_allclose(both.column(name), fresh.column(name), rtol=1e-5, atol=1e-5)
        with pytest.warns(UserWarning, match="nothing was added"):
            again = sw.extend_index(engine, TEXTS[10:], tmp_path / "grown", progress=False, wait=True)
        assert again.tokens == both.tokens

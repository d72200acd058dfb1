"""A build says what it takes before it takes it, moves from the first second, draws one bar, and refuses what cannot fit."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import tiny
import tqdm.auto
from test_index_killed import contents

import saewidgets as sw
from saewidgets.engine.activations import portion
from saewidgets.index.errors import CorpusError, IndexWriteError
from saewidgets.index.scan import needs, progress, reading, scan
from saewidgets.index.scan.needs import Needs
from saewidgets.index.scan.shards import shards_in

SHARD, FULL = 131_072, 2**24
TEXTS = [
    "In the beginning God created the heaven and the earth",
    "And the earth was without form, and void; and darkness was upon the face of the deep",
] * 20


@pytest.fixture
def engine() -> Iterator[sw.Engine]:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu"), batch_tokens=600) as engine:
        yield engine


class Bar:
    """In the place of tqdm's."""

    made: ClassVar[list[Bar]] = []
    lines: ClassVar[list[str]] = []
    files: ClassVar[list[object]] = []

    def __init__(self, **settings: Any) -> None:
        self.made.append(self)
        self.n, self.postfix, self.bar_format, self.total = 0.0, "", settings["bar_format"], settings["total"]

    def __str__(self) -> str:
        return self.postfix

    def refresh(self) -> None:
        pass

    def close(self) -> None:
        pass

    @classmethod
    def write(cls, line: str, file: object) -> None:
        cls.lines.append(line)
        cls.files.append(file)


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> type[Bar]:
    monkeypatch.setattr(tqdm.auto, "tqdm", Bar)
    monkeypatch.setattr(progress, "_POLL_SECONDS", 0.0001)
    Bar.made.clear()
    Bar.lines.clear()
    Bar.files.clear()
    return Bar


def test_what_it_takes_is_said_once_before_and_once_it_is_known(
    engine: sw.Engine, tmp_path: Path, bars: type[Bar]
) -> None:
    index = sw.build_index(engine, TEXTS, tmp_path / "index")
    (bar,) = bars.made
    assert (bar.n, bar.postfix) == (bar.total, f"{index.tokens:,} tokens read")
    before, after = bars.lines
    assert bars.files == [sys.stderr] * 2
    assert "8 bytes on disk for every activation" in before
    acts = engine.activations(TEXTS)
    per_token = len(acts.values) / len(acts)  # counted or not: within a token or two of it
    assert float(after.split(" features active")[0]) == pytest.approx(per_token, abs=2)


def test_in_a_notebook_what_it_takes_is_not_printed_in_red(
    engine: sw.Engine, tmp_path: Path, bars: type[Bar], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bars, "container", object(), raising=False)  # the widget of tqdm's bar there
    sw.build_index(engine, TEXTS[:2], tmp_path / "index")
    assert len(bars.lines) == 2 and bars.files == [sys.stdout] * 2


@pytest.mark.slow
def test_progress_moves_inside_a_forward() -> None:
    """By layers and steps of the encoder, before the first batch is done."""
    engine = sw.Engine(tiny.hooked(), tiny.sae())
    seen: list[int] = []
    engine.activations(TEXTS * 10, on_progress=lambda done, total: seen.append(done))
    first = next(done for done in seen if done >= len(engine.to_ids(TEXTS[0])[0]))
    assert seen == sorted(seen)
    assert any(0 < done < seen[-1] for done in seen[: seen.index(first) + 1])


def test_encoding_in_steps_says_each(monkeypatch: pytest.MonkeyPatch) -> None:
    from saewidgets.engine.activations import encoder as encoding

    engine = sw.Engine(tiny.hooked(), tiny.sae())
    monkeypatch.setattr(encoding, "_DENSE_BUDGET", engine.dictionary().n_features * 10)
    seen: list[int] = []
    engine.activations([TEXTS[0]] * 20, on_progress=lambda done, total: seen.append(done))
    n = 20 * len(engine.to_ids(TEXTS[0])[0])
    assert seen == sorted(seen)
    assert len(set(seen)) >= n // 10, "one for each ten tokens"
    assert seen[-1] == n


def test_a_disk_that_is_too_small_is_said_before_anything_is_read(
    engine: sw.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(needs.shutil, "disk_usage", lambda _: usage._replace(free=1000))
        patch.setattr(type(engine._reader), "read", lambda *_: pytest.fail("the model ran"))
        with pytest.raises(IndexWriteError, match=r"1000 B|1 kB"):
            sw.build_index(engine, TEXTS, tmp_path / "index", progress=False)
    sw.build_index(engine, TEXTS, tmp_path / "index", progress=False)


def test_a_disk_that_is_too_small_for_the_activations_is_said_after_the_first_block(
    engine: sw.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portion, "TOKENS", 96)
    plan = Needs.of(tmp_path, engine.dictionary(), 10**9, 10, neurons=True, shard=SHARD, full=FULL)
    usage = shutil.disk_usage(tmp_path)._replace(free=plan.store + plan.sums + 10**6)
    monkeypatch.setattr(needs.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(IndexWriteError, match="features are active on a token"):
        sw.build_index(engine, TEXTS, tmp_path / "index", tokens=10**9, progress=False)


def test_a_memory_that_is_too_small_names_what_needs_it(
    engine: sw.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "_memory", lambda: 10**4)
    with pytest.raises(CorpusError, match="neuron_correlations=False"):
        sw.build_index(engine, TEXTS, tmp_path / "index", neuron_correlations=True, progress=False)


@pytest.mark.slow
@pytest.mark.parametrize("full", [FULL, 900])
def test_the_activations_that_are_said_to_be_in_memory_are_those_of_a_shard(
    engine: sw.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: int
) -> None:
    """A shard is written whole: it was said that one portion of it is in memory, a quarter of the truth."""
    monkeypatch.setattr(portion, "TOKENS", 96)
    monkeypatch.setattr(scan, "_SHARD_ENTRIES", full)
    held: list[int] = []
    write = scan.write_shard

    def watched(path: Path, blocks: Any, *more: Any) -> None:
        held.append(sum(len(block.value) for block in blocks))
        write(path, blocks, *more)

    monkeypatch.setattr(scan, "write_shard", watched)
    index = sw.build_index(engine, TEXTS, tmp_path / "index", shard_tokens=384, progress=False)
    plan = Needs.of(index.path, engine.dictionary(), None, 10_000, neurons=False, shard=384, full=full)
    said = plan.held(sum(held) / index.tokens)
    # A portion ends with a chunk, and so does a shard.
    assert 0.6 * said < max(held) <= 1.3 * said


@pytest.mark.slow
def test_what_is_said_is_what_it_takes(engine: sw.Engine, tmp_path: Path) -> None:
    index = sw.build_index(engine, TEXTS, tmp_path / "index", progress=False, wait=True)
    plan = Needs.of(index.path, engine.dictionary(), index.tokens, 10_000, neurons=True, shard=SHARD, full=FULL)
    stored = sum(
        f.stat().st_size for f in index.folder.path.glob("*.npy") if "vocab" not in f.name and "occur" not in f.name
    )
    stored -= 128 * len(list(index.folder.path.glob("*.npy")))  # headers
    shards = [
        f for shard in shards_in(index.path) for f in shard.folder.path.glob("*.npy") if f.stem in ("position", "value")
    ]
    entries = sum(shard.folder.length("value") for shard in shards_in(index.path))
    assert plan.store + plan.kept(entries / index.tokens) == pytest.approx(stored, rel=0.3)
    assert plan.activations(entries / index.tokens) == pytest.approx(sum(f.stat().st_size - 128 for f in shards), abs=8)


@pytest.mark.slow
def test_dense_dictionaries_are_cut_into_smaller_shards_of_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GPT-2's neurons took 24 GB for one shard of 131,072 tokens."""
    model = tiny.hooked()
    with sw.Engine(model, sw.Neurons("blocks.0.mlp.hook_post")) as engine:
        monkeypatch.setattr(portion, "ENTRIES", engine.dictionary().n_features * 50)
        one = sw.build_index(engine, TEXTS, tmp_path / "one", progress=False, wait=True)
        monkeypatch.setattr(scan, "_SHARD_ENTRIES", engine.dictionary().n_features * 100)
        many = sw.build_index(engine, TEXTS, tmp_path / "many", progress=False, wait=True)
    assert len(shards_in(one.path)) == 1
    assert len(shards_in(many.path)) >= 4
    most = max(shard.folder.length("value") for shard in shards_in(many.path))
    assert most < 3 * scan._SHARD_ENTRIES
    assert contents(one.path) == contents(many.path)


def test_an_sae_that_fires_everywhere_is_refused(
    engine: sw.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_MOST_ENTRIES", 500)
    with pytest.raises(CorpusError, match="not sparse"):
        sw.build_index(engine, TEXTS, tmp_path / "index", progress=False)

"""What an actor does, without a cluster: tasks by name, and words for what it cannot do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny

import saewidgets as sw
from saewidgets.engine.made import device_elsewhere
from saewidgets.index.bounded.facts import Bounds, ShardFacts
from saewidgets.index.bounded.hands import Task
from saewidgets.index.bounded.shard import Reading
from saewidgets.index.corpus.files import CorpusFiles
from saewidgets.index.corpus.ranges import numbered_rows
from saewidgets.index.errors import ClusterError, CorpusError, IndexWriteError
from saewidgets.index.record.identity import identity
from saewidgets.index.scan import actor as acting
from saewidgets.index.scan.actor import MARK, SPOOL, Actor, Corpus, Failure, Orders, versions
from saewidgets.storage.shelf import shelf_at

READING = Reading(32, Bounds(0, 20, 5, 8))


def make() -> sw.Engine:
    return sw.Engine(tiny.hooked(), tiny.sae("jumprelu"))


@pytest.fixture
def orders(tmp_path: Path) -> Iterator[Orders]:
    pq.write_table(pa.table({"text": [tiny.TEXTS[0]] * 7}), tmp_path / "corpus.parquet")
    shelf = shelf_at(tmp_path / "shelf")
    shelf.write(MARK, b"it")
    corpus = Corpus(
        numbered_rows(CorpusFiles([tmp_path / "corpus.parquet"])), shelf_at(tmp_path / SPOOL), None, None, 3
    )
    with make() as engine:
        dictionary = engine.dictionary()
        who = identity(engine, dictionary, READING.context_size)
        yield Orders(make, dictionary.name, 1, READING, corpus, shelf, who, versions(), b"it")


def failure(answer: object) -> Failure:
    assert isinstance(answer, Failure)
    return answer


def test_shards_go_to_the_shelf_and_merge_there(orders: Orders) -> None:
    actor = Actor(orders)
    assert isinstance(actor.ready(), str)
    facts = [actor.do(Task("scan", f"state-{number}", number)) for number in range(4)]
    assert [fact.documents for fact in facts if isinstance(fact, ShardFacts)] == [3, 3, 1, 0]
    assert orders.shelf.names() == ["state-0", "state-1", "state-2"], "of no document there is no state"
    checked = actor.do(Task("check", number=1))
    assert isinstance(checked, ShardFacts) and isinstance(facts[1], ShardFacts) and checked.same_corpus(facts[1])
    limited = actor.do(Task("scan", "state-limited", 1, limit=40))
    assert isinstance(limited, ShardFacts) and limited.cut and 40 <= limited.tokens < facts[1].tokens
    tokens = Path(orders.shelf.where) / "state-1" / "tokens.npy"
    whole = tokens.read_bytes()
    tokens.write_bytes(whole[:-4])
    merge = Task("merge", "state-0-2", names=("state-0", "state-1", "state-2"))
    assert actor.do(merge) == ("state-1",) and "state-0-2" not in orders.shelf.names()
    tokens.write_bytes(whole)
    assert actor.do(merge) == () and "state-0-2" in orders.shelf.names() and actor.reached() == 0


def no_file() -> sw.Engine:
    raise FileNotFoundError(errno.ENOENT, "No such file", "/models/only-there")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"make": no_file}, r"The machine .* cannot make the engine: FileNotFoundError: .*/models/only-there"),
        ({"make": lambda: 3}, "make_engine gave a int, not an Engine"),
        (
            {"make": lambda: sw.Engine(tiny.hooked(1), tiny.sae("jumprelu"))},
            r"is another one .*: the model \(its weights, not its name\) differs",
        ),
        ({"make": lambda: sw.Engine(tiny.hooked(), tiny.sae("topk"))}, "is another one .*how the SAE encodes differs"),
        (
            {"make": lambda: sw.Engine(tiny.hooked(), tiny.sae("jumprelu"), context_size=16)},
            "reads 16 tokens at once, and the build cuts its texts into chunks of 32",
        ),
        ({"dictionary": "another"}, "has no dictionary 'another'"),
        ({"versions": {**versions(), "torch": "1.0"}}, r"of another version .* torch .* there, 1.0 here"),
        ({"mark": b"another"}, r"does not see .*/shelf, or sees another one"),
    ],
)
def test_an_engine_that_is_not_the_build_s(orders: Orders, change: dict[str, Any], told: str) -> None:
    found = failure(Actor(replace(orders, **change)).ready())
    assert not found.again
    with pytest.raises(ClusterError, match=told):
        raise found.error


@pytest.mark.parametrize(
    ("error", "kind", "again", "retire"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), IndexWriteError, True, True),
        (IndexWriteError("The disk is full"), IndexWriteError, True, True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GB"), ClusterError, True, False),
        (MemoryError("out of memory"), ClusterError, True, False),
        (RuntimeError("device-side assert triggered"), ClusterError, True, False),
        (ConnectionError("the bucket does not answer"), ClusterError, True, False),
        (CorpusError("Document 3 is no text"), CorpusError, False, False),
    ],
)
def test_whose_fault_it_was(
    orders: Orders, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type, again: bool, retire: bool
) -> None:
    def fails(*_: object, **__: object) -> ShardFacts:
        raise error

    actor = Actor(orders)
    actor.ready()
    monkeypatch.setattr(acting, "scan_to", fails)
    found = failure(actor.do(Task("scan", "state-0", 0)))
    assert type(found.error) is kind and (found.again, found.retire) == (again, retire)
    assert str(error.args[-1]) in str(found.error) and "The machine " in str(found.error)


def test_an_engine_knows_the_call_that_made_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from saewidgets.engine import engine as home

    calls: list[dict[str, Any]] = []

    def load_sae(release: str, sae_id: str, device: object, dtype: object) -> Any:
        calls.append({"release": release, "sae_id": sae_id, "device": device, "dtype": dtype})
        return tiny.sae("jumprelu")

    monkeypatch.setattr(home, "load_sae", load_sae)
    monkeypatch.setattr(home, "load_model", lambda name, sae, device, dtype: tiny.hooked())
    with sw.Engine.from_pretrained("gpt2", release="r", sae_id="s", dtype="bfloat16") as engine:
        assert engine.made is not None
        with engine.made() as again:
            assert again.dictionary().name == "r/s" and again.made == engine.made
    assert calls == [{"release": "r", "sae_id": "s", "device": None, "dtype": "bfloat16"}] * 2
    assert (device_elsewhere("cuda:3"), device_elsewhere("cpu"), device_elsewhere(None)) == ("cuda", "cpu", None)
    with make() as given:
        assert given.made is None

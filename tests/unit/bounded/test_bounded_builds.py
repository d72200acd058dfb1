"""However a bounded scan is done (in another order, by several, killed, limited, damaged on the way), it ends with the same bytes."""

from __future__ import annotations

import itertools
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
from forks import contents, hashes, in_a_child, linux

import saewidgets as sw
from saewidgets.engine.activations import portion
from saewidgets.engine.ticket import Ticket
from saewidgets.index import build_bounded as building
from saewidgets.index.bounded import drive, job, shard
from saewidgets.index.bounded.hands import Done, Here, Ranges, Task
from saewidgets.index.bounded.shard import Reading
from saewidgets.index.errors import CorpusError, IndexCorruptError, IndexMismatchError, IndexVersionError
from saewidgets.index.statistics.kept_examples import Keeping

TEXTS = [tiny.TEXTS[i % 2][i % 9 :] + str(i) for i in range(24)]
SMALL = Keeping(complete=20, top=5)


def build(path: Path, corpus: Any = TEXTS, **settings: Any) -> sw.FeatureIndex:
    settings = {"keep": SMALL, "shard_tokens": 100, "keep_activations": False, **settings}
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu")) as engine:
        return sw.build_index(engine, corpus, path, progress=False, wait=True, **settings)


def everything(path: Path) -> dict[str, str]:
    """The store, and the sample beside it."""
    return {**contents(path), **{f"sample/{name}": found for name, found in hashes(path / "sample").items()}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    path = tmp_path_factory.mktemp("whole") / "index"
    build(path)
    assert sorted(p.name for p in path.iterdir()) == [
        ".lock",
        ".remaining.lock",
        "manifest.json",
        "sample",
        "scan.json",
        "store-000001",
    ]
    return everything(path)


class Several(Here):
    """As a cluster: three tasks under way, which end in an order of the dice; some states are damaged after they were written."""

    at_once = 3
    dice = random.Random(0)
    damage = 0.0

    def begin(self, task: Task) -> None:
        self._waiting.append(task)

    def done(self) -> Done | None:
        self._waiting.rotate(self.dice.randrange(3))
        if self.dice.random() < 0.2:
            return None
        done = super().done()
        if done is not None and done.facts is not None and done.task.kind == "scan" and done.facts.documents:
            file = Path(self._shelf.where) / done.task.name / "tokens.npy"
            if self.dice.random() < self.damage:
                file.write_bytes(file.read_bytes()[:-1] + b"\\xff")
        return done


def by_several(monkeypatch: pytest.MonkeyPatch, seed: int, damage: float = 0.0) -> None:
    monkeypatch.setattr(Several, "dice", random.Random(seed))
    monkeypatch.setattr(Several, "damage", damage)
    made = building.BoundedJob

    def by_them(engine: sw.Engine, plan: Any, settings: Any, state: Any, shelf: Any, _: Any = None) -> Any:
        def hands(reading: Reading, ranges: Ranges, ticket: Ticket) -> Several:
            return Several(engine, plan.dictionary, reading, ranges, shelf, ticket)

        return made(engine, plan, settings, state, shelf, hands)

    monkeypatch.setattr(building, "BoundedJob", by_them)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "fan", "damage"), [(0, 2, 0.0), (1, 3, 0.3), (2, 16, 0.3)])
def test_by_several_in_any_order(
    whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, fan: int, damage: float
) -> None:
    monkeypatch.setattr(drive, "_FAN", fan)
    by_several(monkeypatch, seed, damage)
    build(tmp_path / "index")
    assert everything(tmp_path / "index") == whole


@pytest.mark.slow
@pytest.mark.parametrize("tokens", [1, 150, 333])
def test_a_limit_is_the_same_limit_for_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokens: int) -> None:
    alone = build(tmp_path / "alone", tokens=tokens)
    longest = max(alone.texts.chunk_ptr[1:] - alone.texts.chunk_ptr[:-1])
    assert tokens <= alone.tokens < tokens + longest
    by_several(monkeypatch, tokens)
    build(tmp_path / "several", tokens=tokens)
    assert everything(tmp_path / "several") == everything(tmp_path / "alone")


@pytest.mark.slow
def test_portions_change_nothing_that_is_shown(
    whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portion, "TOKENS", 40)
    one = build(tmp_path / "one", shard_tokens=10**6)
    monkeypatch.setattr(shard, "_PORTION_TOKENS", 100)
    several = build(tmp_path / "several", shard_tokens=10**6)
    assert one.tokens == several.tokens
    assert everything(one.path) == everything(several.path)


def test_a_scan_that_did_not_end_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "_LOOKED_AT", 1)

    def texts() -> Iterator[str]:
        yield from TEXTS[:5]
        raise OSError("the network is down")

    with pytest.raises(Exception, match="the network is down"):
        build(tmp_path / "index", texts(), shard_tokens=1)
    ids = [tiny.tokenizer()(text)["input_ids"] for text in TEXTS[:5]]
    done = sum(len(one) + (one[0] != tiny.tokenizer().bos_token_id) for one in ids)
    with pytest.raises(IndexMismatchError, match=f"did not end: {done:,} tokens are done"):
        sw.FeatureIndex.open(tmp_path / "index")


@linux
@pytest.mark.slow
def test_killed_anywhere_it_goes_on_to_the_same_bytes(whole: dict[str, str], tmp_path: Path) -> None:
    calls = in_a_child(lambda: build(tmp_path / "0")).calls
    assert everything(tmp_path / "0") == whole
    points = sorted(random.Random(5).sample(range(1, calls), 20))
    for at in points:
        path = tmp_path / str(at)
        assert in_a_child(lambda: build(path), at).killed  # noqa: B023
        build(path)
        assert everything(path) == whole, at
        shutil.rmtree(path)


@pytest.mark.slow
def test_a_corpus_that_changed_meanwhile_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "index"
    monkeypatch.setattr(job, "_LOOKED_AT", 2)

    def stops(corpus: list[str], after: int) -> Iterator[str]:
        yield from itertools.islice(corpus, after)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(path, stops(TEXTS, 20))
    states = [p.name for p in path.glob("state-*")]
    assert states
    with pytest.raises(IndexMismatchError, match="documents 0 to"):
        build(path, ["another", *TEXTS[1:]])
    with pytest.raises(IndexMismatchError, match=r"was begun with tokens=None.*seed=0"):
        build(path, seed=1)
    with pytest.raises(IndexMismatchError, match="keep_activations=False"):
        build(path, keep_activations=True)
    assert [p.name for p in path.glob("state-*")] == states
    build(path)
    with pytest.raises(IndexMismatchError, match="of another corpus"):
        build(path, [*TEXTS[:-1], "another"])
    with pytest.raises(IndexMismatchError, match="goes on after"):
        build(path, [*TEXTS, "more"])
    assert build(path, (text for text in TEXTS)).tokens


@pytest.mark.slow
def test_what_is_no_corpus_says_so(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="empty"):
        build(tmp_path / "nothing", [])
    with pytest.raises(CorpusError, match="empty"):
        build(tmp_path / "blank", ["", ""])
    assert build(tmp_path / "blank").tokens
    with pytest.raises(IndexMismatchError, match="neuron_correlations"):
        build(tmp_path / "neurons", neuron_correlations=True)
    with pytest.raises(CorpusError, match="keep=0"):
        build(tmp_path / "keep", keep=0)


@pytest.mark.slow
def test_what_was_drawn_is_verified_like_the_rest(tmp_path: Path) -> None:
    index = build(tmp_path / "index")
    index.verify()
    file = index.path / "sample" / "value.npy"
    file.write_bytes(file.read_bytes()[:-1] + b"\xff")
    with pytest.raises(IndexCorruptError, match=r"sample/value\.npy"):
        sw.FeatureIndex.open(index.path).verify()


@pytest.mark.parametrize("estimates", [None, 1, 99])
def test_estimates_by_other_rules_are_not_opened(tmp_path: Path, estimates: int | None) -> None:
    """What they say would stand under a label that says another thing."""
    build(tmp_path / "index")
    file = tmp_path / "index" / "manifest.json"
    said = json.loads(file.read_text())
    said["bounded"].pop("estimates")
    if estimates is not None:
        said["bounded"]["estimates"] = estimates
    file.write_text(json.dumps(said))
    with pytest.raises(IndexVersionError, match="build it again"):
        sw.FeatureIndex.open(tmp_path / "index")

"""Which activations are kept, against sorting each feature's; and how many states there are at once while they merge."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from saewidgets.index.bounded import chosen
from saewidgets.index.bounded.chosen import EXTREME, SAMPLED, Candidates, choose
from saewidgets.index.bounded.drive import Course, Drive
from saewidgets.index.bounded.facts import Bounds, ShardFacts, StateFacts
from saewidgets.index.bounded.hands import Done, Task
from saewidgets.storage import array_folder
from saewidgets.storage import shelf as shelf_room
from saewidgets.storage.array_folder import FolderWriter
from saewidgets.storage.shelf import FolderShelf


@pytest.mark.parametrize("at_once", [1, 64, 2**20])
def test_the_first_of_each_feature_and_of_equal_ones_those_that_come_first(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chosen, "_AT_ONCE", at_once)
    dice = np.random.default_rng(at_once)
    for _ in range(30):
        n, sample, extreme = (int(dice.integers(1, high)) for high in (12, 20, 9))
        of = np.repeat(np.arange(n), dice.choice([0, 1, 2, 7, 8, 9, 63, 64, 65, 200], n))
        value = dice.choice(np.float32([-3, -1, -0.5, 0.25, 1, 1, 1, 2]), len(of))
        draw = dice.integers(0, dice.choice([4, 2**63]), len(of), dtype=np.uint64)
        chunk = np.arange(len(of)) // 3
        former = np.uint8(dice.integers(0, 4, len(of))) if dice.random() < 0.5 else None
        stays, why = choose(Candidates(of, value, chunk, draw, former), n, sample, extreme)
        wanted = np.zeros(len(of), np.uint8)
        for f in range(n):
            mine = np.flatnonzero(of == f).tolist()
            asked = [i for i in mine if former is None or former[i] & SAMPLED]
            for i in sorted(asked, key=lambda i: (int(draw[i]), i))[:sample]:
                wanted[i] |= SAMPLED
            for sign in (1, -1):
                asked = [i for i in mine if value[i] * sign > 0 and (former is None or former[i] & EXTREME)]
                for i in sorted(asked, key=lambda i: (-float(value[i]) * sign, i))[:extreme]:
                    wanted[i] |= EXTREME
        assert (why == wanted).all()
        beside = {(int(f), int(c)) for f, c, w in zip(of, chunk, wanted, strict=True) if w}
        assert stays.tolist() == [(int(f), int(c)) in beside for f, c in zip(of, chunk, strict=True)]


class _Dice:
    """Hands that end their tasks in an order of the dice, on a shelf whose states hold nothing."""

    def __init__(self, shelf: FolderShelf, at_once: int, shards: int, seed: int) -> None:
        self.at_once, self._shelf, self._shards, self._dice = at_once, shelf, shards, random.Random(seed)
        self._tasks: list[Task] = []
        self.most = self.most_merges = self.most_large = 0

    def begin(self, task: Task) -> None:
        self._tasks.append(task)
        self.most_merges = max(self.most_merges, sum(task.kind == "merge" for task in self._tasks))

    def done(self) -> Done:
        # A merge takes as long as some shards.
        task = self._dice.choice([task for task in self._tasks if task.kind == "scan"] * 20 + self._tasks)
        self._tasks.remove(task)
        if task.kind == "merge":
            numbers = [n for name in task.names for n in StateFacts.of(self._shelf.facts(name)).shards]
            self._write(task.name, tuple(numbers))
            return Done(task)
        facts = _facts(task.number, int(task.number < self._shards))
        if facts.documents:
            self._write(task.name, (facts,))
        return Done(task, facts)

    def _write(self, name: str, shards: tuple[ShardFacts, ...]) -> None:
        with self._shelf.scratch() as scratch:
            with FolderWriter(scratch / name) as writer:
                writer.commit(StateFacts(shards, _BOUNDS, 1).to_json())
            self._shelf.put(scratch / name, name)
        names = self._shelf.names("state-")
        self.most = max(self.most, len(names))
        self.most_large = max(self.most_large, sum(not name.endswith("-00000001") for name in names))

    def tokens_under_way(self) -> int:
        return 0

    def close(self) -> None:
        pass


_BOUNDS = Bounds(seed=0, sample=1, extreme=1, chunks=1)


def _facts(number: int, documents: int) -> ShardFacts:
    return ShardFacts(number, documents, documents, documents, documents, 0, documents, str(number), "", False)


@pytest.mark.parametrize("at_once", [1, 3, 9])
def test_states_on_disk_depend_on_the_hands_and_not_on_the_shards(
    at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most, large = [], []
    monkeypatch.setattr(array_folder, "sync", lambda path: None)
    monkeypatch.setattr(shelf_room, "sync", lambda path: None)
    for shards in (200, 1000):
        shelf = FolderShelf(str(tmp_path / str(shards)))
        hands = _Dice(shelf, at_once, shards, seed=shards)
        nothing: Callable[..., None] = lambda *_: None  # noqa: E731
        name = Drive(Course(None, 1, _BOUNDS), hands, shelf, "here", nothing).run(nothing)
        assert StateFacts.of(shelf.facts(name)).numbers == frozenset(range(shards))
        large.append(hands.most_large)
        assert hands.most_merges == max(at_once // 2, 1)
        most.append(hands.most)
    # Those that wait, those that are merged, and what is ahead of a shard that is late.
    assert max(most) <= 4 + 32 * max(at_once // 2, 1) + 9 * at_once
    # One of all that was merged so far, and of each merge under way one: not ever more of them.
    assert max(large) <= 1 + 2 * max(at_once // 2, 1)

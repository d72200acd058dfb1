"""How the build deals with its actors: a Ray of a few lines, whose actors end as the test says."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from saewidgets.engine.ticket import Ticket
from saewidgets.index.bounded.facts import Bounds, ShardFacts
from saewidgets.index.bounded.hands import Done, Ranges, Task
from saewidgets.index.bounded.shard import Reading
from saewidgets.index.corpus.documents import Document
from saewidgets.index.errors import ClusterError, CorpusError, IndexWriteError
from saewidgets.index.scan import actor as acting
from saewidgets.index.scan import ray as handing
from saewidgets.index.scan.actor import SPOOL, Corpus, Failure, Orders, spooled
from saewidgets.index.scan.cluster import Room, joined
from saewidgets.index.scan.crew import Crew, crew_for
from saewidgets.index.scan.ray import RayHands
from saewidgets.storage.shelf import shelf_at

TASKS = [Task("scan", f"state-{i}", i) for i in range(4)]


class Died(Exception):
    """What Ray raises for an actor that ended."""


@dataclass
class FakeRay:
    """Calls are answered when they are waited for; `answers` of a task, one after another, says how.

    Attributes:
        starts: how the next actors begin (a machine, a Failure, an exception).
        hired: how many were started; killed: which of them were ended.
    """

    answers: dict[Task, list[Any]] = field(default_factory=dict)
    starts: Iterator[Any] = field(default_factory=lambda: itertools.repeat("machine"))
    hired: int = 0
    killed: list[int] = field(default_factory=list)
    alive: bool = True
    exceptions: Any = field(default_factory=lambda: SimpleNamespace(RayError=Died))
    cloudpickle: Any = field(default_factory=lambda: SimpleNamespace(dumps=lambda orders: b"orders"))

    def put(self, orders: Orders) -> Orders:
        return orders

    def remote(self, kind: type) -> Any:
        def start(orders: Orders) -> Any:
            self.hired += 1
            return SimpleNamespace(
                number=self.hired,
                ready=SimpleNamespace(remote=lambda: ("ready",)),
                do=SimpleNamespace(remote=lambda task: ("do", task)),
                reached=SimpleNamespace(remote=lambda: ("reached",)),
            )

        return SimpleNamespace(options=lambda **options: SimpleNamespace(remote=start))

    def wait(self, calls: list[Any], num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
        return calls[:num_returns], calls[num_returns:]

    def get(self, call: tuple[Any, ...]) -> Any:
        if call[0] == "reached":
            return 5
        if call[0] == "ready":
            found = next(self.starts)
        else:
            queued = self.answers.get(call[1], [])
            found = queued.pop(0) if queued else facts_of(call[1].number)
        if isinstance(found, BaseException):
            raise found
        return found

    def nodes(self) -> list[dict[str, bool]]:
        return [{"Alive": self.alive}]

    def kill(self, actor: Any) -> None:
        self.killed.append(actor.number)


def facts_of(number: int) -> ShardFacts:
    return ShardFacts(number, 3, 3, 10, 9, 0, 1, "texts", "rows", False)


MakeHands = Callable[..., RayHands]


@pytest.fixture
def hands_of(tmp_path: Path) -> MakeHands:
    def made(ray: FakeRay, actors: int = 1, said: list[str] | None = None, **options: Any) -> RayHands:
        shelf = shelf_at(tmp_path / "shelf")
        corpus = Corpus(None, shelf_at(tmp_path / "shelf" / SPOOL), None, None, 3)
        orders = Orders(lambda: None, "sae", 1, Reading(8, Bounds(0, 1, 1, 1)), corpus, shelf, {}, {}, b"")  # type: ignore[arg-type,return-value]
        ranges = Ranges(lambda: iter([Document(i, [i], str(i)) for i in range(12)]), False)
        ranges.per_shard = 3
        room = Room(ray, ((8.0, 0.0),))  # type: ignore[arg-type]
        say = (said if said is not None else []).append
        return RayHands(room, orders, Crew(actors, 1, 0), ranges, options.pop("ticket", Ticket()), say=say, **options)

    return made


def all_done(hands: RayHands, tasks: list[Task]) -> list[Done]:
    for task in tasks:
        hands.begin(task)
    found = []
    while len(found) < len(tasks):
        if (done := hands.done()) is not None:
            found.append(done)
    return found


def test_an_actor_that_dies_is_replaced_and_its_shard_done_again(hands_of: MakeHands, tmp_path: Path) -> None:
    said: list[str] = []
    ray = FakeRay({TASKS[1]: [Died("The actor died\n\tactor_id: 4711\nbecause"), Died("again")]})
    hands = hands_of(ray, actors=2, said=said)
    found = all_done(hands, TASKS)
    assert {done.task: done.facts for done in found} == {task: facts_of(task.number) for task in TASKS}
    assert ray.hired == 4 and len(ray.killed) == 2
    assert said[0] == "Shard 1 (documents 3 to 5) is done again: Its actor ended: The actor died because"
    hands.close()
    assert len(ray.killed) == 4
    assert not list((tmp_path / "shelf").iterdir()), "no mark, no spool, nothing half done"


def test_a_shard_that_ends_every_actor_is_given_up_and_the_others_end(hands_of: MakeHands) -> None:
    hands = hands_of(FakeRay({TASKS[0]: [Died("killed")] * 9}), actors=2)
    for task in TASKS[:2]:
        hands.begin(task)
    ended: list[Done | None] = []
    with pytest.raises(ClusterError) as raised:
        ended.extend(iter(hands.done, "never"))
    assert [done.task for done in ended if done] == [TASKS[1]]
    for told in ("Shard 0 (documents 0 to 2) was given up after 3 tries", "killed", "What was scanned is kept"):
        assert told in str(raised.value)


@pytest.mark.parametrize(
    ("failure", "again"),
    [
        (Failure(ClusterError("ran out of memory"), again=True), True),
        (Failure(CorpusError("Document 4 is no text"), again=False), False),
    ],
)
def test_what_another_actor_would_not_do_better_is_not_tried_again(
    failure: Failure, again: bool, hands_of: MakeHands
) -> None:
    ray = FakeRay({TASKS[0]: [failure]})
    hands = hands_of(ray)
    if again:
        assert all_done(hands, TASKS[:1])[0].facts == facts_of(0) and ray.hired == 2
        return
    with pytest.raises(CorpusError, match="Document 4 is no text"):
        all_done(hands, TASKS[:1])
    assert ray.hired == 1


def test_a_machine_whose_disk_is_full_is_left(hands_of: MakeHands) -> None:
    full = Failure(IndexWriteError("The machine a could not scan: the disk is full"), again=True, retire=True)
    ray = FakeRay({TASKS[0]: [full]})
    assert len(all_done(hands_of(ray, actors=2), TASKS)) == 4
    assert ray.hired == 2 and len(ray.killed) == 1
    with pytest.raises(IndexWriteError, match="given up after 3 tries.*disk is full"):
        all_done(hands_of(FakeRay({TASKS[0]: [full] * 3}), actors=1), TASKS)


def test_damaged_states_are_told(hands_of: MakeHands) -> None:
    merge = Task("merge", "state-0-1", names=("state-0", "state-1"))
    ray = FakeRay({merge: [("state-1",)]})
    (done,) = all_done(hands_of(ray), [merge])
    assert done.damaged == ("state-1",) and done.facts is None


@pytest.mark.parametrize(
    ("starts", "told"),
    [
        (
            [Failure(ClusterError("the machine b has no model at /models/x"), again=False)],
            "machine b has no model at /models/x",
        ),
        (
            [Died("killed")] * 3,
            "No actor could be started, 3 times. The last time: An actor ended before it was ready: killed",
        ),
    ],
)
def test_actors_that_cannot_begin(starts: list[Any], told: str, hands_of: MakeHands) -> None:
    hands = hands_of(FakeRay(starts=iter(starts + ["machine"] * 9)))
    with pytest.raises(ClusterError, match=told):
        all_done(hands, TASKS)


def test_where_no_actor_begins_the_others_go_on(hands_of: MakeHands, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    why = (
        "\x1b[36mray::Actor\x1b[39m (pid=1)\n^^^^\n"
        + "traceback " * 99
        + "\nModuleNotFoundError: No module named 'saewidgets'"
    )
    ray, turn = FakeRay(starts=iter(["machine", *[Died(why)] * 3])), itertools.cycle([0, -1])

    def wait(calls: list[Any], num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
        return [calls[next(turn)]], []

    monkeypatch.setattr(ray, "wait", wait)
    assert len(all_done(hands_of(ray, actors=2, said=said), TASKS)) == 4
    assert ray.hired == 4 and len(ray.killed) == 3
    (told,) = said
    assert told.startswith("One actor less") and "ray::Actor (pid=1) traceback" in told
    assert told.endswith("No module named 'saewidgets'") and len(told) < 800 and "\x1b" not in told


def test_nobody_is_waited_for_in_silence(hands_of: MakeHands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handing, "_LOOK_SECONDS", 0.0)
    said: list[str] = []
    ray = FakeRay()
    hands = hands_of(ray, said=said)
    monkeypatch.setattr(ray, "wait", lambda calls, num_returns, timeout: ([], calls))
    assert hands.done() is None and "No actor has begun yet" in said[0]
    ray.alive = False
    with pytest.raises(ClusterError, match="none of its machines is alive. What was scanned is kept"):
        hands.done()


def test_documents_are_spooled_as_they_are_needed(hands_of: MakeHands, tmp_path: Path) -> None:
    hands = hands_of(FakeRay())
    spool = tmp_path / "shelf" / SPOOL
    hands.begin(TASKS[0])
    hands.begin(TASKS[1])
    assert sorted(p.name for p in spool.iterdir()) == [spooled(0), spooled(1), "mark"]
    read = [document.number for document in acting.read_documents(spool / spooled(1))]
    assert read == [3, 4, 5]
    while (done := hands.done()) is None:
        pass
    assert not (spool / spooled(done.task.number)).exists()
    ticket = Ticket()
    cancelled = hands_of(FakeRay(), ticket=ticket)
    ticket.cancel()
    with pytest.raises(Exception, match="cancelled"):
        cancelled.begin(TASKS[0])


def test_what_cannot_be_sent_is_said(hands_of: MakeHands) -> None:
    ray = FakeRay()
    ray.cloudpickle.dumps = lambda orders: bytes(20_000_000)
    with pytest.raises(ClusterError, match="make_engine takes 20 MB with it"):
        hands_of(ray)

    def refuses(orders: Orders) -> bytes:
        raise TypeError("cannot pickle a lock")

    ray.cloudpickle.dumps = refuses
    with pytest.raises(ClusterError, match="cannot pickle a lock"):
        hands_of(ray)
    assert ray.hired == 0


@pytest.mark.parametrize(
    ("machines", "asked", "expected"),
    [
        ([(8.0, 0.0)], (None, None, None), Crew(1, 8, 0)),
        ([(8.0, 0.0)], (3, None, None), Crew(3, 2, 0)),
        ([(2.0, 0.0)], (3, None, None), Crew(3, 0.66, 0)),
        ([(0.0, 0.0), (16.0, 4.0), (16.0, 4.0)], (None, None, None), Crew(8, 4, 1)),
        ([(16.0, 4.0)], (None, None, 0.5), Crew(8, 2, 0.5)),
        ([(16.0, 4.0)], (2, 1.0, 0.0), Crew(2, 1, 0)),
    ],
)
def test_an_actor_for_every_gpu_else_for_every_machine(
    machines: list[tuple[float, float]], asked: tuple[Any, Any, Any], expected: Crew
) -> None:
    room = Room(None, tuple(machines))  # type: ignore[arg-type]
    assert crew_for(room, lambda: None, *asked) == expected  # type: ignore[arg-type,return-value]


def test_more_than_any_machine_has() -> None:
    room = Room(None, ((8.0, 0.0),))  # type: ignore[arg-type]
    with pytest.raises(
        ClusterError, match="room for an actor with 4 CPUs and 1 GPUs: its machines have 8 CPUs and 0 GPUs"
    ):
        crew_for(room, lambda: None, 2, None, 1.0)  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1:9", "no Ray cluster at 127.0.0.1:9: .*Nothing was started"),
        ("ray://127.0.0.1:9", "a build runs on a machine of the cluster"),
        ("nonsense", "no address"),
    ],
)
def test_no_cluster_at_the_address(address: str, told: str) -> None:
    with pytest.raises(ClusterError, match=told), joined(address):
        pytest.fail("there is none")

"""The work of a bounded scan done by actors of a Ray cluster.

Only names and facts of a few bytes pass between the build and its actors: documents are read where they are scanned, states are put on
the shelf by whoever made them. An actor may end at any moment (killed, out of memory, its machine gone): another one is started and
does the same task again, which does no harm. So a call counts as done when its state is on the shelf, and nothing is asked of Ray
but to start processes and to say when one ended.
"""

from __future__ import annotations

import re
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from ...engine.ticket import Ticket
from ...errors import SaewidgetsError
from ..bounded.hands import Done, Ranges, Task
from ..corpus.documents import Document
from ..corpus.spool import write_documents
from ..errors import ClusterError
from .actor import MARK, Actor, Failure, Orders, spooled
from .cluster import Room
from .crew import Crew

__all__ = ["RayHands"]

_ATTEMPTS = 3
"""How often a shard may end its actor before it is given up, and how many actors may end before they begin."""
_WAIT_SECONDS = 0.2
_KILL_SECONDS = 10.0
_LOOK_SECONDS = 20.0
"""How long nothing may end before it is asked whether there is a cluster yet, and whether an actor has begun."""
_KEPT = "What was scanned is kept: the same call goes on from there, with or without cluster=."
# What is sent to every actor at most: an engine is made there, its weights are not sent.
_MOST_BYTES = 10_000_000
_MOST_SAID = 600


@dataclass(eq=False)
class _Hand:
    """One actor, from its start to its end.

    Attributes:
        waits: the call that it is at. task: of the call; None: it starts. reached: tokens of the task; asked: the call that asks.
    """

    actor: Any
    waits: Any
    task: Task | None = None
    machine: str = ""
    reached: int = 0
    asked: Any = None

    @property
    def free(self) -> bool:
        return self.waits is None


class RayHands:
    """Actors that do the tasks of a drive (`bounded/drive.py`).

    Args:
        orders: for all actors; `corpus.rows` None: documents are taken from `ranges` and spooled.
        say: told what a reader of the progress bar should know.

    Raises:
        ClusterError: if the engine's maker cannot be sent.
    """

    def __init__(
        self,
        room: Room,
        orders: Orders,
        crew: Crew,
        ranges: Ranges,
        ticket: Ticket,
        *,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._ray, self._ranges, self._ticket, self._say = room.ray, ranges, ticket, say
        orders = replace(orders, mark=secrets.token_bytes(16))
        self._orders, self._shelf, self._spool = orders, orders.shelf, orders.corpus.spool
        self.at_once = crew.actors + 1  # one more, so that it is spooled while all are at work
        self._hands: list[_Hand] = []
        self._spooled: set[str] = set()
        self._waiting: deque[Task] = deque()
        self._finished: deque[Done] = deque()
        self._tries: Counter[Task | None] = Counter()
        self._error: Exception | None = None
        self._looked, self._told = time.monotonic(), False
        self._options = {
            "num_cpus": crew.cpus,
            "num_gpus": crew.gpus,
            "max_restarts": 0,
            "max_concurrency": 2,  # a task, and the question how far it is
            "scheduling_strategy": "SPREAD",
        }
        self._sent = self._send(orders)
        self._shelf.write(MARK, orders.mark)
        for _ in range(crew.actors):
            self._hire()

    # -- what the drive asks

    def begin(self, task: Task) -> None:
        if self._orders.corpus.rows is None and task.kind != "merge":
            name = spooled(task.number)
            if name not in self._spooled:
                with self._spool.scratch() as scratch:
                    write_documents(scratch / name, self._checked(self._ranges.of(task.number)))
                    self._spool.put(scratch / name, name)
                self._spooled.add(name)
        self._waiting.append(task)

    def done(self) -> Done | None:
        """A task that ended.

        Raises:
            ClusterError and others: once the tasks under way have ended, for one that cannot be done.
        """
        self._give_out()
        if not self._finished:
            busy = {hand.waits: hand for hand in self._hands if not hand.free}
            if self._error is not None and not any(hand.task for hand in busy.values()):
                raise self._error
            ended, _ = self._ray.wait([*busy], num_returns=1, timeout=_WAIT_SECONDS)
            for call in ended:
                self._ended(busy[call])
            self._ask()
            self._look(bool(ended))
        return self._finished.popleft() if self._finished else None

    def tokens_under_way(self) -> int:
        return sum(hand.reached for hand in self._hands)

    def close(self) -> None:
        for hand in self._hands:
            self._kill(hand)
        # What they were at ends with them; only then can it be cleared away.
        calls = [hand.waits for hand in self._hands if hand.waits is not None]
        with suppress(self._ray.exceptions.RayError):
            self._ray.wait(calls, num_returns=len(calls), timeout=_KILL_SECONDS) if calls else None
        self._hands.clear()
        self._waiting.clear()
        self._shelf.tidy("state-")

    # -- actors

    def _send(self, orders: Orders) -> Any:
        try:
            size = len(self._ray.cloudpickle.dumps(orders))
        except Exception as error:
            raise ClusterError(
                f"make_engine cannot be sent to the actors ({type(error).__name__}: {error}): it may use nothing but names and plain "
                "values of its surroundings, such as a path that is there on every machine."
            ) from error
        if size > _MOST_BYTES:
            raise ClusterError(
                f"make_engine takes {size / 1e6:,.0f} MB with it, for it uses a model or data of its surroundings. Let it load them "
                "itself, from a path that is there on every machine."
            )
        return self._ray.put(orders)

    def _hire(self) -> None:
        actor = self._ray.remote(Actor).options(**self._options).remote(self._sent)
        self._hands.append(_Hand(actor, actor.ready.remote()))

    def _kill(self, hand: _Hand) -> None:
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(hand.actor)

    def _let_go(self, hand: _Hand, *, replaced: bool = True) -> None:
        self._kill(hand)
        self._hands.remove(hand)
        if replaced:
            self._hire()

    # -- tasks

    def _checked(self, some: Iterator[Document] | Any) -> Iterator[Document]:
        for document in some:
            self._ticket.check()
            yield document

    def _give_out(self) -> None:
        for hand in self._hands:
            if hand.free and self._waiting and self._error is None:
                hand.task = self._waiting.popleft()
                hand.waits = hand.actor.do.remote(hand.task)

    def _ask(self) -> None:
        """How far the actors are: asked again once they have answered."""
        asked = {hand.asked: hand for hand in self._hands if hand.asked is not None}
        answered, _ = self._ray.wait([*asked], num_returns=len(asked), timeout=0) if asked else ([], [])
        for call in answered:
            hand, hand_reached = asked[call], 0
            with suppress(self._ray.exceptions.RayError):
                hand_reached = self._ray.get(call)
            hand.asked, hand.reached = None, hand_reached if hand.task is not None else 0
        for hand in self._hands:
            if hand.task is not None and hand.asked is None:
                hand.asked = hand.actor.reached.remote()

    def _look(self, ended: bool) -> None:
        """See that there is still somebody to wait for, where nothing has ended for a while."""
        now = time.monotonic()
        if ended or now - self._looked < _LOOK_SECONDS:
            self._looked = now if ended else self._looked
            return
        self._looked = now
        if not any(node["Alive"] for node in self._ray.nodes()):
            raise ClusterError(f"The Ray cluster is gone: none of its machines is alive. {_KEPT}")
        if not any(hand.machine for hand in self._hands) and not self._told:
            self._told = True
            self._say("No actor has begun yet: the cluster has no room for one now, or its model takes long to load.")

    def _ended(self, hand: _Hand) -> None:
        """What became of the call that an actor was at."""
        task, call = hand.task, hand.waits
        hand.task, hand.waits, hand.reached = None, None, 0
        try:
            answer = self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            answer = Failure(ClusterError(f"{_ended_with(task)}: {_said_by_ray(error)}"), again=True)
        if isinstance(answer, Failure):
            self._failed(hand, task, answer)
        elif task is None:
            hand.machine = answer
            self._tries.pop(None, None)
        else:
            if self._orders.corpus.rows is None and task.kind != "merge":
                self._spool.remove(spooled(task.number))
                self._spooled.discard(spooled(task.number))
            self._tries.pop(task, None)
            merged = task.kind == "merge"
            self._finished.append(Done(task, damaged=answer) if merged else Done(task, answer))

    def _failed(self, hand: _Hand, task: Task | None, failure: Failure) -> None:
        """A task (None: the start of an actor) that was not done: try it again, or give it up."""
        self._tries[task] += 1
        over = not failure.again or self._tries[task] >= _ATTEMPTS
        others = any(other.machine for other in self._hands if other is not hand)
        if failure.again:
            # What a full disk, or a machine on which none begins, does to one actor, it would do to the next.
            without = len(self._hands) > 1 and (failure.retire or (task is None and over and others))
            self._let_go(hand, replaced=not without)
        told = str(failure.error).splitlines()[0]
        if task is not None and not over:
            self._waiting.appendleft(task)
            self._say(f"{self._named(task)} is done again: {told}")
        elif task is None and failure.again and others and over:
            self._tries.pop(None)
            self._say(f"One actor less: none could be started in the place of one, {_ATTEMPTS} times. {told}")
        elif over and self._error is None:
            self._error = self._given_up(task, failure.error) if failure.again else failure.error

    def _given_up(self, task: Task | None, error: SaewidgetsError) -> SaewidgetsError:
        if task is None:
            return ClusterError(f"No actor could be started, {_ATTEMPTS} times. The last time: {error} {_KEPT}")
        return type(error)(f"{self._named(task)} was given up after {_ATTEMPTS} tries. The last one: {error} {_KEPT}")

    def _named(self, task: Task) -> str:
        if task.kind == "merge":
            return f"The merging of {len(task.names)} states"
        per = self._orders.corpus.per_shard
        return f"Shard {task.number} (documents {task.number * per:,} to {(task.number + 1) * per - 1:,})"


def _ended_with(task: Task | None) -> str:
    return "An actor ended before it was ready" if task is None else "Its actor ended"


def _said_by_ray(error: Exception) -> str:
    """What Ray says of an actor's end in a line or two: without colours and ids, its beginning and its end."""
    lines = (line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines())
    ids = ("class_name:", "actor_id:", "pid:", "namespace:", "name:")
    told = " ".join(line for line in lines if line and not line.startswith(ids) and not set(line) <= {"^", "~"})
    return told if len(told) <= _MOST_SAID else f"{told[: _MOST_SAID // 2]} ... {told[-_MOST_SAID // 2 :]}"

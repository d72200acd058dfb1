"""One worker thread for all torch work.

Widget callbacks arrive on any thread (main, kernel subshells), grad mode and CUDA state are thread-local, and hooks
are shared mutable state of the model. So there is exactly one thread that computes. It knows four things:

- *latest wins*: a request with the same key replaces the one still waiting, and cancels the one running;
- *cancel*: a job asks `ticket.check()` where it can stop;
- *the quick first*: between steps a long job lets through what has a higher `Turn` (`ticket.breathe()`), so that an
  index build does not freeze the heatmap above it, nor a panel's sweep the cell below;
- *still here*: whoever waits for an answer is told now and then that there is one to come, also by jobs that have not begun.
"""

from __future__ import annotations

import logging
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Generic, TypeVar

from .ticket import Progress, Ticket

log = logging.getLogger(__name__)
T = TypeVar("T")

_END_SECONDS = 2.0
"""To wait for the thread of a worker that is let go of while the program goes on."""
_EXIT_SECONDS = 60.0
"""The same when the program ends: a step of an index on a busy machine takes its time, and may not be cut off."""
_PULSE_SECONDS = 5.0


class Turn(IntEnum):
    """Who comes first: of the jobs that wait the highest, and between the steps of one whatever is higher than it."""

    BUILD = 0
    """An index, which may take hours."""
    LONG = 1
    """A widget's answer that takes its time."""
    CELL = 2
    """What code in a cell waits for."""
    QUESTION = 3
    """A view's question, asked while somebody looks."""


@dataclass(eq=False)
class Job(Generic[T]):
    """One piece of work and its outcome."""

    fn: Callable[[Ticket], T]
    ticket: Ticket
    key: Hashable | None = None
    turn: Turn = Turn.CELL
    on_done: Callable[[Job[T]], None] | None = None
    on_alive: Callable[[int, int], None] | None = None
    result: T | None = None
    error: BaseException | None = None
    finished: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Ask this job to stop; it still reports (as `CancelledError`) through `on_done`."""
        self.ticket.cancel()

    def alive(self) -> None:
        """Tell whoever waits that there is an answer to come."""
        if self.on_alive is not None and not self.finished.is_set():
            try:
                self.on_alive(*self.ticket.reached)
            except Exception:
                log.exception("Whoever waits for a computation could not be told that it goes on.")

    def execute(self) -> None:
        try:
            self.ticket.check()
            self.result = self.fn(self.ticket)
        except BaseException as error:
            # BaseException: a KeyboardInterrupt or SystemExit raised inside must reach whoever waits, not kill the thread.
            self.error = error
        finally:
            self.finished.set()
            if self.on_done is not None:
                try:
                    self.on_done(self)
                except Exception:
                    # A front-end that went away must not take the engine's only thread with it.
                    log.exception("The answer of a finished computation could not be delivered.")


class _Queue:
    """The waiting and running jobs. Separate from `Worker` so that the thread never keeps the worker alive."""

    def __init__(self) -> None:
        self.ready = threading.Condition()
        self.waiting: deque[Job[object]] = deque()
        self.running: list[Job[object]] = []
        self.closed = False
        self.thread: threading.Thread | None = None
        self.pulse: threading.Thread | None = None
        self.ended = threading.Event()

    def put(self, job: Job[object]) -> list[Job[object]]:
        """Append `job`; return the waiting jobs that it replaced."""
        with self.ready:
            if self.closed:
                raise RuntimeError("This engine was closed; make a new one.")
            replaced: list[Job[object]] = []
            if job.key is not None:
                replaced = [old for old in self.waiting if old.key == job.key]
                for old in replaced:
                    self.waiting.remove(old)
                for old in (*replaced, *(busy for busy in self.running if busy.key == job.key)):
                    old.cancel()
            self.waiting.append(job)
            self.ready.notify()
            return replaced

    def run(self, job: Job[object]) -> None:
        self.running.append(job)
        try:
            job.execute()
        finally:
            self.running.remove(job)

    def take(self, above: int = -1) -> Job[object] | None:
        """The first of the waiting jobs of the highest turn, if that is above `above`; inside `with self.ready`."""
        job = max(self.waiting, key=lambda job: job.turn, default=None)  # max: the first of equals
        if job is None or job.turn <= above:
            return None
        self.waiting.remove(job)
        return job

    def run_higher(self) -> None:
        """Run what waits and has a higher turn than everything that runs, now, inside the running job."""
        while True:
            with self.ready:
                job = self.take(max(job.turn for job in self.running))
            if job is None:
                return
            self.run(job)

    def beat(self) -> None:
        """Until the end: tell those who wait that their jobs wait or run."""
        while not self.ended.wait(_PULSE_SECONDS):
            with self.ready:
                jobs = [*self.waiting, *self.running]
            while jobs:  # not for: its name would hold the last job, and a widget that was closed, for ever
                jobs.pop().alive()

    def loop(self) -> None:
        # Thread-local: a notebook's own torch.set_grad_enabled(...) never reaches this thread. Without torch there is no
        # engine, and nothing to compute with it.
        torch = sys.modules.get("torch")
        if torch is not None:
            torch.set_grad_enabled(False)
        while True:
            with self.ready:
                while not self.waiting and not self.closed:
                    self.ready.wait()
                job = self.take()
            if job is None:
                return
            self.run(job)
            del job

    def close(self) -> None:
        with self.ready:
            self.closed = True
            self.ended.set()
            dropped = list(self.waiting)
            self.waiting.clear()
            for job in (*dropped, *self.running):
                job.cancel()
            self.ready.notify_all()
        for job in dropped:
            job.execute()


def _end(queue: _Queue) -> None:
    """Cancel what is left and wait for the thread: one that still computes when the interpreter ends would crash it."""
    queue.close()
    if queue.thread is not None and queue.thread is not threading.current_thread():
        # Python counts its main thread as ended before it calls what is to be done at exit.
        ends = not threading.main_thread().is_alive()
        queue.thread.join(_EXIT_SECONDS if ends else _END_SECONDS)


class Worker:
    """The engine's one thread. Started on first use, ends with `close()` or with the engine."""

    def __init__(self) -> None:
        self._queue = _Queue()
        self._thread: threading.Thread | None = None
        self._start = threading.Lock()
        self._finalizer = weakref.finalize(self, _end, self._queue)

    @property
    def is_current_thread(self) -> bool:
        """True when called from inside a job."""
        return self._thread is threading.current_thread()

    @property
    def closed(self) -> bool:
        """True after `close()`."""
        return self._queue.closed

    def submit(
        self,
        fn: Callable[[Ticket], T],
        *,
        key: Hashable | None = None,
        turn: Turn = Turn.CELL,
        on_done: Callable[[Job[T]], None] | None = None,
        on_progress: Progress | None = None,
        on_part: Callable[[object], None] | None = None,
        on_alive: Callable[[int, int], None] | None = None,
    ) -> Job[T]:
        """Queue `fn(ticket)`. A `key` makes the latest submission win; `on_done` runs on the worker thread.

        A replaced job reports `CancelledError` through its `on_done`, so every submission is answered exactly once.
        `on_alive` is told how far it is, every few seconds while the job waits and runs, on a thread of its own.
        """
        ticket = Ticket(on_progress, self._queue.run_higher, on_part)
        job: Job[T] = Job(fn, ticket, key, turn, on_done, on_alive)
        with self._start:
            if self._thread is None:
                self._thread = threading.Thread(target=self._queue.loop, name="saewidgets-engine", daemon=True)
                self._queue.thread = self._thread
                self._thread.start()
            if on_alive is not None and self._queue.pulse is None:
                self._queue.pulse = threading.Thread(target=self._queue.beat, name="saewidgets-pulse", daemon=True)
                self._queue.pulse.start()
        for old in self._queue.put(job):  # type: ignore[arg-type]
            old.execute()  # cancelled: only reports
        return job

    def run(self, fn: Callable[[Ticket], T], on_progress: Progress | None = None) -> T:
        """Run `fn` on the worker and wait for its result; an interrupted wait cancels the job and waits for its end.

        Inside a job it runs at once, under that job's ticket; with `on_progress` what it counts is told there instead.
        """
        if self.is_current_thread:
            ticket = self._queue.running[-1].ticket
            return fn(ticket if on_progress is None else ticket.told_to(on_progress))
        job = self.submit(fn, on_progress=on_progress)
        try:
            while not job.finished.wait(0.5):
                pass
        except BaseException:
            job.cancel()
            job.finished.wait()
            raise
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]

    def close(self) -> None:
        """Cancel everything and end the thread. Waiting jobs report `CancelledError`."""
        self._finalizer()

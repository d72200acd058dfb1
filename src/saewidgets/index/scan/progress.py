"""One progress bar for all that a build does, drawn by the thread that waits: workers never touch widgets."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Mapping, Sized
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, cast

from ...engine.worker import Turn
from .costs import CHECK, UNITS

if TYPE_CHECKING:
    from tqdm import tqdm

    from ...engine.engine import Engine
    from ...engine.ticket import Ticket
    from ...engine.worker import Job

_POLL_SECONDS = 0.2
# Where nothing can be drawn over (a log), a line is written after so much more was done, or so many seconds.
_LINE_SHARE, _LINE_SECONDS = 0.1, 60.0
_BAR = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
_LINE = "{desc} {percentage:3.0f}% {elapsed}<{remaining}{postfix}"
# Nobody knows how long a corpus is that has no length.
_UNKNOWN = "{desc} {elapsed}{postfix}"

Steps = Callable[[int], Mapping[str, float]]
"""Tokens of the corpus, as far as that is known -> what each step of a build takes, in their order, in any unit."""


class Doing(Protocol):
    """A job that says what it is at: the step, how much of it is done, and of how much (0: nobody knows)."""

    doing: tuple[str, int, int]

    @property
    def documents_done(self) -> int: ...

    @property
    def told(self) -> list[str]: ...


class Bar:
    """How far a build is: one bar from its beginning to its end, with a word on what it is at. It never goes back.

    Each step has the part of the bar that it is expected to have of the time. In a terminal and a notebook it is a bar of
    tqdm; elsewhere (a log) it is a line now and then.

    Args:
        show: else nothing is ever drawn.

    Example:
        >>> with Bar(True) as bar:
        ...     bar.expect(lambda tokens: {"scan": 9, "statistics": 1})
        ...     bar.draw("scan", 500, 1000)
    """

    def __init__(self, show: bool) -> None:
        self._show = show
        self._steps: Steps = lambda _: {}
        self._tokens = 0
        self._from = self._reached = 0.0
        self._bar: tqdm[None] | None = None
        self._drawn = False
        self._line: tuple[str, float, float] | None = None
        self._said = 0
        self._end = "done"

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None) -> None:
        """At the end of a build it is full, wherever it was; broken off, it stays where it is."""
        if self._bar is None:
            return
        if kind is None:
            self._reached = 1.0
            self._put(self._end, True)
        self._bar.close()

    def ends(self, text: str) -> None:
        """What is said at the end."""
        self._end = text

    def expect(self, steps: Steps) -> None:
        """What is to come: it has what is left of the bar."""
        self._steps, self._from = steps, self._reached

    def draw(self, step: str, done: int, total: int) -> None:
        """The step that is worked on, and how much of it is done of how much (0: nobody knows)."""
        if not self._show or (step == CHECK and not done):
            return  # a corpus that is compared at once needs no bar
        total = max(done, total) if total else 0  # the last chunk is read to its end
        if UNITS.get(step) == "tokens":
            self._tokens = total or done
        costs = self._steps(self._tokens)
        if step not in costs:
            costs = {step: 1.0}
        names = list(costs)
        before, whole = sum(costs[name] for name in names[: names.index(step)]), sum(costs.values())
        if total and whole:
            share = (before + costs[step] * min(done / total, 1)) / whole
            self._reached = max(self._reached, self._from + (1 - self._from) * share)
        amount = f"{_number(done)} of {_number(total)}" if total else _number(done)
        self._put(f"{step}, {amount} {UNITS.get(step, '')}".rstrip(), bool(total), step)

    def note(self, text: str) -> None:
        """A word on something that takes its time and cannot be counted."""
        if self._show:
            self._put(text, True, text)

    def say(self, lines: list[str]) -> None:
        """Lines for people, each once, above the bar."""
        if self._bar is not None:
            for line in lines[self._said :]:
                # A notebook, whose bar is a widget, paints what goes to stderr red, as if something had gone wrong.
                self._bar.write(line, file=sys.stdout if _in_notebook(self._bar) else sys.stderr)
            self._said = len(lines)

    def _put(self, text: str, known: bool, step: str = "") -> None:
        if self._bar is None:
            self._bar = self._made()
        bar = self._bar
        bar.n, bar.postfix = self._reached, text
        if self._drawn:
            bar.bar_format = _BAR if known else _UNKNOWN
            bar.refresh()
            return
        bar.bar_format = _LINE if known else _UNKNOWN
        now, last = (step, self._reached, time.monotonic()), self._line
        if last is None or step != last[0] or now[1] - last[1] >= _LINE_SHARE or now[2] - last[2] >= _LINE_SECONDS:
            self._line = now
            sys.stderr.write(f"{bar}\n")
            sys.stderr.flush()

    def _made(self) -> tqdm[None]:
        from tqdm import auto

        terminal = sys.stderr.isatty()
        file = sys.stderr if terminal else io.StringIO()
        bar: tqdm[None] = auto.tqdm(
            desc="index", total=1.0, initial=self._reached, dynamic_ncols=True, file=file, bar_format=_BAR
        )
        self._drawn = terminal or _in_notebook(bar)
        return bar


def _in_notebook(bar: tqdm[None]) -> bool:
    return hasattr(bar, "container")


def follow(engine: Engine, run: Callable[[Ticket], None], job: Doing, bar: Bar, corpus: object) -> None:
    """Run on the worker, and draw how far it is."""
    if engine.worker.is_current_thread:
        engine.worker.run(run)
        return

    def heard(done: int, total: int) -> None:
        if not total and job.documents_done and hasattr(corpus, "__len__"):
            # Nobody knows how long a corpus is before it is read: by the documents read so far.
            total = max(done, round(done / job.documents_done * len(cast(Sized, corpus))))
        job.doing = (job.doing[0], done, total)

    submitted = engine.worker.submit(run, turn=Turn.BUILD, on_progress=heard)
    try:
        watch(submitted, job, bar)
    except BaseException:
        submitted.cancel()
        submitted.finished.wait()
        raise


def watch(submitted: Job[None], job: Doing, bar: Bar) -> None:
    """Wait for the end of a job, drawing how far it is.

    Raises:
        whatever the job raised.
    """
    while not submitted.finished.wait(_POLL_SECONDS):
        bar.draw(*job.doing)
        bar.say(job.told)
    bar.draw(*job.doing)
    bar.say(job.told)
    if submitted.error is not None:
        raise submitted.error


def _number(n: int) -> str:
    from tqdm import tqdm

    return f"{n}" if n < 1000 else tqdm.format_sizeof(n)

"""A progress bar for work on the engine's thread, drawn by the thread that waits: workers never touch widgets."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sized
from typing import TYPE_CHECKING, Protocol, cast

from ...engine.worker import Turn

if TYPE_CHECKING:
    from ...engine.engine import Engine
    from ...engine.ticket import Ticket
    from ...engine.worker import Job

_POLL_SECONDS = 0.2


class Doing(Protocol):
    """A job that says what it is at."""

    doing: tuple[str, int, int]

    @property
    def documents_done(self) -> int: ...

    @property
    def told(self) -> list[str]: ...


def follow(engine: Engine, run: Callable[[Ticket], None], job: Doing, progress: bool, corpus: object) -> None:
    """Run on the worker, with a bar that is drawn by the thread that waits: workers never touch widgets."""
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
        watch(submitted, job, progress)
    except BaseException:
        submitted.cancel()
        submitted.finished.wait()
        raise


def watch(submitted: Job[None], job: Doing, progress: bool) -> None:
    """Wait for the end of a job, drawing how far it is.

    Raises:
        whatever the job raised.
    """
    from tqdm.auto import tqdm

    bar: tqdm[None] | None = None
    drawn, said = "", 0

    def draw(doing: str, done: int, total: int) -> None:
        nonlocal bar, drawn, said
        if not progress or (doing == "check" and not done):
            return  # a corpus that is compared at once needs no bar
        unit = "tok" if doing in ("scan", "check") else "feature"
        if bar is None:
            bar = tqdm(desc=doing, unit=unit, unit_scale=True, dynamic_ncols=True)
        elif drawn != doing:
            bar.reset(total or None)
            bar.unit = unit
            bar.set_description(doing, refresh=False)
        drawn = doing
        bar.total = total or None
        bar.n = done
        bar.refresh()
        for line in job.told[said:]:
            # A notebook, whose bar is a widget, paints what goes to stderr red, as if something had gone wrong.
            tqdm.write(line, file=sys.stdout if hasattr(bar, "container") else sys.stderr)
            said += 1

    try:
        while not submitted.finished.wait(_POLL_SECONDS):
            draw(*job.doing)
        draw(*job.doing)
    finally:
        if bar is not None:
            bar.close()
    if submitted.error is not None:
        raise submitted.error

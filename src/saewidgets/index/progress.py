"""A progress bar for work on the engine's thread, drawn by the thread that waits: workers never touch widgets."""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import TYPE_CHECKING, Protocol, cast

from ..engine.worker import Turn

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from ..engine.worker import Job, Ticket

_POLL_SECONDS = 0.2


class Doing(Protocol):
    """A job that says what it is at."""

    doing: tuple[str, int, int]

    @property
    def documents_done(self) -> int: ...


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

    bars: dict[str, tqdm[None]] = {}

    def draw(doing: str, done: int, total: int) -> None:
        if not progress or (doing == "check" and not done):
            return  # a corpus that is compared at once needs no bar
        if doing not in bars:
            for bar in bars.values():
                bar.close()
            unit = "tok" if doing in ("scan", "check") else "feature"
            bars[doing] = tqdm(desc=doing, unit=unit, unit_scale=True, initial=done, dynamic_ncols=True)
        bar = bars[doing]
        bar.total = total or None
        bar.update(done - bar.n)

    try:
        while not submitted.finished.wait(_POLL_SECONDS):
            draw(*job.doing)
        draw(*job.doing)
    finally:
        for bar in bars.values():
            bar.close()
    if submitted.error is not None:
        raise submitted.error

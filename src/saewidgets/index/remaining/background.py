"""The jobs that compute what remains of indexes, one for each folder: begun by whoever builds, found by whoever opens."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from ...engine.worker import Turn

if TYPE_CHECKING:
    from ...engine.worker import Job
    from .compute import Remaining

_lock = Lock()
_jobs: dict[Path, tuple[Remaining, Job[None]]] = {}


def start(remaining: Remaining) -> tuple[Remaining, Job[None]]:
    """Compute what remains in the background, or find who does already."""
    place = remaining.path.resolve()
    with _lock:
        known = _jobs.get(place)
        if known is not None and known[0].store == remaining.store and not known[1].finished.is_set():
            return known
        job = remaining.engine.worker.submit(
            remaining.run, turn=Turn.BUILD, on_done=lambda _: _forget(place, remaining), on_progress=remaining.heard
        )
        if not job.finished.is_set():
            _jobs[place] = (remaining, job)
        return remaining, job


def running(path: Path) -> Remaining | None:
    """Who computes what remains of the index at `path` in this process."""
    with _lock:
        known = _jobs.get(path.resolve())
    return None if known is None or known[1].finished.is_set() else known[0]


def stop(path: Path) -> None:
    """End it: the index is about to be another."""
    with _lock:
        known = _jobs.get(path.resolve())
    if known is not None:
        known[1].cancel()
        if not known[0].engine.worker.is_current_thread:
            known[1].finished.wait()


def _forget(place: Path, remaining: Remaining) -> None:
    # On the worker's thread, at times inside `start`: without the lock, which a dict's own operations do not need.
    known = _jobs.get(place)
    if known is not None and known[0] is remaining:
        _jobs.pop(place, None)

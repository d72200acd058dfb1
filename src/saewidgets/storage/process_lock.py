"""A lock between processes that the operating system gives up when its holder dies.

Two notebooks started at once must not both convert the demo model into one directory; and a lock file that outlives
a killed process would have to be removed by hand. The kernel's own locks on an open file have neither problem.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_POLL_SECONDS = 0.2

if sys.platform == "win32":
    import msvcrt

    def _take(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

    def _drop(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

    _BUSY: tuple[type[OSError], ...] = (PermissionError, BlockingIOError)
else:
    import fcntl

    def _take(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _drop(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)

    _BUSY = (BlockingIOError,)


@contextmanager
def process_lock(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock on the file `path` (made if missing, and left behind: removing it would be a race).

    Args:
        waiting: called once, if another process holds the lock.
    """
    with path.open("ab") as file:
        told = False
        while True:
            try:
                _take(file)
                break
            except _BUSY:
                if not told:
                    waiting()
                told = True
                # Polled rather than blocked on, so that the notebook's interrupt button works while waiting.
                time.sleep(_POLL_SECONDS)
        try:
            yield
        finally:
            _drop(file)

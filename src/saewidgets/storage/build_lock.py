"""A lock on a folder between processes, and between machines that mount it.

On one machine the operating system's lock is enough: it ends with its holder, and whoever comes second waits. Between machines that
share a folder it may mean nothing. So the holder also writes who it is; a process of another machine that finds this neither waits
(for what, if that machine is gone?) nor goes on, but says what is known, and what to remove if it is known to be over.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import IndexLockedError
from .process_lock import process_lock
from .shelf import FolderShelf, Shelf

__all__ = ["LOCKS", "build_lock", "owned"]

_LOCK, _OWNER = ".lock", ".owner.json"

LOCKS = (_LOCK, _OWNER)
"""What is left in a folder that was locked, and no part of what it holds."""


@contextmanager
def build_lock(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the folder `path` against all other processes, here and on other machines.

    Args:
        waiting: called once, if another process of this machine holds it; then it is waited for.

    Raises:
        IndexLockedError: if a process of another machine holds it, or ended without saying so.
    """
    with process_lock(path / _LOCK, waiting), owned(FolderShelf(str(path)), alone=True):
        yield


@contextmanager
def owned(shelf: Shelf, *, alone: bool = False) -> Iterator[None]:
    """Write on a shelf who works there, and raise if somebody else does.

    Between two machines that begin within the same instant it is a best effort: what is shared has no locks of its own.

    Args:
        alone: whether it is known that no other process of this machine works there.

    Raises:
        IndexLockedError: naming machine, process and time of who does, and the file to remove if that is over.
    """
    me = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
    }
    _unless_taken(shelf, me, alone)
    shelf.write(_OWNER, json.dumps(me).encode())
    _unless_taken(shelf, me, alone)
    try:
        yield
    finally:
        shelf.write(_OWNER, None)


def _unless_taken(shelf: Shelf, me: dict[str, object], alone: bool) -> None:
    content = shelf.read(_OWNER)
    try:
        who = json.loads(content or b"{}")
    except ValueError:
        who = {"host": "an unknown machine"}
    if not who or who == me:
        return
    if who.get("host") == me["host"] and (alone or not _runs(int(who.get("pid", 0)))):
        return  # of a process that was killed
    raise IndexLockedError(
        f"{shelf.where} is being written by another build: on {who.get('host')}, process {who.get('pid')}, since "
        f"{who.get('since')}. Wait for its end, or choose another path. If it does not run any more, remove "
        f"{shelf.where}/{_OWNER} and make the same call again: it goes on from the shards that are done."
    )


def _runs(pid: int) -> bool:
    if pid <= 0:
        return False
    if sys.platform == "win32":
        return True  # asking there would end it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True

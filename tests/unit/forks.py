"""A process that kills itself in the middle of its work, and what it leaves of an index."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

import saewidgets as sw
from saewidgets.engine.activations.reader import Reader
from saewidgets.engine.ticket import Ticket
from saewidgets.index.scan import scan
from saewidgets.storage import array_folder

linux = pytest.mark.skipif(sys.platform != "linux", reason="forks, which only Linux does safely here")

Calls = Sequence[tuple[object, str]]

_ALWAYS: Calls = (
    (os, "replace"),
    (array_folder, "sync"),
    (array_folder.FolderWriter, "put_bytes"),
    (shutil, "rmtree"),
    (Path, "write_text"),
    (Reader, "_forward"),
)


def contents(path: Path) -> dict[str, str]:
    """The store's files and their hashes."""
    return hashes(sw.FeatureIndex.open(path).folder.path)


def hashes(store: Path) -> dict[str, str]:
    """The files of a folder and their hashes."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(store.iterdir())}


@dataclass(frozen=True)
class Child:
    """How a forked process ended.

    Attributes:
        killed: by itself; else it did all its work.
        calls: counted calls; scanned: those of them before the (last) scan was done.
    """

    killed: bool
    calls: int
    scanned: int


def in_a_child(work: Callable[[], object], at: int = 0, also: Calls = ()) -> Child:
    """Work in a forked process that kills itself at its `at`-th counted call (0: never).

    Args:
        also: functions (owner, name) whose calls count, beside those that replace, sync, remove or compute.
    """
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads: the child makes its own
        child = os.fork()
    if child == 0:
        try:
            os.close(read)
            torch.set_num_threads(1)  # the parent's pool of threads does not live here
            _count_and_die(at, [*_ALWAYS, *also], write)
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        told = pipe.read()
    status = os.waitpid(child, 0)[1]
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert status == 0 or (at and killed)
    return Child(killed, told.count(b"."), told.rpartition(b"s")[0].count(b"."))


def killed_at(at: int) -> None:
    """Let this process kill itself at its `at`-th call that replaces, syncs, removes or computes something."""
    _count_and_die(at, _ALWAYS, os.open(os.devnull, os.O_WRONLY))


def _count_and_die(at: int, counted: Calls, told: int) -> None:
    calls = 0

    def around(owner: object, name: str) -> None:
        original = getattr(owner, name)

        def called(*args: object, **kwargs: object) -> object:
            nonlocal calls
            calls += 1
            os.write(told, b".")
            if calls == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **kwargs)

        setattr(owner, name, called)

    for owner, name in counted:
        around(owner, name)
    run = scan.Scan.run

    def scanned(self: scan.Scan, ticket: Ticket) -> None:
        run(self, ticket)
        os.write(told, b"s")

    scan.Scan.run = scanned  # type: ignore[method-assign]

"""Two builds on one folder, from one machine and from two."""

from __future__ import annotations

import json
import multiprocessing
import socket
from pathlib import Path

import pytest

from saewidgets.storage.build_lock import build_lock, owned
from saewidgets.storage.errors import IndexLockedError
from saewidgets.storage.shelf import shelf_at


def ended_pid() -> int:
    """A process that was, and is no more."""
    process = multiprocessing.get_context("spawn").Process()
    process.start()
    process.join()
    assert process.pid is not None
    return process.pid


def test_another_machine_is_named_with_the_remedy(tmp_path: Path) -> None:
    owner = tmp_path / ".owner.json"
    owner.write_text(json.dumps({"host": "gpu-7", "pid": 41, "since": "2026-11-29 08:00:00 UTC"}))
    with pytest.raises(IndexLockedError) as raised, build_lock(tmp_path, pytest.fail):
        pytest.fail("held by two")
    for told in ("gpu-7", "process 41", "2026-11-29 08:00:00 UTC", str(owner)):
        assert told in str(raised.value)
    assert "gpu-7" in owner.read_text()  # it is not ours to remove
    owner.unlink()
    with build_lock(tmp_path, pytest.fail):
        assert json.loads(owner.read_text())["host"] == socket.gethostname()
    assert not owner.exists()


def test_a_process_of_this_machine_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    left = json.dumps({"host": socket.gethostname(), "pid": 1, "since": "yesterday"})
    (tmp_path / ".owner.json").write_text(left)
    with build_lock(tmp_path, pytest.fail):  # the operating system's lock is free: whoever wrote that is gone
        pass
    (tmp_path / ".owner.json").write_text("{ damaged")
    with pytest.raises(IndexLockedError, match="unknown machine"), build_lock(tmp_path, pytest.fail):
        pytest.fail("held by two")


def test_a_shared_shelf_has_one_owner(tmp_path: Path) -> None:
    shelf = shelf_at(f"file://{tmp_path}/shelf")
    with owned(shelf):
        assert shelf.read(".owner.json")
    assert shelf.read(".owner.json") is None
    here = {"host": socket.gethostname(), "since": "now"}
    shelf.write(".owner.json", json.dumps({**here, "pid": 1}).encode())  # runs, and is not this process
    with pytest.raises(IndexLockedError, match=r"process 1, .*remove .*/\.owner\.json"), owned(shelf):
        pytest.fail("held by two")
    shelf.write(".owner.json", json.dumps({**here, "pid": ended_pid()}).encode())
    with owned(shelf):
        pass

"""Folders on a shelf are whole or not there, wherever it is; what was cut short is found."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from saewidgets.storage.array_folder import CONTENTS, Folder, FolderWriter
from saewidgets.storage.errors import IndexCorruptError, IndexWriteError
from saewidgets.storage.shelf import FolderShelf, Shelf, UrlShelf, shelf_at

NUMBERS = np.arange(100_000, dtype=np.int64)


@pytest.fixture(params=["folder", "memory", "file"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    """A folder, and urls of an object store (in memory) and of a file system."""
    places = {"folder": tmp_path / "shelf", "memory": f"memory://{uuid.uuid4()}", "file": f"file://{tmp_path}/shelf"}
    return shelf_at(places[request.param])


def put(shelf: Shelf, name: str, numbers: np.ndarray = NUMBERS) -> None:
    with shelf.scratch() as scratch:
        with FolderWriter(scratch / name) as writer:
            writer.put("numbers", numbers)
            writer.put_bytes("said", b"hello")
            writer.commit({"what": name, "n": len(numbers)})
        shelf.put(scratch / name, name)
        assert not (scratch / name).exists()


def test_what_is_put_is_there_and_removed_is_not(shelf: Shelf) -> None:
    assert shelf.names() == []
    put(shelf, "state-1")
    put(shelf, "state-2", NUMBERS[:7])
    put(shelf, "other")
    assert shelf.names() == ["other", "state-1", "state-2"] and shelf.names("state-") == ["state-1", "state-2"]
    assert shelf.facts("state-2") == {"what": "state-2", "n": 7}
    with shelf.opened("state-1") as path:
        folder = Folder(path)
        folder.verify()
        np.testing.assert_array_equal(folder.read("numbers"), NUMBERS)
    assert path.exists() == isinstance(shelf, FolderShelf)  # a copy goes at once
    put(shelf, "state-1", NUMBERS[:5])  # in place of what has that name
    with shelf.opened("state-1") as path:
        assert Folder(path).length("numbers") == 5
    shelf.remove("state-1")
    shelf.remove("never there")
    assert shelf.names("state-") == ["state-2"]
    with pytest.raises(IndexCorruptError), shelf.opened("state-1"):
        pass


def test_small_files(shelf: Shelf) -> None:
    assert shelf.read("note") is None
    shelf.write("note", b"one")
    shelf.write("note", b"two")
    assert shelf.read("note") == b"two" and shelf.names() == []
    shelf.write("note", None)
    shelf.write("note", None)
    assert shelf.read("note") is None


def test_what_was_cut_short_is_found(shelf: Shelf) -> None:
    put(shelf, "state-1")
    content = shelf.read("state-1/numbers.npy")
    assert content is not None
    shelf.write("state-1/numbers.npy", content[:1000])
    with pytest.raises(IndexCorruptError, match="numbers.npy.* has 1000 bytes"):
        shelf.facts("state-1")
    with pytest.raises(IndexCorruptError, match="numbers.npy.* has 1000 bytes"), shelf.opened("state-1"):
        pass
    shelf.write("state-1/numbers.npy", content[:-1] + b"!")  # of the right length
    with pytest.raises(IndexCorruptError, match="altered"), shelf.opened("state-1") as path:
        Folder(path).verify()
    shelf.remove("state-1")
    put(shelf, "state-1")  # the same again, though the damaged one had the same table of contents
    with shelf.opened("state-1") as path:
        Folder(path).verify()


def test_a_put_that_was_cut_short_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = UrlShelf(f"file://{tmp_path}/shelf")
    files, root = shelf._open()
    original: Callable[..., object] = files.put_file

    def until_the_last(source: str, target: str) -> None:
        if target.endswith(CONTENTS):
            raise OSError("the connection is gone")
        original(source, target)

    monkeypatch.setattr(files, "put_file", until_the_last)
    with pytest.raises(OSError, match="gone"):
        put(shelf, "state-1")
    assert files.exists(f"{root}/state-1/numbers.npy") and shelf.names() == []
    files.makedirs(f"{root}/of others")
    shelf.tidy("state-")
    assert files.exists(f"{root}/of others") and not files.exists(f"{root}/state-1")


def test_two_that_put_the_same(tmp_path: Path) -> None:
    shelf = shelf_at(tmp_path / "shelf")
    put(shelf, "state-1")
    before = (tmp_path / "shelf" / "state-1" / "numbers.npy").stat().st_ino
    put(shelf, "state-1")  # it may be read meanwhile: it stays
    assert (tmp_path / "shelf" / "state-1" / "numbers.npy").stat().st_ino == before
    with shelf.scratch() as left:
        shelf.tidy("state-")  # what a killed process left
        assert not left.exists()


def test_a_place_that_fsspec_does_not_know() -> None:
    with pytest.raises(IndexWriteError, match="nowhere://bucket.*Install fsspec's package"):
        shelf_at("nowhere://bucket/states")

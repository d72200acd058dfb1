"""Folders of memory-mapped NumPy arrays that notice when a byte of them changed.

Every array is an ordinary `.npy` file. Its folder's table of contents keeps a CRC-32 of each of its pages; a read
verifies the pages that it touches, so that opening stays instant and an altered file is still an error, not a number.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .errors import IndexCorruptError, IndexVersionError
from .npy import HEADER, PAGE, bytes_of, checksums, header

Array: TypeAlias = npt.NDArray[Any]

CONTENTS = "contents.json"


class FolderWriter:
    """Writes arrays into `path` under a temporary name; `commit()` makes the folder appear, whole, under its own.

    A context manager: what was written is removed again if something fails.

    Args:
        path: the folder; one that is there already is replaced by `commit`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.temporary = path.with_name(f".{path.name}.tmp")
        self._arrays: dict[str, object] = {}
        self._files: dict[str, object] = {}
        if self.temporary.exists():
            shutil.rmtree(self.temporary)
        self.temporary.mkdir(parents=True)

    def put(self, name: str, array: Array) -> None:
        """Write one array."""
        with self.appending(name, array.dtype, array.shape[1:]) as writer:
            writer.append(array)

    def appending(self, name: str, dtype: npt.DTypeLike, row: tuple[int, ...] = ()) -> ArrayWriter:
        """An array that grows along its first axis; use it as a context manager."""
        return ArrayWriter(self, name, np.dtype(dtype).newbyteorder("<"), row)

    def put_bytes(self, name: str, content: bytes) -> None:
        """Write a file that is no array."""
        (self.temporary / name).write_bytes(content)
        self._files[name] = {"bytes": len(content), "crc": [zlib.crc32(content)]}

    def put_table(self, name: str, table: pa.Table) -> None:
        """Write an Arrow table."""
        out = pa.BufferOutputStream()
        with pa.ipc.new_file(out, table.schema) as sink:
            sink.write_table(table)
        self.put_bytes(name, out.getvalue().to_pybytes())

    def commit(self, facts: Mapping[str, object]) -> None:
        """Write the table of contents with `facts`, flush everything to disk, and give the folder its name."""
        contents: dict[str, object] = {"facts": dict(facts), "arrays": self._arrays, "files": self._files}
        contents["crc"] = crc_of(contents)
        (self.temporary / CONTENTS).write_text(json.dumps(contents, indent=1, sort_keys=True), encoding="utf-8")
        for file in self.temporary.iterdir():
            sync(file)
        if self.path.exists():
            shutil.rmtree(self.path)
        os.replace(self.temporary, self.path)
        sync(self.path.parent)

    def __enter__(self) -> FolderWriter:
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        if failed is not None:  # a full disk gets its space back
            shutil.rmtree(self.temporary, ignore_errors=True)


class ArrayWriter:
    """One `.npy` file written piece by piece: the header is filled in at the end."""

    def __init__(self, folder: FolderWriter, name: str, dtype: np.dtype[Any], row: tuple[int, ...]) -> None:
        self._folder, self._name, self._dtype, self._row = folder, name, dtype, row
        self.rows = 0
        self._file = (folder.temporary / f"{name}.npy").open("wb")
        self._file.write(b"\0" * HEADER)

    def append(self, rows: Array) -> None:
        """Add rows [n, *row]."""
        self._file.write(np.ascontiguousarray(rows, dtype=self._dtype).tobytes())
        self.rows += len(rows)

    def __enter__(self) -> ArrayWriter:
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        if failed is not None:
            self._file.close()
            return
        self._file.seek(0)
        self._file.write(header(self._dtype, (self.rows, *self._row)))
        self._file.close()
        path = self._folder.temporary / f"{self._name}.npy"
        self._folder._arrays[self._name] = {
            "dtype": self._dtype.str,
            "shape": [self.rows, *self._row],
            "crc": checksums(path),
        }


class Folder:
    """Reads what a `FolderWriter` committed.

    Args:
        mapped: map files into memory, for many small reads; or read what is asked for, which leaves no pages behind that
            count as the process's memory.

    Raises:
        IndexCorruptError: naming the file, if one is missing or has another size than it had when written.
    """

    def __init__(self, path: Path, *, mapped: bool = True) -> None:
        self.path, self._mapped = path, mapped
        self._maps: dict[str, Array] = {}
        self._verified: dict[str, set[int]] = {}
        self._list()

    def _list(self) -> None:
        path = self.path
        self._listed = _stamp(path / CONTENTS)
        try:
            contents = parsed((path / CONTENTS).read_bytes())
        except (OSError, ValueError) as error:
            raise IndexCorruptError(f"{path / CONTENTS} is missing or damaged: build the index again.") from error
        self.facts: dict[str, Any] = contents["facts"]
        self._arrays: dict[str, dict[str, Any]] = contents["arrays"]
        self._files: dict[str, dict[str, Any]] = contents["files"]
        self._row_bytes = {
            name: bytes_of(entry) // max(1, int(entry["shape"][0])) for name, entry in self._arrays.items()
        }
        for name, size in sizes_of(contents).items():
            self._check_size(name, size)

    def refresh(self) -> None:
        """See what a `FolderAddition` added since."""
        if _stamp(self.path / CONTENTS) != self._listed:
            self._list()

    def __contains__(self, name: str) -> bool:
        return name in self._arrays or name in self._files

    def names(self) -> list[str]:
        """The arrays in it."""
        return [*self._arrays]

    def length(self, name: str) -> int:
        """Rows of an array."""
        return int(self._entry(name)["shape"][0])

    def read(self, name: str, start: int = 0, stop: int | None = None) -> Array:
        """Rows [start:stop) of an array, verified. Of a mapped folder they are read-only, and not a copy.

        Raises:
            IndexCorruptError: if a byte of their pages changed since they were written.
        """
        entry = self._entry(name)
        rows = int(entry["shape"][0])
        stop = rows if stop is None else min(stop, rows)
        size = self._row_bytes[name]
        first, last = HEADER + start * size, HEADER + max(start, stop) * size
        self._verify(name, range(first // PAGE, -(-last // PAGE)))
        if not self._mapped:
            return self._load(name, entry, start, max(start, stop))
        return self._mapped_array(name, entry)[start:stop]

    def take(self, name: str, rows: Array) -> Array:
        """The rows of an array at these indices, which may be of any shape: a copy. Only their pages are read and verified.

        Raises:
            IndexCorruptError: if a byte of these pages changed since they were written. IndexError: for a row that there is not.
        """
        entry, size = self._entry(name), self._row_bytes[name]
        if rows.size and not 0 <= int(rows.min()) <= int(rows.max()) < int(entry["shape"][0]):
            raise IndexError(f"{name} has rows 0 to {int(entry['shape'][0]) - 1}.")
        start = HEADER + rows.astype(np.int64) * size
        pages = np.zeros(len(entry["crc"]), bool)
        for byte in (*range(0, size, PAGE), size - 1):
            pages[(start + byte) // PAGE] = True
        self._verify(name, np.flatnonzero(pages).tolist())
        return self._mapped_array(name, entry)[rows]

    def read_bytes(self, name: str) -> bytes:
        """A file that is no array, verified."""
        path = self.path / name
        try:
            entry, content = self._files[name], path.read_bytes()
        except (KeyError, FileNotFoundError):
            raise IndexCorruptError(f"{path} is missing: open the index again, or build it again.") from None
        if zlib.crc32(content) != entry["crc"][0]:
            raise IndexCorruptError(_altered(path))
        return content

    def read_table(self, name: str) -> pa.Table:
        """A file that is an Arrow table, verified; its columns stay on disk."""
        self.read_bytes(name)
        with pa.memory_map(str(self.path / name)) as source:
            return pa.ipc.open_file(source).read_all()

    def verify(self) -> None:
        """Read and check every byte.

        Raises:
            IndexCorruptError: naming the first file that changed.
        """
        for name in self._arrays:
            self.read(name)
        for name in self._files:
            self.read_bytes(name)

    def _entry(self, name: str) -> dict[str, Any]:
        if name not in self._arrays:
            raise IndexVersionError(f"{self.path} holds no {name!r}: it was written by another version of saewidgets.")
        return self._arrays[name]

    def _check_size(self, file: str, size: int) -> None:
        path = self.path / file
        try:
            found = path.stat().st_size
        except OSError:
            raise IndexCorruptError(f"{path} is missing: copy the index again, or build it again.") from None
        if found != size:
            raise IndexCorruptError(
                f"{path} has {found} bytes, but {size} were written: it is truncated or altered. Copy the index again, "
                "or build it again."
            )

    def _load(self, name: str, entry: Mapping[str, Any], start: int, stop: int) -> Array:
        row = tuple(int(n) for n in entry["shape"][1:])
        offset, count = HEADER + start * self._row_bytes[name], (stop - start) * math.prod(row)
        loaded = np.fromfile(self.path / f"{name}.npy", np.dtype(entry["dtype"]), count=count, offset=offset)
        return cast(Array, loaded.reshape(stop - start, *row))

    def _mapped_array(self, name: str, entry: Mapping[str, Any]) -> Array:
        if name not in self._maps:
            self._maps[name] = self._map(name, entry)
        return self._maps[name]

    def _map(self, name: str, entry: Mapping[str, Any]) -> Array:
        shape = tuple(int(n) for n in entry["shape"])
        path = self.path / f"{name}.npy"
        if 0 in shape:
            return np.zeros(shape, np.dtype(entry["dtype"]))
        # What the header says is not asked: the table of contents says the same, and the header is verified with it.
        mapped = np.memmap(path, dtype=np.dtype(entry["dtype"]), mode="r", offset=HEADER, shape=shape)
        return cast(Array, mapped.view(np.ndarray))

    def _verify(self, name: str, pages: Iterable[int]) -> None:
        done = self._verified.setdefault(name, set())
        todo = [page for page in pages if page not in done]
        if not todo:
            return
        path = self.path / f"{name}.npy"
        try:
            with path.open("rb") as file:
                for page in todo:
                    file.seek(page * PAGE)
                    if zlib.crc32(file.read(PAGE)) != self._arrays[name]["crc"][page]:
                        raise IndexCorruptError(_altered(path))
                    done.add(page)
        except FileNotFoundError:
            raise IndexCorruptError(f"{path} is missing: open the index again, or build it again.") from None


def _stamp(path: Path) -> tuple[int, int] | None:
    """Changes when a file is replaced."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def parsed(content: bytes) -> dict[str, Any]:
    """A table of contents: "facts", "arrays" and "files"; a ValueError if it is damaged."""
    contents = json.loads(content)
    if not isinstance(contents, dict) or contents.pop("crc", None) != crc_of(contents):
        raise ValueError("its checksum differs")
    return contents


def sizes_of(contents: Mapping[str, Any]) -> dict[str, int]:
    """The files that a table of contents names, and how many bytes each has."""
    arrays = {f"{name}.npy": HEADER + bytes_of(entry) for name, entry in contents["arrays"].items()}
    return arrays | {name: int(entry["bytes"]) for name, entry in contents["files"].items()}


def crc_of(contents: Mapping[str, object]) -> int:
    """Of a table of contents without its own checksum."""
    return zlib.crc32(json.dumps(contents, sort_keys=True).encode())


def _altered(path: Path) -> str:
    return f"{path} was altered after it was written (its checksum differs): copy the index again, or build it again."


def sync(path: Path) -> None:
    """Flush a file or folder to disk. (Windows cannot open folders, and does not need to.)"""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        # Some file systems cannot flush a folder; a file that cannot be flushed is not written.
        if not path.is_dir():
            raise
    finally:
        os.close(handle)

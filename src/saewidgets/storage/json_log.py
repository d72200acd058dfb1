"""A file that only grows, of one JSON object a line: for what people write by hand.

Two notebooks may write at once and nothing is lost, what was written stays as history, and a line that a crash cut off
costs that line alone. Two logs are joined by putting one after the other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import writing
from .process_lock import process_lock

__all__ = ["JsonLog"]


class JsonLog:
    """The log at `path`, which need not exist yet.

    Attributes:
        damaged: lines that could not be read, counted from 1.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged: list[int] = []
        self._read, self._lines = 0, 0
        self._file: int | None = None

    def append(self, entries: Sequence[Mapping[str, object]]) -> None:
        """Write entries after whatever is there, all of them or none; they are on the disk when this returns.

        Raises:
            IndexWriteError: if the disk is full, or the place read-only.
        """
        content = "".join(json.dumps(dict(entry), ensure_ascii=False) + "\n" for entry in entries).encode()
        with (
            writing(self.path),
            process_lock(self.path.with_name(f"{self.path.name}.lock"), lambda: None),
            self.path.open("ab+") as file,
        ):
            before = file.seek(0, os.SEEK_END)
            if before:
                file.seek(before - 1)
                if file.read(1) != b"\n":  # a writer died within its line
                    content = b"\n" + content
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(before)
                raise

    def news(self) -> tuple[bool, list[dict[str, object]]]:
        """Whether the file was replaced by another one, and the entries that were appended since the last call, by whomever.

        At first, and of a replaced file, these are all of them. What is not an object is left out and its line noted in
        `damaged`. A last line without an end is left for later: its writer may not have finished.
        """
        try:
            now = self.path.stat()
        except FileNotFoundError:
            anew = self._file is not None
            self.restart()
            return anew, []
        anew = self._file not in (None, now.st_ino) or now.st_size < self._read
        if anew:
            self.restart()
        self._file = now.st_ino
        if now.st_size == self._read:
            return anew, []
        with self.path.open("rb") as file:
            file.seek(self._read)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._read += len(whole)
        found = []
        for line in whole.split(b"\n")[:-1]:
            self._lines += 1
            if not line.strip():
                continue
            try:
                entry = json.loads(line.decode())
                if not isinstance(entry, dict):
                    raise ValueError
                found.append(entry)
            except ValueError:
                self.damaged.append(self._lines)
        return anew, found

    def restart(self) -> None:
        """Forget what was read: the next `news` are all entries."""
        self._read = self._lines = 0
        self._file = None
        self.damaged.clear()

"""Files of JSON, a row at a time: what is wrong with one row, or from a point on, costs that and no more."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

from .errors import FormatError, Skipped
from .records import Json

__all__ = ["content_of", "files_in", "is_lines", "rows", "write_json", "write_lines"]

_LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
_WHOLE = (".json", ".json.gz")
# Neuronpedia's own.
_LEVEL = 5


def files_in(path: Path) -> list[Path]:
    """The files of JSON at `path`, or below it, batch 2 before batch 10.

    Raises:
        FileNotFoundError: if there is nothing at `path`. FormatError: if there is no such file.
    """
    if path.is_file():
        if not path.name.lower().endswith((*_LINES, *_WHOLE)):
            raise FormatError(f"{path} is none of {', '.join((*_LINES, *_WHOLE))}.")
        return [path]
    if not path.exists():
        raise FileNotFoundError(f"There is nothing at {path}.")
    found = [file for file in path.rglob("*") if file.is_file() and file.name.lower().endswith((*_LINES, *_WHOLE))]
    if not found:
        raise FormatError(f"There is no file of JSON (.json, .jsonl, .jsonl.gz) in {path}.")
    return sorted(
        found, key=lambda file: (str(file.parent), [int(n) for n in re.findall(r"\d+", file.name)], file.name)
    )


def is_lines(path: Path) -> bool:
    """Whether a file has an object a line, by its name."""
    return path.name.lower().endswith(_LINES)


def rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any] | Skipped]]:
    """The objects of a file with one a line, each with its line; and what could not be read of it."""
    line = 0
    try:
        with _opened(path) as file:
            for line, content in enumerate(file, 1):
                if content.strip():
                    yield line, _row(content, path, line)
    except (EOFError, OSError, zlib.error) as error:
        # What was read before the damage was given already.
        yield line + 1, Skipped(path.name, line + 1, f"the file is damaged or cut off from here ({error})")
        return
    if line == 0:
        yield 1, Skipped(path.name, 1, "the file is empty")


def _row(content: bytes, path: Path, line: int) -> Mapping[str, Any] | Skipped:
    try:
        row = json.loads(content.decode())
    except (ValueError, RecursionError):
        return Skipped(path.name, line, "it is no JSON (cut off?)")
    return row if isinstance(row, dict) else Skipped(path.name, line, f"it is {type(row).__name__}, not an object")


def content_of(path: Path) -> object | Skipped:
    """The content of a file that is one JSON value; or why there is none, with the line where it ends or breaks."""
    try:
        with _opened(path) as file:
            text = file.read().decode()
    except (EOFError, OSError, zlib.error, UnicodeDecodeError) as error:
        return Skipped(path.name, 1, f"the file is damaged or cut off ({error})")
    if not text.strip():
        return Skipped(path.name, 1, "the file is empty")
    try:
        found: object = json.loads(text)
    except json.JSONDecodeError as error:
        return Skipped(path.name, error.lineno, f"it is no JSON ({error.msg}; cut off?)")
    except ValueError as error:
        return Skipped(path.name, 1, f"it is no JSON that can be read ({error})")
    except RecursionError:
        return Skipped(path.name, 1, "it is nested too deeply")
    return found


def write_lines(path: Path, content: Iterable[Mapping[str, Json]]) -> None:
    """Write an object a line; the same content gives the same bytes, in .gz too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as raw:
        if path.suffix != ".gz":
            raw.writelines(_dumped(row) + b"\n" for row in content)
            return
        with gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=raw, mtime=0) as file:
            for row in content:
                file.write(_dumped(row) + b"\n")


def write_json(path: Path, content: Mapping[str, Json]) -> None:
    """Write one object."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_dumped(content))


def _dumped(row: Mapping[str, Json]) -> bytes:
    # In ASCII: a lone surrogate of a hostile file goes through as it came.
    return json.dumps(row, allow_nan=False, separators=(",", ":")).encode()


def _opened(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if path.name.lower().endswith(".gz") else path.open("rb")

"""Corpora in files: parquet, JSON lines and plain text, a row at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import CorpusError

_BATCH = 256


class CorpusFiles:
    """The rows of corpus files, one file after another; can be iterated again, and is never in memory as a whole.

    Args:
        paths: `.parquet` and `.jsonl` (or `.ndjson`) files hold one document a row; any other file (`.txt`, `.md`) is
            one document.

    Attributes:
        paths: of the files, in their order.

    Raises:
        CorpusError: for a file that is not there.

    Example:
        >>> sw.build_index(engine, sw.CorpusFiles(["corpus.parquet"]), "my-index")
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self.paths = [Path(path) for path in paths]
        for path in self.paths:
            if not path.is_file():
                raise CorpusError(f"There is no file {path}.")

    def __iter__(self) -> Iterator[dict[str, object]]:
        for path in self.paths:
            kind = path.suffix.lower()
            if kind == ".parquet":
                yield from _parquet(path)
            elif kind in (".jsonl", ".ndjson"):
                yield from _json_lines(path)
            else:
                yield {"text": read_text(path), "id": path.name}


def _parquet(path: Path) -> Iterator[dict[str, object]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH):
                yield from batch.to_pylist()
    except pa.ArrowInvalid as error:
        raise CorpusError(f"{path} is no parquet file: {error}") from error


def _json_lines(path: Path) -> Iterator[dict[str, object]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise CorpusError(f"{path}, line {number}: this is no JSON ({error}).") from error
            yield row if isinstance(row, dict) else {"text": row}


def read_text(path: Path) -> str:
    """A text file."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} is no UTF-8 text: {error}.") from error

"""Documents of a corpus by their numbers, where it lies in files: read by whoever has only the names of these files.

A corpus that is one stream must be read from its beginning by one process. Parquet files and datasets on disk say how many rows they
have, so that any process can begin anywhere in them. Rows and their order are those that `rows.py` gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import CorpusError
from .files import CorpusFiles, read_text
from .rows import TOKEN_COLUMN

if TYPE_CHECKING:
    from datasets.arrow_dataset import Dataset

__all__ = ["DatasetRows", "FileRows", "NumberedRows", "numbered_rows"]

_BATCH = 256


class NumberedRows(Protocol):
    """A corpus whose rows have numbers; names of files only, so that it can be sent to other machines."""

    def __len__(self) -> int:
        """How many documents it has."""

    def rows(self, start: int, stop: int) -> Iterator[object]:
        """The rows [start, stop), one a document.

        Raises:
            CorpusError: for a file that is not there, or is another one than it was.
        """


def numbered_rows(corpus: object) -> NumberedRows | None:
    """A corpus as ranges of rows, if it lies in files that can be begun anywhere; else None.

    These are `CorpusFiles` of parquet and text files (of JSON lines nobody knows how many there are), and a `datasets.Dataset` that is
    on disk as it is: neither filtered, shuffled, sliced nor changed since it was written (`save_to_disk` writes such a one).
    """
    if isinstance(corpus, CorpusFiles):
        return _of_files(corpus.paths)
    if type(corpus).__module__.partition(".")[0] == "datasets" and hasattr(corpus, "cache_files"):
        return _of_dataset(corpus)
    return None


@dataclass(frozen=True)
class FileRows:
    """Parquet files, and text files of one document each.

    Attributes:
        paths: of the files, absolute.
        counts: rows of every row group of each file; of a text file (1,).
    """

    paths: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return sum(map(sum, self.counts))

    def rows(self, start: int, stop: int) -> Iterator[object]:
        first = 0
        for name, groups in zip(self.paths, self.counts, strict=True):
            n = sum(groups)
            low, high = max(start - first, 0), min(stop - first, n)
            if low < high:
                path = Path(name)
                _must_be_there(path)
                if path.suffix.lower() == ".parquet":
                    yield from _of_parquet(path, groups, low, high)
                else:
                    yield {"text": read_text(path), "id": path.name}
            first += n


@dataclass(frozen=True)
class DatasetRows:
    """A dataset of Hugging Face's `datasets`, by its Arrow files.

    Attributes:
        paths: of the files, absolute.
        length: rows.
    """

    paths: tuple[str, ...]
    length: int

    def __len__(self) -> int:
        return self.length

    def rows(self, start: int, stop: int) -> Iterator[object]:
        for path in self.paths:
            _must_be_there(Path(path))
        dataset = _opened(self.paths)
        if len(dataset) != self.length:
            raise CorpusError(
                f"The dataset in {self.paths[0]} has {len(dataset):,} rows here, and had {self.length:,} where the build was begun."
            )
        if start < self.length:
            yield from dataset.select(range(start, min(stop, self.length)))


def _of_files(paths: Sequence[Path]) -> FileRows | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    counts: list[tuple[int, ...]] = []
    for path in paths:
        if path.suffix.lower() in (".jsonl", ".ndjson"):
            return None
        if path.suffix.lower() != ".parquet":
            counts.append((1,))
            continue
        try:
            with pq.ParquetFile(path) as file:
                if _has_batches(file.schema_arrow):
                    return None
                counts.append(tuple(file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)))
        except pa.ArrowInvalid as error:
            raise CorpusError(f"{path} is no parquet file: {error}") from error
    return FileRows(tuple(str(path.absolute()) for path in paths), tuple(counts))


def _of_parquet(path: Path, groups: Sequence[int], low: int, high: int) -> Iterator[object]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    ends = list(accumulate(groups))
    asked = [i for i, end in enumerate(ends) if end > low and end - groups[i] < high]
    at = ends[asked[0]] - groups[asked[0]]
    try:
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows != ends[-1]:
                raise CorpusError(
                    f"{path} has {file.metadata.num_rows:,} rows here, and had {ends[-1]:,} where the build was begun."
                )
            for batch in file.iter_batches(_BATCH, row_groups=asked):
                first, last = max(low - at, 0), min(high - at, batch.num_rows)
                at += batch.num_rows
                if first < last:
                    yield from batch.slice(first, last - first).to_pylist()
                if at >= high:
                    return
    except pa.ArrowInvalid as error:
        raise CorpusError(f"{path} is no parquet file: {error}") from error


def _of_dataset(corpus: Any) -> DatasetRows | None:
    # What was changed since the files were written is not in them: then it is one stream, like any other.
    paths = tuple(str(Path(file["filename"]).absolute()) for file in corpus.cache_files)
    plain = corpus.format
    if not paths or plain["type"] is not None or list(plain["columns"]) != list(corpus.column_names):
        return None
    if corpus._indices is not None or any(getattr(block, "replays", None) for block in _blocks(corpus.data)):
        return None
    try:
        stored = _opened(paths)
    except (OSError, ValueError):
        return None
    same = len(stored) == len(corpus) and stored.features == corpus.features and not _has_batches(stored.data.schema)
    return DatasetRows(paths, len(corpus)) if same else None


def _blocks(table: Any) -> list[Any]:
    """The tables that a dataset's table is made of."""
    inner = getattr(table, "blocks", None)
    return [table] if inner is None else [block for row in inner for block in row]


@lru_cache(maxsize=4)
def _opened(paths: tuple[str, ...]) -> Dataset:
    """A dataset by its files: mapped into memory, not read."""
    from datasets.arrow_dataset import Dataset
    from datasets.combine import concatenate_datasets

    parts = [Dataset.from_file(path) for path in paths]
    return parts[0] if len(parts) == 1 else concatenate_datasets(parts)


def _has_batches(schema: Any) -> bool:
    """Whether a row holds several documents: rows of token ids in one cell."""
    import pyarrow as pa

    if TOKEN_COLUMN not in schema.names:
        return False
    kind = schema.field(TOKEN_COLUMN).type
    return bool(pa.types.is_nested(kind) and pa.types.is_nested(kind.value_type))


def _must_be_there(path: Path) -> None:
    if not path.is_file():
        raise CorpusError(f"There is no file {path}.")

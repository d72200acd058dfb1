"""Tables, datasets, batches and arrays as rows: one document each, a few of them in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from ...engine.arrays import is_tensor
from ..errors import CorpusError

_BATCH = 256

TOKEN_COLUMN = "input_ids"


def is_read_once(corpus: object) -> bool:
    """Whether what was read of a corpus is gone: generators, files, Arrow's readers."""
    return hasattr(corpus, "__next__") or (isinstance(corpus, Iterator) and iter(corpus) is corpus)


def rows_of(corpus: object) -> Iterator[object]:
    """The rows of a corpus: mappings with columns, or what a document is.

    Raises:
        CorpusError: for something that is no corpus.
    """
    for row in _rows(corpus):
        if hasattr(row, "__arrow_c_stream__"):  # of a generator of record batches
            yield from _arrow(row)
        elif isinstance(row, Mapping):
            yield from _unbatched(cast("Mapping[str, object]", row))
        elif (is_tensor(row) or isinstance(row, np.ndarray)) and row.ndim == 2:
            yield from row
        else:
            yield row


def _rows(corpus: object) -> Iterator[object]:
    if isinstance(corpus, (str, bytes)):
        raise CorpusError(
            "A corpus is a list of texts, a table or dataset with a text column, or an array of token ids; this is one "
            "string. Put it into a list; a file is read by `saewidgets index FILE` or pandas."
        )
    if is_tensor(corpus):
        corpus = corpus.cpu().numpy()
    if isinstance(corpus, np.ndarray):
        if corpus.dtype.kind in "iu":
            if corpus.ndim not in (1, 2):
                raise CorpusError(f"An array of token ids is [n, length] or [length], not {corpus.shape}.")
            return iter(corpus if corpus.ndim == 2 else corpus[None])
        if corpus.dtype.kind not in "OUT":
            raise CorpusError(f"An array of {corpus.dtype} is no corpus: token ids are integers.")
        return iter(corpus)
    if hasattr(corpus, "iter_rows"):  # polars
        return iter(cast(Any, corpus).iter_rows(named=True))
    if hasattr(corpus, "itertuples"):  # pandas: row by row, without turning the whole table into objects
        names = [str(column) for column in cast(Any, corpus).columns]
        return (dict(zip(names, row, strict=True)) for row in cast(Any, corpus).itertuples(index=False, name=None))
    if isinstance(corpus, Mapping):
        if TOKEN_COLUMN in corpus:  # what a tokenizer gives
            return iter([corpus])
        raise CorpusError(
            f"A dict is no corpus. If it is a dataset with splits, pass one of them: {', '.join(map(repr, corpus))}."
        )
    arrow = type(corpus).__module__.partition(".")[0] == "pyarrow"
    if arrow or (hasattr(corpus, "__arrow_c_stream__") and not isinstance(corpus, Iterable)):
        return _arrow(corpus)
    if not isinstance(corpus, Iterable):
        raise CorpusError(f"A {type(corpus).__name__} is no corpus: pass texts, a table, a dataset or token ids.")
    return iter(corpus)


def _arrow(table: Any) -> Iterator[object]:
    """Rows of what holds Arrow data: a table, a record batch, a reader of them, a dataset, a column."""
    import pyarrow as pa

    if isinstance(table, (pa.Array, pa.ChunkedArray)):
        for start in range(0, len(table), _BATCH):
            yield from table.slice(start, _BATCH).to_pylist()
        return
    if not hasattr(table, "__arrow_c_stream__") and hasattr(table, "to_reader"):
        table = table.to_reader()  # a scanner
    elif not hasattr(table, "__arrow_c_stream__") and hasattr(table, "scanner"):
        table = table.scanner().to_reader()  # a dataset
    if not hasattr(table, "__arrow_c_stream__"):
        raise CorpusError(f"A {type(table).__name__} is no corpus: pass a table, its batches, or a column of it.")
    for batch in pa.RecordBatchReader.from_stream(table):
        for start in range(0, batch.num_rows, _BATCH):
            yield from batch.slice(start, _BATCH).to_pylist()


def _unbatched(row: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """A batch of token ids, as a tokenizer or a data loader gives it, row by row; anything else as it is."""
    ids = row.get(TOKEN_COLUMN)
    if not _is_batch(ids):
        yield row
        return
    n = len(cast("Sequence[object]", ids))
    wrong = [name for name, values in row.items() if not hasattr(values, "__len__") or len(cast(Any, values)) != n]
    if wrong:
        raise CorpusError(f"The batch has {n} rows of {TOKEN_COLUMN!r}, and not so many of {wrong[0]!r}.")
    for i in range(n):
        yield {name: cast(Any, values)[i] for name, values in row.items()}


def _is_batch(ids: object) -> bool:
    if (is_tensor(ids) or isinstance(ids, np.ndarray)) and ids.dtype != object:
        return ids.ndim == 2
    return (
        isinstance(ids, (list, tuple, np.ndarray))
        and len(ids) > 0
        and (is_tensor(ids[0]) or isinstance(ids[0], (list, tuple, np.ndarray)))
        and np.ndim(ids[0]) == 1
    )

"""Whatever a user calls a corpus, as a stream of chunks that fit the SAE's context.

Texts, tables, datasets (also streamed ones) and token arrays all become documents; documents become chunks under the
engine's one prompt policy. Nothing is held: a corpus may be larger than memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import numpy as np
import torch

from ..engine.batching import windows
from ..engine.engine import Engine
from ..engine.errors import TokenIdError
from .columns import plain
from .errors import CorpusError

Corpus: TypeAlias = Iterable[object]
"""Texts, rows with a text column (a DataFrame, a dataset, dicts), or token ids ([n, length], or a list of lists)."""


@dataclass(frozen=True)
class Document:
    """One text of the corpus: its token ids, its name, and what else the corpus says of it."""

    number: int
    ids: list[int]
    name: str
    columns: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Chunk:
    """A stretch of a document that goes through the model on its own.

    Attributes:
        ids: token ids, starting with BOS where texts do.
        document: the document it is from.
        start: position in the document's tokens of the first token that is not `lead`.
        lead: leading tokens (a repeated BOS) that are not part of the document there.
    """

    ids: tuple[int, ...]
    document: Document
    start: int
    lead: int


def chunks(
    corpus: Corpus, engine: Engine, context_size: int, text: str | None, name: str | None, first: int = 0
) -> Iterator[Chunk]:
    """The chunks of all documents, in order. Empty documents give none. Documents are numbered from `first` on."""
    for document in documents(corpus, engine, text, name, first):
        for window in windows(document.number, document.ids, context_size, engine.tokenizer.bos_id):
            yield Chunk(window.ids, document, window.start, window.lead)


def documents(corpus: Corpus, engine: Engine, text: str | None, name: str | None, first: int = 0) -> Iterator[Document]:
    """The documents of a corpus, tokenized.

    Args:
        text: the column that holds the text (or the token ids); default: "text", or the only column.
        name: the column that names a document; default: "id" if there is one, else its number.

    Raises:
        CorpusError: for something that is no corpus, or lacks the column.
    """
    for number, row in enumerate(_rows(corpus), first):
        columns: dict[str, object] = {}
        value = row
        label = str(number)
        if isinstance(row, Mapping):
            value, columns = _split(row, text)
            key = name if name is not None else "id"
            if name is not None and name not in row:
                raise CorpusError(f"The corpus has no column {name!r}; it has {', '.join(map(repr, row))}.")
            if key in columns:
                label = str(columns.pop(key))
        yield Document(number, _ids(value, engine, number), label, columns)


def _rows(corpus: object) -> Iterator[object]:
    if isinstance(corpus, (str, bytes)):
        raise CorpusError(
            "A corpus is a list of texts, a table or dataset with a text column, or an array of token ids; this is one "
            "string. Put it into a list; a file is read by `saewidgets index FILE` or pandas."
        )
    if isinstance(corpus, torch.Tensor):
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
        raise CorpusError(
            f"A dict is no corpus. If it is a dataset with splits, pass one of them: {', '.join(map(repr, corpus))}."
        )
    if not isinstance(corpus, Iterable):
        raise CorpusError(f"A {type(corpus).__name__} is no corpus: pass texts, a table, a dataset or token ids.")
    return iter(corpus)


def _split(row: Mapping[str, object], text: str | None) -> tuple[object, dict[str, object]]:
    column = text if text is not None else "text" if "text" in row else next(iter(row)) if len(row) == 1 else None
    if column is None or column not in row:
        asked = f"no column {text!r}" if text is not None else "several columns, none of them called 'text'"
        raise CorpusError(f"The corpus has {asked}: pass text_column= one of {', '.join(map(repr, row))}.")
    return row[column], {str(key): _plain(value) for key, value in row.items() if key != column}


def _plain(value: object) -> object:
    """NumPy's scalars and a table's missing values as Python's."""
    if isinstance(value, (np.datetime64, np.timedelta64)):
        value = plain(value)  # of nanoseconds `item` would make an integer
    if isinstance(value, np.generic):
        value = value.item()
    return None if _missing(value) else value


def _missing(value: object) -> bool:
    """None, NaN, and pandas' own gaps."""
    return (
        value is None or (isinstance(value, float) and value != value) or type(value).__name__ in ("NAType", "NaTType")
    )


def _ids(value: object, engine: Engine, number: int) -> list[int]:
    if _missing(value):
        return []  # a missing text in a table
    if isinstance(value, str):
        return engine.tokenizer.encode(value) if value else []
    if isinstance(value, torch.Tensor):
        value = value.cpu().numpy()
    if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, bytes):
        try:
            return engine.tokenizer.check_ids(cast("Sequence[int]", value))
        except TokenIdError as error:
            raise CorpusError(f"Document {number}: {error}") from error
    raise CorpusError(f"Document {number} is a {type(value).__name__}: texts are strings or token ids.")


def fingerprint(some: Iterable[Chunk]) -> str:
    """A hash of the chunks' token ids: whether it is the same corpus."""
    digest = hashlib.sha256()
    for chunk in some:
        digest.update(len(chunk.ids).to_bytes(8, "little"))
        digest.update(np.array(chunk.ids, dtype="<i8").tobytes())
    return digest.hexdigest()

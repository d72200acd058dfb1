"""Whatever a user calls a corpus, as a stream of chunks that fit the SAE's context.

Texts, tables, datasets (also streamed ones), chats and token arrays all become documents; documents become chunks under the
engine's one prompt policy. Nothing is held: a corpus may be larger than memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import numpy as np

from ...engine.activations.windows import windows
from ...engine.arrays import is_tensor
from ...engine.engine import Engine
from ...engine.text.ids import integers
from ...engine.text.padding import unmasked, unpadded
from ...errors import SaewidgetsError, TokenIdError
from ..errors import CorpusError
from .columns import plain
from .rows import TOKEN_COLUMN, rows_of

Corpus: TypeAlias = Iterable[object]
"""Texts; rows with a text column (a DataFrame, a dataset, an Arrow table, dicts); chats (lists of messages); or token ids
([n, length], lists, rows or batches with "input_ids"). Of token ids padding is left out: where "attention_mask" is 0, or
without one the pad tokens at both ends."""

_TEXT_COLUMNS = ("text", TOKEN_COLUMN, "messages")
_IS_A = "is a"
# What tokenizers give beside the ids, one value a token: nothing to filter examples by.
_BESIDE_IDS = frozenset("attention_mask token_type_ids special_tokens_mask position_ids offset_mapping labels".split())


@dataclass(frozen=True)
class Document:
    """One text of the corpus: its token ids, its name, and what else the corpus says of it."""

    number: int
    ids: list[int]
    name: str
    columns: Mapping[str, object] = field(default_factory=dict)
    named: bool = True
    """Whether the corpus names it; else its name is its number."""


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
        text: the column that holds the text, the token ids or the messages; default: "text", the only column,
            "input_ids" or "messages".
        name: the column that names a document; default: "id" if there is one, else its number.

    Raises:
        CorpusError: for something that is no corpus, or lacks the column; for padding that cannot be told from text.
    """
    for number, row in enumerate(rows_of(corpus), first):
        columns: dict[str, object] = {}
        value = row
        label, named = str(number), False
        if isinstance(row, Mapping):
            value, columns = _split(row, text)
            key = name if name is not None else "id"
            if name is not None and name not in row:
                raise CorpusError(f"The corpus has no column {name!r}; it has {', '.join(map(repr, row))}.")
            if key in columns:
                label, named = str(columns.pop(key)), True
        try:
            ids = _ids(value, engine, row if isinstance(row, Mapping) else {})
        except (CorpusError, TokenIdError) as error:
            joint = " " if str(error).startswith(_IS_A) else ": "
            raise CorpusError(f"Document {number}{joint}{error}") from error
        yield Document(number, ids, label, columns, named)


def _split(row: Mapping[str, object], text: str | None) -> tuple[object, dict[str, object]]:
    """The text of a row, and its other columns."""
    column = text
    if text is None:
        column = next(iter(row)) if len(row) == 1 else next((name for name in _TEXT_COLUMNS if name in row), None)
    if column is None or column not in row:
        if set(row) == {"role", "content"}:
            raise CorpusError("This is one chat: a corpus is a list of chats. Put it into a list.")
        called = ", ".join(map(repr, _TEXT_COLUMNS))
        asked = f"no column {text!r}" if text is not None else f"several columns, none of them called {called}"
        raise CorpusError(f"The corpus has {asked}: pass text_column= one of {', '.join(map(repr, row))}.")
    value = row[column]
    beside = _BESIDE_IDS if _are_ids(value) else frozenset[str]()
    return value, {str(k): _plain(v) for k, v in row.items() if k != column and not (k in beside and _are_ids(v))}


def _plain(value: object) -> object:
    """NumPy's scalars and a table's missing values as Python's."""
    if isinstance(value, (np.datetime64, np.timedelta64)):
        value = plain(value)  # of nanoseconds `item` would make an integer
    if isinstance(value, np.generic) or (is_tensor(value) and not value.ndim):
        value = value.item()
    return None if _missing(value) else value


def _missing(value: object) -> bool:
    """None, NaN, and pandas' own gaps."""
    return (
        value is None or (isinstance(value, float) and value != value) or type(value).__name__ in ("NAType", "NaTType")
    )


def _ids(value: object, engine: Engine, row: Mapping[str, object]) -> list[int]:
    """Token ids of one document: of its text, its messages, or its token ids, without their padding."""
    tokenizer = engine.tokenizer
    if _missing(value):
        return []  # a missing text in a table
    if isinstance(value, str):
        return tokenizer.encode(value) if value else []
    if hasattr(value, "to_list"):  # a cell of a polars column
        value = cast(Any, value).to_list()
    if _are_messages(value):
        return _chat(list(cast("Sequence[Mapping[str, str]]", value)), engine)
    if not _are_ids(value):
        raise CorpusError(f"{_IS_A} {type(value).__name__}: texts are strings, token ids or chats.")
    if is_tensor(value):
        value = value.cpu().numpy()
    ids = integers(cast("Sequence[int]", value))
    mask, places = _array(row.get("attention_mask")), _array(row.get("position_ids"))
    return tokenizer.check_ids(unpadded(ids, tokenizer, places) if mask is None else unmasked(ids, mask, places))


def _chat(messages: Sequence[Mapping[str, str]], engine: Engine) -> list[int]:
    """A conversation as the model sees one: its chat template's text, in which nothing is left to be answered."""
    if not all(isinstance(message, Mapping) for message in messages):
        raise CorpusError("A chat is a list of messages such as {'role': 'user', 'content': 'text'}, and nothing else.")
    try:
        text = engine.tokenizer.chat_text(messages, answer=False)
        ids = [] if text is None else engine.tokenizer.encode_raw(text)[0]
    except SaewidgetsError as error:
        raise CorpusError(str(error)) from error
    if text is None:
        raise CorpusError("these are messages, and the model has no chat template. Pass texts.")
    return ids


def _are_ids(value: object) -> bool:
    """Whether it can be token ids: a sequence that is no string."""
    return (is_tensor(value) or isinstance(value, (Sequence, np.ndarray))) and not isinstance(value, (str, bytes))


def _are_messages(value: object) -> bool:
    return _are_ids(value) and len(cast("Sequence[object]", value)) > 0 and isinstance(cast(Any, value)[0], Mapping)


def _array(value: object) -> object:
    """A column beside token ids; None if the row has none."""
    if _missing(value):
        return None
    return value.cpu().numpy() if is_tensor(value) else value

"""Documents on their way to another process: tokenised once, written as an array folder, read there as they were.

For corpora that only one process can read (lists, generators, streams). What stands beside a text goes as JSON that keeps its types,
never as pickled objects; of a type that is not known here goes what would be shown of it, its `str`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from ...storage.array_folder import Folder, FolderWriter
from .documents import Document

__all__ = ["read_documents", "write_documents"]

_NAMED = "documents.json"


def write_documents(path: Path, some: Iterable[Document]) -> int:
    """Write documents as the folder `path`; returns how many.

    They are written as they come: only what stands beside the texts is held.
    """
    beside: list[list[object]] = []
    with FolderWriter(path) as writer:
        with writer.appending("ids", np.uint32) as ids:
            for document in some:
                ids.append(np.array(document.ids, np.uint32))
                columns = {key: _plain(value) for key, value in document.columns.items()}
                beside.append([document.number, len(document.ids), document.name, document.named, columns])
        writer.put_bytes(_NAMED, json.dumps(beside).encode())
        writer.commit({"documents": len(beside)})
    return len(beside)


def read_documents(path: Path) -> Iterator[Document]:
    """What `write_documents` wrote.

    Raises:
        IndexCorruptError: if it was cut short or altered.
    """
    folder = Folder(path, mapped=False)
    start = 0
    for number, length, name, named, columns in json.loads(folder.read_bytes(_NAMED)):
        ids = folder.read("ids", start, start + length).tolist()
        start += length
        yield Document(number, ids, name, {key: _back(value) for key, value in columns.items()}, named)


def _plain(value: object) -> object:
    """A value as JSON: plain ones as they are, others as {"type": [...]}."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value if type(value) in (bool, int, float, str, type(None)) else {"str": str(value)}
    if type(value) is list:
        return [_plain(item) for item in value]
    for name, (kinds, write, _) in _TYPES.items():
        if type(value) in kinds:
            return {name: write(value)}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return {"array": [value.dtype.str, value.shape, value.ravel().tolist()]}
    if isinstance(value, Mapping):
        return {"dict": [[_plain(key), _plain(item)] for key, item in value.items()]}
    return {"str": str(value)}


def _back(value: Any) -> object:
    if isinstance(value, list):
        return [_back(item) for item in value]
    if not isinstance(value, dict):
        return value
    ((name, held),) = value.items()
    if name == "str":
        return held
    if name == "array":
        kind, shape, items = held
        return np.array(items, np.dtype(kind)).reshape(shape)
    if name == "dict":
        return {_back(key): _back(item) for key, item in held}
    return _TYPES[name][2](held)


def _items(some: Sequence[Any]) -> list[object]:
    return [_plain(item) for item in some]


# Of each type: what is it, as JSON, and back. A date comes after what is one and more.
_TYPES: dict[str, tuple[tuple[type, ...], Any, Any]] = {
    "tuple": ((tuple,), _items, lambda held: tuple(map(_back, held))),
    "set": ((set,), lambda some: _items(sorted(some, key=str)), lambda held: set(map(_back, held))),
    "frozenset": ((frozenset,), lambda some: _items(sorted(some, key=str)), lambda held: frozenset(map(_back, held))),
    "datetime": ((datetime,), datetime.isoformat, datetime.fromisoformat),
    "date": ((date,), date.isoformat, date.fromisoformat),
    "time": ((time,), time.isoformat, time.fromisoformat),
    "timedelta": (
        (timedelta,),
        lambda some: [some.days, some.seconds, some.microseconds],
        lambda held: timedelta(*held),
    ),
    "decimal": ((Decimal,), str, Decimal),
    "bytes": ((bytes,), lambda some: base64.b64encode(some).decode(), base64.b64decode),
}

"""What can be searched: every sentence that is said of a feature, with who says it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar
from uuid import uuid4

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from ...engine.descriptions import Kind
from ...engine.labels import Labels
from .automatic import Automatic
from .sets import ExplanationSets

__all__ = ["KeptSaid", "Said", "Sentences", "labels_said", "others_said", "shown"]

T = TypeVar("T")

_LONGEST = 20_000
"""Characters of an explanation that are searched."""
_AT_ONCE = 2**16
# Sentences of which a bar is shown: seconds.
_SHOWN = 2**17
_SCHEMA = pa.schema(
    [("feature", pa.uint32()), ("text", pa.large_string()), ("kind", pa.string()), ("source", pa.string())]
)


@dataclass(frozen=True)
class Said:
    """One sentence: the feature that it is about, its text, what kind it is, and whose."""

    feature: int
    text: str
    kind: Kind
    source: str


class Sentences(Protocol):
    """Sentences, by number."""

    def __len__(self) -> int: ...

    def __getitem__(self, i: int, /) -> Said: ...

    def __iter__(self) -> Iterator[Said]: ...


def shown(some: Iterable[T], n: int, doing: str) -> Iterable[T]:
    """The same, with a bar where there are so many of them that it takes seconds."""
    told: Iterable[T] = tqdm(some, desc=doing, total=n, unit="sentence", disable=n < _SHOWN)
    return told


def labels_said(labels: Labels) -> list[Said]:
    """The labels."""
    return [Said(feature, label[:_LONGEST], "label", "") for feature, label in labels.now.items()]


def others_said(sets: ExplanationSets, automatic: Automatic) -> Iterator[Said]:
    """Explanations, then automatic descriptions of what there are any of."""
    for name, one in sets.all():
        yield Said(one.feature, one.text[:_LONGEST], "explanation", name)
    described = np.zeros(automatic.n_features, bool)
    described[automatic.described] = True
    if described.any():
        for feature, text in enumerate(automatic.all()):
            if described[feature]:
                yield Said(feature, text, "automatic", "the index")


class KeptSaid:
    """Sentences in a file, of which only those are read that are asked for: of a million features, to say them anew takes half a
    minute, and to hold them half a gigabyte.

    Args:
        said: the sentences; not looked at if `file` is there.
        file: an Arrow table of them. It is written beside and renamed, so one that is there is whole.
        about: how many there may be, for a bar.
    """

    def __init__(self, said: Iterable[Said], file: Path, about: int = 0) -> None:
        table = _read(file)
        if table is None:
            temporary = file.with_name(f".{file.name}.{uuid4().hex}.tmp")
            _write(shown(said, about, "writing down what is said of features"), temporary)
            os.replace(temporary, file)
            table = _read(file)
        assert table is not None
        self._table = table
        self._features = table["feature"].to_numpy()

    def __len__(self) -> int:
        return len(self._features)

    def __getitem__(self, row: int, /) -> Said:
        text, kind, source = (self._table[name][row].as_py() for name in ("text", "kind", "source"))
        return Said(int(self._features[row]), text, kind, source)

    def __iter__(self) -> Iterator[Said]:
        for batch in self._table.to_batches():
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                yield Said(*row)


def _read(file: Path) -> pa.Table | None:
    """The table that is kept; None if there is none, or it is damaged."""
    try:
        with pa.memory_map(str(file)) as source:
            table = pa.ipc.open_file(source).read_all()
            table.validate()
    except (OSError, pa.ArrowInvalid):
        return None
    return table if table.schema.equals(_SCHEMA) else None


def _write(said: Iterable[Said], path: Path) -> None:
    rows = iter(said)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:
        while some := [*islice(rows, _AT_ONCE)]:
            columns = [[getattr(one, name) for one in some] for name in _SCHEMA.names]
            writer.write_batch(
                pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, _SCHEMA, strict=True)], schema=_SCHEMA)
            )

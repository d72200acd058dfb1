"""A corpus on its way through: read once from its beginning, compared with what was scanned, and gone on with.

A corpus may be larger than memory, and may be one that can be read only once (a generator). So whoever looks at its
beginning must hand on the rest of the very same pass, or give the beginning back.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

from ...engine.engine import Engine
from ...engine.ticket import Ticket
from ...storage.array_folder import Array, Folder
from ..errors import CorpusError, IndexMismatchError
from ..scan.shards import Shard
from .documents import Chunk, Corpus, Document, chunks, documents
from .rows import is_read_once

# What a pass keeps of its beginning, to give it back, at most: some 40 MB.
_KEPT_TOKENS = 2**20

_TELL_TOKENS = 2**14

_READ_ONCE = "(A generator can be read only once: make a new one for every call, or pass a list or a dataset.)"


class Source:
    """A corpus and how to read it.

    Attributes:
        text, name: its columns (corpus.py).
    """

    def __init__(self, corpus: Corpus, engine: Engine, context_size: int, text: str | None, name: str | None) -> None:
        self.corpus = corpus
        self.read_once = is_read_once(corpus)
        self.text, self.name = text, name
        self._engine, self._context_size = engine, context_size
        self._opened = False

    def open(self, first: int = 0) -> Passage:
        """A pass from the beginning; documents are numbered from `first` on.

        Raises:
            CorpusError: for a corpus that can be read only once, and was.
        """
        if self.read_once and self._opened:
            raise CorpusError(
                "The corpus would have to be read once more from its beginning, which a generator cannot: pass a list, a "
                "table or a dataset. What was scanned so far is kept."
            )
        self._opened = True
        return Passage(self, first)

    def documents(self) -> Iterator[Document]:
        """The documents of a new pass."""
        return documents(self.corpus, self._engine, self.text, self.name)

    def stream(self, first: int) -> Iterator[Chunk]:
        """The chunks of a new pass."""
        return chunks(self.corpus, self._engine, self._context_size, self.text, self.name, first)


class Passage(Iterator[Chunk]):
    """One pass over the chunks of a corpus.

    Attributes:
        passed: chunks that are past.
        last: the document of the last of them.
    """

    def __init__(self, source: Source, first: int) -> None:
        self._source, self._first = source, first
        self._stream = source.stream(first)
        self._ahead: Chunk | None = None
        self._kept: list[Chunk] | None = None
        self._kept_tokens = 0
        self._start()

    def _start(self) -> None:
        self.passed = 0
        self.last: Document | None = None
        self._rows = hashlib.sha256()

    def peek(self) -> Chunk | None:
        """The next chunk, which stays the next; None at the end."""
        if self._ahead is None:
            self._ahead = next(self._stream, None)
        return self._ahead

    def __next__(self) -> Chunk:
        chunk = self.peek()
        if chunk is None:
            raise StopIteration
        self._ahead = None
        self.passed += 1
        if self.last is None or chunk.document.number != self.last.number:
            self.last = chunk.document
            self._rows.update(row_of(chunk.document, self._first))
        if self._kept is not None:
            self._kept.append(chunk)
            self._kept_tokens += len(chunk.ids)
            if self._kept_tokens > _KEPT_TOKENS:
                self._kept = None
        return chunk

    def rows(self) -> str:
        """A hash of the names and other columns of the documents so far."""
        return self._rows.hexdigest()

    def keep(self) -> None:
        """Keep what is passed from now on, for `rewind`."""
        self._kept, self._kept_tokens = [], 0

    def rewind(self) -> None:
        """Begin again, where `keep` was called at the beginning.

        Raises:
            CorpusError: if that is more than was kept, of a corpus that can be read only once.
        """
        if self._kept is None:
            self._stream, self._ahead = self._source.open(self._first)._stream, None
        else:
            ahead = [] if self._ahead is None else [self._ahead]
            self._stream, self._ahead = chain(self._kept, ahead, self._stream), None
        self._kept = None
        self._start()


def agree(passage: Passage, stored: Iterable[Array]) -> bool:
    """Pass over the chunks of a corpus as long as they are the stored ones; whether all that is stored was passed.

    Args:
        stored: token ids of chunks.
    """
    for ids in stored:
        chunk = passage.peek()
        if chunk is None or not same(chunk, ids):
            return False
        next(passage)
    return True


def same(chunk: Chunk, ids: Array) -> bool:
    """Whether a chunk has these token ids."""
    return len(chunk.ids) == len(ids) and chunk.ids == tuple(ids.tolist())


def chunks_of_shards(shards: Sequence[Shard]) -> Iterator[Array]:
    """The token ids of all chunks of some shards."""
    for shard in shards:
        tokens, start = shard.folder.read("tokens"), 0
        for length in shard.folder.read("chunk_length").tolist():
            yield tokens[start : start + length]
            start += length


def chunks_of_store(store: Folder, first: int) -> Iterator[Array]:
    """The token ids of the chunks of an index' store, from the chunk `first` on."""
    for start, stop in pairwise(store.read("chunk_ptr", first).tolist()):
        yield store.read("tokens", start, stop)


def telling(stored: Iterable[Array], total: int, ticket: Ticket) -> Iterator[Array]:
    """The same chunks, while the job's progress is told and waiting requests are let through."""
    done = told = 0
    for ids in stored:
        done += len(ids)
        if done - told >= _TELL_TOKENS:
            told = done
            ticket.progress(done, total)
            ticket.breathe()
        yield ids


def differs(stream: Passage) -> str:
    """Where a corpus is another one than what was scanned."""
    chunk = stream.peek()
    if chunk is None:
        told = (
            "The corpus that was given ends before what was scanned does."
            if stream.passed
            else f"It is empty. {_READ_ONCE}"
        )
    else:
        told = f"It differs from the document {chunk.document.name!r} on."
    return told


def must_tell_the_same(stream: Passage, part: Mapping[str, Any], path: Path) -> None:
    """Raise if the documents have other names or columns than those that were scanned to the same place."""
    if part.get("chunks") == stream.passed and part["rows"] != stream.rows():
        raise IndexMismatchError(
            f"The index at {path} is of another corpus: the texts are the same, but their names or other columns differ, and "
            "the index shows and filters by those that it was made with. Open it as it is with FeatureIndex.open, or choose "
            "another path."
        )


def row_of(document: Document, first: int) -> bytes:
    """What is said of a document besides its text, as bytes that are the same in every process."""
    name = document.name if document.named else None
    columns = sorted([str(key), _told(value)] for key, value in document.columns.items() if value is not None)
    return json.dumps([document.number - first, name, len(document.ids), columns]).encode() + b"\n"


def _told(value: object) -> str:
    """A value, however a table holds it: whole numbers alike as integers and floats, lists alike as arrays."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, (set, frozenset)):
        value = sorted(map(str, value))
    # An object's place in memory is not a part of what it is.
    return re.sub(r" at 0x[0-9a-fA-F]+", "", str(value))

"""The corpus inside an index: tokens as text again, without a model or a tokenizer."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..engine.tokens import TokenText, assemble
from .files import Array, Folder

if TYPE_CHECKING:
    import pyarrow as pa

# A character is at most four bytes, so at most four tokens: so many beside a window may hold the rest of one.
_BESIDE = 3


class Texts:
    """Reads tokens, where chunks begin, and documents.

    Args:
        folder: the store of an index.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    @cached_property
    def chunk_ptr(self) -> Array:
        """[chunks + 1], the first token of each chunk."""
        return self._folder.read("chunk_ptr").astype(np.int64)

    @cached_property
    def documents(self) -> pa.Table:
        """One row a document: document (its number), name, tokens, and the corpus' own columns."""
        return self._folder.read_table("documents.arrow")

    def chunk(self, positions: Array) -> Array:
        """The chunk of each position."""
        return np.searchsorted(self.chunk_ptr, positions, side="right") - 1

    def ids(self, start: int, stop: int) -> tuple[int, ...]:
        """Token ids of a stretch of the corpus."""
        return tuple(self._folder.read("tokens", start, stop).tolist())

    def tokens(self, positions: Array) -> Array:
        """Token ids at positions."""
        return self._folder.read("tokens")[positions].astype(np.int64)

    def flags(self, start: int, stop: int) -> Array:
        """Why tokens are not counted: 0 for those that are."""
        return self._folder.read("flags", start, stop)

    def row(self, chunk: int) -> int:
        """The row in `documents` of a chunk's document."""
        return int(self.rows(np.array([chunk]))[0])

    def rows(self, chunks: Array) -> Array:
        """The rows in `documents` of several chunks' documents."""
        # Documents without a token have no row.
        numbers = self._folder.read("chunk_document")[chunks]
        return np.searchsorted(self._folder.read("document_number"), numbers)

    def offset(self, chunk: int) -> int:
        """What a position in the chunk is ahead of the position in its document (negative for a repeated BOS)."""
        start = int(self._folder.read("chunk_start", chunk, chunk + 1)[0])
        return start - int(self._folder.read("chunk_lead", chunk, chunk + 1)[0])

    def display(self, start: int, stop: int) -> TokenText:
        """Readable strings of a stretch inside one chunk."""
        chunk = int(self.chunk(np.array([start]))[0])
        low = max(int(self.chunk_ptr[chunk]), start - _BESIDE)
        high = min(int(self.chunk_ptr[chunk + 1]), stop + _BESIDE)
        whole = self.strings(self.ids(low, high))
        cut = slice(start - low, stop - low)
        return TokenText(whole.strings[cut], whole.parts[cut])

    def strings(self, ids: tuple[int, ...]) -> TokenText:
        """Readable strings of token ids that follow each other."""
        if "vocabulary" not in self._folder:
            return TokenText([f"<{i}>" for i in ids], [0] * len(ids))
        return assemble([self.piece(i) for i in ids])

    def piece(self, token: int) -> bytes:
        """The bytes of a token."""
        ptr, raw = self._vocabulary
        return raw[ptr[token] : ptr[token + 1]]

    @cached_property
    def _vocabulary(self) -> tuple[Array, bytes]:
        """Where the bytes of each token begin, and all of them."""
        return self._folder.read("vocabulary_ptr"), self._folder.read("vocabulary").tobytes()

    def string(self, token: int) -> str:
        """A token on its own."""
        return self.strings((token,)).strings[0]

    def ids_called(self, text: str) -> Array:
        """Token ids whose text, without spaces around it, is `text`."""
        wanted = text.strip()
        return np.array([i for i, word in enumerate(self._words) if word == wanted], np.int64)

    @cached_property
    def _words(self) -> list[str]:
        if "vocabulary" not in self._folder:
            return [f"<{i}>" for i in range(self._folder.length("occurrences"))]
        ptr, raw = self._vocabulary
        return [raw[a:b].decode(errors="replace").strip() for a, b in pairwise(ptr.tolist())]

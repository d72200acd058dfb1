"""The corpus inside an index: tokens as text again, without a model or a tokenizer."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ...engine.arrays import Bools, Ints
from ...engine.text.tokenizer import TokenText, assemble
from ...errors import nearest
from ...storage.array_folder import Array, Folder
from ..corpus.columns import OURS, THEIRS, in_table
from ..record.settings import NONE
from ..scan.shards import OUTLIER
from .kept import kept_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# A character is at most four bytes, so at most four tokens: so many beside a window may hold the rest of one.
_BESIDE = 3
# Tokens that are searched for words at once.
_SEARCHED = 2**20
# A token that does not end what is looked for.
_NOT = -1


class Texts:
    """Reads tokens, where chunks begin, and documents.

    Args:
        folder: the store of an index.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._values: dict[str, tuple[list[Any], Array]] = {}
        self._found: dict[str, bool] = {}
        self._called: dict[int, str] = {}

    def __len__(self) -> int:
        """Tokens; of a bounded scan those of the texts that are kept."""
        return self._folder.length("tokens")

    @cached_property
    def missing(self) -> str:
        """Which of the corpus' texts are there, if not all are ("1,000 of 5,000 tokens, of 10 of 50 documents"); else ""."""
        kept = kept_of(self._folder)
        return "" if kept is None else kept.texts

    @cached_property
    def outliers(self) -> int:
        """Norm outliers among the tokens of the corpus."""
        if "bounded" in self._folder.facts:
            return int(self._folder.facts["bounded"]["outliers"])
        return int(np.count_nonzero(self._folder.read("flags") & OUTLIER))

    @cached_property
    def chunk_ptr(self) -> Array:
        """[chunks + 1], the first token of each chunk."""
        return self._folder.read("chunk_ptr").astype(np.int64)

    @cached_property
    def documents(self) -> pa.Table:
        """One row a document, as stored: document (its number), name, tokens, and the corpus' own columns.

        The corpus' columns are stored under other names (`THEIRS`): see `columns` and `column`.
        """
        return self._folder.read_table("documents.arrow")

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The corpus' own columns, by the names that they have there."""
        return tuple(name[len(THEIRS) :] for name in self.documents.column_names if name.startswith(THEIRS))

    def column(self, name: str) -> pa.ChunkedArray:
        """A column of the corpus; or, where it has none of that name, what an index itself knows of a document.

        Args:
            name: a column of the corpus, or "document" (its number), "name", "tokens".

        Raises:
            KeyError: if there is none.
        """
        if name in self.columns:
            return self.documents[THEIRS + name]
        if name in OURS:
            return self.documents[name]
        near = nearest(name, self.columns)
        raise KeyError(
            f"The corpus has no column {name!r}; it has {', '.join(map(repr, self.columns)) or 'none'}."
            + (f" Nearest: {', '.join(map(repr, near))}." if near else "")
            + " An index itself knows a document's 'name', its number as 'document', and its 'tokens'."
        )

    def frame(self) -> pd.DataFrame:
        """`FeatureIndex.documents`."""
        called = in_table(OURS, self.columns)
        frame = cast("pd.DataFrame", self.documents.to_pandas())
        frame = frame.rename(columns={THEIRS + name: new for name, new in called.items()})
        frame.attrs["renamed"] = {name: new for name, new in called.items() if name != new}
        if self.missing:
            frame.attrs["kept"] = f"Only the documents of the texts that are kept: {self.missing}."
        return frame

    def values(self, name: str) -> tuple[list[Any], Array]:
        """The different values of a column (see `column`), and which of them each document has."""
        if name not in self._values:
            values = self.column(name)
            try:
                coded = values.combine_chunks().dictionary_encode(null_encoding="encode")
                self._values[name] = coded.dictionary.to_pylist(), coded.indices.to_numpy().astype(np.int64)
            except (NotImplementedError, TypeError):  # lists and structs
                self._values[name] = different(values.to_pylist())
        return self._values[name]

    def chunk(self, positions: Array) -> Array:
        """The chunk of each position."""
        return np.searchsorted(self.chunk_ptr, positions, side="right") - 1

    def ids(self, start: int, stop: int) -> tuple[int, ...]:
        """Token ids of a stretch of the corpus."""
        return tuple(self._folder.read("tokens", start, stop).tolist())

    def tokens(self, positions: Array) -> Array:
        """Token ids at positions."""
        return self._folder.take("tokens", positions).astype(np.int64)

    def flags(self, start: int, stop: int) -> Array:
        """Why tokens are not counted: 0 for those that are."""
        return self._folder.read("flags", start, stop)

    def row(self, chunk: int) -> int:
        """The row in `documents` of a chunk's document."""
        return int(self.rows(np.array([chunk]))[0])

    def rows(self, chunks: Array) -> Array:
        """The rows in `documents` of several chunks' documents."""
        # Documents without a token have no row.
        numbers = self._folder.take("chunk_document", chunks)
        return np.searchsorted(self._folder.read("document_number"), numbers)

    def offset(self, chunk: int) -> int:
        """What a position in the chunk is ahead of the position in its document (negative for a repeated BOS)."""
        start = int(self._folder.read("chunk_start", chunk, chunk + 1)[0])
        return start - self.lead(chunk)

    def lead(self, chunk: int) -> int:
        """How many of the chunk's first tokens (a repeated BOS) are not of its document there."""
        return int(self._folder.read("chunk_lead", chunk, chunk + 1)[0])

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
        if token not in self._called:
            self._called[token] = self.strings((token,)).strings[0]
        return self._called[token]

    def strings_of(self, ids: Array) -> Array:
        """Tokens on their own, an array of the shape of `ids`; None for `NONE`. Each token is looked up once, however often it is there."""
        known = ids != NONE
        n = int(ids.max(where=known, initial=0)) + 1
        at = np.where(known, ids, n)
        there = np.zeros(n + 1, bool)
        there[at] = True
        strings = np.full(n + 1, None, object)
        for token in np.flatnonzero(there[:n]).tolist():
            strings[token] = self.string(token)
        return strings[at]

    def ids_called(self, text: str) -> Array:
        """Token ids whose text, without spaces around it, is `text`; of spaces alone, whose text is exactly that."""
        wanted = text.strip()
        if not wanted:
            return np.array([i for i, piece in enumerate(self._pieces) if piece == text.encode()], np.int64)
        return np.array([i for i, word in enumerate(self.words) if word == wanted], np.int64)

    def ends(self, text: str, positions: Ints) -> Bools:
        """Which positions are of a token that ends `text`, as tokens of one chunk that follow each other.

        The tokens joined, without spaces around them, are `text`; inside, every character counts. The token that ends it
        is the first at which a model has read all of it.
        """
        wanted = text.strip().encode(errors="replace")
        found = np.zeros(len(positions), bool)
        first = self.chunk_ptr[self.chunk(positions)]
        at = positions.astype(np.int64)
        # By how much of the text is still to come before the token at `at`: which positions got so far.
        waiting: dict[int, list[Ints]] = {len(wanted): [np.arange(len(positions))]}
        while waiting:
            rest = max(waiting)
            here = np.concatenate(waiting.pop(rest))
            here = here[at[here] >= first[here]]
            ids, which = np.unique(self.tokens(at[here]), return_inverse=True)
            at[here] -= 1
            last = rest == len(wanted)
            left = np.array([_before(wanted[:rest], self._pieces[i], last=last) for i in ids.tolist()], np.int64)
            of = left[which]
            for still in set(left.tolist()) - {_NOT}:
                if still:
                    waiting.setdefault(still, []).append(here[of == still])
                else:
                    found[here[of == still]] = True
        return found

    def holds(self, text: str) -> bool:
        """Whether the corpus has `text` somewhere, as tokens of one chunk that follow each other."""
        if text not in self._found:
            tokens = int(self.chunk_ptr[-1])
            self._found[text] = any(
                self.ends(text, np.arange(start, min(tokens, start + _SEARCHED))).any()
                for start in range(0, tokens if text.strip() else 0, _SEARCHED)
            )
        return self._found[text]

    @cached_property
    def _pieces(self) -> list[bytes]:
        """The bytes of each token."""
        if "vocabulary" not in self._folder:
            return [f"<{i}>".encode() for i in range(self._folder.length("occurrences"))]
        ptr, raw = self._vocabulary
        return [raw[a:b] for a, b in pairwise(ptr.tolist())]

    @cached_property
    def words(self) -> list[str]:
        """Each token of the vocabulary without spaces around it."""
        return [piece.decode(errors="replace").strip() for piece in self._pieces]


def _before(wanted: bytes, piece: bytes, *, last: bool) -> int:
    """How much of `wanted` comes before a token that ends it; `_NOT` if the token does not.

    Args:
        last: whether it is the last token of all, which may have spaces after the text but is not spaces alone.
    """
    body = piece.rstrip() if last else piece
    if last and not body:
        return _NOT
    if body.endswith(wanted) and not body[: len(body) - len(wanted)].strip():
        return 0
    return len(wanted) - len(body) if wanted.endswith(body) else _NOT


def different(values: list[Any]) -> tuple[list[Any], Array]:
    """The different ones of values that need not be hashable, and which of them each is."""
    known: dict[str, int] = {}
    found: list[Any] = []
    codes = np.zeros(len(values), np.int64)
    for i, value in enumerate(values):
        key = f"{type(value).__name__} {value!r}"
        if key not in known:
            known[key] = len(found)
            found.append(value)
        codes[i] = known[key]
    return found, codes

"""Where points stand in their texts: the same questions of a corpus inside an index and of texts that were just read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ...engine.arrays import Doubles, Ints

if TYPE_CHECKING:
    from ...engine.activations.result import FeatureActivations
    from ...index.feature_index import FeatureIndex

__all__ = ["MISSING", "CorpusPlaces", "Places", "TextPlaces", "named", "numbers"]

MISSING = "(none)"
"""What a missing value of a column is called beside the others."""


def numbers(values: Sequence[object]) -> Doubles | None:
    """A column of numbers, NaN where one is missing; None of a column that has anything else, or nothing."""
    given = [value for value in values if not _is_missing(value)]
    if not given or not all(_is_number(value) for value in given):
        return None
    return np.array([np.nan if _is_missing(value) else value for value in values], np.float64)


def named(values: Sequence[object]) -> list[str]:
    """A column of anything as names."""
    return [MISSING if _is_missing(value) else str(value) for value in values]


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, (bool, np.bool_))


class Places(Protocol):
    """Where each of n points stands in its text.

    Attributes:
        columns: the corpus' own columns of its documents.
        document: [n] the row of each point's document (of texts: which text). in_document: [n] its token there, counted from 0.
    """

    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def document(self) -> Ints: ...
    @property
    def in_document(self) -> Ints: ...

    def tokens(self) -> tuple[str, ...]:
        """[n] the points' tokens as strings, each on its own."""
        ...

    def window(self, i: int, before: int = 10, after: int = 5) -> tuple[tuple[str, ...], int]:
        """The tokens around point i as strings, clipped at the text's ends, and which of them is the point's."""
        ...

    def column(self, name: str) -> list[object]:
        """[n] what a column of the corpus says of each point's document.

        Raises:
            KeyError: naming the columns there are.
        """
        ...

    def document_name(self, i: int) -> str:
        """What the document of point i is called."""
        ...


class CorpusPlaces:
    """Places in the corpus of an index.

    Args:
        index: whose corpus it is. position: [n] tokens, counted in the corpus.
    """

    def __init__(self, index: FeatureIndex, position: Ints) -> None:
        self._texts, self._position = index.texts, position
        self._chunk = self._texts.chunk(position)
        folder = index.folder
        start = folder.read("chunk_start")[self._chunk].astype(np.int64)
        # A repeated BOS before a chunk is not of its document there: such a token is counted, or not, at the chunk's start.
        offset = start - folder.read("chunk_lead")[self._chunk].astype(np.int64)
        self.document: Ints = self._texts.rows(self._chunk).astype(np.int64)
        self.in_document: Ints = position - self._texts.chunk_ptr[self._chunk] + offset

    @property
    def columns(self) -> tuple[str, ...]:
        return self._texts.columns

    def tokens(self) -> tuple[str, ...]:
        ids, which = np.unique(self._texts.tokens(self._position), return_inverse=True)
        words = [self._texts.string(token) for token in ids.tolist()]
        return tuple(words[i] for i in which.tolist())

    def window(self, i: int, before: int = 10, after: int = 5) -> tuple[tuple[str, ...], int]:
        at, chunk = int(self._position[i]), int(self._chunk[i])
        first, last = (int(end) for end in self._texts.chunk_ptr[chunk : chunk + 2])
        start = max(first, at - before)
        return tuple(self._texts.display(start, min(last, at + after + 1)).strings), at - start

    def column(self, name: str) -> list[object]:
        values, codes = self._texts.values(name)
        return [values[code] for code in codes[self.document].tolist()]

    def document_name(self, i: int) -> str:
        return str(self._texts.documents["name"][int(self.document[i])].as_py())


class TextPlaces:
    """Places in texts that were read for the occasion.

    Args:
        acts: of the texts. position: [n] tokens, counted over all texts.
    """

    columns: tuple[str, ...] = ()

    def __init__(self, acts: FeatureActivations, position: Ints) -> None:
        self._strings: Sequence[str] = acts.tokens
        self._ptr, self._position = acts.text_ptr, position
        self.document: Ints = np.searchsorted(acts.text_ptr, position, side="right").astype(np.int64) - 1
        self.in_document: Ints = position - acts.text_ptr[self.document]

    def tokens(self) -> tuple[str, ...]:
        return tuple(self._strings[i] for i in self._position.tolist())

    def window(self, i: int, before: int = 10, after: int = 5) -> tuple[tuple[str, ...], int]:
        at, text = int(self._position[i]), int(self.document[i])
        start, stop = max(int(self._ptr[text]), at - before), min(int(self._ptr[text + 1]), at + after + 1)
        return tuple(self._strings[start:stop]), at - start

    def column(self, name: str) -> list[object]:
        raise KeyError(f"These texts have no column {name!r}: only the documents of an index have columns.")

    def document_name(self, i: int) -> str:
        return self._names[int(self.document[i])]

    @cached_property
    def _names(self) -> list[str]:
        return [f"text {i}" for i in range(len(self._ptr) - 1)]

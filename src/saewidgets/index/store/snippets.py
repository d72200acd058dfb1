"""Snippets: stretches of the corpus around a token, with the activations of one feature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from ...engine.arrays import Floats, Ints
from ...storage.array_folder import Array, Folder
from ..record.settings import NONE
from ..statistics.kept_examples import hashes
from .texts import Texts

# Where whole chunks are shown, they are the same if so many tokens on each side are.
_FOLD_WINDOW = 20


@dataclass(frozen=True)
class Example:
    """A stretch of the corpus around one token.

    Attributes:
        position: of the token in the corpus; names the example.
        activation: there; 0 in a silent example.
        document: name of its document; at: position in the document's tokens.
        start: position of the first token shown; focus: index of the token among those shown.
        token_ids, tokens, parts: what is shown (see engine/text/tokenizer.py for parts).
        activations: of the tokens shown; NaN for those that are not counted.
        flags: 0 for counted tokens, 1 special, 2 norm outlier.
        repeats: further activations with exactly this snippet (20 tokens each side of it where the whole chunk is shown)
            among those that its group holds; of the corpus there are at least so many (`Group.repeats_exact`).
        columns: of the document, by the corpus' own names.
        before, after: whether the text goes on.
    """

    position: int
    activation: float
    document: str
    at: int
    start: int
    focus: int
    token_ids: tuple[int, ...]
    tokens: tuple[str, ...]
    parts: tuple[int, ...]
    activations: Floats
    flags: Array
    repeats: int
    columns: Mapping[str, object]
    before: bool
    after: bool

    @property
    def text(self) -> str:
        """The snippet."""
        return "".join(self.tokens)


class Cutter:
    """Cuts snippets out of the corpus.

    Args:
        window: tokens before and after; None: the whole chunk.
        fold: whether equal snippets become one.
    """

    def __init__(self, folder: Folder, texts: Texts, feature: int, window: int | None, fold: bool) -> None:
        self._texts, self._window, self._fold = texts, window, fold
        start, stop = folder.read("kept_ptr", feature, feature + 2).tolist()
        self._position = folder.read("kept_position", start, stop)
        self._value = folder.read("kept_value", start, stop)

    def cut(self, positions: Ints, values: Floats, k: int) -> tuple[list[Example], int]:
        """The first k different snippets of `positions`, with how often each is there; and how many there are."""
        first, counts = np.arange(len(positions)), np.ones(len(positions), np.int64)
        if self._fold:
            _, first, counts = np.unique(self._snippets(positions), return_index=True, return_counts=True)
            order = np.argsort(first)
            first, counts = first[order], counts[order]
        found = [
            self._example(int(positions[i]), float(values[i]), int(n) - 1)
            for i, n in zip(first[:k].tolist(), counts[:k].tolist(), strict=True)
        ]
        return found, len(first)

    def _snippets(self, positions: Ints) -> Array:
        """A number for each snippet: equal for equal tokens around equal tokens."""
        side = _FOLD_WINDOW if self._window is None else self._window
        reach = np.arange(2 * side + 1) - side
        chunk = self._texts.chunk(positions)
        where = positions[:, None] + reach
        outside = (where < self._texts.chunk_ptr[chunk][:, None]) | (where >= self._texts.chunk_ptr[chunk + 1][:, None])
        tokens = self._texts.tokens(np.where(outside, positions[:, None], where))
        tokens[outside] = NONE
        with np.errstate(over="ignore"):
            return cast(Array, (tokens.astype(np.uint64) * hashes(0, 0, reach)).sum(1))

    def _span(self, position: int) -> tuple[int, int]:
        chunk = int(self._texts.chunk(np.array([position]))[0])
        first, last = int(self._texts.chunk_ptr[chunk]), int(self._texts.chunk_ptr[chunk + 1])
        if self._window is None:
            return first, last
        return max(first, position - self._window), min(last, position + self._window + 1)

    def _example(self, position: int, value: float, repeats: int) -> Example:
        texts = self._texts
        start, stop = self._span(position)
        chunk = int(texts.chunk(np.array([position]))[0])
        row = texts.row(chunk)
        name, length = str(texts.documents["name"][row].as_py()), int(texts.documents["tokens"][row].as_py())
        first, offset = int(texts.chunk_ptr[chunk]), texts.offset(chunk)
        display = texts.display(start, stop)
        flags = texts.flags(start, stop)
        return Example(
            position=position,
            activation=value,
            document=name,
            at=position - first + offset,
            start=start,
            focus=position - start,
            token_ids=texts.ids(start, stop),
            tokens=tuple(display.strings),
            parts=tuple(display.parts),
            activations=self._activations(start, stop, flags),
            flags=flags,
            repeats=repeats,
            columns={column: texts.column(column)[row].as_py() for column in texts.columns},
            before=start > first or offset > 0,
            after=stop - first + offset < length,
        )

    def _activations(self, start: int, stop: int, flags: Array) -> Floats:
        low, high = np.searchsorted(self._position, [start, stop])
        dense = np.zeros(stop - start, np.float32)
        dense[self._position[low:high].astype(np.int64) - start] = self._value[low:high]
        dense[flags != 0] = np.nan
        return dense

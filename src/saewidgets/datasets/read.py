"""Documents through the model, a block at a time: what is held is the activations of one block, however many there are.

Blocks are cut by the documents alone, so that a run that was taken up again forms the same batches, and with them the same
numbers, as one that was not interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from ..engine.activations.portion import tokens_at_once
from ..engine.activations.windows import Window, windows
from ..engine.arrays import Ints
from ..errors import NonFiniteError
from .aggregate import Aggregate, Rows, Sums, finished, reduced
from .errors import DatasetError

if TYPE_CHECKING:
    from torch import Tensor

    from ..engine.activations.piece import Piece
    from ..engine.dictionary.base import Dictionary
    from ..engine.engine import Engine
    from ..engine.ticket import Ticket

__all__ = ["Reading", "blocks"]

# Activations of a block that nobody can have wanted: some 4 GB while they are reduced.
_MOST_ENTRIES = 2**27


def blocks(documents: Iterable[list[int]], tokens: int) -> Iterator[list[list[int]]]:
    """Documents in blocks of at most `tokens` tokens; a longer one is a block of its own."""
    block: list[list[int]] = []
    size = 0
    for ids in documents:
        # An empty document takes room, too.
        if block and size + len(ids) + 1 > tokens:
            yield block
            block, size = [], 0
        block.append(ids)
        size += len(ids) + 1
    if block:
        yield block


@dataclass(frozen=True)
class Reading:
    """How documents become rows.

    Attributes:
        columns: the features that are encoded; None for all.
    """

    engine: Engine
    dictionary: Dictionary
    columns: Ints | None
    aggregate: Aggregate

    @property
    def block_tokens(self) -> int:
        """Tokens that are read before their activations are reduced and forgotten."""
        return tokens_at_once(self.dictionary, None if self.columns is None else len(self.columns))

    def rows(self, block: Sequence[list[int]], first: int, total: int, ticket: Ticket) -> Rows:
        """The rows of a block of documents.

        Args:
            first: how many documents were before; total: how many there are in all, or 0.
        """
        engine = self.engine
        todo = [w for i, ids in enumerate(block) for w in windows(i, ids, engine.context_size, engine.tokenizer.bos_id)]
        tokens, outliers = np.zeros(len(block), np.int64), np.zeros(len(block), np.int64)
        steps = list(_steps(todo, self.block_tokens))
        ends = [0, *accumulate(sum(map(len, step)) for step in steps)]
        found: list[Sums] = []
        for step, start, stop in zip(steps, ends[:-1], ends[1:], strict=True):
            part = len(block) / ends[-1]
            piece = ticket.share(first + start * part, first + stop * part, total)
            try:
                found.append(self._read(step, tokens, outliers, piece))
            except NonFiniteError as error:
                raise NonFiniteError(f"In the texts {first} to {first + len(block) - 1}: {error}") from error
        sums = found[0] if found else reduced(np.zeros(0, np.int64), np.zeros(0), self.aggregate)
        if len(found) > 1:
            key, value = (np.concatenate([getattr(one, name) for one in found]) for name in ("key", "value"))
            sums = reduced(key, value, self.aggregate, again=True)
        lengths = np.array([len(ids) for ids in block], np.int64)
        return finished(sums, self.aggregate, self.dictionary.n_features, tokens, lengths, outliers)

    def _read(self, step: Sequence[Window], tokens: Ints, outliers: Ints, ticket: Ticket) -> Sums:
        """The activations of some windows, reduced; their tokens are added to those of their documents."""
        entries = 0

        def watch(_batch: Sequence[Window], _x: Tensor, pieces: Sequence[Piece]) -> None:
            nonlocal entries
            entries += sum(len(piece.values) for piece in pieces)
            if entries > _MOST_ENTRIES:
                raise DatasetError(
                    f"{self.dictionary.name!r} is active so densely ({entries:,} activations on some {sum(map(len, step)):,} "
                    "tokens) that they do not fit in memory: ask for some of its features (features=)."
                )

        texts = [window.ids for window in step]
        read = self.engine._reader.read(texts, [self.dictionary], self.columns, False, ticket, watch)[0]
        pieces = [of_text[0] for of_text in read]
        ids = np.concatenate([np.array(window.ids, np.int64) for window in step])
        roles = self.engine.counting.roles(ids, np.concatenate([piece.relative for piece in pieces]))
        length = np.array([len(window) for window in step])
        document = np.repeat([window.text for window in step], length)
        # A BOS that a later window begins with is no token of the document.
        lead = np.repeat([window.lead for window in step], length)
        own = np.arange(len(ids)) - np.repeat(np.cumsum(length) - length, length) >= lead
        counted = roles.counted & own
        tokens += np.bincount(document[counted], minlength=len(tokens))
        outliers += np.bincount(document[roles.outlier & own], minlength=len(tokens))
        token = np.repeat(np.arange(len(ids)), np.concatenate([piece.counts for piece in pieces]))
        kept = counted[token]
        key = document[token[kept]] * self.dictionary.n_features
        key += np.concatenate([piece.features for piece in pieces])[kept]
        return reduced(key, np.concatenate([piece.values for piece in pieces])[kept], self.aggregate)


def _steps(todo: Sequence[Window], tokens: int) -> Iterator[list[Window]]:
    """Windows in steps of at most `tokens` tokens: one, but where a document is longer than a block."""
    step: list[Window] = []
    size = 0
    for window in todo:
        if step and size + len(window) > tokens:
            yield step
            step, size = [], 0
        step.append(window)
        size += len(window)
    if step:
        yield step

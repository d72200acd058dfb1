"""Reading a corpus block by block: which chunks are read together, and what the model and the dictionary make of them.

Blocks are always cut in the same places, so that a scan that is taken up again does the same sums in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ...engine.dictionary.base import Dictionary
from ...engine.engine import Engine
from ...engine.ticket import Ticket
from ...errors import NonFiniteError
from ..corpus.documents import Chunk
from .needs import too_dense
from .shards import Block, block_of

if TYPE_CHECKING:
    from torch import Tensor

    from ...engine.activations.piece import Piece
    from ...engine.activations.reader import Watch
    from ...engine.activations.windows import Window

__all__ = ["blocks_of", "read_block"]

# Activations of a block that nobody can have wanted: 8 GB.
_MOST_ENTRIES = 2**27


def blocks_of(stream: Iterator[Chunk], size: int, limit: int | None, ticket: Ticket) -> Iterator[list[Chunk]]:
    """Chunks in blocks of at least `size` tokens, until they end or `limit` tokens were read (None: no limit)."""
    done = 0
    while limit is None or done < limit:
        block: list[Chunk] = []
        before = done
        while done - before < size and (limit is None or done < limit):
            chunk = next(stream, None)
            if chunk is None:
                break
            block.append(chunk)
            done += len(chunk.ids)
        if not block:
            return
        ticket.check()
        yield block


def read_block(
    engine: Engine,
    dictionary: Dictionary,
    some: Sequence[Chunk],
    ticket: Ticket,
    told: Callable[[int], None],
    also: Watch | None = None,
) -> Block:
    """Forward to the hook and encode, on the engine's worker.

    Args:
        told: told how many tokens of the block are done. also: called after each forward, as the reader does.

    Raises:
        NonFiniteError: if an activation is NaN or infinite. CorpusError: for a dictionary that is not sparse.
    """
    ids = [chunk.ids for chunk in some]
    entries = 0

    def watch(batch: Sequence[Window], x: Tensor, pieces: Sequence[Piece]) -> None:
        nonlocal entries
        entries += sum(len(piece.values) for piece in pieces)
        if entries > _MOST_ENTRIES:
            raise too_dense(entries / sum(map(len, ids)), dictionary)
        if also is not None:
            also(batch, x, pieces)

    try:
        pieces = engine._reader.read(ids, [dictionary], None, False, _Quiet(ticket, told), watch)[0]
    except NonFiniteError as error:
        names = f"{some[0].document.name!r} to {some[-1].document.name!r}"
        raise NonFiniteError(f"In the documents {names} of the corpus: {error}") from error
    return block_of(some, [of_text[0] for of_text in pieces], engine.counting)


class _Quiet(Ticket):
    """A job's ticket for the reading of one block, whose own count goes to whoever knows where the scan is."""

    def __init__(self, outer: Ticket, told: Callable[[int], None]) -> None:
        super().__init__()
        self._outer, self._told = outer, told

    def check(self) -> None:
        self._outer.check()

    def progress(self, done: int, total: int) -> None:
        self._told(done)

    def step(self, size: int) -> None:
        self._outer.step(size)

    def beat(self, part: float = 0.0) -> None:
        self._outer.beat(part)

    def breathe(self) -> None:
        self._outer.breathe()

"""The scan of one shard: a range of documents, forward to the hook, encode, and what is kept of it as a state on disk.

It is a function of the documents and the engine alone. Whoever does a shard again, here or elsewhere, writes the same bytes.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ...engine.activations.portion import tokens_at_once
from ...engine.activations.windows import windows
from ...engine.dictionary.base import Dictionary
from ...engine.engine import Engine
from ...engine.ticket import Ticket
from ..corpus.documents import Chunk, Document
from ..corpus.passage import row_of
from ..errors import writing
from ..scan.reading import blocks_of, read_block
from ..scan.shards import OUTLIER, Block
from .facts import Bounds, ShardFacts
from .write_state import merge_states, write_state

__all__ = ["Told", "read_shard", "scan_shard"]

# Activations that are held before a portion of the shard is written: some 60 bytes each.
_PORTION_ENTRIES, _PORTION_TOKENS = 2**24, 2**20

# Tokens of a comparison between two looks at who else waits.
_CHECKED = 2**15

Told = Callable[[int], None]
"""Told how many tokens of the shard are done."""


@dataclass(frozen=True)
class Reading:
    """How a corpus becomes chunks, and how much of each feature is kept; the same for all shards."""

    context_size: int
    bounds: Bounds


def scan_shard(
    engine: Engine,
    dictionary: Dictionary,
    reading: Reading,
    documents: Iterable[Document],
    number: int,
    target: Path,
    ticket: Ticket,
    *,
    limit: int | None = None,
    told: Told = lambda done: None,
) -> ShardFacts:
    """Scan the documents of one shard and write its state as the folder `target`, whole or not at all.

    On the engine's worker. A shard without a document writes nothing.

    Args:
        documents: of the shard, with their numbers in the corpus.
        limit: stop once so many tokens were read (rounded up to a whole chunk).

    Raises:
        NonFiniteError: if an activation is NaN or infinite. CorpusError: for a dictionary that is not sparse.
        IndexWriteError: if the disk is full; the shard can be done again.
    """
    passed = _Passed(documents, engine, reading.context_size)
    n, d_vocab = dictionary.n_features, int(engine.model.cfg.d_vocab)
    scratch = target.with_name(f".{target.name}.portions.tmp")
    shutil.rmtree(scratch, ignore_errors=True)
    blocks: list[Block] = []
    portions: list[Path] = []
    counted = outliers = 0

    def write(path: Path, facts: ShardFacts) -> None:
        with writing(target.parent):
            write_state(path, blocks, facts, reading.bounds, n, d_vocab, len(portions))
        blocks.clear()

    try:
        for some in blocks_of(passed, tokens_at_once(dictionary, least=reading.context_size), limit, ticket):
            before = passed.tokens - sum(len(chunk.ids) for chunk in some)
            block = read_block(engine, dictionary, some, ticket, partial(_from, told, before))
            counted += int((block.flags == 0).sum())
            outliers += int(np.count_nonzero(block.flags & OUTLIER))
            told(passed.tokens)
            held = (sum(map(len, blocks)), sum(len(b.value) for b in blocks))
            if blocks and (held[0] + len(block) > _PORTION_TOKENS or held[1] + len(block.value) > _PORTION_ENTRIES):
                write(scratch / f"{len(portions):06d}", passed.facts(number, 0, 0, cut=False))
                portions.append(scratch / f"{len(portions):06d}")
            blocks.append(block)
        cut = limit is not None and passed.tokens >= limit and passed.more()
        facts = passed.facts(number, counted, outliers, cut=cut)
        if facts.documents and not portions:
            write(target, facts)
        elif facts.documents:
            write(scratch / f"{len(portions):06d}", facts)
            portions.append(scratch / f"{len(portions):06d}")
            with writing(target.parent):
                merge_states(portions, target, ticket.breathe, facts)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return facts


def read_shard(
    engine: Engine,
    reading: Reading,
    documents: Iterable[Document],
    number: int,
    ticket: Ticket,
    *,
    limit: int | None = None,
) -> ShardFacts:
    """What `scan_shard` says of the texts of a shard, without the model; of what counts it says nothing (0)."""
    passed = _Passed(documents, engine, reading.context_size)
    for _ in blocks_of(passed, _CHECKED, limit, ticket):
        ticket.breathe()
    return passed.facts(number, 0, 0, cut=limit is not None and passed.tokens >= limit and passed.more())


class _Passed(Iterator[Chunk]):
    """Chunks of some documents, and what is said of those that are past."""

    def __init__(self, documents: Iterable[Document], engine: Engine, context_size: int) -> None:
        self._chunks = self._cut(iter(documents), context_size, engine.tokenizer.bos_id)
        self._ahead: Chunk | None = None
        self.documents = self.filled = self.tokens = self.chunks = 0
        self._texts, self._rows = hashlib.sha256(), hashlib.sha256()

    def _cut(self, documents: Iterator[Document], size: int, bos: int | None) -> Iterator[Chunk]:
        for document in documents:
            self.documents += 1
            self._rows.update(row_of(document, 0))
            for window in windows(document.number, document.ids, size, bos):
                yield Chunk(window.ids, document, window.start, window.lead)

    def __next__(self) -> Chunk:
        chunk = self._ahead or next(self._chunks)
        self._ahead = None
        self.filled += chunk.start == 0
        self.tokens += len(chunk.ids)
        self.chunks += 1
        self._texts.update(len(chunk.ids).to_bytes(8, "little"))
        self._texts.update(np.array(chunk.ids, "<i8").tobytes())
        return chunk

    def more(self) -> bool:
        """Whether there is another chunk."""
        before = self.documents, self._rows.copy()
        self._ahead = self._ahead or next(self._chunks, None)
        if self._ahead is not None:  # what it is of was not read
            self.documents, self._rows = before
        return self._ahead is not None

    def facts(self, number: int, counted: int, outliers: int, *, cut: bool) -> ShardFacts:
        return ShardFacts(
            number=number,
            documents=self.documents,
            filled=self.filled,
            tokens=self.tokens,
            counted=counted,
            outliers=outliers,
            chunks=self.chunks,
            texts=self._texts.hexdigest(),
            rows=self._rows.hexdigest(),
            cut=cut,
        )


def _from(told: Told, before: int, of_block: int) -> None:
    told(before + of_block)

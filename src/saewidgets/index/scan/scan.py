"""The one pass over a corpus: forward to the hook, encode, keep what is not zero. Resumable after every shard.

A corpus is read in blocks of chunks that are always cut in the same places, so that a scan that was killed and taken
up again, or cut into shards of another size, does the same sums in the same order and ends with the same bytes.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ...engine.activations.portion import tokens_at_once
from ...engine.dictionary.base import Dictionary
from ...engine.engine import Engine
from ...engine.text.counted import Counting
from ...engine.ticket import Ticket
from ..corpus.documents import Chunk, Document
from ..corpus.passage import Passage, Source, agree, chunks_of_shards, differs, must_tell_the_same, same, telling
from ..errors import CorpusError, IndexMismatchError, writing
from ..record.state import State
from ..statistics.neuron_correlations import NeuronSums
from .needs import Needs
from .reading import blocks_of, read_block
from .shards import Block, Shard, shard_name, shards_in, write_shard

# Activations after which a shard is written however few its tokens: some 60 bytes each while it is.
_SHARD_ENTRIES = 2**24


@dataclass(frozen=True)
class Plan:
    """What to scan and how.

    Attributes:
        tokens: stop once so many tokens were read; None: all of the corpus.
        shard_tokens: tokens between two points from which a killed scan goes on.
        keep: activations of a feature that the index keeps all of, at most.
    """

    source: Source
    path: Path
    dictionary: Dictionary
    context_size: int
    tokens: int | None
    shard_tokens: int
    keep: int


class Scan:
    """One run of a scan over one part of the corpus, on the engine's worker.

    Args:
        state: of the index; its last part is the one that is read.
        ahead: a pass over the corpus that is past all that was scanned of that part.
    """

    def __init__(self, engine: Engine, plan: Plan, state: State, ahead: Passage | None = None) -> None:
        self.engine, self.plan, self.state = engine, plan, state
        self._ahead = ahead
        self.documents_done = 0
        self.told: list[str] = []
        """What it takes, for people, as far as it is known."""
        self._shards = 0
        self._sums: NeuronSums | None = None

    def run(self, ticket: Ticket) -> None:
        """Scan what is not scanned yet; every shard that is written stays, whatever happens."""
        part = self.state.parts[-1]
        _tidy(self.plan.path)
        before = shards_in(self.plan.path)
        self._shards = len(before)
        first = int(part["first_document"])
        plan = self.plan
        mine = before[part["first_shard"] :]
        stream = self._ahead
        if stream is None or stream.passed != sum(len(s.folder.read("chunk_length")) for s in mine):
            stream = plan.source.open(first)
            self._unless_repeated(stream, before)
            self._skip(stream, mine, ticket)
        last = first - 1 if stream.last is None else stream.last.number
        self._needs = Needs.of(
            plan.path,
            plan.dictionary,
            plan.tokens,
            plan.keep,
            self.state.neurons,
            shard=plan.shard_tokens,
            full=_SHARD_ENTRIES,
        )
        self._needs.check(None, 0)
        self.told.append(self._needs.told(None))
        self._sums = self._load_sums(len(before))
        done = sum(map(len, mine))
        ticket.progress(done, plan.tokens or 0)
        blocks: list[Block] = []
        seen = last
        limit = None if plan.tokens is None else plan.tokens - done
        for some in blocks_of(stream, tokens_at_once(plan.dictionary, least=plan.context_size), limit, ticket):
            blocks.append(self._read(some, ticket, done))
            done += len(blocks[-1])
            self.documents_done = some[-1].document.number - int(part["first_document"])
            ticket.progress(done, self.plan.tokens or 0)
            per_token = len(blocks[-1].value) / len(blocks[-1])
            self._needs.check(per_token, done)
            if len(self.told) < 2:
                self.told.append(self._needs.told(per_token))
            self.told += [note for note in self.engine._reader.notes if note not in self.told]
            entries = sum(len(block.value) for block in blocks)
            if sum(map(len, blocks)) >= self.plan.shard_tokens or entries >= _SHARD_ENTRIES:
                seen = self._commit(blocks, seen)
                blocks = []
        if blocks:
            seen = self._commit(blocks, seen)
        if not self._shards:
            raise CorpusError("The corpus is empty: it has no text with a token in it.")
        if not any((shard.folder.read("flags") == 0).any() for shard in shards_in(plan.path)):
            # Nothing to keep: the right corpus, given afterwards, begins afresh.
            for useless in (*plan.path.glob("shard-*"), *plan.path.glob("sums-*")):
                shutil.rmtree(useless)
            raise CorpusError("The corpus has no token to count: all of its tokens are special ones (BOS, EOS, PAD).")
        part.update(
            done=True,
            tokens=done,
            chunks=stream.passed,
            exhausted=stream.peek() is None,
            documents=seen + 1,
            rows=stream.rows(),
        )
        with writing(self.plan.path):
            self.state.save(self.plan.path)

    def _read(self, some: list[Chunk], ticket: Ticket, done: int) -> Block:
        total = self.plan.tokens or 0
        also = None if self._sums is None else self._sums.add
        return read_block(
            self.engine,
            self.plan.dictionary,
            some,
            ticket,
            lambda of_block: ticket.progress(done + of_block, total),
            also,
        )

    def _commit(self, blocks: list[Block], seen: int) -> int:
        """Write a shard; returns the number of the last document in it."""
        documents: dict[int, Document] = {
            c.document.number: c.document for block in blocks for c in block.chunks if c.document.number > seen
        }
        path, number = self.plan.path, self._shards
        with writing(path):
            # The sums first: a shard that is there always has the sums that belong to it.
            if self._sums is not None:
                self._sums.save(path / _sums_name(number + 1))
            write_shard(path / shard_name(number), blocks, self.plan.dictionary.n_features, list(documents.values()))
            shutil.rmtree(path / _sums_name(number), ignore_errors=True)
        self._shards += 1
        return max([seen, *documents])

    def _skip(self, stream: Passage, mine: list[Shard], ticket: Ticket) -> None:
        """Pass over the chunks that are scanned already, all of which must be the same."""
        if not agree(stream, telling(chunks_of_shards(mine), sum(map(len, mine)), ticket)):
            raise IndexMismatchError(
                f"The index at {self.plan.path} was begun with another corpus (or another order of its texts). Pass "
                f"the same corpus to go on, use extend_index to add another one, or choose another path. {differs(stream)}"
            )
        must_tell_the_same(stream, self.state.parts[-1], self.plan.path)

    def _unless_repeated(self, stream: Passage, before: list[Shard]) -> None:
        """Raise if a part that is about to begin is one that is in the index already: all of it, not its beginning."""
        begins = [int(part["first_shard"]) for part in self.state.parts]
        if len(begins) < 2 or begins[-1] < len(before):
            return
        stream.keep()
        limit, done = self.plan.tokens, 0
        alike = [chunks_of_shards(before[a:b]) for a, b in pairwise(begins) if a < b]
        over = False
        while alike:
            chunk = stream.peek()
            if chunk is None or (limit is not None and done >= limit):
                if stream.passed:
                    raise RepeatedCorpus
                break
            found = [(stored, next(stored, None)) for stored in alike]
            alike = [stored for stored, ids in found if ids is not None and same(chunk, ids)]
            over = over or any(ids is None for _, ids in found)
            if alike:
                next(stream)
                done += len(chunk.ids)
        if over:
            raise RepeatedCorpus(
                f"The corpus begins with all of one that is in the index at {self.plan.path}, and goes on: its texts would "
                "count twice. Pass only those that are new."
            )
        stream.rewind()

    def _load_sums(self, n_shards: int) -> NeuronSums | None:
        if not self.state.neurons:
            return None
        dictionary = self.plan.dictionary
        device = dictionary.device or self.engine.model.input_device
        sums = NeuronSums.zeros(dictionary.n_features, dictionary.d_in, device, self.engine.counting)
        if n_shards:
            sums.load(self.plan.path / _sums_name(n_shards))
        for stale in self.plan.path.glob("sums-*"):
            if stale.name != _sums_name(n_shards):
                shutil.rmtree(stale)
        return sums


class RepeatedCorpus(Exception):
    """The corpus that was to be added is in the index already; with a message: and it goes on after that."""


def load_sums(path: Path, state: State, dictionary: Dictionary, counting: Counting) -> NeuronSums | None:
    """The sums of a scan that ended."""
    import torch

    if not state.neurons:
        return None
    sums = NeuronSums.zeros(dictionary.n_features, dictionary.d_in, torch.device("cpu"), counting)
    sums.load(path / _sums_name(len(shards_in(path))))
    return sums


def _sums_name(n_shards: int) -> str:
    return f"sums-{n_shards:06d}"


def _tidy(path: Path) -> None:
    """Remove what a killed run left half written."""
    for left in path.glob(".*.tmp"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()

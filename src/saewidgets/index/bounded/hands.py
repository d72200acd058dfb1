"""Who does the work of a bounded scan: this process, or the actors of a cluster."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Literal, Protocol

from ...engine.dictionary.base import Dictionary
from ...engine.engine import Engine
from ...engine.ticket import Ticket
from ...storage.shelf import Shelf
from ..corpus.documents import Document
from ..errors import CorpusError
from .facts import ShardFacts
from .on_shelf import merge_on, scan_to
from .shard import Reading, read_shard

__all__ = ["Done", "Hands", "Here", "Ranges", "Task"]


@dataclass(frozen=True)
class Task:
    """One piece of work; to do it twice does no harm.

    Attributes:
        kind: "scan" a shard to the state `name`; "check" only the texts of one; "merge" the states `names` to the state `name`.
        number, limit: of the shard, and where it ends (tokens).
    """

    kind: Literal["scan", "check", "merge"]
    name: str = ""
    number: int = -1
    limit: int | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Done:
    """A task that ended.

    Attributes:
        facts: of a shard; damaged: states that were to be merged, and are not as they were written: nothing was merged.
    """

    task: Task
    facts: ShardFacts | None = None
    damaged: tuple[str, ...] = ()


class Hands(Protocol):
    """Does tasks. Scans and checks come in ascending order of their shards, but for a shard that is done again.

    Attributes:
        at_once: tasks to have under way.
    """

    at_once: int

    def begin(self, task: Task) -> None:
        """Begin a task."""

    def done(self) -> Done | None:
        """A task that ended, soon; None if none has yet.

        Raises:
            what a task raised that could not be done.
        """

    def tokens_under_way(self) -> int:
        """Tokens that are done of shards that are not."""

    def close(self) -> None:
        """Leave what is under way."""


class Ranges:
    """The documents of a corpus in ranges of equal length, in one pass or again from the beginning.

    Args:
        open_documents: a new pass over the documents. read_once: whether there can be no second one.
        per_shard: documents of a range.
    """

    def __init__(self, open_documents: Callable[[], Iterator[Document]], read_once: bool) -> None:
        self._open, self._read_once = open_documents, read_once
        self._stream: Iterator[Document] | None = None
        self._at = 0
        self.per_shard = 0

    def mean_tokens(self, of: int) -> float:
        """Mean length of the first documents; 0 of an empty corpus. The pass goes on from its beginning."""
        self._stream = self._stream or self._open()
        first = list(islice(self._stream, of))
        self._stream = chain(first, self._stream)
        return sum(len(document.ids) for document in first) / max(len(first), 1)

    def of(self, number: int) -> Iterable[Document]:
        """The documents of a shard.

        Raises:
            CorpusError: if they are past, in a corpus that can be read only once.
        """
        start = number * self.per_shard
        if self._stream is None or self._at > start:
            if self._at > start and self._read_once:
                raise CorpusError(
                    "The corpus would have to be read once more from its beginning, which a generator cannot: pass a list, a "
                    "table or a dataset. What was scanned so far is kept."
                )
            self._stream, self._at = self._open(), 0
        for _ in islice(self._stream, start - self._at):
            pass
        self._at = start
        for document in islice(self._stream, self.per_shard):
            self._at += 1
            yield document


class Here:
    """This process: one task after another, on the engine's worker.

    Args:
        shelf: where states are.
    """

    at_once = 1

    def __init__(
        self, engine: Engine, dictionary: Dictionary, reading: Reading, ranges: Ranges, shelf: Shelf, ticket: Ticket
    ) -> None:
        self._engine, self._dictionary, self._reading, self._ranges = engine, dictionary, reading, ranges
        self._shelf, self._ticket = shelf, ticket
        self._waiting: deque[Task] = deque()
        self._tokens = 0
        self.on_tokens: Callable[[], None] = lambda: None
        """Called whenever `tokens_under_way` changed."""

    def begin(self, task: Task) -> None:
        self._waiting.append(task)

    def done(self) -> Done | None:
        task = self._waiting.popleft()
        if task.kind == "merge":
            return Done(task, damaged=merge_on(self._shelf, task.names, task.name, self._ticket.breathe))
        if task.kind == "check":
            facts = self.check(task.number, task.limit)
        else:
            facts = scan_to(
                self._shelf,
                task.name,
                self._engine,
                self._dictionary,
                self._reading,
                self._ranges.of(task.number),
                task.number,
                self._ticket,
                limit=task.limit,
                told=self._told,
            )
        self._tokens = 0
        return Done(task, facts)

    def check(self, number: int, limit: int | None) -> ShardFacts:
        """What is said of the texts of a shard."""
        documents = self._ranges.of(number)
        return read_shard(self._engine, self._reading, documents, number, self._ticket, limit=limit)

    def _told(self, done: int) -> None:
        self._tokens = done
        self.on_tokens()

    def tokens_under_way(self) -> int:
        return self._tokens

    def close(self) -> None:
        self._waiting.clear()

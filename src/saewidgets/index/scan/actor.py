"""What one actor of a cluster does: it holds an engine, and does tasks whose documents and states are named to it.

Nothing here knows of Ray. An actor is told names (files, urls, numbers) and answers with facts of a few bytes; what it makes it puts on
a shelf, whole or not at all. So it can end at any moment, and another one does the same task again.
"""

from __future__ import annotations

import errno
import os
import platform
import socket
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ...engine.engine import Engine
from ...engine.memory import is_out_of_memory
from ...engine.ticket import Ticket
from ...errors import OutOfMemoryError, SaewidgetsError
from ...storage.shelf import Shelf
from ..bounded.facts import ShardFacts
from ..bounded.hands import Task
from ..bounded.on_shelf import merge_on, scan_to
from ..bounded.shard import Reading, read_shard
from ..corpus.documents import Document, documents
from ..corpus.ranges import NumberedRows
from ..corpus.spool import read_documents
from ..errors import ClusterError, IndexCorruptError, IndexWriteError
from ..record.identity import differing, identity

__all__ = ["MARK", "SPOOL", "Actor", "Answer", "Corpus", "Failure", "Orders", "spooled", "versions"]

SPOOL = ".scratch-spool"
"""The folder on the shelf for documents that only the process of the build can read; what is left there is not of use to the next."""

MARK = f"{SPOOL}/mark"
"""A file by which an actor knows that it sees the same shelf as who sent it."""

_PACKAGES = ("saewidgets", "sae-lens", "transformer-lens", "torch", "transformers", "numpy")


@dataclass(frozen=True)
class Corpus:
    """Where an actor finds documents.

    Attributes:
        rows: by number, in files; None: as folders on `spool`, one a shard.
        text, name: columns of rows. per_shard: documents of a shard.
    """

    rows: NumberedRows | None
    spool: Shelf
    text: str | None
    name: str | None
    per_shard: int

    def of(self, number: int, engine: Engine) -> Iterable[Document]:
        """The documents of a shard."""
        if self.rows is None:
            return self._spooled(number)
        first = number * self.per_shard
        return documents(self.rows.rows(first, first + self.per_shard), engine, self.text, self.name, first)

    def _spooled(self, number: int) -> Iterator[Document]:
        with self.spool.opened(spooled(number)) as folder:
            yield from read_documents(folder)


def spooled(number: int) -> str:
    """What the documents of a shard are called on the spool's shelf."""
    return f"documents-{number:06d}"


@dataclass(frozen=True)
class Orders:
    """All that an actor is told before its tasks.

    Attributes:
        make: makes the engine.
        dictionary: name of one of its dictionaries; threads: for torch, on a CPU.
        identity, versions: of whoever gives the orders: must be the actor's too.
        mark: what stands in the file `MARK` of the shelf.
    """

    make: Callable[[], Engine]
    dictionary: str
    threads: int
    reading: Reading
    corpus: Corpus
    shelf: Shelf
    identity: Mapping[str, Any]
    versions: Mapping[str, str]
    mark: bytes


@dataclass(frozen=True)
class Failure:
    """Why a task was not done.

    Attributes:
        error: to be raised where the build was called.
        again: whether another actor may succeed; retire: whether this one should not be tried again, nor be replaced on its machine.
    """

    error: SaewidgetsError
    again: bool
    retire: bool = False


Answer = ShardFacts | tuple[str, ...] | Failure
"""Facts of a shard; of states that were to be merged those that are damaged."""


def versions() -> dict[str, str]:
    """Of what decides a number."""
    found = {"Python": ".".join(platform.python_version_tuple()[:2])}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


class Actor:
    """One process with an engine of its own.

    Raises nothing: what cannot be done is told as a `Failure`.
    """

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._engine: Engine | None = None
        self._reached = 0

    def ready(self) -> str | Failure:
        """Make the engine, and see that it is the one that was meant; the name of this machine."""
        orders = self._orders
        try:
            _unless_other_versions(orders.versions)
            if orders.shelf.read(MARK) != orders.mark:
                raise ClusterError(
                    f"{_here()} does not see {orders.shelf.where}, or sees another one: name a folder that all machines mount "
                    'under the same path, or a url (shards="s3://...").'
                )
            import torch

            torch.set_num_threads(orders.threads)
            self._engine = self._made(orders)
        except Exception as error:
            return _failure(error, "make its engine")
        return socket.gethostname()

    def do(self, task: Task) -> Answer:
        """Do a task."""
        self._reached = 0
        try:
            if task.kind == "merge":
                return merge_on(self._orders.shelf, task.names, task.name, lambda: None)
            return self._shard(task)
        except Exception as error:
            return _failure(error, _said(task))
        finally:
            self._reached = 0

    def reached(self) -> int:
        """How many tokens of its shard are done."""
        return self._reached

    def _made(self, orders: Orders) -> Engine:
        try:
            engine = orders.make()
        except SaewidgetsError:
            raise
        except Exception as error:
            # A path that is there only where the build was called, a model that is not in this machine's cache.
            raise ClusterError(
                f"{_here()} cannot make the engine: {type(error).__name__}: {error} The model's files must be on every machine, "
                "under the same path; or pass make_engine=, a function that finds them there."
            ) from error
        if not isinstance(engine, Engine):
            raise ClusterError(f"make_engine gave a {type(engine).__name__}, not an Engine.")
        if engine.context_size < orders.reading.context_size:
            raise ClusterError(
                f"The engine made on {socket.gethostname()} reads {engine.context_size} tokens at once, and the build cuts its texts "
                f"into chunks of {orders.reading.context_size}: make it with the same context_size."
            )
        if orders.dictionary not in engine.dictionaries:
            raise ClusterError(
                f"The engine made on {socket.gethostname()} has no dictionary {orders.dictionary!r}; it has "
                f"{', '.join(map(repr, engine.dictionaries))}."
            )
        dictionary = engine.dictionary(orders.dictionary)
        other = differing(orders.identity, identity(engine, dictionary, orders.reading.context_size))
        if other:
            raise ClusterError(
                f"The engine made on {socket.gethostname()} is another one than that of the build: {'; '.join(other.values())} "
                "(there: where the build was called). Pass make_engine=, a function that makes the same one."
            )
        return engine

    def _shard(self, task: Task) -> ShardFacts:
        orders, engine = self._orders, self._engine
        assert engine is not None
        documents = orders.corpus.of(task.number, engine)

        def told(done: int) -> None:
            self._reached = done

        def shard(ticket: Ticket) -> ShardFacts:
            if task.kind == "check":
                return read_shard(engine, orders.reading, documents, task.number, ticket, limit=task.limit)
            return scan_to(
                orders.shelf,
                task.name,
                engine,
                engine.dictionary(orders.dictionary),
                orders.reading,
                documents,
                task.number,
                ticket,
                limit=task.limit,
                told=told,
            )

        return engine.worker.run(shard)


def _unless_other_versions(theirs: Mapping[str, str]) -> None:
    here = versions()
    other = [f"{name} {here.get(name)} there, {said} here" for name, said in theirs.items() if here.get(name) != said]
    if other:
        raise ClusterError(
            f"The actors are of another version than the build: {_here()} has {'; '.join(other)}. Numbers of the two must not be "
            "mixed: install the same versions on all machines."
        )


def _failure(error: Exception, what: str) -> Failure:
    """Whose fault it was: of the data and the call, then nobody does better; of this machine, then another one may."""
    told = str(error) or type(error).__name__
    full = isinstance(error, IndexWriteError) or (
        isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    )
    if full:
        return Failure(IndexWriteError(f"{_here()} could not {what}: {told}"), again=True, retire=True)
    if isinstance(error, OutOfMemoryError) or is_out_of_memory(error):
        return Failure(ClusterError(f"{_here()} ran out of memory and could not {what}: {told}"), again=True)
    if isinstance(error, SaewidgetsError):
        return Failure(_same_kind(error, f"{told} ({_here()})"), again=isinstance(error, IndexCorruptError))
    trace = "".join(traceback.format_exception(error)[-3:])
    return Failure(ClusterError(f"{_here()} could not {what}: {type(error).__name__}: {told}\n{trace}"), again=True)


def _same_kind(error: SaewidgetsError, told: str) -> SaewidgetsError:
    """An error of the same class; of one that is made of more than a sentence, its base."""
    try:
        return type(error)(told)
    except TypeError:
        return ClusterError(f"{type(error).__name__}: {told}")


def _said(task: Task) -> str:
    if task.kind == "merge":
        return f"merge {len(task.names)} states"
    return f"{'scan' if task.kind == 'scan' else 'read'} shard {task.number}"


def _here() -> str:
    return f"The machine {socket.gethostname()} (process {os.getpid()})"

"""Tasks of a bounded scan whose states come from a shelf and go to it, whoever does them: this process or one of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack

from ...engine.dictionary.base import Dictionary
from ...engine.engine import Engine
from ...engine.ticket import Ticket
from ...storage.array_folder import Folder
from ...storage.shelf import Shelf
from ..corpus.documents import Document
from ..errors import IndexCorruptError, writing
from .facts import ShardFacts
from .shard import Reading, Told, scan_shard
from .write_state import merge_states

__all__ = ["is_whole", "merge_on", "scan_to"]


def scan_to(
    shelf: Shelf,
    name: str,
    engine: Engine,
    dictionary: Dictionary,
    reading: Reading,
    documents: Iterable[Document],
    number: int,
    ticket: Ticket,
    *,
    limit: int | None,
    told: Told,
) -> ShardFacts:
    """Scan a shard (`scan_shard`), and put its state on the shelf; of a shard without documents there is none."""
    with writing(shelf.where), shelf.scratch() as scratch:
        facts = scan_shard(
            engine, dictionary, reading, documents, number, scratch / name, ticket, limit=limit, told=told
        )
        if facts.documents:
            shelf.put(scratch / name, name)
    return facts


def merge_on(shelf: Shelf, names: Iterable[str], name: str, breathe: Callable[[], None]) -> tuple[str, ...]:
    """Merge states to one; returns those that are not as they were written. If there is one, nothing was merged."""
    with writing(shelf.where), shelf.scratch() as scratch:
        try:
            with ExitStack() as open_ones:
                merge_states([open_ones.enter_context(shelf.opened(one)) for one in names], scratch / name, breathe)
        except IndexCorruptError:
            damaged = tuple(one for one in names if not is_whole(shelf, one))
            if not damaged:
                raise
            return damaged
        shelf.put(scratch / name, name)
    return ()


def is_whole(shelf: Shelf, name: str) -> bool:
    """Whether a state is on the shelf as it was written."""
    try:
        with shelf.opened(name) as folder:
            Folder(folder, mapped=False).verify()
    except IndexCorruptError:
        return False
    return True

"""Tasks of a bounded scan whose states come from a shelf and go to it, whoever does them: this process or one of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

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

__all__ = ["merge_on", "scan_to"]


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
            merge_states([shelf.fetched(one, scratch) for one in names], scratch / name, breathe)
        except IndexCorruptError:
            damaged = tuple(one for one in names if not _is_whole(shelf, one, scratch))
            if not damaged:
                raise
            return damaged
        shelf.put(scratch / name, name)
    return ()


def _is_whole(shelf: Shelf, name: str, scratch: Path) -> bool:
    try:
        Folder(shelf.fetched(name, scratch), mapped=False).verify()
    except IndexCorruptError:
        return False
    return True

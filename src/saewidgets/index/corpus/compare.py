"""Whether the corpus of a call is the one that an index is of: all of it, not its beginning."""

from __future__ import annotations

from itertools import accumulate, islice

from ...engine.ticket import Ticket
from ...storage.array_folder import Folder
from ..errors import IndexMismatchError
from ..record.manifest import Manifest
from ..record.state import State
from ..scan.scan import Plan
from ..scan.shards import shards_in
from .passage import Passage, agree, chunks_of_shards, chunks_of_store, differs, must_tell_the_same, telling


def compare(
    plan: Plan, state: State, manifest: Manifest | None, number: int, opened: bool, fixed: bool, ticket: Ticket
) -> Passage | None:
    """Compare the corpus, chunk by chunk, with the part of an index that was scanned of it.

    Args:
        manifest: of the finished index, if it is finished.
        number: of the part.
        opened: whether the index is only to be opened; else there is a store to be written.
        fixed: whether nothing can be added to it.

    Returns:
        None if they are the same (or more was not asked for); else the corpus on its way, past what was scanned.

    Raises:
        IndexMismatchError: if it is another corpus, or goes on after one that cannot.
    """
    path, parts = plan.path, state.parts
    part, later = parts[number], [p for p in parts[number + 1 :] if p["done"]]
    has_scan = manifest is None or manifest.has_scan(path)
    if manifest is None or has_scan:
        stored = chunks_of_shards(shards_in(path)[int(part["first_shard"]) :])
    else:
        stored = chunks_of_store(Folder(path / manifest.store), sum(p["chunks"] for p in parts[:number]))
    passage = plan.source.open(int(part["first_document"]))
    if not agree(passage, telling(islice(stored, int(part["chunks"])), int(part["tokens"]), ticket)):
        if opened:
            told = "The finished index at {} is of another corpus. Open it with FeatureIndex.open, {}or choose another path."
        else:
            told = "The scan at {} is of another corpus: pass the same one to finish it, {}or choose another path."
        add = "add to it with extend_index, " if opened and has_scan else ""
        raise IndexMismatchError(f"{told.format(path, add)} {differs(passage)}")
    must_tell_the_same(passage, part, path)
    enough = not part["exhausted"] or (plan.tokens is not None and plan.tokens <= part["tokens"])
    if passage.peek() is None or enough:
        return None
    if later:  # all that it was extended by, in one corpus with the first, is the same index
        ends = list(accumulate(int(p["chunks"]) for p in (part, *later)))
        agree(passage, islice(stored, ends[-1] - ends[0]))
        if passage.peek() is None and passage.passed in ends:
            return None
    if later or fixed or not has_scan:
        add = "add only what is new with extend_index, " if has_scan else "it has no scan and cannot be extended: "
        raise IndexMismatchError(
            f"The corpus goes on after the {part['tokens']:,} tokens of it that are in the index at {path}: {add}"
            "open it as it is with FeatureIndex.open, or choose another path."
        )
    return passage

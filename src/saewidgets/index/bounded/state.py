"""The state of some shards on disk: what every feature did on them, in a room that depends on the features.

States of different shards merge (merge.py) to the state of them all: counts, extremes and the grid as integers, sums without
rounding, samples by a draw that is fixed. So any order and grouping ends with the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from ...engine.arrays import Bools, Ints
from ...storage.array_folder import Array, Folder, FolderWriter
from .draw import Draw, chunk_draw, token_draw
from .facts import StateFacts

__all__ = ["Chunks", "StateFolder", "put_documents", "state_name"]


@dataclass(frozen=True)
class Chunks:
    """Chunks of the corpus, by document and place in it, whose tokens are counted one after another.

    Attributes:
        document: [chunks] its number; start: its first token there; lead: leading tokens that are not of it there.
        length: tokens.
    """

    document: Ints
    start: Ints
    lead: Ints
    length: Ints

    def __len__(self) -> int:
        return len(self.document)

    @cached_property
    def ptr(self) -> Ints:
        """[chunks + 1] where each begins."""
        return np.concatenate([[0], np.cumsum(self.length)])

    def __getitem__(self, which: Array) -> Chunks:
        return Chunks(self.document[which], self.start[which], self.lead[which], self.length[which])

    def of(self, at: Ints) -> Ints:
        """The chunk of each token."""
        if int(self.ptr[-1]) > _LISTED:
            return np.searchsorted(self.ptr, at, side="right") - 1
        return self._of_each[at].astype(np.int64)

    @cached_property
    def _of_each(self) -> Array:
        """[tokens] the same, looked up: several times as fast as searching."""
        return np.repeat(np.arange(len(self), dtype=np.int32), self.length)

    def drawn(self, seed: int, at: Ints, chunk: Ints) -> Draw:
        """The number of each token, given its chunk."""
        place = self.start[chunk] - self.lead[chunk] + at - self.ptr[chunk]
        return token_draw(seed, self.document[chunk], place)

    def first_drawn(self, seed: int, asked: Bools, k: int) -> Bools:
        """The k of the asked chunks that are drawn first."""
        which = np.flatnonzero(asked)
        order = np.argsort(chunk_draw(seed, self.document[which], self.start[which]), kind="stable")
        found = np.zeros(len(self), bool)
        found[which[order[:k]]] = True
        return found

    def put(self, writer: FolderWriter) -> None:
        for name, dtype in _OF_CHUNKS.items():
            writer.put(f"chunk_{name}", getattr(self, name).astype(dtype))

    @classmethod
    def read(cls, folder: Folder) -> Chunks:
        return cls(*(folder.read(f"chunk_{name}").astype(np.int64) for name in _OF_CHUNKS))


# Of so many tokens it is listed whose chunk each is: 64 MB.
_LISTED = 2**24
_OF_CHUNKS = {"document": np.uint32, "start": np.uint32, "lead": np.uint8, "length": np.uint32}


class StateFolder:
    """Reads a state.

    Attributes:
        facts: what it says of itself.
    """

    def __init__(self, path: Path) -> None:
        self.folder = Folder(path, mapped=False)
        self.facts = StateFacts.of(self.folder.facts)

    def rows(self, low: int, high: int) -> tuple[int, int]:
        """Where features low .. high-1 are among those that fire."""
        found = np.searchsorted(self.alive, [low, high])
        return int(found[0]), int(found[1])

    @cached_property
    def alive(self) -> Ints:
        """[A] features that fire, ascending."""
        return self.folder.read("feature").astype(np.int64)

    def ragged(self, ptr: str, start: int, stop: int, *names: str) -> tuple[Ints, list[Array]]:
        """Rows start .. stop-1 of ragged arrays: [rows + 1] pointers from 0, and what they point into."""
        where = self.folder.read(ptr, start, stop + 1).astype(np.int64)
        return where - where[0], [self.folder.read(name, int(where[0]), int(where[-1])) for name in names]

    @cached_property
    def chunks(self) -> Chunks:
        """Those that are kept."""
        return Chunks.read(self.folder)

    def documents(self) -> dict[int, pa.Table]:
        """Of each shard the documents that kept chunks are of, as `scan/shards.py` writes them."""
        stored = self.folder.read_table("documents.arrow")
        return {
            int(number): pa.ipc.open_file(rows).read_all()
            for number, rows in zip(stored["shard"].to_pylist(), stored["rows"].to_pylist(), strict=True)
        }


def put_documents(writer: FolderWriter, of_shards: dict[int, pa.Table], kept: Ints) -> None:
    """Write what is said of the documents `kept`, shard by shard: what types columns have is decided once, at the end."""
    numbers, rows = [], []
    for number in sorted(of_shards):
        table = of_shards[number]
        if not table.num_rows:
            continue
        table = table.filter(pa.array(np.isin(table["document"].to_numpy(), kept)))
        if table.num_rows:
            out = pa.BufferOutputStream()
            with pa.ipc.new_file(out, table.schema) as sink:
                sink.write_table(table.combine_chunks())
            numbers.append(number)
            rows.append(out.getvalue().to_pybytes())
    stored = pa.table({"shard": pa.array(numbers, pa.int64()), "rows": pa.array(rows, pa.large_binary())})
    writer.put_table("documents.arrow", stored)


def state_name(numbers: frozenset[int]) -> str:
    """The folder of the state of these shards."""
    return f"state-{min(numbers):08d}-{max(numbers):08d}-{len(numbers):08d}"

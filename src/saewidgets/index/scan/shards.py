"""The part of a scan that is on disk: some tokens, and every activation on them, sorted by feature.

A shard is complete or absent. It keeps all activations, so that statistics stay exact however many shards follow, and
a finished index can grow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ...engine.arrays import Floats, Ints
from ...engine.text.tokenizer import clean
from ...storage.array_folder import Array, Folder, FolderWriter
from ..corpus.columns import THEIRS
from ..errors import CorpusError

if TYPE_CHECKING:
    from ...engine.activations.piece import Piece
    from ...engine.text.counted import Counting
    from ..corpus.documents import Chunk, Document

SPECIAL, OUTLIER = 1, 2
"""Why a token is not counted: bits of a token's flag."""
SAMPLE = "sample"
"""The folder of a shard of chunks that were drawn from the corpus, of a bounded scan."""


@dataclass(frozen=True)
class Block:
    """A few forward passes' worth of chunks, read: always the same chunks together, however a scan is cut up.

    Attributes:
        chunks: what was read.
        flags: [tokens], 0 for a counted token, else `SPECIAL` or `OUTLIER`.
        position, feature, value: [entries], the activations on counted tokens, by position in the block.
    """

    chunks: Sequence[Chunk]
    flags: Array
    position: Ints
    feature: Ints
    value: Floats

    def __len__(self) -> int:
        return len(self.flags)


def flags_of(ids: Sequence[int], piece: Piece, counting: Counting) -> Array:
    """Flags of a chunk's tokens."""
    roles = counting.roles(ids, piece.relative)
    return (roles.special * SPECIAL + roles.outlier * OUTLIER).astype(np.uint8)


def block_of(chunks: Sequence[Chunk], pieces: Sequence[Piece], counting: Counting) -> Block:
    """Put the pieces of a block's chunks together, leaving out tokens that are not counted."""
    flags = np.concatenate([flags_of(c.ids, p, counting) for c, p in zip(chunks, pieces, strict=True)])
    position = np.repeat(np.arange(len(flags)), np.concatenate([p.counts for p in pieces]))
    counted = flags[position] == 0
    return Block(
        chunks=chunks,
        flags=flags,
        position=position[counted],
        feature=np.concatenate([p.features for p in pieces])[counted],
        value=np.concatenate([p.values for p in pieces])[counted],
    )


def write_shard(path: Path, blocks: Sequence[Block], n_features: int, new: Sequence[Document]) -> None:
    """Write `blocks` as the shard `path`, with the documents that begin in it."""
    starts = np.cumsum([0, *map(len, blocks)])
    feature = np.concatenate([block.feature for block in blocks])
    order = np.argsort(feature.astype(np.uint16 if n_features <= 2**16 else np.uint32), kind="stable")
    position = np.concatenate([b.position + start for b, start in zip(blocks, starts[:-1], strict=True)])
    chunks = [chunk for block in blocks for chunk in block.chunks]
    with FolderWriter(path) as writer:
        writer.put("tokens", np.array([i for chunk in chunks for i in chunk.ids], dtype=np.uint32))
        writer.put("flags", np.concatenate([block.flags for block in blocks]))
        writer.put("chunk_length", np.array([len(chunk.ids) for chunk in chunks], dtype=np.uint32))
        writer.put("chunk_document", np.array([chunk.document.number for chunk in chunks], dtype=np.uint32))
        writer.put("chunk_start", np.array([chunk.start for chunk in chunks], dtype=np.uint32))
        writer.put("chunk_lead", np.array([chunk.lead for chunk in chunks], dtype=np.uint8))
        writer.put("block_ptr", starts.astype(np.uint64))
        writer.put("feature_ptr", np.searchsorted(feature[order], np.arange(n_features + 1)).astype(np.uint64))
        writer.put("position", position[order].astype(np.uint32))
        writer.put("value", np.concatenate([block.value for block in blocks])[order].astype(np.float32))
        writer.put_table("documents.arrow", table_of(new))
        writer.commit({"chunks": len(chunks), "tokens": int(starts[-1]), "hash": _fingerprint(chunks)})


def _fingerprint(some: Iterable[Chunk]) -> str:
    """A hash of the chunks' token ids: whether it is the same corpus."""
    digest = hashlib.sha256()
    for chunk in some:
        digest.update(len(chunk.ids).to_bytes(8, "little"))
        digest.update(np.array(chunk.ids, dtype="<i8").tobytes())
    return digest.hexdigest()


def table_of(documents: Sequence[Document]) -> pa.Table:
    """One row a document: its number, name and length, and the corpus' own columns."""
    rows = [
        {"document": d.number, "name": d.name, "tokens": len(d.ids), **{THEIRS + k: v for k, v in d.columns.items()}}
        for d in documents
    ]
    names = dict.fromkeys(name for row in rows for name in row)
    stored = {name: clean(name) for name in names}
    if len(set(stored.values())) < len(stored):
        twice = [name[len(THEIRS) :] for name, kept in stored.items() if list(stored.values()).count(kept) > 1]
        raise CorpusError(
            f"The corpus' columns {', '.join(map(repr, twice))} differ only in characters that no text can hold (lone "
            "surrogates): rename them."
        )
    return pa.table({stored[name]: column([row.get(name) for row in rows]) for name in names})


def column(values: Sequence[object]) -> pa.Array:
    """A column of a table; strings where values are of several types, or of one that Arrow does not know."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeError):
        return pa.array([None if value is None else clean(str(value)) for value in values])


class Shard:
    """A committed shard.

    Attributes:
        first: position in the whole corpus of its first token.
    """

    def __init__(self, path: Path, first: int) -> None:
        self.folder = Folder(path, mapped=False)
        self.first = first

    def __len__(self) -> int:
        return int(self.folder.facts["tokens"])

    def entries(self, low: int, high: int) -> tuple[Array, Array, Array]:
        """Entries of features low .. high-1, by feature and position: [high-low+1] pointers, positions, values."""
        ptr = self.folder.read("feature_ptr", low, high + 1).astype(np.int64)
        start, stop = int(ptr[0]), int(ptr[-1])
        return ptr - start, self.folder.read("position", start, stop), self.folder.read("value", start, stop)


def shards_in(path: Path) -> list[Shard]:
    """The committed shards of an index, in order, as far as there is no gap."""
    found: list[Shard] = []
    first = 0
    while (path / shard_name(len(found))).is_dir():
        found.append(Shard(path / shard_name(len(found)), first))
        first += len(found[-1])
    return found


def shards_of(path: Path, tokens: int) -> list[Shard]:
    """The shards of an index' first `tokens` tokens: what follows is of a scan that went on since. None if they do not end there."""
    found = [shard for shard in shards_in(path) if shard.first < tokens]
    return found if sum(map(len, found)) == tokens else []


def shard_name(number: int) -> str:
    return f"shard-{number:06d}"


def blocks_of(shard: Shard) -> Iterator[slice]:
    """The stretches of tokens that were read together."""
    ptr = shard.folder.read("block_ptr").astype(np.int64)
    for start, stop in pairwise(ptr.tolist()):
        yield slice(start, stop)

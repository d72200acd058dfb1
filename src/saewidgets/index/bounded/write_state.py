"""From what was read of a stretch of the corpus to its state, and from the states of several stretches to that of them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...engine.arrays import Bools, Ints
from ...storage.array_folder import Array, FolderWriter
from ..errors import IndexCorruptError
from ..scan.shards import Block, table_of
from .facts import Bounds, ShardFacts, StateFacts
from .rows import RowsWriter, merged_rows, read_rows, rows_of
from .state import Chunks, StateFolder, put_documents

__all__ = ["merge_states", "write_state"]

# Kept activations that are merged at once.
_ENTRIES = 2**21
# Tokens that are copied at once.
_TOKENS = 2**20
# Portions of a shard, at most.
_PORTIONS = 2**20


def write_state(
    path: Path,
    blocks: Sequence[Block],
    shard: ShardFacts,
    bounds: Bounds,
    n_features: int,
    d_vocab: int,
    portion: int = 0,
) -> None:
    """Write the state of some blocks of one shard as the folder `path`.

    Args:
        portion: which part of its shard they are, where one is too large to be held at once.
    """
    some = [chunk for block in blocks for chunk in block.chunks]
    chunks = Chunks(
        *(
            np.array(column, np.int64)
            for column in (
                [chunk.document.number for chunk in some],
                [chunk.start for chunk in some],
                [chunk.lead for chunk in some],
                [len(chunk.ids) for chunk in some],
            )
        )
    )
    tokens = np.array([i for chunk in some for i in chunk.ids], np.uint32)
    flags = np.concatenate([np.zeros(0, np.uint8), *(block.flags for block in blocks)])
    starts = np.cumsum([0, *map(len, blocks)])
    feature = np.concatenate([_NONE, *(block.feature for block in blocks)])
    at = np.concatenate([_NONE, *(b.position + start for b, start in zip(blocks, starts[:-1], strict=True))])
    value = np.concatenate([np.zeros(0, np.float32), *(block.value for block in blocks)])
    order = np.argsort(feature.astype(np.uint16 if n_features <= 2**16 else np.uint32), kind="stable")
    feature, at, value = feature[order], at[order], value[order].astype(np.float32)

    rows = rows_of(feature, at, value, chunks, bounds)
    sampled = chunks.first_drawn(bounds.seed, np.ones(len(chunks), bool), bounds.chunks)
    kept = sampled.copy()
    kept[chunks.of(rows.at)] = True
    inside = sampled[chunks.of(at)] if len(chunks) else np.zeros(0, bool)
    documents = {chunk.document.number: chunk.document for chunk in some}
    with FolderWriter(path) as writer, ExitStack() as stack:
        features = RowsWriter(writer, stack)
        features.append(rows)
        move = _onto(chunks, kept)
        features.close(move)
        _put_sample(writer, feature[inside], move(at[inside]), value[inside])
        chunks[kept].put(writer)
        writer.put("chunk_sampled", sampled[kept].astype(np.uint8))
        stays = np.repeat(kept, chunks.length)
        writer.put("tokens", tokens[stays])
        writer.put("flags", flags[stays].astype(np.uint8))
        writer.put("occurrences", np.bincount(tokens[flags == 0], minlength=d_vocab).astype(np.uint64))
        put_documents(
            writer, {shard.number * _PORTIONS + portion: table_of(list(documents.values()))}, chunks.document[kept]
        )
        stack.close()
        writer.commit(StateFacts((shard,), bounds, n_features).to_json())


def merge_states(
    sources: Sequence[Path], path: Path, breathe: Callable[[], None] = lambda: None, whole: ShardFacts | None = None
) -> None:
    """Write the state of all shards that the states `sources` are of, as the folder `path`.

    Args:
        whole: what is said of the shard that all of them are portions of; None: they are of different shards.

    Raises:
        IndexCorruptError: if one is damaged, or two are of the same shard.
    """
    states = [StateFolder(source) for source in sources]
    shards = tuple(s for state in states for s in state.facts.shards) if whole is None else (whole,)
    if len({shard.number for shard in shards}) < len(shards):
        raise IndexCorruptError(f"Two states that were to become {path} are of the same shard: build the index again.")
    bounds, n_features = states[0].facts.bounds, states[0].facts.n_features
    union, places, sampled = _union(states, bounds)
    moves = [_Move(s.chunks, union.ptr[at] - s.chunks.ptr[:-1]) for s, at in zip(states, places, strict=True)]
    kept = sampled.copy()
    with FolderWriter(path) as writer, ExitStack() as stack:
        features = RowsWriter(writer, stack)
        for low, high in _stretches(states, n_features):
            breathe()
            parts = [read_rows(state, low, high) for state in states]
            parts = [replace(part, at=move(part.at)) for part, move in zip(parts, moves, strict=True)]
            rows = merged_rows(parts, union, bounds)
            kept[union.of(rows.at)] = True
            features.append(rows)
        onto = _onto(union, kept)
        features.close(onto)
        breathe()
        _put_sample(writer, *_sample_of(states, moves, union, sampled, onto))
        union[kept].put(writer)
        writer.put("chunk_sampled", sampled[kept].astype(np.uint8))
        for name in ("tokens", "flags"):
            with writer.appending(name, states[0].folder.read(name, 0, 0).dtype) as out:
                for part in _gathered(name, states, places, union, kept):
                    breathe()
                    out.append(part)
        occurrences = states[0].folder.read("occurrences").copy()
        for state in states[1:]:
            occurrences += state.folder.read("occurrences")
        writer.put("occurrences", occurrences)
        documents = {number: table for state in states for number, table in state.documents().items()}
        put_documents(writer, documents, union.document[kept])
        stack.close()
        writer.commit(StateFacts(shards, bounds, n_features).to_json())


@dataclass(frozen=True)
class _Move:
    """Where tokens of some chunks are among those of others."""

    chunks: Chunks
    by: Ints

    def __call__(self, at: Ints) -> Ints:
        return at + self.by[self.chunks.of(at)]


def _onto(chunks: Chunks, kept: Bools) -> _Move:
    """To those that are kept; of tokens of the others it says nothing."""
    starts = np.concatenate([[0], np.cumsum(chunks.length * kept)])[:-1]
    return _Move(chunks, starts - chunks.ptr[:-1])


def _union(states: Sequence[StateFolder], bounds: Bounds) -> tuple[Chunks, list[Ints], Bools]:
    """The chunks of all states in the order of the corpus, which of them are those of each, and which are drawn."""
    some = [state.chunks for state in states]
    columns = (np.concatenate([getattr(c, name) for c in some]) for name in ("document", "start", "lead", "length"))
    joined = Chunks(*columns)
    order = np.lexsort((joined.start, joined.document))
    union = joined[order]
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    places = np.split(place, np.cumsum([len(c) for c in some])[:-1])
    asked = np.concatenate([state.folder.read("chunk_sampled") for state in states])[order]
    return union, places, union.first_drawn(bounds.seed, asked != 0, bounds.chunks)


def _stretches(states: Sequence[StateFolder], n_features: int) -> Iterator[tuple[int, int]]:
    """All features, in stretches of which not too much is kept."""
    entries = sum(state.folder.length("entry_at") for state in states)
    size = int(np.clip(_ENTRIES * n_features // max(entries, 1), 64, 2**16))
    for low in range(0, max(n_features, 1), size):
        yield low, min(low + size, n_features)


def _sample_of(
    states: Sequence[StateFolder], moves: Sequence[_Move], union: Chunks, sampled: Bools, onto: _Move
) -> tuple[Ints, Ints, Array]:
    """Features, tokens and values of all activations on the chunks that are still drawn."""
    feature, at, value = [], [], []
    for state, move in zip(states, moves, strict=True):
        here = move(state.folder.read("sample_at").astype(np.int64))
        stays = sampled[union.of(here)]
        feature.append(state.folder.read("sample_feature")[stays])
        at.append(here[stays])
        value.append(state.folder.read("sample_value")[stays])
    all_features, all_at, all_values = (np.concatenate(parts) for parts in (feature, at, value))
    order = np.argsort(all_features.astype(np.int64) * int(union.ptr[-1]) + all_at, kind="stable")
    return all_features[order].astype(np.int64), onto(all_at[order]), all_values[order]


def _put_sample(writer: FolderWriter, feature: Ints, at: Ints, value: Array) -> None:
    writer.put("sample_feature", feature.astype(np.uint32))
    writer.put("sample_at", at.astype(np.uint32))
    writer.put("sample_value", value.astype(np.float32))


def _gathered(
    name: str, states: Sequence[StateFolder], places: Sequence[Ints], union: Chunks, kept: Bools
) -> Iterator[Array]:
    """Tokens, or flags, of the kept chunks, some chunks at a time: there may be many of them."""
    lengths = union.length * kept
    ends = np.cumsum(lengths)
    first = 0
    while first < len(union):
        begins = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, begins + _TOKENS, side="right")))
        starts = ends[first:last] - lengths[first:last] - begins
        found = np.zeros(int(ends[last - 1]) - begins, states[0].folder.read(name, 0, 0).dtype)
        for state, place in zip(states, places, strict=True):
            own = slice(*np.searchsorted(place, [first, last]).tolist())
            ptr = state.chunks.ptr[own.start : own.stop + 1]
            stays = kept[place[own]]
            length = np.diff(ptr)
            at = np.repeat(starts[place[own] - first] - ptr[:-1] + ptr[0], length) + np.arange(int(ptr[-1] - ptr[0]))
            inside = np.repeat(stays, length)
            found[at[inside]] = state.folder.read(name, int(ptr[0]), int(ptr[-1]))[inside]
        yield found
        first = last


_NONE = np.zeros(0, np.int64)

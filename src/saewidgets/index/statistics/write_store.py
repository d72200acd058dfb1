"""From the shards of a scan to an index that opens in milliseconds: every feature's statistics and examples.

Features are worked on in blocks, so that memory does not grow with the corpus; each sees all its activations, so that
every statistic is exact. The result is a function of the scan alone, not of how it was cut into shards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ...engine.arrays import Bools, Floats, Ints
from ...engine.dictionary.base import Dictionary
from ...engine.engine import Engine
from ...storage.array_folder import Array, ArrayWriter, FolderWriter
from ..errors import CorpusError
from ..record.settings import NONE, Settings
from ..remaining.compute import NEURONS, put_narrow, what_remains
from ..scan.shards import Shard, column
from .activation_statistics import Entries, summarise, token_statistics
from .kept_examples import Silence, listed
from .neuron_correlations import NeuronSums, correlations

TOKENS = 20
# Activations, and features, in memory at once.
_ENTRIES, _FEATURES = 2**21, 2**13

Say = Callable[[str, int, int], None]
"""Told what is being done, how far, of how much."""


def write_store(
    path: Path,
    engine: Engine,
    dictionary: Dictionary,
    shards: Sequence[Shard],
    sums: NeuronSums | None,
    settings: Settings,
    say: Say,
) -> None:
    """Write the store folder `path` of an index, from shards in any order."""
    shards = sorted(shards, key=lambda shard: shard.first)
    with FolderWriter(path) as writer:
        stream = _write_stream(writer, shards, engine)
        counted = int((stream.flags == 0).sum())
        if not counted:
            raise CorpusError("The corpus has no token to count: all of its tokens are special ones (BOS, EOS, PAD).")
        facts: dict[str, Any] = {
            "counted": counted,
            "tokens": len(stream.flags),
            "settings": asdict(settings),
            "activation_name": dictionary.activation_name,
            "hook": dictionary.hook_name,
        }
        total, squares = _write_features(writer, shards, stream, dictionary.n_features, settings, say)
        if sums is not None:
            neuron, r, cosine = correlations(sums, counted, total, squares, NEURONS)
            put_narrow(writer, neuron=neuron, neuron_r=r, neuron_cosine=cosine)
        else:
            facts["neurons_missing"] = (
                "Not computed. build_index(..., neuron_correlations=True) does, with "
                f"{dictionary.n_features * dictionary.d_in * 8 / 1e6:,.0f} MB of sums ({dictionary.n_features} features x "
                f"{dictionary.d_in} neurons)."
            )
        facts |= what_remains(engine, dictionary, shards, settings)
        write_vocabulary(writer, engine)
        documents = joined_documents([shard.folder.read_table("documents.arrow") for shard in shards])
        writer.put_table("documents.arrow", documents)
        writer.put("document_number", np.array(documents["document"].to_pylist(), np.uint32))
        facts["corpus"] = {"documents": documents.num_rows, "hash": stream.hash()}
        writer.commit(facts)


@dataclass(frozen=True)
class _Stream:
    """The tokens of the corpus."""

    tokens: Array
    flags: Array
    chunk_ptr: Ints
    occurrences: Ints
    silence: Silence

    def hash(self) -> str:
        """Of the token ids of all chunks: which corpus it is, however it was cut into shards."""
        digest = hashlib.sha256(self.tokens.astype("<u4").tobytes())
        digest.update(self.chunk_ptr.astype("<u8").tobytes())
        return digest.hexdigest()


def _write_stream(writer: FolderWriter, shards: Sequence[Shard], engine: Engine) -> _Stream:
    joined = {
        name: np.concatenate([shard.folder.read(name) for shard in shards])
        for name in ("tokens", "flags", "chunk_document", "chunk_start", "chunk_lead", "chunk_length")
    }
    chunk_ptr = np.concatenate([[0], np.cumsum(joined.pop("chunk_length"), dtype=np.int64)])
    for name, array in joined.items():
        writer.put(name, array)
    tokens, flags = joined["tokens"], joined["flags"]
    counted = np.flatnonzero(flags == 0).astype(np.uint32)
    order = np.argsort(tokens[counted], kind="stable")
    d_vocab = int(engine.model.cfg.d_vocab)
    occurrences = np.bincount(tokens[counted], minlength=d_vocab)
    put_narrow(writer, occurrences=occurrences)
    writer.put("chunk_ptr", chunk_ptr.astype(np.uint64))
    token_ptr = np.concatenate([[0], np.cumsum(occurrences)])
    return _Stream(tokens, flags, chunk_ptr, occurrences, Silence(flags, chunk_ptr, token_ptr, counted[order]))


def _write_features(
    writer: FolderWriter, shards: Sequence[Shard], stream: _Stream, n_features: int, settings: Settings, say: Say
) -> tuple[Array, Array]:
    """Write everything that the features' activations say; returns their sums and sums of squares."""
    totals: list[Array] = []
    squares: list[Array] = []
    kept: list[Ints] = []
    with ExitStack() as stack:
        writers: dict[str, ArrayWriter] = {}
        for entries in _entries(shards, n_features):
            rows = _rows(entries, stream, settings)
            kept.append(rows.pop("n_kept"))
            for name, array in rows.items():
                if name not in writers:
                    writers[name] = stack.enter_context(writer.appending(name, array.dtype, array.shape[1:]))
                writers[name].append(array)
            totals.append(rows["total"])
            squares.append(rows["squares"])
            say("features", entries.first + len(entries), n_features)
    writer.put("kept_ptr", np.concatenate([[0], np.cumsum(np.concatenate(kept))]).astype(np.uint64))
    return np.concatenate(totals), np.concatenate(squares)


def _entries(shards: Sequence[Shard], n_features: int) -> Iterator[Entries]:
    """All activations, a few features at a time; positions in the whole corpus, ascending."""
    sizes = np.sum([np.diff(shard.folder.read("feature_ptr").astype(np.int64)) for shard in shards], axis=0)
    low = 0
    while low < n_features:
        some = sizes[low : low + _FEATURES]
        high = low + max(1, int(np.searchsorted(np.cumsum(some), _ENTRIES, side="right")))
        ptr = np.concatenate([[0], np.cumsum(sizes[low:high])])
        position, value = np.empty(ptr[-1], np.int64), np.empty(ptr[-1], np.float32)
        free = ptr[:-1].copy()  # where each feature's next activations go
        for shard in shards:
            theirs, at, values = shard.entries(low, high)
            n = np.diff(theirs)
            where = np.arange(len(at)) + np.repeat(free - theirs[:-1], n)
            position[where], value[where] = at.astype(np.int64) + shard.first, values
            free += n
        yield Entries(low, ptr, position, value)
        low = high


def _rows(entries: Entries, stream: _Stream, settings: Settings) -> dict[str, Array]:
    """The rows of the store's arrays of some features; "n_kept" is how many activations are kept of each."""
    found = summarise(entries)
    tokens = token_statistics(entries, stream.tokens[entries.position], TOKENS)
    near, silent = stream.silence.examples(settings.seed, entries, tokens)
    kept, is_listed = np.ones((2, len(entries.value)), bool)
    for i in np.flatnonzero(found.count > settings.keep.complete).tolist():
        part = slice(int(entries.ptr[i]), int(entries.ptr[i + 1]))
        shown = np.concatenate([near[i], silent[i]])
        kept[part], is_listed[part] = _kept(
            entries.first + i,
            entries.position[part],
            entries.value[part],
            float(found.high[i]),
            shown[shown >= 0],
            stream,
            settings,
        )
    beyond = np.arange(TOKENS) >= tokens.n[:, None]
    return {
        "count": found.count.astype(np.uint32),
        "total": found.total,
        "squares": found.squares,
        "low": found.low.astype(np.float32),
        "high": found.high.astype(np.float32),
        "bins": found.bins.astype(np.uint32),
        "bin_sums": found.bin_sums.astype(np.float32),
        "intervals": found.intervals.astype(np.uint32),
        "token": np.where(beyond, NONE, tokens.token).astype(np.uint32),
        "token_count": np.where(beyond, NONE, tokens.count).astype(np.uint32),
        "token_total": np.where(beyond, np.nan, tokens.total).astype(np.float32),
        "near": np.where(near < 0, NONE, near).astype(np.uint32),
        "silent": np.where(silent < 0, NONE, silent).astype(np.uint32),
        "n_kept": np.bincount(entries.of, kept, len(entries)).astype(np.uint32),
        "kept_position": entries.position[kept].astype(np.uint32),
        "kept_value": entries.value[kept],
        "kept_listed": is_listed[kept].astype(np.uint8),
    }


def _kept(
    feature: int, position: Ints, value: Floats, high: float, silent: Ints, stream: _Stream, settings: Settings
) -> tuple[Bools, Bools]:
    """Which activations of a feature that is cut down are kept, and which of them can be examples."""
    chosen = listed(settings.seed, feature, position, value, high, settings.keep)
    # With all activations of their chunks: a token beside an example must not look silent because it was cut.
    chunk = np.searchsorted(stream.chunk_ptr, position, side="right")
    shown = np.searchsorted(stream.chunk_ptr, silent, side="right")
    kept: Bools = np.isin(chunk, np.concatenate([chunk[chosen], shown]))
    if kept.all():  # nothing was cut: then all of it can be an example
        return kept, kept
    examples = np.zeros(len(position), bool)
    examples[chosen] = True
    return kept, examples


def write_vocabulary(writer: FolderWriter, engine: Engine) -> None:
    """Write the tokens as bytes, if the tokenizer tells them."""
    words = engine.tokenizer.vocabulary()
    if words is not None:
        writer.put("vocabulary_ptr", np.cumsum([0, *map(len, words)]).astype(np.uint32))
        writer.put("vocabulary", np.frombuffer(b"".join(words), np.uint8))


def joined_documents(tables: Sequence[pa.Table]) -> pa.Table:
    """The documents of several shards as one table."""
    tables = [table for table in tables if table.num_rows]
    try:
        return pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # a column that is of one type here and of another there
        rows = [row for table in tables for row in table.to_pylist()]
        names = dict.fromkeys(name for row in rows for name in row)
        return pa.table({name: column([row.get(name) for row in rows]) for name in names})

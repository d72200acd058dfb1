"""From the state of all shards to an index that opens in milliseconds: what is exact, what is estimated, and how far that can be off.

The store is that of any index (record/schema.py, `STORE`), whose corpus is the chunks that are kept; beside what is
estimated stand its bounds (`BOUNDED`). Of a feature all of whose activations are kept everything is exact: its bounds are 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ....engine.arrays import Ints
from ....engine.dictionary.base import Dictionary
from ....engine.engine import Engine
from ....storage.array_folder import Array, ArrayWriter, Folder, FolderWriter
from ...record.settings import NONE, Settings
from ...remaining.compute import what_remains
from ...scan.shards import SAMPLE, Shard
from ...statistics.activation_statistics import BINS, INTERVALS, TokenStatistics, summarise
from ...statistics.score_interval import clopper_pearson
from ...statistics.write_store import TOKENS, Say, joined_documents, write_vocabulary
from ..chosen import CONTEXT, EXTREME
from ..exact_sum import as_float
from ..facts import Bounds, corpus_of
from ..grid import Ends, exponents, shown
from ..rows import Rows, read_rows
from ..state import StateFolder
from .held import Held, entries_of, with_silence
from .sample import Sample

__all__ = ["CONFIDENCE", "SAID", "write_bounded_store"]

CONFIDENCE = 0.99
"""Of the intervals of how often a feature fires on the tokens that are shown, where that is estimated from a sample: so many of
them hold it."""
SAID = {
    "exact": ["count", "total", "squares", "low", "high", "occurrences", "kept_value of the most extreme"],
    "estimated, with bounds": {
        "bins": "bins_bound",
        "bin_sums": "bin_sums_bound",
        "intervals": "intervals_bound",
        "token_count": "token_low, token_high",
    },
    "estimated": ["token", "token_total", "correlated", "correlated_r", "correlated_both", "near", "silent"],
}
"""What the manifest says of the arrays of a bounded index (logit weights and neighbours come of the weights alone). Of a feature all of
whose activations are kept everything is exact but what it is correlated with."""
_FEATURES, _ENTRIES, _TOKENS_AT_ONCE = 2**13, 2**21, 2**22
_TEXTS = ("tokens", "flags")
# Of a sum that is stored as float32, and its bound.
_ROUNDED = 2**-22


def write_bounded_store(
    path: Path, engine: Engine, dictionary: Dictionary, state: StateFolder, settings: Settings, say: Say
) -> None:
    """Write the store folder `path` of an index, and the sample beside it."""
    corpus = corpus_of(state.facts.shards)
    sample = Sample(state)
    sample.write(path.with_name(SAMPLE), dictionary.n_features)
    chunks, tokens = state.chunks, Folder(state.folder.path).read("tokens")  # mapped: there may be many
    with FolderWriter(path) as writer:
        for name in _TEXTS:
            _copied(state, writer, name)
        writer.put("chunk_ptr", chunks.ptr.astype(np.uint64))
        writer.put("chunk_document", chunks.document.astype(np.uint32))
        writer.put("chunk_start", chunks.start.astype(np.uint32))
        writer.put("chunk_lead", chunks.lead.astype(np.uint8))
        occurrences = state.folder.read("occurrences")
        writer.put("occurrences", occurrences if int(occurrences.max()) >= 2**32 else occurrences.astype(np.uint32))
        _write_features(writer, state, tokens, sample, settings, say)
        documents = _documents(state)
        writer.put_table("documents.arrow", documents)
        writer.put("document_number", np.array(documents["document"].to_pylist(), np.uint32))
        facts: dict[str, Any] = {
            "counted": corpus["counted"],
            "tokens": corpus["tokens"],
            "settings": asdict(settings),
            "activation_name": dictionary.activation_name,
            "hook": dictionary.hook_name,
            "neurons_missing": (
                "Not computed: a bounded scan (keep_activations=False) keeps nothing of the size of features x neurons. "
                "build_index(..., keep_activations=True) can."
            ),
            "corpus": {name: corpus[name] for name in ("documents", "chunks", "hash")},
            "bounded": {
                **asdict(state.facts.bounds),
                "sampled_tokens": len(sample.flags),
                "outliers": sum(shard.outliers for shard in state.facts.shards),
                "kept_tokens": len(tokens),
                "kept_documents": documents.num_rows,
                "confidence": CONFIDENCE,
            },
        }
        facts |= what_remains(engine, dictionary, [Shard(path.with_name(SAMPLE), 0)], settings)
        write_vocabulary(writer, engine)
        writer.commit(facts)


def _documents(state: StateFolder) -> pa.Table:
    tables = state.documents()
    joined = joined_documents([tables[key] for key in sorted(tables)])
    if not joined.num_rows:
        return pa.table(
            {
                "document": pa.array([], pa.int64()),
                "name": pa.array([], pa.string()),
                "tokens": pa.array([], pa.int64()),
            }
        )
    # One that two portions of a shard share stands in both.
    number = joined["document"].to_numpy()
    return joined.filter(pa.array(np.concatenate([[True], number[1:] != number[:-1]])))


def _copied(state: StateFolder, writer: FolderWriter, name: str) -> None:
    """Tokens, or flags, of a state, some at a time: there may be many of them."""
    n = state.folder.length(name)
    with writer.appending(name, state.folder.read(name, 0, 0).dtype) as out:
        for start in range(0, n, _TOKENS_AT_ONCE):
            out.append(state.folder.read(name, start, min(start + _TOKENS_AT_ONCE, n)))


def _write_features(
    writer: FolderWriter, state: StateFolder, tokens: Array, sample: Sample, settings: Settings, say: Say
) -> None:
    kept: list[Ints] = []
    occurrences = state.folder.read("occurrences")
    # Of one type from the first feature to the last.
    counts = np.uint64 if int(state.folder.read("count").max(initial=0)) >= 2**32 else np.uint32
    with ExitStack() as stack:
        writers: dict[str, ArrayWriter] = {}
        for low, high in _stretches(state):
            rows = _arrays(
                low, high, read_rows(state, low, high), state.facts.bounds, tokens, occurrences, sample, settings
            )
            rows["count"] = rows["count"].astype(counts)
            kept.append(rows.pop("n_kept"))
            for name, array in rows.items():
                if name not in writers:
                    writers[name] = stack.enter_context(writer.appending(name, array.dtype, array.shape[1:]))
                writers[name].append(array)
            say("features", high, state.facts.n_features)
    writer.put("kept_ptr", np.concatenate([[0], np.cumsum(np.concatenate(kept))]).astype(np.uint64))


def _stretches(state: StateFolder) -> Sequence[tuple[int, int]]:
    n = state.facts.n_features
    size = int(np.clip(_ENTRIES * n // max(state.folder.length("entry_at"), 1), 64, _FEATURES))
    return [(low, min(low + size, n)) for low in range(0, n, size)]


def _arrays(
    low: int,
    high: int,
    rows: Rows,
    bounds: Bounds,
    tokens: Array,
    occurrences: Array,
    sample: Sample,
    settings: Settings,
) -> dict[str, Array]:
    """The rows of the store's arrays of features low .. high-1; "n_kept" is how many activations are kept of each."""
    n, mine = high - low, rows.feature - low

    def spread(values: Array, empty: float) -> Array:
        found = np.full((n, *values.shape[1:]), empty, values.dtype)
        found[mine] = values
        return found

    count = spread(rows.count, 0)
    lows, highs = spread(rows.low, np.nan), spread(rows.high, np.nan)
    held = Held(count, np.repeat(mine, np.diff(rows.ptr)), rows.at, rows.value, rows.why)
    held, said, near, silent = with_silence(held, low, tokens, sample, settings)
    of, many = held.of, held.many
    # Where all activations are kept, because they are few or by chance, everything is exact.
    few = ~many[of]
    whole = summarise(entries_of(low, n, of[few], held.at[few], held.value[few]))
    bins, intervals = whole.bins.copy(), whole.intervals.copy()
    sums = whole.bin_sums.copy()
    bins_bound, intervals_bound = np.zeros((n, BINS), np.int64), np.zeros((n, INTERVALS), np.int64)
    sums_bound = np.zeros((n, BINS))
    exponent = exponents(rows.low, rows.high)
    for i in np.flatnonzero(many[mine]).tolist():
        part = slice(int(rows.grids.ptr[i]), int(rows.grids.ptr[i + 1]))
        mine_of = slice(int(rows.ptr[i]), int(rows.ptr[i + 1]))
        ends = Ends.of(rows.value[mine_of][(rows.why[mine_of] & EXTREME) != 0], bounds.extreme)
        seen = shown(
            rows.grids.bin[part],
            rows.grids.count[part],
            int(exponent[i]),
            float(rows.low[i]),
            float(rows.high[i]),
            ends,
        )
        row = int(mine[i])
        bins[row], bins_bound[row], sums[row], sums_bound[row] = seen.bins, seen.bins_bound, seen.sums, seen.sums_bound
        intervals[row], intervals_bound[row] = seen.intervals, seen.intervals_bound

    return {
        "count": count,
        "total": spread(as_float(rows.totals), 0),
        "squares": spread(as_float(rows.squares), 0),
        "low": lows,
        "high": highs,
        "bins": bins.astype(np.uint32),
        "bins_bound": bins_bound.astype(np.uint32),
        "bin_sums": sums.astype(np.float32),
        "bin_sums_bound": np.where(sums_bound > 0, sums_bound + np.abs(sums) * _ROUNDED, 0).astype(np.float32),
        "intervals": intervals.astype(np.uint32),
        "intervals_bound": intervals_bound.astype(np.uint32),
        **_tokens(said, count, many, bounds.sample, occurrences),
        "near": _placed(near, sample.where),
        "silent": _placed(silent, sample.where),
        "n_kept": np.bincount(of, minlength=n).astype(np.uint32),
        "kept_position": held.at.astype(np.uint32),
        "kept_value": held.value.astype(np.float32),
        "kept_listed": (few | (held.why != CONTEXT)).astype(np.uint8),
        "kept_sampled": held.drawn.astype(np.uint8),
    }


def _tokens(said: TokenStatistics, count: Ints, many: Array, sample: int, occurrences: Array) -> dict[str, Array]:
    """The tokens that features fire on: of those with many activations estimated from their samples."""
    beyond = np.arange(TOKENS) >= said.n[:, None]
    scale = np.where(many, count / sample, 1.0)[:, None]
    # The sample that they are counted in chose these tokens among all that there are: those that it has by chance too often. At
    # this level 99% of the intervals that are shown hold the count all the same (Benjamini and Yekutieli 2005).
    listed = np.arange(TOKENS + 1)[:, None] / max(int(np.count_nonzero(occurrences)), 1)
    ends = clopper_pearson(np.arange(sample + 1), sample, (1 - CONFIDENCE) * np.minimum(listed, 1))
    # Of features all of whose activations are kept it is not asked.
    below, above = (end[said.n[:, None], np.minimum(said.count, sample)] for end in ends)
    # At least what was seen; of the rest no more than there is.
    low = np.where(many[:, None], np.maximum(np.floor(below * count[:, None]), said.count), said.count)
    most = np.minimum(count[:, None] - (sample - said.count), occurrences[said.token].astype(np.int64))
    high = np.where(many[:, None], np.minimum(np.ceil(above * count[:, None]), most), said.count)
    low = np.minimum(low, high)
    about = np.clip(np.rint(said.count * scale), low, high)
    return {
        "token": np.where(beyond, NONE, said.token).astype(np.uint32),
        "token_count": np.where(beyond, NONE, about).astype(np.uint32),
        "token_low": np.where(beyond, NONE, low).astype(np.uint32),
        "token_high": np.where(beyond, NONE, high).astype(np.uint32),
        # So that total / count is the mean of what was seen.
        "token_total": np.where(beyond, np.nan, said.total * (about / np.maximum(said.count, 1))).astype(np.float32),
    }


def _placed(rows: Ints, where: Ints) -> Array:
    """Tokens of the sample as tokens of what is kept."""
    found: Array = np.where(rows < 0, NONE, where[np.maximum(rows, 0)] if len(where) else NONE).astype(np.uint32)
    return found

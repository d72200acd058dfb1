"""An index of as many features as are asked for, without a scan: to measure what looking at a million of them takes.

Tokens, documents and activations are drawn; all that an index says of the activations is counted by what counts it in a build, so
that every number agrees with every other (`saewidgets verify` would find nothing). What a build computes of the weights is drawn
as well: logit weights, neighbours, the largest entries of decoder rows. Correlations are left out, as builds of so many features
leave them out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

import saewidgets as sw
from saewidgets.index.record.manifest import Manifest
from saewidgets.index.record.settings import Settings
from saewidgets.index.scan.shards import SPECIAL
from saewidgets.index.statistics.activation_statistics import Entries
from saewidgets.index.statistics.kept_examples import Silence
from saewidgets.index.statistics.write_store import _rows, _Stream
from saewidgets.storage.array_folder import Array, ArrayWriter, FolderWriter

if TYPE_CHECKING:
    from saewidgets.engine.arrays import Floats, Ints

__all__ = ["MILLION", "made_up_words", "write_index"]

MILLION = 1_000_000

_SYLLABLES = (
    "ba be bi bo da de do fa fe ga go ha ho ka ki ko la le lo ma me mo na ne no pa po ra re ro sa so ta".split()
)
_CHUNK = 256
_VOCABULARY, _D = 32_768, 768
# Features that never fire, and of the others the median of active tokens, which are distributed log-normally.
_DEAD, _MEDIAN, _SIGMA = 0.1, 6.0, 1.3
# Of the active tokens of a feature so many are on the token that it is made for.
_ON_ITS_TOKEN = 0.5
_LOGITS, _NEIGHBOURS, _ALIGNED = 15, 20, 10
_AT_ONCE = 2**16


def write_index(
    path: Path,
    n_features: int = MILLION,
    *,
    vocabulary: list[bytes] | None = None,
    identity: Mapping[str, Any] | None = None,
    chunks: int = 4096,
    seed: int = 0,
) -> sw.FeatureIndex:
    """Write the index, and open it. A million features take 1.6 GB, and some forty seconds of one core.

    Args:
        path: where there is nothing yet.
        vocabulary: of the tokens; default: made-up words. identity: what the index is of; default: no model that there is.
        chunks: of 256 tokens each, two a document.
    """
    dice = np.random.default_rng(seed)
    words = vocabulary or made_up_words(_VOCABULARY)
    settings = Settings(correlations=False)
    with FolderWriter(path / "store-000001") as writer:
        stream = _write_corpus(writer, dice, len(words), chunks)
        writer.put("vocabulary_ptr", np.cumsum([0, *map(len, words)]).astype(np.uint32))
        writer.put("vocabulary", np.frombuffer(b"".join(words), np.uint8))
        counted = int((stream.flags == 0).sum())
        _write_features(
            writer, n_features, lambda first, last: _rows_of(dice, first, last, n_features, stream, settings)
        )
        facts: dict[str, Any] = {
            "counted": counted,
            "tokens": len(stream.flags),
            "settings": asdict(settings),
            "activation_name": "activation",
            "hook": "blocks.1.hook_resid_pre",
            "decoder_hook": "blocks.1.hook_resid_pre",
            "logits_label": "drawn, not computed",
            "neurons_missing": "Not computed: nothing of this index was.",
            "correlated_missing": "Not computed: nothing of this index was.",
            "corpus": {"documents": chunks // 2, "hash": stream.hash()},
        }
        writer.commit(facts)
    made = identity or {
        "model": "made up",
        "weights": hashlib.sha256(str(seed).encode()).hexdigest(),
        "dictionary": hashlib.sha256(f"{seed} {n_features}".encode()).hexdigest(),
        "hook": facts["hook"],
        "context_size": _CHUNK,
    }
    Manifest(
        number=1,
        identity={**made, "n_features": n_features},
        settings=settings,
        provenance={"model": "made up", "SAE": "made up", "hook": facts["hook"], "notes": "Every number is drawn."},
        corpus={"documents": chunks // 2, "hash": stream.hash(), "tokens": len(stream.flags), "counted": counted},
        parts=[],
        growable=False,
    ).save(path)
    return sw.FeatureIndex.open(path)


def made_up_words(n: int) -> list[bytes]:
    """`n` different words with a space before each."""
    base = len(_SYLLABLES)
    return [f" {''.join(_SYLLABLES[i // base**k % base] for k in range(3))}".encode() for i in range(n)]


def _write_corpus(writer: FolderWriter, dice: np.random.Generator, d_vocab: int, chunks: int) -> _Stream:
    """Two chunks a document, each beginning with a special token; words as unequally frequent as words are."""
    n = _CHUNK * chunks
    share = 1 / (np.arange(1, d_vocab) + 20.0)
    tokens = (1 + dice.choice(d_vocab - 1, n, p=share / share.sum())).astype(np.uint32)
    flags = np.zeros(n, np.uint8)
    chunk_ptr = np.arange(chunks + 1) * _CHUNK
    tokens[chunk_ptr[:-1]], flags[chunk_ptr[:-1]] = 0, SPECIAL
    document = np.repeat(np.arange(chunks // 2), 2)
    second = np.arange(chunks) % 2
    writer.put("tokens", tokens)
    writer.put("flags", flags)
    writer.put("chunk_ptr", chunk_ptr.astype(np.uint64))
    writer.put("chunk_lead", second.astype(np.uint8))
    writer.put("chunk_document", document.astype(np.uint32))
    writer.put("chunk_start", (second * _CHUNK).astype(np.uint32))
    writer.put("document_number", np.arange(chunks // 2, dtype=np.uint32))
    length = np.full(chunks // 2, 2 * _CHUNK - 1)
    names = [f"document {i}" for i in range(chunks // 2)]
    writer.put_table("documents.arrow", pa.table({"document": np.arange(len(names)), "name": names, "tokens": length}))
    counted = np.flatnonzero(flags == 0).astype(np.uint32)
    occurrences = np.bincount(tokens[counted], minlength=d_vocab)
    writer.put("occurrences", occurrences.astype(np.uint32))
    token_ptr = np.concatenate([[0], np.cumsum(occurrences)])
    by_token = counted[np.argsort(tokens[counted], kind="stable")]
    return _Stream(tokens, flags, chunk_ptr, occurrences, Silence(flags, chunk_ptr, token_ptr, by_token))


def _write_features(writer: FolderWriter, n: int, rows: Callable[[int, int], dict[str, Array]]) -> None:
    kept = [np.zeros(1, np.int64)]
    with ExitStack() as stack:
        writers: dict[str, ArrayWriter] = {}
        for first in range(0, n, _AT_ONCE):
            some = rows(first, min(n, first + _AT_ONCE))
            kept.append(some.pop("n_kept").astype(np.int64))
            for name, array in some.items():
                if name not in writers:
                    writers[name] = stack.enter_context(writer.appending(name, array.dtype, array.shape[1:]))
                writers[name].append(array)
    writer.put("kept_ptr", np.cumsum(np.concatenate(kept)).astype(np.uint64))


def _rows_of(
    dice: np.random.Generator, first: int, last: int, n: int, stream: _Stream, settings: Settings
) -> dict[str, Array]:
    """The rows of the features first .. last-1 in every array that has some."""
    entries = _entries(dice, first, last, stream)
    return {
        **_rows(entries, stream, settings),
        **_logits(dice, last - first, len(stream.occurrences)),
        **_weights(dice, first, last, n),
    }


def _entries(dice: np.random.Generator, first: int, last: int, stream: _Stream) -> Entries:
    """Activations of features, each of which is made for one token: half of them are on it, if it occurs so often."""
    size, n = last - first, len(stream.flags)
    wanted = np.ceil(np.exp(dice.normal(np.log(_MEDIAN), _SIGMA, size))).astype(np.int64)
    wanted[dice.random(size) < _DEAD] = 0
    of = np.repeat(np.arange(size), wanted)
    ptr, places = stream.silence.token_ptr, stream.silence.token_positions
    occurring = np.flatnonzero(stream.occurrences)
    token = occurring[dice.integers(0, len(occurring), size)][of]
    its = places[ptr[token] + (dice.random(len(of)) * stream.occurrences[token]).astype(np.int64)]
    anywhere = places[dice.integers(0, len(places), len(of))]
    position = np.where(dice.random(len(of)) < _ON_ITS_TOKEN, its, anywhere).astype(np.int64)
    # A place that was drawn twice counts once.
    every = np.unique(of * n + position)
    of, position = every // n, every % n
    value = dice.gamma(2.0, 1.0, len(of)).astype(np.float32) + np.float32(0.01)
    return Entries(first, np.searchsorted(of, np.arange(size + 1)), position, value)


def _logits(dice: np.random.Generator, size: int, d_vocab: int) -> dict[str, Array]:
    """Logit weights of a feature, normally distributed: their extremes, and a histogram that they are in."""
    std = dice.uniform(0.5, 1.5, size)

    def side(sign: int) -> tuple[Ints, Floats]:
        ids = _different(dice, dice.integers(0, d_vocab, size), _LOGITS, d_vocab)
        values = sign * np.sort(dice.uniform(3.0, 8.0, (size, _LOGITS)))[:, ::-1] * std[:, None]
        return ids, values.astype(np.float32)

    (top, top_value), (bottom, bottom_value) = side(1), side(-1)
    middle = (np.arange(50) + 0.5) / 50 * 16 - 8
    share = np.exp(-(middle**2) / 2)
    bins = np.floor(share / share.sum() * (d_vocab - 2 * _LOGITS)).astype(np.int64)
    bins[25] += d_vocab - 2 * _LOGITS - bins.sum()
    counts = np.broadcast_to(bins, (size, 50)).copy()
    low, high = bottom_value[:, :1], top_value[:, :1]
    for values in (top_value, bottom_value):
        where = np.clip((values - low) / (high - low) * 50, 0, 49).astype(np.int64)
        np.add.at(counts, (np.arange(size)[:, None], where), 1)
    rows: dict[str, Array] = {
        "logit_top": top,
        "logit_top_value": top_value,
        "logit_bottom": bottom,
        "logit_bottom_value": bottom_value,
        "logit_bins": counts,
        "logit_low": low[:, 0],
        "logit_high": high[:, 0],
        "logit_mean": np.zeros(size),
        "logit_std": std,
        "logit_skew": dice.normal(0, 0.1, size),
        "logit_kurtosis": 3 + dice.gamma(1.0, 1.0, size),
    }
    return {name: _narrow(array) for name, array in rows.items()}


def _weights(dice: np.random.Generator, first: int, last: int, n: int) -> dict[str, Array]:
    """Neighbours, and the largest entries of decoder rows."""
    size = last - first
    shares = np.sort(dice.uniform(0, 2 / _ALIGNED, (size, _ALIGNED)))[:, ::-1] / 2
    near = min(_NEIGHBOURS, n - 1)
    rows: dict[str, Array] = {
        "neighbour": _different(dice, np.arange(first, last), near, n),
        "neighbour_cosine": np.sort(dice.uniform(0, 1, (size, near)))[:, ::-1],
        "aligned": _different(dice, dice.integers(0, _D, size), _ALIGNED, _D),
        "aligned_value": shares * dice.choice([-1.0, 1.0], (size, _ALIGNED)),
        "aligned_share": shares,
    }
    return {name: _narrow(array) for name, array in rows.items()}


def _different(dice: np.random.Generator, start: Ints, k: int, n: int) -> Ints:
    """[rows, k] numbers below n, those of a row different from each other and from its `start`."""
    steps = dice.integers(1, max(2, n // (k + 1)), (len(start), k))
    return (start[:, None] + np.cumsum(steps, 1)) % n


def _narrow(array: Array) -> Array:
    return array.astype(np.float32 if array.dtype.kind == "f" else np.uint32)

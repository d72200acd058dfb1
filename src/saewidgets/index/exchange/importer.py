"""From records of another tool's files to a store that opens like any other.

Examples become the corpus, a chunk each; token strings become a vocabulary; what a record says goes into the arrays that views
read, and as it was given beside them, so that nothing is lost by writing it again. What no file says is not made up: NaN
or NONE stands in its place. Examples are written as they come, so that a bulk export needs no more memory than its kept
activations.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa

from ...formats.records import FeatureRecord, Source, Window
from ...formats.token_strings import pieces, stands_alone
from ...storage.array_folder import Array, ArrayWriter, FolderWriter
from ..corpus.columns import THEIRS
from ..scan.shards import SPECIAL
from .arrays import Arrays, active_in

__all__ = ["Importer", "record_of"]

_DIGITS = 1e-5
# Examples that are written together.
_AT_ONCE = 1024
# Arrays that grow with every example.
_GROWING = {
    "tokens": "uint32",
    "flags": "uint8",
    "window_low": "float64",
    "window_high": "float64",
    "window_contains": "float64",
    "window_at": "float64",
    "window_focus": "uint32",
    "window_more": "uint8",
}


class Importer:
    """Writes one store.

    Args:
        writer: of the store; stack: closes what is open.
    """

    def __init__(self, writer: FolderWriter, stack: ExitStack) -> None:
        self._writer = writer
        self._open: dict[str, ArrayWriter] = {
            name: stack.enter_context(writer.appending(name, dtype)) for name, dtype in _GROWING.items()
        }
        stack.callback(self._write)  # before they are closed
        self._waiting: dict[str, list[Array]] = {name: [] for name in _GROWING}
        self._ids: dict[tuple[str, bytes], int] = {}
        self._alone: dict[str, int] = {}  # of tokens that mean the same beside any others
        self._given: dict[int, bytes] = {}
        self._lengths: list[int] = []
        self._of: list[int] = []
        self._more: list[int] = []
        self._names: list[tuple[str, str | None]] = []
        self._kept: list[tuple[int, Array, Array]] = []
        self._most: dict[int, float] = {}
        self._digest = hashlib.sha256()
        self.tokens = 0
        self.hook = ""
        self.longest = 0
        self.prompts: int | None = None
        self.tokens_per_prompt: int | None = None
        self.dataset: str | None = None

    def __len__(self) -> int:
        return len(self._given)

    @property
    def examples(self) -> int:
        """Examples so far."""
        return len(self._lengths)

    @property
    def width(self) -> int:
        """One more than the largest feature."""
        return max([*self._given, *self._of], default=-1) + 1

    def add(self, record: FeatureRecord) -> bool:
        """Take what is said of a feature, and its examples; False, and nothing is taken, if it was said before."""
        if record.index in self._given:
            return False
        self._given[record.index] = _packed(record)
        self.hook = self.hook or record.hook or ""
        self.prompts = self.prompts or record.prompts
        self.tokens_per_prompt = self.tokens_per_prompt or record.tokens_per_prompt
        self.dataset = self.dataset or record.dataset
        for window in record.windows:
            self.add_window(record.index, window)
        return True

    def add_window(self, feature: int, window: Window) -> None:
        """Take an example."""
        with np.errstate(over="ignore"):  # what is too large for it is no activation
            values = np.array(window.values, np.float32)  # None is NaN
        ids = np.array(self._ids_of(window.tokens), np.uint32)
        unknown = ~np.isfinite(values)
        active = np.flatnonzero(~unknown & (values != 0))
        self._kept.append((feature, self.tokens + active, values[active]))
        # The largest of all tokens, of which this one need not have it: the first token of a prompt is not shown.
        told = [window.high] if window.is_top and window.high is not None else []
        self._most[feature] = max([self._most.get(feature, -np.inf), *told, *values[active].tolist()])
        more: dict[str, Any] = dict(window.extra)
        more |= {} if not window.dfa_values else {"dfa_values": list(window.dfa_values)}
        more |= {} if window.dfa_max is None else {"dfa_max": window.dfa_max}
        more |= {} if window.dfa_target is None else {"dfa_target": window.dfa_target}
        packed = json.dumps(more).encode() if more else b""
        low, high, contains, at = (
            np.nan if value is None else value for value in (window.low, window.high, window.contains, window.at)
        )
        rows: Mapping[str, Any] = {
            "tokens": ids,
            "flags": unknown * np.uint8(SPECIAL),
            "window_low": [low],
            "window_high": [high],
            "window_contains": [contains],
            "window_at": [at],
            "window_focus": [window.focus],
            "window_more": np.frombuffer(packed, np.uint8),
        }
        for name, row in rows.items():
            self._waiting[name].append(np.asarray(row, _GROWING[name]))
        self._digest.update(ids.tobytes())
        self._of.append(feature)
        self._lengths.append(len(ids))
        self._more.append(len(packed))
        place, dataset = window.extra.get("dataIndex"), window.extra.get("dataSource")
        called = str(len(self._names)) if place is None else str(place)
        self._names.append((called, None if dataset is None else str(dataset)))
        self.tokens += len(ids)
        self.longest = max(self.longest, len(ids))
        if len(self._lengths) % _AT_ONCE == 0:
            self._write()

    def _write(self) -> None:
        """Put the examples that wait into their files."""
        for name, rows in self._waiting.items():
            if rows:
                self._open[name].append(np.concatenate(rows))
                rows.clear()

    def _ids_of(self, tokens: Sequence[str]) -> list[int]:
        try:
            return [self._alone[token] for token in tokens]
        except KeyError:
            pass
        # By both: what a string stands for can depend on its neighbours.
        ids = [self._ids.setdefault(pair, len(self._ids)) for pair in zip(tokens, pieces(tokens), strict=True)]
        self._alone |= {token: i for token, i in zip(tokens, ids, strict=True) if stands_alone(token)}
        return ids

    def _id_of(self, token: str) -> int:
        return self._ids_of([token])[0]

    def finish(self, n_features: int, facts: Mapping[str, Any], source: Source) -> dict[str, Any]:
        """Write everything else, for an index of so many features; the facts of the store."""
        arrays = Arrays(self._id_of)
        seen: dict[int, int] = {}
        for feature, _, values in self._kept:
            seen[feature] = seen.get(feature, 0) + len(values)
        total, said = self._counted(source)
        for feature in sorted({*self._given, *self._of}):
            record = record_of(self._given.get(feature, b""), feature)
            arrays.add(record, self._most.get(feature, -np.inf), seen.get(feature, 0))
        for name, array in arrays.finished(n_features).items():
            self._writer.put(name, array)
        self._put_pointers("given", [len(self._given.get(f, b"")) for f in range(n_features)])
        self._writer.put("given", np.frombuffer(b"".join(self._given.get(f, b"") for f in range(n_features)), np.uint8))
        self._put_windows(n_features)
        self._put_vocabulary()
        corpus = {"documents": len(self._lengths), "hash": self._digest.hexdigest()}
        told = {"counted": total or max(1, self.tokens), "counted_known": total > 0, "counted_said": said}
        return {**facts, **told, "tokens": self.tokens, "corpus": corpus}

    def _counted(self, source: Source) -> tuple[int, str]:
        """On how many tokens the numbers are, 0 if no file tells it; and the same in words."""
        said = max(source.prompts or 0, 0) * max(source.tokens_per_prompt or 0, 0)
        active, density = 0, 0.0  # of the feature that tells it best
        for feature, packed in self._given.items():
            record = record_of(packed, feature)
            here = active_in(record)
            if record.density and here > active:
                active, density = here, record.density
        told = active / density if density else 0.0
        # SAEDashboard writes densities with five digits.
        error = _DIGITS / density + 1e-6 if density and density == round(density, 5) else 1e-6
        if said and (not told or abs(told / said - 1) <= error):
            return said, f"{said:,} tokens (prompts x tokens of each)"
        if told:
            return max(1, round(told)), f"about {round(told):,} tokens (by its histograms and densities)"
        return 0, "the files do not say on how many tokens"

    def _put_windows(self, n_features: int) -> None:
        of = np.array(self._of, np.int64)
        chunk = np.argsort(of, kind="stable")
        self._writer.put("window_chunk", chunk.astype(np.uint32))
        self._writer.put("window_ptr", np.searchsorted(of[chunk], np.arange(n_features + 1)).astype(np.uint64))
        self._put_pointers("window_more", self._more)
        self._put_pointers("chunk", self._lengths)
        n = len(of)
        numbers = np.arange(n, dtype=np.uint32)
        self._writer.put("chunk_document", numbers)
        self._writer.put("document_number", numbers)
        self._writer.put("chunk_start", np.zeros(n, np.uint32))
        self._writer.put("chunk_lead", np.zeros(n, np.uint8))
        columns: dict[str, Any] = {
            "document": pa.array(numbers),
            "name": pa.array([name.encode(errors="replace").decode() for name, _ in self._names], pa.string()),
            "tokens": pa.array(np.array(self._lengths, np.int64)),
        }
        datasets = [dataset and dataset.encode(errors="replace").decode() for _, dataset in self._names]
        if any(datasets):
            columns[f"{THEIRS}dataset"] = pa.array(datasets, pa.string())
        self._writer.put_table("documents.arrow", pa.table(columns))
        feature = np.array([f for f, _, _ in self._kept], np.int64)
        sizes = np.array([len(values) for _, _, values in self._kept], np.int64)
        position = np.concatenate([np.zeros(0, np.int64), *(at for _, at, _ in self._kept)])
        value = np.concatenate([np.zeros(0, np.float32), *(values for _, _, values in self._kept)])
        whose = np.repeat(feature, sizes)
        order = np.argsort(whose, kind="stable")
        self._writer.put("kept_ptr", np.searchsorted(whose[order], np.arange(n_features + 1)).astype(np.uint64))
        self._writer.put("kept_position", position[order].astype(np.uint32))
        self._writer.put("kept_value", value[order].astype(np.float32))
        self._writer.put("kept_listed", np.ones(len(order), np.uint8))

    def _put_vocabulary(self) -> None:
        given = [token.encode(errors="surrogatepass") for token, _ in self._ids]
        meant = [piece for _, piece in self._ids]
        for name, words in (("vocabulary", meant), ("vocabulary_given", given)):
            self._put_pointers(name, [*map(len, words)])
            self._writer.put(name, np.frombuffer(b"".join(words), np.uint8))
        self._writer.put("occurrences", np.zeros(len(meant), np.uint32))

    def _put_pointers(self, name: str, lengths: Sequence[int]) -> None:
        self._writer.put(f"{name}_ptr", np.cumsum([0, *lengths]).astype(np.uint64))


def _packed(record: FeatureRecord) -> bytes:
    told = {f.name: getattr(record, f.name) for f in fields(FeatureRecord) if f.name not in ("index", "windows")}
    return zlib.compress(
        json.dumps({name: value for name, value in told.items() if value not in (None, (), {})}).encode()
    )


def record_of(packed: bytes, feature: int) -> FeatureRecord:
    """What the file said of a feature, without its examples."""
    if not packed:
        return FeatureRecord(feature)
    told: dict[str, Any] = json.loads(zlib.decompress(packed))
    made: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in told.items()}
    return FeatureRecord(feature, **made)

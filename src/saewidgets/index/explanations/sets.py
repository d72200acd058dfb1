"""Explanations that others wrote, in named sets: one Arrow file each, beside an index or anywhere.

A set is replaced as a whole or not at all, under a lock between processes, so two notebooks that add at once lose
nothing. Which set speaks for a feature: the one that was added last and knows it, in it the explanation with the best
score, then the newest.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ...engine.arrays import Ints
from ...engine.descriptions import Description
from ...storage.process_lock import process_lock
from ..errors import IndexCorruptError, IndexWriteError, writing
from .explanation import Added, Explanation, ExplanationError, Skipped

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["ExplanationSet", "ExplanationSets"]

_END = ".arrow"
_LOCK = ".lock"
# Rows that could not be read, of which each is told; the others are counted.
_TOLD = 20


class ExplanationSets:
    """The sets of explanations in a folder, which need not exist yet.

    Args:
        path: the folder.
        n_features: size of the dictionary; None: not known, then features are not checked.
        elsewhere: the folder that is read as well, and written where `path` cannot be.
    """

    def __init__(self, path: Path, n_features: int | None = None, elsewhere: Path | None = None) -> None:
        self.path, self._n_features, self._elsewhere = path, n_features, elsewhere
        self._lock = RLock()
        self._stamps: dict[Path, tuple[int, int, int]] | None = None
        self._sets: dict[str, ExplanationSet] = {}

    # -- reading

    @property
    def names(self) -> tuple[str, ...]:
        """The sets, the one that was added last first."""
        self.refresh()
        return tuple(reversed(self._sets))

    def describe(self, feature: int) -> Description | None:
        """The explanation that speaks for a feature."""
        if self._stamps is None:
            self.refresh()
        for name in reversed(self._sets):
            best = self._sets[name].of(feature, 1)
            if best:
                return best[0].said_by(name)
        return None

    def of(self, feature: int) -> list[tuple[str, Explanation]]:
        """All explanations of a feature, each with its set; the one that speaks for it first."""
        self.refresh()
        return [(name, one) for name in reversed(self._sets) for one in self._sets[name].of(feature)]

    @property
    def by_name(self) -> Mapping[str, ExplanationSet]:
        """The sets as they are now, the one that was added last first; they do not change."""
        self.refresh()
        return {name: self._sets[name] for name in reversed(self._sets)}

    def all(self) -> Iterable[tuple[str, Explanation]]:
        """Every explanation, with its set; by feature within a set."""
        for name, one in self.by_name.items():
            for explanation in one.all():
                yield name, explanation

    def frame(self) -> pd.DataFrame:
        """One row an explanation: feature, description, source (the set), method, model, author, score ..."""
        import pandas as pd

        names = "feature description source method model author score measure notes created key of".split()
        columns: dict[str, list[object]] = {name: [] for name in names}
        for source, one in self.by_name.items():
            for name in names:
                if name != "source":
                    columns[name] += one.column("text" if name == "description" else name)
            columns["source"] += [source] * (len(columns["feature"]) - len(columns["source"]))
        return pd.DataFrame(columns).astype({"feature": "int64", "score": "float64"})

    @property
    def features(self) -> Ints:
        """The features that there is an explanation of, ascending."""
        every = [one.features for one in self.by_name.values()]
        return np.unique(np.concatenate(every)) if every else np.zeros(0, np.int64)

    @property
    def stamp(self) -> str:
        """Changes whenever an explanation does."""
        self.refresh()
        told = json.dumps([(path.name, *stamp) for path, stamp in sorted((self._stamps or {}).items())])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def refresh(self) -> bool:
        """See what other processes added; whether that was anything."""
        with self._lock:
            now = {
                file: (stat.st_ino, stat.st_mtime_ns, stat.st_size) for file in self._files() if (stat := file.stat())
            }
            if now == self._stamps:
                return False
            # In the order in which they were added.
            read = sorted((ExplanationSet(file) for file in now), key=lambda one: (one.added, one.name))
            self._sets = {one.name: one for one in read}
            self._stamps = now
            return True

    def _files(self) -> list[Path]:
        return [file for folder in self._folders for file in sorted(folder.glob(f"*{_END}"))]

    @property
    def _folders(self) -> list[Path]:
        return [folder for folder in (self.path, self._elsewhere) if folder is not None and folder.is_dir()]

    # -- writing

    def add(self, given: Iterable[Explanation | Skipped], name: str, *, of: str | None = None) -> Added:
        """Add explanations to a set, which is made if there is none of that name.

        Args:
            given: what `read_explanations` gives.
            name: of the set.
            of: take only those of this SAE, as Neuronpedia names it ("gpt2-small/7-res-jb"). Default: those of the SAE of
                which most are (rows that do not say of which are taken), and the others are told as left out.

        Raises:
            ExplanationError: if there was nothing to take. IndexWriteError: if the folder cannot be written.
        """
        if not name.strip():
            raise ExplanationError("A set of explanations needs a name.")
        rows: list[Explanation] = []
        skipped: list[Skipped] = []
        for one in given:
            if isinstance(one, Skipped):
                skipped.append(one)
            elif self._n_features is not None and one.feature >= self._n_features:
                why = f"feature {one.feature} is outside the dictionary (0 to {self._n_features - 1})"
                skipped.append(Skipped("", len(rows) + len(skipped) + 1, why))
            else:
                rows.append(one)
        wanted = _most([row.of for row in rows]) if of is None else of
        others = [row for row in rows if row.of not in ("", wanted)]
        if others:
            theirs = ", ".join(sorted({row.of for row in others})[:3])
            skipped.append(Skipped("", 0, f"{len(others):,} are of {theirs}, not of {wanted}"))
        rows = [row for row in rows if row.of in ("", wanted)]
        left_out = len(skipped) - bool(others) + len(others)
        if not rows:
            first = f" First: {skipped[0]}." if skipped else ""
            raise ExplanationError(f"No explanation was found ({left_out:,} rows could not be taken).{first}")
        new = self._merge(rows, name)
        return Added(
            name=name,
            added=new,
            duplicates=len(rows) - new,
            features=self._sets[name].n_features,
            skipped=tuple(skipped[:_TOLD]),
            skipped_count=left_out,
        )

    def remove(self, name: str) -> None:
        """Take a set away.

        Raises:
            KeyError: if there is none of that name.
        """
        self._must_have(name)
        for folder in self._folders:
            place = folder / _file_of(name)
            if place.exists():
                with writing(place), process_lock(folder / _LOCK, lambda: None):
                    place.unlink(missing_ok=True)
        self.refresh()

    def _must_have(self, name: str) -> None:
        if name not in self.names:
            raise KeyError(
                f"There is no set of explanations {name!r}; there are {', '.join(map(repr, self.names)) or 'none'}."
            )

    def _merge(self, rows: list[Explanation], name: str) -> int:
        """Put rows into a set; how many were new."""
        with self._lock:
            try:
                return self._merge_in(self.path, rows, name)
            except IndexWriteError as error:
                if self._elsewhere is None or "disk is full" in str(error):
                    raise
                new = self._merge_in(self._elsewhere, rows, name)
            warnings.warn(
                f"{self.path} cannot be written, so explanations are kept in {self._elsewhere}.", stacklevel=4
            )
            return new

    def _merge_in(self, folder: Path, rows: list[Explanation], name: str) -> int:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with process_lock(folder / _LOCK, lambda: None):
                self._stamps = None  # nothing that another process wrote a moment ago may be lost
                self.refresh()
                there = self._sets.get(name)
                known = {} if there is None else {_said(row): row for row in there.all()}
                before = len(known)
                for row in rows:
                    # The same words again may come with a score that they did not have.
                    if _said(row) not in known or row.score is not None:
                        known[_said(row)] = row
                # Numbered, as clocks of two machines differ. A set that grows is then the one that was added to last; one of
                # which only a score became known stays in its place.
                if there is not None and len(known) == before:
                    added = there.added
                else:
                    added = 1 + max((one.added for one in self._sets.values()), default=0)
                _write(folder / _file_of(name), _ordered([*known.values()]), {"name": name, "added": added})
                self.refresh()
        return len(known) - before


def _file_of(name: str) -> str:
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:40]
    return f"{readable or 'set'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}{_END}"


def _said(row: Explanation) -> tuple[int, str, str, str]:
    return row.feature, row.text, row.method, row.model


def _most(named: list[str]) -> str:
    counts: dict[str, int] = {}
    for name in named:
        if name:
            counts[name] = counts.get(name, 0) + 1
    return max(counts, key=lambda name: counts[name], default="")


def _ordered(rows: list[Explanation]) -> list[Explanation]:
    """By feature; of one feature the best score first, then the newest."""
    rows.sort(key=lambda row: row.created, reverse=True)
    rows.sort(key=lambda row: (row.feature, math.inf if row.score is None else -row.score))
    return rows


def _write(path: Path, rows: list[Explanation], facts: Mapping[str, Any]) -> None:
    import pyarrow as pa

    kinds = {"feature": pa.uint32(), "score": pa.float64()}
    schema = pa.schema([(f.name, kinds.get(f.name, pa.large_string())) for f in fields(Explanation)])
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=schema)
    table = table.replace_schema_metadata({"saewidgets": json.dumps(dict(facts))})
    temporary = path.with_name(f".{path.name}.tmp")
    with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    os.replace(temporary, path)


class ExplanationSet:
    """One file of explanations, by feature, of which only what is asked for is read."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        try:
            with pa.memory_map(str(path)) as source:
                self._table = cast("pa.Table", pa.ipc.open_file(source).read_all()).combine_chunks()
            facts = json.loads((self._table.schema.metadata or {})[b"saewidgets"])
            self.name, self.added = str(facts["name"]), int(facts["added"])
            self._features = self._table["feature"].to_numpy()
        except (pa.ArrowInvalid, KeyError, TypeError, ValueError, OSError) as error:
            raise IndexCorruptError(f"{path} is damaged: remove it and add its explanations again.") from error

    @property
    def features(self) -> Ints:
        return np.unique(self._features).astype(np.int64)

    @property
    def n_features(self) -> int:
        return len(self.features)

    def column(self, name: str) -> list[object]:
        return cast("list[object]", self._table[name].to_pylist())

    def of(self, feature: int, n: int | None = None) -> list[Explanation]:
        # Of the same type, or all of the column would be made anew for every look-up.
        wanted = np.array([feature, feature + 1], self._features.dtype)
        start, stop = np.searchsorted(self._features, wanted).tolist()
        stop = stop if n is None else min(stop, start + n)
        return (
            [Explanation(**row) for row in self._table.slice(start, stop - start).to_pylist()] if stop > start else []
        )

    def all(self) -> Iterable[Explanation]:
        for batch in self._table.to_batches(max_chunksize=8192):
            for row in batch.to_pylist():
                yield Explanation(**row)

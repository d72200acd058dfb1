"""A matrix on disk: finished parts, from which an interrupted run goes on, and the manifest that names them, written last."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.arrays import Ints
from ..index.record.identity import differing
from ..storage.array_folder import Folder, FolderWriter
from ..storage.errors import writing
from .aggregate import Aggregate, Rows
from .errors import MatrixMismatchError

__all__ = ["Fingerprint", "Made", "Saved"]

_FORMAT = 1
_MANIFEST, _LOCK = "manifest", ".lock"
_ARRAYS = ("counts", "features", "values", "tokens", "lengths", "outliers")


@dataclass(frozen=True, eq=False)
class Made:
    """What a matrix was made with: whatever changes one of its numbers, beside the texts.

    Attributes:
        identity: of SAE, model, dtype and rules, as an index has it.
        columns: the features that were encoded; None for all.
    """

    identity: Mapping[str, Any]
    aggregate: Aggregate
    columns: Ints | None

    @property
    def facts(self) -> dict[str, Any]:
        """As JSON."""
        columns = None if self.columns is None else self.columns.tolist()
        return {"format": _FORMAT, "identity": dict(self.identity), "aggregate": self.aggregate, "columns": columns}

    def differs(self, facts: Mapping[str, Any]) -> str:
        """How what is on disk was made otherwise, in words; "" if it was not."""
        mine = self.facts
        if facts["format"] != mine["format"]:
            return f"it is of format {facts['format']}, and this version of saewidgets reads format {mine['format']}"
        told = list(differing(facts["identity"], mine["identity"]).values())
        if facts["aggregate"] != mine["aggregate"]:
            told.append(f"aggregate differs: {facts['aggregate']!r} there, {mine['aggregate']!r} here")
        if facts["columns"] != mine["columns"]:
            n = ["all" if one["columns"] is None else f"{len(one['columns']):,}" for one in (facts, mine)]
            told.append(f"the features that were asked for differ ({n[0]} there, {n[1]} here)")
        return "; ".join(told)


@dataclass
class Fingerprint:
    """A hash of texts, as token ids."""

    documents: int = 0
    _digest: Any = field(default_factory=hashlib.sha256)

    def add(self, documents: Iterable[Sequence[int]]) -> Fingerprint:
        for ids in documents:
            self._digest.update(len(ids).to_bytes(8, "little"))
            self._digest.update(np.array(ids, dtype="<i8").tobytes())
            self.documents += 1
        return self

    @property
    def hash(self) -> str:
        return str(self._digest.hexdigest())


class Saved:
    """The folder of a matrix."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def lock(self) -> Path:
        return self.path / _LOCK

    def begin(self) -> None:
        """Make the folder, if it is not there.

        Raises:
            IndexWriteError: if it cannot be written. MatrixMismatchError: if it holds other things.
        """
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        others = [
            p.name for p in self.path.iterdir() if not p.name.lstrip(".").startswith(("part-", _MANIFEST, "lock"))
        ]
        if others:
            raise MatrixMismatchError(
                f"{self.path} is a folder with other things in it ({others[0]}, ...): choose a path that is empty or new."
            )

    def must_be(self, made: Made) -> None:
        """Raise unless what is there was made so; and remove what a killed run left half written. Under the lock."""
        for left in self.path.glob(".*.tmp"):
            shutil.rmtree(left)
        there = [*self.parts[:1], *([] if self.manifest is None else [self.manifest])]
        for folder in there:
            told = made.differs(folder.facts["made"])
            if told:
                raise MatrixMismatchError(
                    f"The matrix at {self.path} was made with something else: {told}. Ask for what it was made with, or "
                    "choose another path."
                )

    @cached_property
    def manifest(self) -> Folder | None:
        """What names the parts; None while there is more to do."""
        return Folder(self.path / _MANIFEST, mapped=False) if (self.path / _MANIFEST).is_dir() else None

    @cached_property
    def parts(self) -> list[Folder]:
        """The finished parts, in order, as far as there is no gap."""
        found: list[Folder] = []
        while (self.path / _name(len(found))).is_dir():
            found.append(Folder(self.path / _name(len(found)), mapped=False))
        return found

    def add(self, rows: Rows, texts: Fingerprint, made: Made) -> None:
        """Write a part: it is there as a whole, or not at all."""
        path = self.path / _name(len(self.parts))
        with writing(self.path), FolderWriter(path) as writer:
            for name in _ARRAYS:
                array = getattr(rows, name)
                writer.put(name, array.astype(np.uint32) if name == "features" else array)
            writer.commit({"made": made.facts, "documents": texts.documents, "hash": texts.hash})
        self.parts.append(Folder(path, mapped=False))

    def finish(self, facts: Mapping[str, object], made: Made) -> None:
        """Write the manifest."""
        documents = sum(int(part.facts["documents"]) for part in self.parts)
        with writing(self.path), FolderWriter(self.path / _MANIFEST) as writer:
            writer.commit({**facts, "made": made.facts, "parts": len(self.parts), "documents": documents})
        self.__dict__.pop("manifest", None)  # there was none

    def rows(self) -> Rows:
        """All rows, read from the parts and verified."""
        return Rows.joined([Rows(**{name: _read(part, name) for name in _ARRAYS}) for part in self.parts])


def _read(part: Folder, name: str) -> Any:
    array = part.read(name)
    return array if name == "values" else array.astype(np.int64)


def _name(number: int) -> str:
    return f"part-{number:06d}"

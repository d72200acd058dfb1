"""A map kept with its index: in a folder beside the store, or in the user's own where that cannot be written.

A map is of one dictionary and one set of settings; both stand in it and are compared when it is opened. It can be made again,
so one that is damaged, or that another version wrote, is as good as none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...engine.arrays import Floats, Ints
from ...index.errors import IndexCorruptError, IndexVersionError, IndexWriteError, writing
from ...storage.array_folder import Array, Folder, FolderWriter
from ...storage.places import data_dir
from ...storage.process_lock import process_lock

__all__ = ["MapStore", "Stored"]

FORMAT = 1
_FOLDER = "maps"


@dataclass(frozen=True)
class Stored:
    """What is kept of a map: the fields of `FeatureLayout` of the same names."""

    features: Ints
    x: Floats
    y: Floats
    cluster: Ints
    neighbours: Ints
    cosines: Floats
    kept: float
    n_features: int
    method: str
    settings: Mapping[str, int | float | str]
    notes: tuple[str, ...]

    @property
    def k(self) -> int:
        return int(self.neighbours.shape[1])


class MapStore:
    """The place of one map.

    Args:
        path: of the index.
        dictionary: the hash of what the features are; asked: the settings.
    """

    def __init__(self, path: Path, dictionary: str, asked: Mapping[str, int | float | str]) -> None:
        self._of: dict[str, object] = {"format": FORMAT, "dictionary": dictionary, "asked": dict(asked)}
        name = hashlib.sha256(json.dumps(self._of, sort_keys=True).encode()).hexdigest()[:16]
        self._beside, self._elsewhere = path / _FOLDER / name, data_dir() / _FOLDER / name

    def load(self) -> tuple[Stored, Path, str] | None:
        """The map, its folder, and what is to be said of where that is; None if there is none that is whole."""
        for path in (self._beside, self._elsewhere):
            found = self._read(path)
            if found is not None:
                return found, path, self._said(path)
        return None

    def save(self, stored: Stored, *, replace: bool) -> tuple[Stored, Path | None, str]:
        """Keep a map; of two that are made at the same time the first stays, unless it is to be replaced.

        Returns:
            The map that is kept, its folder (None if neither could be written), and what is to be said of that.
        """
        refused = ""
        for path in (self._beside, self._elsewhere):
            try:
                with writing(path):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with process_lock(path.with_name(f".{path.name}.lock"), lambda: None):
                        there = None if replace else self._read(path)
                        if there is None:
                            self._write(path, stored)
                return there or stored, path, self._said(path)
            except (IndexWriteError, OSError) as error:
                refused = str(error)
        return stored, None, f"The map is kept nowhere, and will be made again: {refused}"

    def _said(self, path: Path) -> str:
        beside = path == self._beside
        return "" if beside else f"{self._beside.parent} cannot be written, so the map is kept in {path}."

    def _write(self, path: Path, stored: Stored) -> None:
        with FolderWriter(path) as folder:
            for name in _ARRAYS:
                folder.put(name, getattr(stored, name))
            facts = {name: getattr(stored, name) for name in ("kept", "n_features", "method")}
            folder.commit({**self._of, **facts, "settings": dict(stored.settings), "notes": list(stored.notes)})

    def _read(self, path: Path) -> Stored | None:
        if not path.exists():
            return None
        try:
            folder = Folder(path, mapped=False)
            facts = folder.facts
            if {name: facts.get(name) for name in self._of} != self._of:
                return None
            arrays: dict[str, Array] = {
                name: np.array(folder.read(name), np.int64 if name in _INTS else np.float32) for name in _ARRAYS
            }
            return Stored(
                **arrays,
                kept=float(facts["kept"]),
                n_features=int(facts["n_features"]),
                method=str(facts["method"]),
                settings=facts["settings"],
                notes=tuple(facts["notes"]),
            )
        except (IndexCorruptError, IndexVersionError, KeyError, TypeError, ValueError, OSError):
            return None


_INTS = ("features", "cluster", "neighbours")
_ARRAYS = ("features", "x", "y", "cluster", "neighbours", "cosines")

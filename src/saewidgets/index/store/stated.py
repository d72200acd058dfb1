"""What an index knows by itself, and what only a file said that it was made of (`IMPORTED` in record/schema.py).

Readers ask here for a number that either kind of index has, so that they need not know of which kind theirs is.
"""

from __future__ import annotations

import numpy as np

from ...storage.array_folder import Array, Folder

__all__ = ["density_of", "is_imported", "known", "maximum_of", "present"]


def is_imported(folder: Folder) -> bool:
    """Whether a store was made of another tool's files."""
    return "imported" in folder.facts


def density_of(folder: Folder, start: int = 0, stop: int | None = None) -> Array:
    """[features] float64 share of tokens where each is active: of counted ones, or as a file defines it; NaN of a feature that
    is not in the files."""
    counted: Array = folder.read("count", start, stop).astype(np.float64) / folder.facts["counted"]
    if not is_imported(folder):
        return counted
    stated = np.where(np.isnan(folder.read("density", start, stop)), counted, folder.read("density", start, stop))
    return np.where(present(folder, start, stop), stated, np.nan)


def present(folder: Folder, start: int = 0, stop: int | None = None) -> Array:
    """[features] bool, whether anything is known of each: of an index of one's own always."""
    if not is_imported(folder):
        return np.ones(len(folder.read("count", start, stop)), bool)
    return folder.read("present", start, stop).astype(bool)


def maximum_of(folder: Folder, start: int = 0, stop: int | None = None) -> Array:
    """[features] float64 largest activation; NaN for a feature that never fires."""
    name = "maximum" if is_imported(folder) else "high"
    return folder.read(name, start, stop).astype(np.float64)


def known(value: float) -> float | None:
    """A number that may be NaN because no file says it."""
    return None if value != value else value

"""What an index knows by itself, and what only a file said that it was made of (`IMPORTED` in record/schema.py).

Readers ask here for a number that either kind of index has, so that they need not know of which kind theirs is.
"""

from __future__ import annotations

import numpy as np

from ...storage.array_folder import Array, Folder

__all__ = ["count_of", "density_of", "is_imported", "known", "maximum_of", "missing_of", "not_missing", "present"]


def is_imported(folder: Folder) -> bool:
    """Whether a store was made of another tool's files."""
    return "imported" in folder.facts


def density_of(folder: Folder, start: int = 0, stop: int | None = None) -> Array:
    """[features] float64 share of tokens where each is active: of counted ones, or as a file defines it (NaN: not known)."""
    counted: Array = count_of(folder, start, stop).astype(np.float64) / folder.facts["counted"]
    if not is_imported(folder):
        return counted
    stated = folder.read("density", start, stop)
    # Bars and tokens may be of different files.
    told = folder.facts["counted_known"] & (counted <= 1)
    return np.where(np.isnan(stated) & told, counted, stated)


def present(folder: Folder, start: int = 0, stop: int | None = None) -> Array:
    """[features] bool, whether files have each; of an index of one's own always."""
    if not is_imported(folder):
        return np.ones(len(folder.read("count", start, stop)), bool)
    return folder.read("present", start, stop).astype(bool)


def count_of(folder: Folder, start: int = 0, stop: int | None = None) -> Array:
    """[features] active tokens of each; of files float64, and NaN where they do not say it."""
    count: Array = folder.read("count", start, stop)
    if not is_imported(folder):
        return count.astype(np.int64)
    return np.where(folder.read("known", start, stop) != 0, count.astype(np.float64), np.nan)


def missing_of(folder: Folder, feature: int) -> str | None:
    """Why it is not known whether a feature fires; None if it is."""
    if not is_imported(folder):
        return None
    present, known, count = (int(folder.read(name, feature, feature + 1)[0]) for name in ("present", "known", "count"))
    if not present:
        return (
            f"Feature {feature} is not in the {folder.facts['imported']['format']} files: nothing is known of it. "
            "(SAEDashboard leaves out features that are dead or too sparse.)"
        )
    return None if known or count else f"The files do not say whether feature {feature} fires."


def not_missing(folder: Folder) -> Array:
    """[features] bool, whether it is known whether each fires (`missing_of` says why it is not)."""
    if not is_imported(folder):
        return present(folder)
    found: Array = present(folder) & ((folder.read("known") != 0) | (folder.read("count") != 0))
    return found


def maximum_of(folder: Folder, start: int = 0, stop: int | None = None) -> Array:
    """[features] float64 largest activation; NaN for a feature that never fires."""
    name = "maximum" if is_imported(folder) else "high"
    return folder.read(name, start, stop).astype(np.float64)


def known(value: float) -> float | None:
    """A number that may be NaN because no file says it."""
    return None if value != value else value

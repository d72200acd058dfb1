"""Where this package keeps files of its own on a user's disk, and where a user's file can be."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["CACHE_VARIABLE", "DATA_VARIABLE", "cache_dir", "data_dir", "file_place"]

CACHE_VARIABLE = "SAEWIDGETS_CACHE"
DATA_VARIABLE = "SAEWIDGETS_DATA"


def cache_dir() -> Path:
    """For what can be made again: $SAEWIDGETS_CACHE, or the user's cache directory."""
    import platformdirs

    return Path(os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("saewidgets")).expanduser()


def data_dir() -> Path:
    """For what cannot, such as labels of an index on a read-only disk: $SAEWIDGETS_DATA, or the user's data directory."""
    import platformdirs

    return Path(os.environ.get(DATA_VARIABLE) or platformdirs.user_data_dir("saewidgets")).expanduser()


def file_place(path: str | os.PathLike[str]) -> Path:
    """Where a file is to be written; asked before it is made, which may take long.

    Raises:
        FileNotFoundError: if its folder is not there. IsADirectoryError: if a folder is there.
    """
    place = Path(path)
    if place.is_dir():
        raise IsADirectoryError(f"{place} is a folder: name a file in it, such as {place / 'page.html'}.")
    if not place.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {place.parent}: make it first, or write somewhere else.")
    return place

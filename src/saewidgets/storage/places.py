"""Where this package keeps files of its own on a user's disk."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["CACHE_VARIABLE", "DATA_VARIABLE", "cache_dir", "data_dir"]

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

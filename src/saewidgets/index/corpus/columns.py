"""The corpus' own columns beside ours: no name that a corpus brings hides one of ours, or is hidden; and plain values."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

OURS = ("document", "name", "tokens")
"""What is stored of every document: its number, its name, its length in tokens."""

THEIRS = "corpus:"
"""Stands before the name of every column of the corpus in a stored table, and before none of ours."""


def in_table(own: Iterable[str], theirs: Iterable[str]) -> dict[str, str]:
    """What the corpus' columns are called in a data frame that has columns of its own.

    A column keeps its name. Only one that is called like one of the frame's own gets "document_" in front (again, if the
    corpus has a column of that name as well).

    Args:
        own: the frame's columns; theirs: the corpus' columns.

    Returns:
        From each of `theirs` to its name in the frame.
    """
    ours, names = set(own), list(theirs)
    taken = {*ours, *names}
    called: dict[str, str] = {}
    for name in names:
        new = name
        while new in ours or (new != name and new in taken):
            new = f"document_{new}"
        taken.add(new)
        called[name] = new
    return called


def plain(value: object) -> object:
    """A value as plain Python: NumPy's scalars, dates of any make, and every kind of missing value (as None)."""
    if isinstance(value, np.datetime64):
        # Through microseconds: nanoseconds would become an integer. A date without a time stays one.
        value = value.item() if np.datetime_data(value.dtype)[0] == "D" else value.astype("datetime64[us]").item()
    elif isinstance(value, np.timedelta64):
        value = value.astype("timedelta64[us]").item()
    elif isinstance(value, np.generic):
        value = value.item()
    missing = isinstance(value, float) and value != value
    return None if missing or type(value).__name__ in ("NAType", "NaTType") else value

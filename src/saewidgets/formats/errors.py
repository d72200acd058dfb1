"""What can go wrong with a neighbour's file, and what was left out of one that could be read."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SaewidgetsError

__all__ = ["FormatError", "Skipped"]


class FormatError(SaewidgetsError, ValueError):
    """A file that is not what it should be, or of which nothing could be taken."""


@dataclass(frozen=True)
class Skipped:
    """A row that was not taken.

    Attributes:
        file: where it stands ("" for what was not a file); line: which line of it, from 1.
        why: what is wrong with it.
        rows: how many rows it is about.
    """

    file: str
    line: int
    why: str
    rows: int = 1

    def __str__(self) -> str:
        return f"{self.file or 'row'}:{self.line}: {self.why}"

"""What a table's view asks (its twin is js/src/table/rows.ts)."""

from __future__ import annotations

from dataclasses import dataclass

from ..constants import ROWS

__all__ = ["Between", "Chosen", "Rows", "Summary"]


@dataclass(frozen=True)
class Between:
    """Only rows with low <= value <= high in a column; None: no bound."""

    column: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Chosen:
    """Which rows, in what order.

    Attributes:
        query: what is searched for, by words or by meaning; "": nothing.
        sort: a column, or "match": the best first. descending: from the largest down.
        filters: bounds of columns.
        only: the name of a list that they are in; "": any.
    """

    query: str = ""
    by: str = "words"
    sort: str = ""
    descending: bool = True
    filters: tuple[Between, ...] = ()
    only: str = ""


@dataclass(frozen=True)
class Rows:
    """A window of the rows that are chosen."""

    chosen: Chosen
    first: int = 0
    count: int = ROWS


@dataclass(frozen=True)
class Summary:
    """What the columns are, and how their values are distributed."""

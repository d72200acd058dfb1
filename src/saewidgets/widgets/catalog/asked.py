"""What a view of the catalog asks (its twin is js/src/widgets/catalog/wire.ts)."""

from __future__ import annotations

from dataclasses import dataclass

from ..constants import ROWS
from ..table.asked import Between

__all__ = ["Chosen", "Details", "Load", "Rows"]


@dataclass(frozen=True)
class Chosen:
    """Which SAEs, in what order.

    Attributes:
        query: beginnings of words, all of which occur. model, architecture: exactly these; "": any.
        sort: a column; "": by model, release and id. descending: from the last to the first.
        filters: bounds of columns.
    """

    query: str = ""
    model: str = ""
    architecture: str = ""
    sort: str = ""
    descending: bool = False
    filters: tuple[Between, ...] = ()


@dataclass(frozen=True)
class Rows:
    """A window of the rows that are chosen."""

    chosen: Chosen
    first: int = 0
    count: int = ROWS


@dataclass(frozen=True)
class Details:
    """What is known of one SAE, and how it is loaded in code."""

    release: str
    sae_id: str
    device: str = ""
    dtype: str = "float32"


@dataclass(frozen=True)
class Load:
    """An SAE to load. device: "": CUDA if there is a device, else the CPU."""

    release: str
    sae_id: str
    device: str = ""
    dtype: str = "float32"

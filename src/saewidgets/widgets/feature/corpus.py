"""What an index counted of every feature, as views show it beside numbers of a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...index.store.stated import density_of
from ...storage.array_folder import Array

if TYPE_CHECKING:
    from ...index.feature_index import FeatureIndex

__all__ = ["Corpus"]


@dataclass(frozen=True, eq=False)
class Corpus:
    """What an index counted on its corpus.

    Attributes:
        density: [F] share of counted tokens where a feature is active.
        most: [F] its largest |activation|; 0 if it never fires there.
    """

    density: Array
    most: Array

    @classmethod
    def of(cls, index: FeatureIndex) -> Corpus:
        """Of every feature of an index."""
        high, low = (index.column(name).astype(np.float64) for name in ("high", "low"))
        return cls(density_of(index.folder), np.nan_to_num(np.fmax(np.abs(high), np.abs(low)), nan=0.0))

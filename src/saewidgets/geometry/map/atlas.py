"""A map as embedding-atlas reads one: its rows, and of each the nearest others.

The format is that project's (its widget's option `neighbors`): {"ids": [...], "distances": [...]}, the nearest first; ids are
rows counted from zero unless a column of ids is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...engine.arrays import Floats, Ints
from .table import Placed, with_statistics

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["atlas_frame"]


def atlas_frame(layout: Placed, neighbours: Ints, cosines: Floats) -> pd.DataFrame:
    """See `FeatureLayout.to_atlas`; `neighbours` and `cosines` [m, k] are the layout's."""
    import pandas as pd

    frame = with_statistics(layout, None)
    rows = np.searchsorted(layout.features, neighbours)
    distances = np.maximum(1 - cosines.astype(np.float64), 0)
    near = [{"ids": ids, "distances": far} for ids, far in zip(rows.tolist(), distances.tolist(), strict=True)]
    return frame.assign(neighbors=pd.Series(near, index=frame.index, dtype=object))

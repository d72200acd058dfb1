"""A map as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from .layout import FeatureLayout

__all__ = ["map_frame", "with_statistics"]

_SHOWN = ("label", "density", "count", "max", "top_token")


def map_frame(layout: FeatureLayout) -> pd.DataFrame:
    """See `FeatureLayout.to_pandas`."""
    return with_statistics(layout, _SHOWN)


def with_statistics(layout: FeatureLayout, names: tuple[str, ...] | None) -> pd.DataFrame:
    """Feature, x, y and cluster, and beside them these columns of the index; None: all of them."""
    import pandas as pd

    places = pd.DataFrame(
        {"feature": layout.features, "x": layout.x, "y": layout.y, "cluster": layout.cluster},
    )
    if layout.index is None:
        return places
    table = layout.index.features
    chosen = table.loc[layout.features, list(table.columns if names is None else names)].reset_index(drop=True)
    return pd.concat([places, chosen], axis=1)

"""A map as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ...engine.arrays import Floats, Ints

if TYPE_CHECKING:
    import pandas as pd

    from ...index.feature_index import FeatureIndex

__all__ = ["Placed", "map_frame", "with_statistics"]


class Placed(Protocol):
    """What tables and pictures ask of a `FeatureLayout`."""

    @property
    def features(self) -> Ints: ...
    @property
    def x(self) -> Floats: ...
    @property
    def y(self) -> Floats: ...
    @property
    def cluster(self) -> Ints: ...
    @property
    def index(self) -> FeatureIndex | None: ...


_SHOWN = ("label", "density", "count", "max", "top_token")


def map_frame(layout: Placed) -> pd.DataFrame:
    """See `FeatureLayout.to_pandas`."""
    return with_statistics(layout, _SHOWN)


def with_statistics(layout: Placed, names: tuple[str, ...] | None) -> pd.DataFrame:
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

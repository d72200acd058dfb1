"""FeatureLayout: where each feature lies on a map, and how much of the dictionary's own neighbourhoods that map keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...engine.arrays import Floats, Ints
from .atlas import atlas_frame
from .figure import map_figure
from .table import map_frame

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from ...index.feature_index import FeatureIndex

__all__ = ["FeatureLayout"]


@dataclass(frozen=True, eq=False, repr=False)
class FeatureLayout:
    """Features in the plane (`sw.feature_map`).

    Distances on a map are no measurements: UMAP keeps a part of each feature's nearest neighbours (`kept`) and little of what
    lies further. The numbers to go by are `neighbours` and `cosines`, which are of the decoder rows themselves.

    Attributes:
        features: [m] those that have a place, ascending: all whose decoder row is not zero.
        x, y: [m] where; the longer side of the picture spans [-1, 1]. The axes have no meaning and no unit.
        kept: the mean share of a feature's `k` nearest in the decoder's space (by cosine) that are among its `k` nearest on
            the map (by Euclidean distance), over all features on it. By chance it would be `chance`.
        k: how many neighbours that is: 15, or all others of a smaller map.
        cluster: [m] groups of decoder rows (not of the picture; `clusters.py`), numbered from the largest down; -1 for features
            that are in none.
        method: the library that made it, with its version ("fastumap 0.2.30").
        settings: what it was made with: "n_neighbors", "min_dist", "metric", "seed", "init".
        n_features: of the dictionary.
        provenance: model, SAE, hook, versions: what to publish beside the picture.
        notes: what is to be known: features left out, another library or start that had to be taken, a folder elsewhere.
        path: the folder that it is kept in; None if it is kept nowhere.
        neighbours: [m, k] the features that are nearest in the decoder's space, the nearest first.
        cosines: [m, k] of decoder rows with these.
        index: whose features these are; tables and pictures take labels and statistics from it.
    """

    features: Ints
    x: Floats
    y: Floats
    kept: float
    k: int
    cluster: Ints
    method: str
    settings: Mapping[str, int | float | str]
    n_features: int
    provenance: Mapping[str, str]
    notes: tuple[str, ...]
    path: Path | None
    neighbours: Ints
    cosines: Floats
    index: FeatureIndex | None = field(default=None)

    def __len__(self) -> int:
        return len(self.features)

    @property
    def chance(self) -> float:
        """What `kept` is expected to be of a map with all features at random places: k of the others."""
        return self.k / max(len(self) - 1, 1)

    @property
    def clusters(self) -> int:
        """How many groups there are."""
        return int(self.cluster.max(initial=-1)) + 1

    def to_pandas(self) -> pd.DataFrame:
        """One row a feature of the map: feature, x, y, cluster, and of the index label, density, count, max and top_token.

        Example:
            >>> sw.feature_map(index).to_pandas().groupby("cluster")["top_token"].agg(list)
        """
        return map_frame(self)

    def to_atlas(self) -> pd.DataFrame:
        """The map for embedding-atlas (https://apple.github.io/embedding-atlas): one row a feature of the map.

        Columns: feature, x, y, cluster, all of `index.features`, and "neighbors", of each feature a mapping of "ids" (rows of
        this table, counted from 0, as embedding-atlas counts rows of a table without an id column; the nearest first) and
        "distances" (1 - cosine of the decoder rows).

        Example:
            >>> from embedding_atlas.widget import EmbeddingAtlasWidget
            >>> EmbeddingAtlasWidget(layout.to_atlas(), x="x", y="y", text="label", neighbors="neighbors")
        """
        return atlas_frame(self, self.neighbours, self.cosines)

    def figure(self, colour: str = "density") -> Figure:
        """The map, as a plotly figure.

        Args:
            colour: "density" (log10), "cluster", or a column of numbers of `index.features`.

        Raises:
            GeometryError: if there are no such numbers.
        """
        kept = f"keeps {self.kept:.1%} of each one's {self.k} nearest (by chance {self.chance:.1%})"
        return map_figure(self, colour, f"by {self.method}, {kept}")

    def __repr__(self) -> str:
        return (
            f"FeatureLayout({len(self):,} of {self.n_features:,} features by {self.method}; keeps {self.kept:.3f} of each one's "
            f"{self.k} nearest, by chance {self.chance:.3f}; {self.clusters:,} clusters)"
        )

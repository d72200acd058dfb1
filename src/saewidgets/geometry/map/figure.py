"""A map as a plotly figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...engine.activations.figures import escaped
from ...engine.arrays import Doubles
from ..errors import GeometryError
from .table import Placed, map_frame

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["map_figure"]

_LOGARITHMIC = ("density", "count")
_CLUSTERS_SHOWN = 20


def map_figure(layout: Placed, colour: str, kept: str) -> Figure:
    """See `FeatureLayout.figure`; `kept`: what the title says of how good the map is."""
    from plotly import graph_objects as go
    from plotly.colors import qualitative

    frame = map_frame(layout)
    said = [f"feature {f}" for f in layout.features.tolist()]
    for name in ("label", "top_token"):
        if name in frame:
            said = [
                f"{text}<br>{escaped(value)}" if isinstance(value, str) else text
                for text, value in zip(said, frame[name], strict=True)
            ]
    marker: dict[str, object] = {"size": 4 if len(layout.features) < 20_000 else 2}
    if colour == "cluster":
        # The largest have colours of their own, the others share a grey: more could not be told apart.
        palette = qualitative.Dark24[:_CLUSTERS_SHOWN]
        marker["color"] = [palette[c] if 0 <= c < len(palette) else "#bbbbbb" for c in layout.cluster.tolist()]
        many = int(layout.cluster.max(initial=-1)) + 1
        title = f"{many:,} clusters, the largest {min(many, len(palette))} in colour"
    else:
        values = _numbers(layout, colour)
        title = f"log10 {colour}" if colour in _LOGARITHMIC else colour
        marker |= {"color": values, "colorscale": "Cividis", "colorbar": {"title": {"text": title}}}
    figure = go.Figure(go.Scattergl(x=layout.x, y=layout.y, mode="markers", marker=marker, text=said, hoverinfo="text"))
    figure.update_layout(
        title=f"{len(layout.features):,} features {kept}<br>coloured by {title}",
        xaxis={"visible": False},
        yaxis={"visible": False, "scaleanchor": "x"},
    )
    return figure.update_layout(template="simple_white")


def _numbers(layout: Placed, name: str) -> Doubles:
    import pandas as pd

    table = None if layout.index is None else layout.index.features
    if table is None or name not in table or not pd.api.types.is_numeric_dtype(table[name]):
        known = [] if table is None else [str(c) for c in table.columns if pd.api.types.is_numeric_dtype(table[c])]
        raise GeometryError(
            f"There are no numbers {name!r} to colour by: choose one of {', '.join(['cluster', *known])}."
        )
    values = table[name].to_numpy(np.float64, na_value=np.nan)[layout.features]
    if name in _LOGARITHMIC:
        # The silent have no logarithm: they are drawn without a colour.
        return np.asarray(np.log10(values, out=np.full(len(values), np.nan), where=values > 0), np.float64)
    return np.asarray(values, np.float64)

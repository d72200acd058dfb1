"""A plotly picture of a small network of features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...engine.activations.figures import escaped
from ...engine.arrays import Doubles

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

__all__ = ["network_figure"]

_CHARACTERS = 24
_WIDEST, _SMALLEST, _LARGEST = 8.0, 8.0, 40.0


def network_figure(
    place: Doubles,
    nodes: pd.DataFrame,
    edges: Sequence[tuple[int, int]],
    weight: Doubles,
    says: Sequence[str],
    title: str,
) -> Figure:
    """Nodes with their labels, and edges between them.

    Args:
        place: [k, 2]. nodes: [k] with "description", "count" and "density", by feature.
        edges: pairs of nodes; weight: [edges] above 0, what their width is; says: what is told over each.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    widest = float(weight.max(initial=0.0))
    for (i, j), value in zip(edges, weight.tolist(), strict=True):
        line = {"width": max(0.5, _WIDEST * value / widest), "color": "rgba(120,120,120,0.6)"}
        x, y = place[[i, j], 0], place[[i, j], 1]
        figure.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False)
    # Lines can be hovered over at their ends alone: an invisible point in the middle tells of the edge.
    middle = np.array([(place[i] + place[j]) / 2 for i, j in edges]).reshape(-1, 2)
    figure.add_scatter(
        x=middle[:, 0],
        y=middle[:, 1],
        mode="markers",
        marker={"size": 12, "opacity": 0},
        hovertext=list(says),
        hovertemplate="%{hovertext}<extra></extra>",
        showlegend=False,
    )
    density = nodes["density"].to_numpy(np.float64)
    size = _SMALLEST + (_LARGEST - _SMALLEST) * np.sqrt(density / max(float(density.max(initial=0.0)), 1e-12))
    names = [
        escaped(f"{f} {text[:_CHARACTERS]}".rstrip()) for f, text in zip(nodes.index, nodes["description"], strict=True)
    ]
    told = [
        f"{f} {escaped(text)}<br>{n:,} tokens, {share:.3%}" if n else f"{f} {escaped(text)}<br>never fires"
        for f, text, n, share in zip(nodes.index, nodes["description"], nodes["count"], density, strict=True)
    ]
    silent = nodes["count"].to_numpy() == 0
    figure.add_scatter(
        x=place[:, 0],
        y=place[:, 1],
        mode="markers+text",
        text=names,
        textposition="top center",
        marker={
            "size": size,
            "color": np.where(silent, "#bbbbbb", "#e69f00").tolist(),
            "line": {"width": 1, "color": "#555555"},
        },
        hovertext=told,
        hovertemplate="%{hovertext}<extra></extra>",
        showlegend=False,
    )
    for axis in ("xaxis", "yaxis"):
        figure.update_layout({axis: {"visible": False, "range": [-1.25, 1.25]}})
    return figure.update_layout(title=title, template="simple_white", margin={"t": 48})

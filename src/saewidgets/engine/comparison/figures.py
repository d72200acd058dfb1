"""A plotly picture of a comparison: features x texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..activations.figures import escaped
from ..arrays import Floats

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["features_of_texts_figure"]

_LONGEST = 40


def features_of_texts_figure(
    values: Floats, texts: Sequence[str], features: Sequence[str], unit: str, title: str
) -> Figure:
    """A heatmap of `values` [features, texts]; of long texts, the end."""
    import plotly.graph_objects as go

    signed = bool(np.min(values, initial=0.0) < 0)
    # Texts may be the same, and categories of one name would be merged: places carry the axis.
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=list(range(len(texts))),
            y=list(range(len(features))),
            colorscale="RdBu_r" if signed else "Oranges",
            zmid=0.0 if signed else None,
            zmin=None if signed else 0.0,
            colorbar={"title": unit},
            hovertemplate=f"text %{{x}}<br>{unit} %{{z:.4g}}<extra></extra>",
        )
    )
    names = [escaped(name) for name in features]
    ends = [escaped(text if len(text) <= _LONGEST else f"\u2026{text[-_LONGEST:]}") for text in texts]
    figure.update_xaxes(tickmode="array", tickvals=list(range(len(texts))), ticktext=ends, title="text")
    figure.update_yaxes(
        tickmode="array", tickvals=list(range(len(names))), ticktext=names, autorange="reversed", title="feature"
    )
    figure.update_xaxes(showgrid=False, zeroline=False)
    figure.update_yaxes(showgrid=False, zeroline=False)
    figure.update_layout(title=title, margin={"t": 48})
    return figure

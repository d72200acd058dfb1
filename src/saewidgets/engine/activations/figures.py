"""Plotly pictures of engine results, for papers and for notebooks without widgets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def token_feature_figure(
    values: npt.NDArray[np.floating], tokens: Sequence[str], features: Sequence[str], unit: str, title: str
) -> Figure:
    """A heatmap of `values` [features, tokens]; NaN is left blank."""
    import plotly.graph_objects as go

    # Plotly merges equal category names, and texts repeat tokens: positions carry the axis, strings only label it.
    strings = [visible(token) for token in tokens]
    signed = bool(np.nanmin(values, initial=0.0) < 0)
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=list(range(len(tokens))),
            y=list(range(len(features))),
            customdata=np.broadcast_to(np.array(strings, dtype=object), values.shape) if strings else None,
            colorscale="RdBu_r" if signed else "Oranges",
            zmid=0.0 if signed else None,
            zmin=None if signed else 0.0,
            colorbar={"title": unit},
            hovertemplate=f"token %{{customdata}} (%{{x}})<br>{unit} %{{z:.4g}}<extra></extra>",
        )
    )
    figure.update_xaxes(tickmode="array", tickvals=list(range(len(tokens))), ticktext=strings, title="token")
    names = [escaped(name) for name in features]
    figure.update_yaxes(
        tickmode="array", tickvals=list(range(len(names))), ticktext=names, autorange="reversed", title="feature"
    )
    # Lines would show through the empty columns, of special tokens, as if they were something.
    figure.update_xaxes(showgrid=False, zeroline=False)
    figure.update_yaxes(showgrid=False, zeroline=False)
    figure.update_layout(title=title, margin={"t": 48})
    return figure


def visible(token: str) -> str:
    """`token` as a label: spaces, line ends and tabs as signs."""
    return escaped(token.replace("\n", "\u21b5").replace("\t", "\u21e5").replace(" ", "\u00b7"))


def escaped(text: str) -> str:
    """`text` with nothing in it that plotly would read as markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

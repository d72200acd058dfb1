"""Plotly pictures of engine results, for papers and for notebooks without widgets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from .activations import FeatureActivations


def token_feature_figure(acts: FeatureActivations, features: Sequence[int], include_special: bool) -> Figure:
    """A heatmap, `features` x tokens. Special tokens and norm outliers are blank unless included."""
    import plotly.graph_objects as go

    values = acts[:, list(features)].T.astype(float)
    if not include_special:
        values[:, ~acts.counted] = np.nan
    names = [f"{f} {acts.labels[f]}" if f in acts.labels else str(f) for f in features]
    # Plotly merges equal category names, and texts repeat tokens: positions carry the axis, strings only label it.
    strings = [visible(token) for token in acts.tokens]
    signed = bool(np.nanmin(values, initial=0.0) < 0)
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=list(range(len(acts))),
            y=list(range(len(features))),
            customdata=np.broadcast_to(np.array(strings, dtype=object), values.shape) if len(strings) else None,
            colorscale="RdBu_r" if signed else "Oranges",
            zmid=0.0 if signed else None,
            zmin=None if signed else 0.0,
            colorbar={"title": acts.activation_name},
            hovertemplate="token %{customdata} (%{x})<br>activation %{z:.4g}<extra></extra>",
        )
    )
    figure.update_xaxes(tickmode="array", tickvals=list(range(len(acts))), ticktext=strings, title="token")
    figure.update_yaxes(
        tickmode="array", tickvals=list(range(len(features))), ticktext=names, autorange="reversed", title="feature"
    )
    figure.update_layout(title=f"{acts.activation_name} of {acts.dictionary}", margin={"t": 48})
    return figure


def visible(token: str) -> str:
    """`token` as a label: line ends and tabs as signs, and nothing that plotly would read as markup."""
    shown = token.replace("\n", "\u21b5").replace("\t", "\u21e5").replace(" ", "\u00b7")
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

"""The pictures of an attribution and of its check: from tables to plotly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.activations.figures import escaped, visible

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

__all__ = ["attribution_figure", "effects_figure"]

_FEATURES, _ERROR, _BIAS, _AGAINST = "#0072b2", "#999999", "#e69f00", "#d55e00"
_LONGEST = 60


def attribution_figure(tokens: pd.DataFrame, features: pd.DataFrame, title: str) -> Figure:
    """Two panels: what each token is worth (features, error, bias), and the features, by |attribution|.

    Args:
        tokens: rows of `Attribution.by_position`. features: rows of `Attribution.by_feature`.
    """
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    titles = ("by token", f"the {len(features)} features that matter most")
    figure = make_subplots(rows=2, cols=1, subplot_titles=titles, vertical_spacing=0.22)
    at = list(range(len(tokens)))
    for column, colour in (("features", _FEATURES), ("error", _ERROR), ("bias", _BIAS)):
        figure.add_bar(x=at, y=tokens[column], name=column, marker_color=colour, row=1, col=1)
    figure.update_xaxes(tickmode="array", tickvals=at, ticktext=[visible(t) for t in tokens["token"]], row=1, col=1)
    names = _names(features)
    bars = go.Bar(
        x=list(range(len(names))),
        y=features["attribution"],
        marker_color=[_FEATURES if value >= 0 else _AGAINST for value in features["attribution"]],
        showlegend=False,
        hovertemplate="%{customdata}<br>%{y:.4g}<extra></extra>",
        customdata=names,
    )
    figure.add_trace(bars, row=2, col=1)
    ticks = [str(f) for f in features["feature"]]
    figure.update_xaxes(tickmode="array", tickvals=list(range(len(names))), ticktext=ticks, row=2, col=1)
    figure.update_yaxes(title="attribution")
    figure.update_layout(barmode="relative", title=escaped(title), margin={"t": 72})
    return figure


def effects_figure(checked: pd.DataFrame, title: str) -> Figure:
    """Attribution against effect, with the line on which they agree.

    Args:
        checked: rows of `TrueEffects.to_pandas`.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for chosen, symbol, colour in (("top", "circle", _FEATURES), ("random", "diamond-open", _ERROR)):
        some = checked[checked["chosen"] == chosen]
        figure.add_scatter(
            x=some["attribution"],
            y=some["effect"],
            mode="markers",
            name=f"{chosen} ({len(some)})",
            marker={"color": colour, "size": 8, "symbol": symbol},
            customdata=_names(some),
            hovertemplate="%{customdata}<br>attribution %{x:.4g}, effect %{y:.4g}<extra></extra>",
        )
    if len(checked):
        both = [*checked["attribution"], *checked["effect"]]
        ends = [min(both), max(both)]
        figure.add_scatter(x=ends, y=ends, mode="lines", name="agreement", line={"color": _BIAS, "dash": "dot"})
    figure.update_layout(
        title=escaped(title),
        xaxis_title="attribution (estimate)",
        yaxis_title="effect (metric lost without the feature)",
    )
    return figure


def _names(features: pd.DataFrame) -> list[str]:
    pairs = zip(features["feature"], features["description"], strict=True)
    return [escaped(f"{feature} {description}".rstrip()[:_LONGEST]) for feature, description in pairs]

"""The picture of a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .result import MEASURES, READINGS, Sweep

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_EDIT, _CONTROL, _WIDE = "#0072b2", "#999999", 62


def figure_of(sweep: Sweep) -> Figure:
    """Six panels: means over strength with the interval of the paired difference to the unedited texts."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    names = (*MEASURES, *READINGS)
    titles = [_wrapped(sweep.title_of(name)) for name in names]
    order = np.argsort(sweep.strengths, kind="stable")
    x = sweep.strengths[order]
    figure = make_subplots(rows=3, cols=2, subplot_titles=titles, vertical_spacing=0.12)
    for number, name in enumerate(names):
        at = {"row": number // 2 + 1, "col": number % 2 + 1}
        one = sweep.curve_of(name)
        for (kind, said), control in zip(sweep.controls, one.controls, strict=True):
            line = {"color": _CONTROL, "width": 1, "dash": "dot" if kind == "direction" else "solid"}
            figure.add_trace(
                go.Scatter(x=x, y=control[order], name=said, mode="lines", line=line, showlegend=number == 0), **at
            )
        above, below = (one.high - one.mean)[order], (one.mean - one.low)[order]
        edited = go.Scatter(
            x=x,
            y=one.mean[order],
            name="the edit",
            mode="lines+markers",
            line={"color": _EDIT},
            error_y={"type": "data", "symmetric": False, "array": above, "arrayminus": below, "thickness": 1},
            showlegend=number == 0,
        )
        figure.add_trace(edited, **at)
        if np.isfinite(one.unedited):
            figure.add_hline(y=one.unedited, line={"color": "#333333", "width": 1, "dash": "dash"}, **at)
        for band in sweep.bands:
            figure.add_vrect(x0=band.low, x1=band.high, fillcolor=_EDIT, opacity=0.1, line_width=0, **at)
    texts = f"{sweep.n} texts a strength" if sweep.n > 1 else "one text a strength, no intervals"
    figure.update_layout(
        title=(
            f"Dose-response of {sweep.intervention!r}: {texts}<br>bars: {sweep.level * 100:.4g}% interval of the mean "
            "paired difference to the unedited texts (dashed); last row: no sampling, one number a prompt"
        ),
        title_font_size=14,
        margin_t=110,
        height=960,
    )
    figure.update_annotations(font_size=12)
    unit = "" if sweep.unit == "raw" else f" ({sweep.unit})"
    figure.update_xaxes(title_text=f"strength{unit}", row=3)
    return figure


def _wrapped(text: str) -> str:
    lines = [""]
    for word in text.split(" "):
        if len(lines[-1]) + len(word) > _WIDE:
            lines.append("")
        lines[-1] += ("" if not lines[-1] else " ") + word
    return "<br>".join(lines)

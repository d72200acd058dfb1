"""The picture of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .curves import Curve

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from ...engine.arrays import Doubles

_EDIT, _CONTROL, _WIDE = "#0072b2", "#999999", 62


@dataclass(frozen=True)
class Drawn:
    """One panel: a curve under its title."""

    title: str
    curve: Curve


def figure_of(
    panels: Sequence[Drawn],
    *,
    strengths: Doubles,
    unit: str,
    controls: Sequence[tuple[str, str]],
    bands: Sequence[tuple[float, float]],
    title: str,
) -> Figure:
    """Panels in two columns: means over strength with the interval of the paired difference to the unedited texts.

    Args:
        panels: one for each measure. strengths: [n], in `unit`.
        controls: kind and name of each control of the curves. bands: low and high of the usable strengths.
    """
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    titles = [_wrapped(panel.title) for panel in panels]
    order = np.argsort(strengths, kind="stable")
    x = strengths[order]
    figure = make_subplots(rows=(len(panels) + 1) // 2, cols=2, subplot_titles=titles, vertical_spacing=0.12)
    for number, panel in enumerate(panels):
        at = {"row": number // 2 + 1, "col": number % 2 + 1}
        one = panel.curve
        for (kind, said), control in zip(controls, one.controls, strict=True):
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
        for low, high in bands:
            figure.add_vrect(x0=low, x1=high, fillcolor=_EDIT, opacity=0.1, line_width=0, **at)
    figure.update_layout(title=title, title_font_size=14, margin_t=110, height=960)
    figure.update_annotations(font_size=12)
    figure.update_xaxes(title_text="strength" if unit == "raw" else f"strength ({unit})", row=(len(panels) + 1) // 2)
    return figure


def _wrapped(text: str) -> str:
    lines = [""]
    for word in text.split(" "):
        if len(lines[-1]) + len(word) > _WIDE:
            lines.append("")
        lines[-1] += ("" if not lines[-1] else " ") + word
    return "<br>".join(lines)

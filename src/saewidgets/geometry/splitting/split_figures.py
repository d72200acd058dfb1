"""Plotly pictures of a comparison of two dictionaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...engine.activations.figures import escaped
from ...engine.arrays import Floats
from .families import SideName

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["best_r_figure", "family_figure"]

_COLOURS: dict[SideName, str] = {"a": "#e69f00", "b": "#56b4e9"}
_MOST_BANDS = 60
_CHARACTERS = 40


def family_figure(
    pairs: Sequence[tuple[int, int]],
    numbers: Sequence[Mapping[str, float]],
    names: Mapping[tuple[SideName, int], str],
    title: str,
    *,
    linked: bool,
) -> Figure:
    """Features of "a" on the left and of "b" on the right, a band a pair as wide as the tokens where both fire.

    Args:
        pairs: features of "a" and of "b". numbers: of each pair, "together" and what else is shown over its band.
        names: what is said of a feature. linked: whether they are a family; else the bands are pale.
    """
    import plotly.graph_objects as go

    if len(pairs) > _MOST_BANDS:
        widest = sorted(range(len(pairs)), key=lambda i: -numbers[i]["together"])[:_MOST_BANDS]
        title += f" (the {_MOST_BANDS} widest of {len(pairs):,} links)"
        pairs, numbers = [pairs[i] for i in sorted(widest)], [numbers[i] for i in sorted(widest)]
    nodes: list[tuple[SideName, int]] = []
    for f, g in pairs:
        nodes += [("a", f), ("b", g)]
    nodes = list(dict.fromkeys(nodes))
    at = {node: i for i, node in enumerate(nodes)}
    said = [escaped(f"{side} {f} {names.get((side, f), '')[:_CHARACTERS]}".rstrip()) for side, f in nodes]
    told = ["<br>".join(f"{name.replace('_', ' ')} {value:,.4g}" for name, value in one.items()) for one in numbers]
    figure = go.Figure(
        go.Sankey(
            arrangement="snap",
            node={
                "label": said,
                "color": [_COLOURS[side] for side, _ in nodes],
                "pad": 12,
                "thickness": 14,
                "hovertemplate": "%{label}<extra></extra>",
            },
            link={
                "source": [at["a", f] for f, _ in pairs],
                "target": [at["b", g] for _, g in pairs],
                "value": [one["together"] for one in numbers],
                "color": "rgba(120,120,120,0.45)" if linked else "rgba(120,120,120,0.18)",
                "customdata": told,
                "hovertemplate": "%{source.label}<br>%{target.label}<br>%{customdata}<extra></extra>",
            },
        )
    )
    rows = max((sum(1 for node in nodes if node[0] == side) for side in _COLOURS), default=1)
    return figure.update_layout(title=title, margin={"t": 48}, height=min(1200, 160 + 28 * rows))


def best_r_figure(of_a: Floats, of_b: Floats, counts: Mapping[str, int]) -> Figure:
    """How the best r of each feature are spread, of either side (NaN, without any, are left out)."""
    import plotly.graph_objects as go

    figure = go.Figure()
    sides: tuple[tuple[SideName, Floats], ...] = (("a", of_a), ("b", of_b))
    for name, r in sides:
        bars = np.histogram(r[~np.isnan(r)], bins=50, range=(0, 1))[0]
        x = (np.arange(50) + 0.5) / 50
        figure.add_bar(x=x, y=bars, name=f"features of {name}", marker_color=_COLOURS[name], opacity=0.7)
    told = ", ".join(f"{n:,} {kind.replace('_', ' ')}" for kind, n in counts.items() if n)
    figure.update_layout(title=told, barmode="overlay", bargap=0, template="simple_white", margin={"t": 48})
    return figure.update_layout(xaxis_title="r with the best partner", yaxis_title="features")

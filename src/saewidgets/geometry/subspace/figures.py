"""The pictures of a subspace and of candidate groups: from arrays to plotly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...engine.activations.figures import escaped, visible
from ...engine.arrays import Doubles, Ints
from .places import MISSING, Places, named, numbers

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

__all__ = ["Picture", "groups_figure", "points_figure"]

# Okabe and Ito's colours that can be told apart by everybody, and grey for the rest.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#f0e442", "#000000")
_REST = "#999999"
_NAMED = 16
_SYMBOLS = ("circle", "diamond")


@dataclass(frozen=True)
class Picture:
    """What is drawn of points.

    Attributes:
        points: [n, c]. explained: [c]. token: [n]. places: of the points. title: of the picture.
    """

    points: Doubles
    explained: Doubles
    token: Sequence[str]
    places: Places
    title: str


def points_figure(of: Picture, components: Sequence[int], colour: str) -> Figure:
    """Points on two or three components, coloured by "token", "position", "document" or a column of the corpus."""
    import plotly.graph_objects as go

    hover = [_hover(*of.places.window(i)) for i in range(len(of.points))]
    flat = len(components) == 2
    scatter = go.Scattergl if flat else go.Scatter3d
    size = 6 if flat else 3
    values, title = _coloured(of, colour)
    figure = go.Figure()
    if isinstance(values, np.ndarray):
        known = ~np.isnan(values)
        if not known.all():
            grey = {"size": size, "color": _REST, "opacity": 0.4}
            without = f"{MISSING} ({np.count_nonzero(~known):,})"
            figure.add_trace(_trace(scatter, of.points, np.flatnonzero(~known), components, hover, grey, without))
        marker = {"size": size, "color": values[known], "colorscale": "Viridis", "opacity": 0.7}
        marker["colorbar"] = {"title": title}
        figure.add_trace(_trace(scatter, of.points, np.flatnonzero(known), components, hover, marker, title))
        # Beside a scale there is no room for a legend.
        figure.update_layout(showlegend=not known.all(), legend_orientation="h")
    else:
        for k, (name, rows) in enumerate(_categories(values)):
            rest = name is None
            colours, symbol = _COLOURS[k % len(_COLOURS)], _SYMBOLS[k // len(_COLOURS) % 2]
            marker = {"size": size, "color": _REST if rest else colours, "opacity": 0.4 if rest else 0.7}
            marker["symbol"] = "circle" if rest else symbol
            label = "others" if name is None else visible(name) if colour == "token" else escaped(name)
            trace = _trace(scatter, of.points, rows, components, hover, marker, f"{label} ({len(rows):,})")
            figure.add_trace(trace)
        figure.update_layout(legend_title_text=title, showlegend=True)
    axes = [f"component {c + 1} ({of.explained[c]:.1%})" for c in components]
    figure.update_layout(title=escaped(of.title), margin={"t": 56})
    if flat:
        # One unit is as long on both axes: else an ellipse looks like a circle.
        figure.update_xaxes(title=axes[0])
        figure.update_yaxes(title=axes[1], scaleanchor="x", scaleratio=1)
    else:
        titles = {f"{name}axis": {"title": {"text": text}} for name, text in zip("xyz", axes, strict=True)}
        figure.update_layout(scene={**titles, "aspectmode": "data"})
    return figure


def groups_figure(groups: pd.DataFrame, title: str) -> Figure:
    """Separability against mixture of groups, mixture from the right to the left; coloured by score.

    Args:
        groups: rows of `CandidateGroups.to_pandas`.
    """
    import plotly.graph_objects as go

    some = groups[groups["score"].notna()]
    columns = (some[name].tolist() for name in ("tokens", "size", "n_points", "score"))
    hover = [
        f"group {i}: {escaped(', '.join(tokens))}<br>{size:,} features, {points:,} tokens, score {score:.2f}"
        for i, tokens, size, points, score in zip(some.index.tolist(), *columns, strict=True)
    ]
    figure = go.Figure(
        go.Scatter(
            x=some["mixture"],
            y=some["separability"],
            mode="markers",
            marker={
                "size": 9,
                "color": some["score"],
                "colorscale": "Viridis",
                "colorbar": {"title": "score"},
                "opacity": 0.8,
            },
            customdata=hover,
            hovertemplate="%{customdata}<br>mixture %{x:.2f}, separability %{y:.2f} bits<extra></extra>",
        )
    )
    figure.update_xaxes(title="mixture (high: mostly on a line)", autorange="reversed")
    figure.update_yaxes(title="separability, bits (low: two independent features)")
    return figure.update_layout(title=escaped(title), margin={"t": 56})


def _trace(
    scatter: type,
    points: Doubles,
    rows: Ints,
    components: Sequence[int],
    hover: Sequence[str],
    marker: object,
    name: str,
) -> object:
    where = dict(zip("xyz", (points[rows, c] for c in components), strict=False))
    return scatter(
        **where,
        mode="markers",
        marker=marker,
        name=name,
        customdata=[hover[i] for i in rows.tolist()],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _hover(tokens: Sequence[str], at: int) -> str:
    before, after = ("".join(map(visible, part)) for part in (tokens[:at], tokens[at + 1 :]))
    return f"{before}<b>{visible(tokens[at])}</b>{after}"


def _coloured(of: Picture, colour: str) -> tuple[Doubles | list[str], str]:
    """Numbers, or a category of each point; and what they are."""
    if colour == "token":
        return list(of.token), "token"
    if colour == "position":
        return of.places.in_document.astype(np.float64), "position in document"
    if colour == "document":
        names = {int(row): of.places.document_name(i) for i, row in enumerate(of.places.document.tolist())}
        return [names[row] for row in of.places.document.tolist()], "document"
    values = of.places.column(colour)
    known = numbers(values)
    return (named(values) if known is None else known), escaped(colour)


def _categories(values: Sequence[str]) -> list[tuple[str | None, Ints]]:
    """The most frequent values and their rows; then, without a name, the rows of all others."""
    named = [value for value, _ in Counter(values).most_common(_NAMED)]
    of = np.array(values, dtype=object)
    found: list[tuple[str | None, Ints]] = [(value, np.flatnonzero(of == value)) for value in named]
    rest = np.flatnonzero(~np.isin(of, named)) if len(set(values)) > len(named) else np.zeros(0, np.int64)
    # Drawn first, so that they hide nothing.
    return [(None, rest), *found] if len(rest) else found

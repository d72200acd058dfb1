"""A plotly picture of two features beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...engine.activations.figures import escaped
from ...engine.arrays import Floats, Ints

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["scatter_figure"]

_LOOKS = (
    ("both fire", "#6e7781", "circle"),
    ("only A fires", "#0072b2", "line-ns-open"),
    ("only B fires", "#e69f00", "line-ew-open"),
)


def scatter_figure(values: Floats, kinds: Ints, counts: Sequence[int], names: Sequence[str], title: str) -> Figure:
    """B's activation against A's.

    Args:
        values: [n, 2]; kinds: [n] 0 where both fire, 1 where only A does, 2 where only B does.
        counts: how many tokens of each kind there are in all. names: of the two axes.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for kind, ((says, colour, symbol), count) in enumerate(zip(_LOOKS, counts, strict=True)):
        here = values[kinds == kind]
        figure.add_scattergl(
            x=here[:, 0],
            y=here[:, 1],
            mode="markers",
            name=f"{says} ({count:,})",
            marker={"color": colour, "symbol": symbol, "size": 5, "opacity": 0.6},
        )
    x, y = (escaped(name) for name in names)
    return figure.update_layout(title=title, xaxis_title=x, yaxis_title=y, template="simple_white")

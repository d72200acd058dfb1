"""How strongly a feature fires, and how often: its histogram and ten intervals; of a bounded scan with how far each can be off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...engine.arrays import Ints
from ...storage.array_folder import Array
from ..statistics.activation_statistics import BINS, interval_edges
from .kept import ABOUT

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["Histogram", "Interval", "intervals_of"]


@dataclass(frozen=True)
class Interval:
    """low < activation <= high: how many active tokens, and what share of all active tokens.

    Attributes:
        bound: how far `count` can be off, at most; None: it is exact.
    """

    low: float
    high: float
    count: int
    share: float
    bound: int | None = None


@dataclass(frozen=True)
class Histogram:
    """Counts in 50 equal bins over [low, high]; if low == high, all of them in the first.

    Attributes:
        counts: [50]; sums: [50] sum of the values in each bin (expected-value weighting), if known.
        bound, sums_bound: [50] how far each can be off, at most; None: they are exact.
    """

    low: float
    high: float
    counts: Ints
    sums: Array | None = None
    bound: Ints | None = None
    sums_bound: Array | None = None

    @property
    def said(self) -> str | None:
        """What to know of its bars; None if they are exact."""
        if self.bound is None or not self.bound.any():
            return None
        most = int(self.bound.max())
        return f"{ABOUT} made of a finer histogram: no bar is off by more than {most:,} token{'' if most == 1 else 's'}"

    def between(self, low: float, high: float) -> tuple[int, int] | None:
        """How many are between two edges, and how far that can be off; None if these are no edges."""
        if self.low == self.high:
            return (int(self.counts.sum()) if low <= self.low <= high else 0), 0
        edges = self.edges
        tolerance = (self.high - self.low) * 1e-6
        first, last = int(np.argmin(np.abs(edges - low))), int(np.argmin(np.abs(edges - high)))
        if abs(edges[first] - low) > tolerance or abs(edges[last] - high) > tolerance:
            return None
        found = int(self.counts[first:last].sum())
        if self.bound is None:
            return found, 0
        # All of them together are exact: what is off inside is off outside, too.
        inside = int(self.bound[first:last].sum())
        return found, min(inside, int(self.bound.sum()) - inside)

    @property
    def edges(self) -> Array:
        """The 51 edges."""
        return np.linspace(self.low, self.high, BINS + 1)

    def figure(self, title: str, *, log: bool = True, unit: str = "activation") -> Figure:
        """The histogram as a plotly figure."""
        from plotly import graph_objects as go

        edges = self.edges
        bars = go.Bar(x=(edges[:-1] + edges[1:]) / 2, y=self.counts, width=np.diff(edges), marker_color="#e69f00")
        if self.bound is not None:
            below = np.minimum(self.bound, self.counts)
            bars.error_y = {"array": self.bound, "arrayminus": below, "symmetric": False, "thickness": 1, "width": 2}
            title = f"{title}<br><sub>{self.said}</sub>"
        figure = go.Figure(bars)
        figure.update_layout(title=title, xaxis_title=unit, yaxis_title="tokens", bargap=0, template="simple_white")
        figure.update_yaxes(type="log" if log else "linear")
        return figure


def intervals_of(high: float, counts: Ints, count: int, bounds: Ints | None) -> tuple[Interval, ...]:
    """The ten intervals, highest first; none if there is no positive activation.

    Args:
        bounds: [10] how far the counts can be off; None: they are exact.
    """
    if not high > 0:
        return ()
    edges = interval_edges(high)
    off = [None] * len(counts) if bounds is None else [int(bound) or None for bound in bounds]
    return tuple(
        Interval(float(edges[i]), float(edges[i + 1]), int(counts[i]), int(counts[i]) / count, off[i])
        for i in reversed(range(len(counts)))
    )

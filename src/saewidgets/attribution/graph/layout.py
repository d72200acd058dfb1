"""Where nodes stand: a column a token, as wide as its fullest layer; a band a layer. Pixels are the view's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...engine.arrays import Doubles, Ints
from ...formats.graph_records import GraphNode

__all__ = ["Layout", "layout_of"]

_MOST_BANDS = 1000


@dataclass(frozen=True, eq=False)
class Layout:
    """Places of nodes, in units of one node's width and one band's height.

    Attributes:
        x: [nodes] centres, from 0 to `width`.
        y: [nodes] bands, from 0 (embeddings, drawn lowest) up to the logits.
        starts, widths: [tokens] of the columns: how many nodes there are in the fullest band of each, at least 1.
        bands: names of the bands: "Emb", "L0", ..., "Lgt".
    """

    x: Doubles
    y: Ints
    starts: Doubles
    widths: Doubles
    bands: tuple[str, ...]

    @property
    def width(self) -> float:
        """Of all columns together."""
        return float(self.widths.sum())


def layout_of(nodes: Sequence[GraphNode], n_tokens: int, rank: Doubles | None = None) -> Layout:
    """Places of `nodes` under `n_tokens` tokens (more, if a node stands further on).

    In the middle of its column, the nodes of a band stand side by side; those with more `rank` [nodes] first, of equal ones (and
    without ranks) in the nodes' own order.
    """
    y, bands = _bands(nodes)
    # A node that stands nowhere (a bias) is drawn at the first token.
    columns = np.array([max(node.position, 0) for node in nodes], np.int64)
    n = max(n_tokens, int(columns.max(initial=-1)) + 1)
    cells = columns * len(bands) + y
    counts = np.bincount(cells, minlength=n * len(bands)).reshape(n, len(bands))
    widths = np.maximum(counts.max(axis=1, initial=1), 1).astype(np.float64)
    starts = np.concatenate([[0.0], np.cumsum(widths)[:-1]]) if n else np.zeros(0)
    first = np.zeros(len(nodes)) if rank is None else -np.asarray(rank, np.float64)
    order = np.lexsort((np.arange(len(nodes)), first, cells))
    place = np.empty(len(nodes), np.int64)
    sorted_cells = cells[order]
    place[order] = np.arange(len(nodes)) - np.searchsorted(sorted_cells, sorted_cells)
    filled = counts[columns, y]
    x = starts[columns] + (widths[columns] - filled) / 2 + place + 0.5
    return Layout(x, y, starts, widths, bands)


def _bands(nodes: Sequence[GraphNode]) -> tuple[Ints, tuple[str, ...]]:
    numbers = sorted({node.layer_number for node in nodes if _in_layer(node)} - {None}, key=int)  # type: ignore[arg-type]
    layers = [int(number) for number in numbers if number is not None]
    if layers and layers[-1] - layers[0] < _MOST_BANDS:
        layers = list(range(layers[0], layers[-1] + 1))  # also those without a node
    band_of = {number: band for band, number in enumerate(layers, 1)}
    last = len(layers) + 1
    y = [
        last if node.kind == "logit" else band_of.get(node.layer_number, 0) if _in_layer(node) else 0  # type: ignore[arg-type]
        for node in nodes
    ]
    return np.array(y, np.int64), ("Emb", *(f"L{number}" for number in layers), "Lgt")


def _in_layer(node: GraphNode) -> bool:
    return node.kind not in ("logit", "token") and node.layer_number is not None

"""Where nodes stand: a column a token, a band a layer."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from graphs_made import circuit_tracer

import saewidgets as sw
from saewidgets.attribution.graph.layout import layout_of
from saewidgets.formats.graph_nodes import error_node, feature_node, logit_node, token_node


def test_columns_are_as_wide_as_their_fullest_band() -> None:
    nodes = [
        token_node(5, 0),
        token_node(6, 1),
        token_node(7, 2),
        feature_node(0, 1, 1),
        feature_node(0, 2, 1),
        feature_node(3, 1, 1),
        feature_node(3, 2, 1),
        error_node(3, 1),
        logit_node(9, "a", 2, n_layers=4, probability=0.5),
        logit_node(8, "b", 2, n_layers=4, probability=0.4),
    ]
    found = layout_of(nodes, 4)
    assert found.bands == ("Emb", "L0", "L1", "L2", "L3", "Lgt")
    assert found.widths.tolist() == [1, 3, 2, 1]
    assert found.starts.tolist() == [0, 1, 4, 6]
    assert found.width == 7
    assert found.y.tolist() == [0, 0, 0, 1, 1, 4, 4, 4, 5, 5]
    # Tokens in the middle of columns 0 to 1, 1 to 4, 4 to 6; two features in the middle of three places; three fill them.
    assert found.x.tolist() == [0.5, 2.5, 5.0, 2.0, 3.0, 1.5, 2.5, 3.5, 4.5, 5.5]
    ranked = layout_of(nodes, 4, np.array([0, 0, 0, 1, 2, 1, 1, 3, 0, 0.5]))
    assert ranked.x.tolist() == [0.5, 2.5, 5.0, 3.0, 2.0, 2.5, 3.5, 1.5, 5.5, 4.5]


@pytest.mark.parametrize("seed", range(5))
def test_no_two_nodes_stand_in_one_place(seed: int) -> None:
    graph = sw.AttributionGraph.from_dict(circuit_tracer(random.Random(seed)))
    found = graph.layout()
    assert len(set(zip(found.x.tolist(), found.y.tolist(), strict=True))) == len(graph.nodes)
    cells: Counter[tuple[int, int]] = Counter()
    for node, x, y in zip(graph.nodes, found.x, found.y.tolist(), strict=True):
        start = found.starts[node.position]
        assert start + 0.5 <= x <= start + found.widths[node.position] - 0.5
        assert found.bands[y] == {"token": "Emb", "logit": "Lgt"}.get(node.kind, f"L{node.layer}")
        cells[node.position, y] += 1
    for position, width in enumerate(found.widths.tolist()):
        assert width == max(n for (at, _), n in cells.items() if at == position)


def test_odd_graphs_have_a_layout() -> None:
    empty = layout_of([], 0)
    assert (empty.x.size, empty.widths.size, empty.width, empty.bands) == (0, 0, 0, ("Emb", "Lgt"))
    assert layout_of([], 3).widths.tolist() == [1, 1, 1]
    far = layout_of([feature_node(0, 1, 0), feature_node(10**8, 1, 5)], 2)  # a layer and a position that cannot be
    assert far.bands == ("Emb", "L0", "L100000000", "Lgt")
    assert far.widths.tolist() == [1] * 6

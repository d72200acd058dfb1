"""`sw.cooccurrence`: counts, Jaccard, phi and lift against NumPy; the layout; bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from pairs_made import build, dense, documents, documents_of_tokens, model_of_tokens, sae_of_tokens

import saewidgets as sw
from saewidgets.errors import FeatureIndexError
from saewidgets.geometry.errors import GeometryError
from saewidgets.geometry.together.layout import layout
from saewidgets.index.errors import IndexMismatchError

HOOK = "blocks.1.hook_resid_pre"
# 0 with 1 on u, and with 2 on v; 3 alone on w; 4 never.
FEATURES = ["uv", "u", "v", "w", ""]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> sw.FeatureIndex:
    engine = sw.Engine(
        model_of_tokens(), sae_of_tokens(FEATURES), outlier_factor=None, labels={0: "<b>both</b>", 3: "alone"}
    )
    return build(engine, documents_of_tokens("uvwx"), tmp_path_factory.mktemp("network") / "index")


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["topk", "abstopk"])
def test_every_number_is_the_one_of_the_dense_activations(tmp_path: Path, architecture: str) -> None:
    corpus = documents(8)
    engine = sw.Engine(tiny.hooked(), tiny.sae(architecture, HOOK), outlier_factor=None)
    made = build(engine, corpus, tmp_path / "index", block=50)
    full = dense(tiny.hooked(), tiny.sae(architecture, HOOK), corpus, None)
    a = full.acts[full.counted]
    wanted = [f for f in range(tiny.D_SAE) if (a[:, f] != 0).any()][::-1][:12]
    found = sw.cooccurrence(made, wanted, measure="phi")
    assert found.tokens == len(a) and found.all and found.features.tolist() == wanted
    table = found.to_pandas()
    assert len(table) == 66 and (np.diff(table["phi"]) <= 0).all()
    for row in table.itertuples():
        x, y = a[:, row.a] != 0, a[:, row.b] != 0
        both = (x & y).sum()
        assert row.together == both and row.expected == pytest.approx(x.sum() * y.sum() / len(a))
        assert row.lift == pytest.approx(both * len(a) / (x.sum() * y.sum()))
        assert row.jaccard == pytest.approx(both / (x | y).sum())
        assert row.phi == pytest.approx(np.corrcoef(x, y)[0, 1])
    nodes = found.nodes
    np.testing.assert_array_equal(nodes["count"], (a[:, wanted] != 0).sum(0))
    np.testing.assert_allclose(nodes["density"], (a[:, wanted] != 0).mean(0))


def test_nodes_and_edges_of_a_planted_network(index: sw.FeatureIndex) -> None:
    found = sw.cooccurrence(index, [0, 1, 2, 3, 4])
    table = found.to_pandas()
    edges = table[table["together"] > 0]
    assert {(row.a, row.b) for row in edges.itertuples()} == {(0, 1), (0, 2)}
    assert found.nodes["partners"].tolist() == [2, 1, 1, 0, 0]
    assert found.nodes["description"][3] == "alone" and found.nodes["count"][4] == 0
    assert any("features 4" in note for note in found.notes)
    assert "2 of 10 pairs" in repr(found)


def test_the_picture_has_nodes_edges_and_labels_as_text(index: sw.FeatureIndex) -> None:
    found = sw.cooccurrence(index, [0, 1, 2, 3, 4])
    traces = found.figure().data
    lines = [trace for trace in traces if trace.mode == "lines"]
    nodes = next(trace for trace in traces if trace.mode == "markers+text")
    assert len(lines) == 2 and len(nodes.text) == 5
    assert nodes.text[0] == "0 &lt;b&gt;both&lt;/b&gt;" and "never fires" in nodes.hovertext[4]
    assert nodes.marker.size[0] == max(nodes.marker.size)
    np.testing.assert_array_equal(np.stack([nodes.x, nodes.y], 1), found.place)
    middle = next(trace for trace in traces if trace.mode == "markers")
    assert "together on" in middle.hovertext[0] and len(middle.hovertext) == 2
    assert len([t for t in found.figure(least=1.1).data if t.mode == "lines"]) == 0


def test_the_layout_is_the_same_each_time_and_puts_together_what_goes_together(index: sw.FeatureIndex) -> None:
    one, again = (sw.cooccurrence(index, [0, 1, 2, 3, 4], seed=3).place for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one).max() <= 1 and np.isfinite(one).all()
    near, far = np.linalg.norm(one[0] - one[1]), np.linalg.norm(one[0] - one[3])
    assert near < far


@pytest.mark.parametrize("seed", range(5))
def test_two_groups_stand_apart(seed: int) -> None:
    weights = np.kron(np.eye(2), np.ones((4, 4))) + 0.02
    place = layout(weights, seed)
    apart = np.linalg.norm(place[:, None] - place[None], axis=2)
    same = np.kron(np.eye(2), np.ones((4, 4))) > 0
    assert apart[same].max() < apart[~same].min()


@pytest.mark.parametrize("n", [0, 1, 2, 60])
def test_a_layout_without_edges(n: int) -> None:
    place = layout(np.zeros((n, n)))
    assert place.shape == (n, 2) and np.isfinite(place).all()
    assert n < 2 or len(np.unique(place.round(6), axis=0)) == n


def test_never_together_is_said(index: sw.FeatureIndex) -> None:
    found = sw.cooccurrence(index, [1, 2])
    assert found.to_pandas()["lift"].tolist() == [0] and any("No two" in note for note in found.notes)


def test_bad_input(index: sw.FeatureIndex) -> None:
    with pytest.raises(GeometryError, match="1 features: a network is of 2"):
        sw.cooccurrence(index, [1])
    with pytest.raises(GeometryError, match="Feature 2 is there more than once"):
        sw.cooccurrence(index, [2, 1, 2])
    with pytest.raises(FeatureIndexError):
        sw.cooccurrence(index, [1, 5])
    with pytest.raises(GeometryError, match="'jaccard', 'phi', 'together'"):
        sw.cooccurrence(index, [1, 2], measure="dice")  # type: ignore[arg-type]


@pytest.mark.slow
def test_without_the_scan_it_is_of_examples_and_says_so(tmp_path: Path) -> None:
    engine = sw.Engine(model_of_tokens(), sae_of_tokens(FEATURES), outlier_factor=None)
    made: Any = build(
        engine, documents_of_tokens("uvwx"), tmp_path / "index", keep=3, keep_activations="until finished"
    )
    with pytest.raises(IndexMismatchError, match="engine"):
        sw.cooccurrence(sw.FeatureIndex.open(made.path), [0, 1])
    found = sw.cooccurrence(made, [0, 1, 2], read=60)
    assert not found.all and "read again" in found.notes[0] and "of their examples" in repr(found)
    assert found.tokens < made.counted and found.together[0, 1] == found.count[1]

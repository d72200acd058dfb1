"""AttributionGraphView's kernel side: what is sent, traits both ways, edits and undoing, pages, recipes, bad input."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import graphs_made
import numpy as np
import pytest
import tiny
from dashboard_made import ROWS, build, make_engine
from front_end import ask, good, recorded
from graph_view_made import graph_of

import saewidgets as sw
from saewidgets.attribution.graph.errors import GraphError
from saewidgets.formats.graph_nodes import error_node, feature_node, logit_node, new_graph, token_node

pytestmark = pytest.mark.usefixtures("fake_comm")

GRAPH = graph_of(40, 300)
FEATURES = [node.node_id for node in GRAPH.nodes if node.kind == "feature"]


def arrays(view: sw.AttributionGraphView) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    view.comm.view_sends({"t": "req", "id": "v:1", "ch": "graph", "p": {}, "enc": "binary"})
    message, found = view.comm.response("v:1")
    assert message["ok"], message
    return message["r"], found


# -- what is sent


def test_every_node_and_link_is_as_the_graph_has_it() -> None:
    r, found = arrays(sw.AttributionGraphView(GRAPH))
    assert r["ids"] == [node.node_id for node in GRAPH.nodes]
    assert r["bands"] == list(GRAPH.layout().bands)
    np.testing.assert_array_equal(found["source"], GRAPH.links.sources)
    np.testing.assert_allclose(found["weight"], GRAPH.links.weights, rtol=1e-6)
    np.testing.assert_allclose(found["cumulative"], GRAPH.cumulative, rtol=1e-6)
    np.testing.assert_allclose(found["error_share"], GRAPH.error_share, rtol=1e-6)
    for row, node in enumerate(GRAPH.nodes):
        into = {(one.node.key, round(one.input_share, 5)) for one in GRAPH.inputs(row)}
        links = np.flatnonzero(found["target"] == row)
        sent = {(GRAPH.nodes[found["source"][i]].key, round(float(found["share"][i]), 5)) for i in links}
        assert sent == into, node
    assert r["scores"]["replacement"] == pytest.approx(GRAPH.scores().replacement)


def test_the_same_feature_has_one_first_row() -> None:
    nodes = [feature_node(1, 5, 0), feature_node(1, 6, 0), feature_node(1, 5, 1), logit_node(3, " x", 1, 2, 0.5)]
    links = np.array([0, 1, 2]), np.array([3, 3, 3]), np.ones(3)
    made = new_graph(nodes, *links, slug="s", scan="m", prompt="ab", tokens=["a", "b"])
    _, found = arrays(sw.AttributionGraphView(sw.AttributionGraph.from_file(made)))
    assert found["same"].tolist() == [0, 1, 0, 3]


@pytest.mark.parametrize("seed", range(6))
def test_files_of_every_dialect_with_hostile_text(seed: int) -> None:
    dice = random.Random(seed)
    rows = graphs_made.anthropic(dice) if seed % 2 else graphs_made.circuit_tracer(dice, old_errors=True)
    graph = sw.AttributionGraph.from_dict(rows)
    view = sw.AttributionGraphView(graph)
    r, found = arrays(view)
    assert len(r["ids"]) == len(graph.nodes) == len(set(r["ids"]))
    assert np.isfinite(found["x"]).all()
    assert view.graph.to_dict() == graph.to_dict() or graph.file.clicked is not None
    html = view.page()
    assert "<b>" not in html.split('id="saew-static"')[-1]


# -- traits


def test_it_begins_as_the_file_says() -> None:
    graph = GRAPH.pin(FEATURES[0]).group("capitals", FEATURES[1:3])
    graph = sw.AttributionGraph(replace(graph.file, clicked=FEATURES[3]))
    view = sw.AttributionGraphView(graph)
    assert view.pinned == FEATURES[:3]
    assert view.groups == {"capitals": FEATURES[1:3]}
    assert (view.selected, view.threshold, view.history) == (FEATURES[3], 0.8, [])
    assert view.feature == GRAPH.node(FEATURES[3]).index
    assert view.layer == GRAPH.node(FEATURES[3]).layer_number
    assert view.graph.to_dict() == graph.to_dict()


def test_nodes_are_called_by_whatever_a_graph_takes() -> None:
    view = sw.AttributionGraphView(GRAPH, pinned=[GRAPH.nodes[0], 1, GRAPH.nodes[2].key])
    assert view.pinned == [node.node_id for node in GRAPH.nodes[:3]]
    view.selected = GRAPH.nodes[5]
    assert view.selected == GRAPH.nodes[5].node_id
    view.pinned = FEATURES[0]
    assert view.pinned == FEATURES[:1]
    view.pinned = view.graph.pin(FEATURES[1]).pins
    assert view.pinned == FEATURES[:2]


def test_two_nodes_with_one_id_are_told_apart_and_pinned_together() -> None:
    nodes = [token_node(1, 0), feature_node(0, 1, 0), error_node(1, 0), logit_node(3, " x", 0, 2, 0.5)]
    nodes[2] = replace(nodes[2], node_id="0_1_0")  # as circuit-tracer once called errors
    made = new_graph(
        nodes, np.array([0, 1]), np.array([1, 3]), np.ones(2), slug="s", scan="m", prompt="a", tokens=["a"]
    )
    graph = sw.AttributionGraph.from_file(made)
    view = sw.AttributionGraphView(graph)
    both = ["0_1_0 (cross layer transcoder)", "0_1_0 (mlp reconstruction error)"]
    view.selected = both[1]
    assert view.selected == both[1]
    view.pinned = [both[0]]  # a file cannot say only one of them
    assert view.pinned == both
    assert len(view.graph.pins) == 2
    with pytest.raises(GraphError, match="say which"):
        view.selected = "0_1_0"


def test_edits_from_python_can_be_undone() -> None:
    view = sw.AttributionGraphView(GRAPH)
    view.pinned = FEATURES[:2]
    view.groups = {"a": FEATURES[1:4]}
    assert view.pinned == FEATURES[:4]  # groups are of what is pinned
    view.labels = {FEATURES[0]: "called"}
    assert view.graph.node(FEATURES[0]).label == "called"
    view.pinned = FEATURES[:2]
    assert view.groups == {"a": FEATURES[1:2]}
    states = []
    while view.undo():
        states.append((len(view.pinned), {k: len(v) for k, v in view.groups.items()}, dict(view.labels)))
    assert states == [(4, {"a": 3}, {FEATURES[0]: "called"}), (4, {"a": 3}, {}), (2, {}, {}), (0, {}, {})]
    assert view.graph.to_dict() == GRAPH.to_dict()
    assert GRAPH.pins == ()


def test_a_graph_that_was_edited_can_be_set_and_undone() -> None:
    view = sw.AttributionGraphView(GRAPH)
    other = GRAPH.pin(FEATURES[0]).group("g", FEATURES[1:2]).label(FEATURES[0], "called")
    view.graph = other
    assert (view.pinned, view.groups, view.labels) == (FEATURES[:2], {"g": FEATURES[1:2]}, {FEATURES[0]: "called"})
    assert view.graph.to_dict() == other.to_dict()
    assert len(view.history) == 1 and view.revision == 0
    view.undo()
    assert view.graph.to_dict() == GRAPH.to_dict()


def test_another_graph_is_shown_anew() -> None:
    view = sw.AttributionGraphView(GRAPH, pinned=FEATURES[:2], selected=FEATURES[0])
    view.graph = graph_of(10, 30, seed=3).pin(0)
    assert (view.pinned, view.selected, view.history, view.revision) == (["E_100_0"], None, [], 1)
    assert len(arrays(view)[0]["ids"]) == len(view.graph.nodes)


def test_what_a_file_says_of_nodes_that_are_gone_stays() -> None:
    graph = sw.AttributionGraph(replace(GRAPH.file, pins=("gone", FEATURES[0])))
    view = sw.AttributionGraphView(graph)
    view.pinned = [*view.pinned, FEATURES[1]]
    assert set(view.graph.file.pins) == {"gone", FEATURES[0], FEATURES[1]}


def test_a_view_edits_and_undoes_with_one_message() -> None:
    view = sw.AttributionGraphView(GRAPH)
    before = {"pinned": [], "groups": {}, "labels": {}}
    view.comm.view_sets(pinned=FEATURES[:1], groups={}, labels={}, history=[before])
    assert (view.pinned, view.history) == (FEATURES[:1], [before])
    view.comm.view_sets(**before, history=[])
    assert (view.pinned, view.history) == ([], [])
    view.pinned = FEATURES[:1]
    assert view.history == [before]


def test_a_selection_brings_its_feature_and_a_feature_its_node() -> None:
    view = sw.AttributionGraphView(GRAPH)
    view.selected = FEATURES[0]
    node = GRAPH.node(FEATURES[0])
    assert (view.feature, view.layer) == (node.index, node.layer_number)
    view.selected = GRAPH.nodes[0]
    assert (view.feature, view.layer) == (None, None)
    view.comm.view_sets(
        selected=FEATURES[1], feature=GRAPH.node(FEATURES[1]).index, layer=GRAPH.node(FEATURES[1]).layer_number
    )
    assert view.selected == FEATURES[1]


def test_the_address_has_the_view_s_threshold() -> None:
    view = sw.AttributionGraphView(GRAPH, pinned=FEATURES[:1], threshold=0.5)
    assert view.url_parameters["pruningThreshold"] == "0.5"
    assert view.url_parameters["pinnedIds"] == FEATURES[0]


# -- scores of what is pinned


def test_scores_of_what_is_pinned() -> None:
    view = sw.AttributionGraphView(GRAPH)
    found = good(view, "scores", pinned=FEATURES[:5])
    expected = GRAPH.pin(*FEATURES[:5]).scores(pinned=True)
    assert found["replacement"] == pytest.approx(expected.replacement)
    assert found["completeness"] == pytest.approx(expected.completeness)
    assert "No feature is pinned" in good(view, "scores", pinned=["E_100_0"])["why"]


# -- indexes, recipes


@pytest.mark.slow
def test_features_open_where_an_index_has_them(tmp_path: Path) -> None:
    index = build(make_engine(), tmp_path / "index", ROWS[-6:])
    graph = graph_of(20, 60, layers=3, width=2 * len(index), seed=2)
    view = sw.AttributionGraphView(graph, index)
    _, found = arrays(view)
    layer = int(str(index.made_with["hook"]).split(".")[1])
    # Of whom the words are is said: a file names its dictionary by no weights.
    assert any(f"layer {layer}" in note and index.made_with["hook"] in note for note in arrays(view)[0]["notes"])
    assert index.made_with["hook"] in view.fallback_html() and not arrays(sw.AttributionGraphView(graph))[0]["notes"]
    has = [n.kind == "feature" and n.layer_number == layer and n.index < len(index) for n in graph.nodes]
    assert any(has) and not all(n.kind != "feature" or h for n, h in zip(graph.nodes, has, strict=True))
    assert found["carded"].tolist() == [int(one) for one in has]
    row = has.index(True)
    assert good(view, "card", f=graph.nodes[row].index, layer=layer)["f"] == graph.nodes[row].index
    assert "no index of layer 9" in ask(view, "card", f=0, layer=9)["e"]["message"]
    view.selected = row
    assert (view.feature, view.layer) == (graph.nodes[row].index, layer)
    view.selected = next(i for i, n in enumerate(graph.nodes) if n.kind == "feature" and not has[i])
    assert view.feature is None
    view.feature = graph.nodes[row].index  # a linked dashboard goes back to it
    assert view.graph.node(view.selected).index == graph.nodes[row].index
    _, asked = recorded(view.page())
    assert {one["ch"] for one in asked} == {"graph", "scores", "card"}
    assert sw.AttributionGraphView(graph, {layer: index}).page(cards=0) != view.page()


@pytest.mark.slow
def test_a_group_acts_as_one() -> None:
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        layer = int(engine.dictionary(None).hook_name.split(".")[1])
        nodes = [feature_node(layer, 5, 1), feature_node(layer, 6, 2), logit_node(3, " x", 2, 3, 0.5)]
        made = new_graph(
            nodes,
            np.array([0, 1]),
            np.array([2, 2]),
            np.ones(2),
            slug="s",
            scan="m",
            prompt="a b",
            tokens=["", "a", " b"],
        )
        view = sw.AttributionGraphView(sw.AttributionGraph.from_file(made), engine=engine)
        with pytest.raises(GraphError, match="Nothing is selected or pinned"):
            view.recipe()
        view.groups = {"both": [0, 1]}
        whole = view.recipe("both")
        assert [(one.features, one.positions) for one in whole.interventions] == [((5,), (1,)), ((6,), (2,))]
        view.selected = 1
        assert view.recipe() == whole  # the group of the selected node
        view.groups = {}
        assert [one.features for one in view.recipe(kind="scale", value=-2).interventions] == [(6,)]
        view.selected = None
        assert len(view.recipe().interventions) == 2  # all that is pinned
        with pytest.raises(GraphError, match="no features"):
            view.recipe(2)
    with pytest.raises(RuntimeError, match="with an engine"):
        sw.AttributionGraphView(GRAPH, pinned=FEATURES[:1]).recipe()


# -- what is missing


def test_influence_that_a_file_does_not_say_is_computed() -> None:
    graph = graph_of(20, 100, influence=False)
    r, found = arrays(sw.AttributionGraphView(graph))
    np.testing.assert_allclose(found["cumulative"], graph.cumulative, rtol=1e-6)
    assert "computed from its links" in " ".join(r["notes"])


def test_no_influence_at_all_is_said_in_the_widget() -> None:
    file = graph_of(10, 40, influence=False).file
    nodes = tuple(replace(node, probability=None) for node in file.nodes)
    view = sw.AttributionGraphView(sw.AttributionGraph(replace(file, nodes=nodes)))
    r, found = arrays(view)
    assert np.isnan(found["cumulative"]).all()
    assert "has a probability" in r["no_influence"]
    assert r["scores"]["replacement"] is None
    assert "has a probability" in r["scores"]["why"]
    assert "Nodes cannot be pruned" in view.fallback_html()


def test_lorsa_nodes_have_no_scores_but_a_sentence() -> None:
    file = GRAPH.file
    nodes = [replace(n, feature_type="lorsa") if n.node_id == FEATURES[0] else n for n in file.nodes]
    r, _ = arrays(sw.AttributionGraphView(sw.AttributionGraph(replace(file, nodes=tuple(nodes)))))
    assert r["scores"] == {"replacement": None, "completeness": None, "why": r["scores"]["why"]}
    assert "Lorsa" in r["scores"]["why"]


def test_an_empty_graph() -> None:
    none = np.zeros(0, np.int64)
    made = new_graph([], none, none, np.zeros(0), slug="s", scan="m", prompt="", tokens=[])
    view = sw.AttributionGraphView(sw.AttributionGraph.from_file(made))
    assert arrays(view)[0]["ids"] == []
    assert view.page() and view.fallback_html()


@pytest.mark.slow
def test_twenty_thousand_links() -> None:
    view = sw.AttributionGraphView(graph_of(700, 20_000))
    _, found = arrays(view)
    assert len(found["weight"]) == 20_000
    assert sum(map(len, view.comm.customs()[-1][1])) < 1_000_000


# -- without a kernel


def test_a_page_has_all_that_needs_no_kernel() -> None:
    view = sw.AttributionGraphView(GRAPH, pinned=FEATURES[:2], selected=FEATURES[0])
    html = view.page()
    assert html == view.page()
    state, asked = recorded(html)
    assert state["editable"] is False and state["history"] == []
    assert state["selected"] == FEATURES[0]
    assert [(one["ch"], one["p"]) for one in asked] == [("graph", {}), ("scores", {"pinned": FEATURES[:2]})]


def test_the_script_free_picture_has_tokens_logits_and_the_best_nodes() -> None:
    html = sw.AttributionGraphView(GRAPH).fallback_html()
    assert " Dallas" in html and "Austin" in html and "<script" not in html
    best = min((n for n in GRAPH.nodes if n.kind == "feature"), key=lambda n: n.influence or 1)
    assert f"{best.influence:.4g}" in html
    assert "replacement" in html


# -- bad input


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        (lambda: sw.AttributionGraphView("dallas.json"), TypeError, "AttributionGraph.open"),
        (lambda: sw.AttributionGraphView(GRAPH, "index"), TypeError, "FeatureIndex"),
        (lambda: sw.AttributionGraphView(GRAPH, {0: "index"}), TypeError, "FeatureIndex"),
        (lambda: sw.AttributionGraphView(GRAPH, pined=[]), TypeError, "pinned"),
        (lambda: sw.AttributionGraphView(GRAPH, selected="0_0"), GraphError, "no node"),
        (lambda: sw.AttributionGraphView(GRAPH, pinned=["nowhere"]), GraphError, "no node"),
        (lambda: sw.AttributionGraphView(GRAPH, threshold=2), Exception, "threshold|Float|2"),
    ],
)
def test_bad_input(given: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        given()


def test_traits_are_json() -> None:
    view = sw.AttributionGraphView(GRAPH, pinned=FEATURES[:1], labels={FEATURES[0]: "lone \ud800"})
    state = {name: getattr(view, name) for name in view.trait_names(page=True)}
    json.dumps(state, allow_nan=False).encode()
    assert not any(isinstance(v, float) and math.isnan(v) for v in state.values())
    assert view.labels == {FEATURES[0]: "lone \ufffd"}

"""Pins, groups and labels: each edit gives another graph, and the older one is what undoing gives. And addresses of Neuronpedia."""

from __future__ import annotations

import json
import random
from urllib.parse import parse_qs, urlencode

import pytest
from graphs_made import CLT, Row, anthropic, circuit_tracer, content_of, paired

import saewidgets as sw
from saewidgets.attribution.graph.errors import GraphError
from saewidgets.formats.errors import FormatError


@pytest.fixture
def content() -> Row:
    return circuit_tracer(random.Random(3), old_errors=False)


@pytest.fixture
def graph(content: Row) -> sw.AttributionGraph:
    return sw.AttributionGraph.from_dict(content)


def features(graph: sw.AttributionGraph) -> list[str]:
    return [node.node_id for node in graph.nodes if node.feature_type == CLT]


def ids(nodes: object) -> list[str]:
    return [node.node_id for node in nodes]  # type: ignore[attr-defined]


def test_pins(graph: sw.AttributionGraph) -> None:
    a, b, c, *_ = features(graph)
    pinned = graph.pin(b, graph.node(a)).pin(b, graph.row(c))
    assert ids(pinned.pins) == [b, a, c]
    assert pinned.file.pins == (b, a, c)
    assert ids(pinned.unpin(a).pins) == [b, c]
    assert ids(pinned.pins) == [b, a, c]
    assert graph.pins == ()


def test_groups(graph: sw.AttributionGraph) -> None:
    a, b, c, d, *_ = features(graph)
    first = graph.group("one", [a, b])
    assert {label: ids(nodes) for label, nodes in first.groups.items()} == {"one": [a, b]}
    assert ids(first.pins) == [a, b]
    second = first.group("two", [b, c])  # b moves
    assert {label: ids(nodes) for label, nodes in second.groups.items()} == {"one": [a], "two": [b, c]}
    third = second.group("one", (CLT, d)).group("two", a)  # more of them
    assert {label: ids(nodes) for label, nodes in third.groups.items()} == {"one": [d], "two": [b, c, a]}
    assert list(third.group("two", d).groups) == ["two"]  # a group of nothing is none
    assert list(third.rename_group("two", "2").groups) == ["one", "2"]
    left = third.ungroup("two")
    assert list(left.groups) == ["one"] and ids(left.pins) == [a, b, c, d]
    assert {label: ids(nodes) for label, nodes in third.unpin(b).groups.items()} == {"one": [d], "two": [c, a]}
    assert graph.groups == {}


def test_a_label_is_the_feature_s_at_every_position(content: Row) -> None:
    row = content["nodes"][0]
    other = 3 if row["ctx_idx"] == 2 else 2
    twin = {**row, "node_id": f"{row['node_id'].rsplit('_', 1)[0]}_{other}", "ctx_idx": other}
    content["nodes"] = [r for r in content["nodes"] if r["node_id"] != twin["node_id"]] + [twin]
    content["links"] = []
    graph = sw.AttributionGraph.from_dict(content)
    labelled = graph.label(twin["node_id"], "capitals")
    assert {n.node_id for n in labelled.nodes if n.label == "capitals"} == {row["node_id"], twin["node_id"]}
    # Neuronpedia's ids of features: layer, number, position.
    assert dict(labelled.file.labels) == {
        f"{row['layer']}_{row['feature']}_{at}": "capitals" for at in (row["ctx_idx"], twin["ctx_idx"])
    }
    assert content_of(labelled.label(row["node_id"], None))["nodes"] == content["nodes"]
    assert graph.node(row["node_id"]).label == ""


def test_what_cannot_be_edited_is_told(graph: sw.AttributionGraph) -> None:
    a, b, *_ = features(graph)
    grouped = graph.group("capitals", [a])
    with pytest.raises(GraphError, match=f"no node '{a}9'. Nearest: '{a}'"):
        graph.pin(f"{a}9")
    with pytest.raises(GraphError, match="none in row 1000"):
        graph.pin(1000)
    with pytest.raises(GraphError, match="no node .'x', 'y'."):
        graph.node(("x", "y"))
    with pytest.raises(GraphError, match="no group 'capital'. Nearest: 'capitals'"):
        grouped.ungroup("capital")
    with pytest.raises(GraphError, match="There is a group 'capitals' already"):
        grouped.group("states", b).rename_group("states", "capitals")
    with pytest.raises(GraphError, match="needs a label"):
        graph.group("", a)
    with pytest.raises(GraphError, match="at least one node"):
        graph.group("x", [])


def test_what_is_chosen_and_gone_is_kept(graph: sw.AttributionGraph, content: Row) -> None:
    a, b, *_ = features(graph)
    content["qParams"] |= {"pinnedIds": ["gone", a], "supernodes": [["g", "gone", a], ["h", "gone"]]}
    graph = sw.AttributionGraph.from_dict(content)
    assert ids(graph.pins) == [a] and ids(graph.groups["g"]) == [a] and graph.groups["h"] == ()
    more = graph.group("h", b)
    assert more.file.pins == ("gone", a, b)
    assert content_of(more)["qParams"]["supernodes"] == [["g", "gone", a], ["h", "gone", b]]
    assert content_of(more.unpin(a, b))["qParams"]["supernodes"] == [["g", "gone"], ["h", "gone"]]


def test_nodes_of_transformer_circuits_are_chosen_by_their_other_id() -> None:
    content = anthropic(random.Random(4))
    rows = [row for row in content["nodes"] if row["feature_type"] == CLT]
    graph = sw.AttributionGraph.from_dict(content)
    assert [node.js_id for node in graph.pins] == content["qParams"]["pinnedIds"]
    edited = graph.pin(rows[-1]["node_id"]).unpin(rows[0]["node_id"])
    assert edited.file.pins == tuple(row["jsNodeId"] for row in [rows[1], rows[2], rows[-1]])
    assert [node.js_id for node in edited.groups["capital"]] == [rows[1]["jsNodeId"]]


def test_a_name_that_is_one_node_s_id_and_another_s_other_id_is_of_the_file_s_kind(content: Row) -> None:
    a, b = (row for row in content["nodes"][:2])
    b["jsNodeId"] = a["node_id"]
    content["qParams"]["pinnedIds"] = [a["node_id"]]
    assert ids(sw.AttributionGraph.from_dict(content).pins) == [a["node_id"]]
    other = anthropic(random.Random(4))
    a, b = (row for row in other["nodes"] if row["jsNodeId"] in other["qParams"]["pinnedIds"][:2])
    b["node_id"], before = a["jsNodeId"], b["node_id"]
    for link in other["links"]:
        link |= {end: b["node_id"] for end in ("source", "target") if link[end] == before}
    other["qParams"]["pinnedIds"] = [a["jsNodeId"], b["jsNodeId"]]
    assert ids(sw.AttributionGraph.from_dict(other).pins) == [a["node_id"], b["node_id"]]


# -- addresses


def test_an_address_shows_what_is_chosen(graph: sw.AttributionGraph) -> None:
    a, b, c, *_ = features(graph)
    edited = graph.group("the & \udc00 group", [a, b]).pin(c).label(c, "l=1")
    said = edited.url_parameters(density_threshold=0.5)
    node = graph.node(c)
    assert said.keys() == {"slug", "pinnedIds", "supernodes", "clerps", "pruningThreshold", "densityThreshold"}
    assert (said["slug"], said["pinnedIds"]) == ("a-graph", f"{a},{b},{c}")
    assert json.loads(said["supernodes"]) == [["the & \udc00 group", a, b]]
    labels = [
        ["_".join((n.layer, str(n.feature), str(n.position))), "l=1"] for n in graph.nodes if n.feature == node.feature
    ]
    assert json.loads(said["clerps"]) == labels
    assert (said["pruningThreshold"], said["densityThreshold"]) == ("0.8", "0.5")
    query = urlencode(said)
    assert {key: value for key, (value,) in parse_qs(query).items()} == said
    again = graph.with_url(f"https://www.neuronpedia.org/gemma-2-2b/graph?{query}&embed=true")
    assert (again.file.pins, again.file.supernodes) == (edited.file.pins, edited.file.supernodes)
    assert again.file.labels == edited.file.labels
    assert again.url_parameters() == said
    assert graph.url_parameters(0.25) == {"slug": "a-graph", "pruningThreshold": "0.25"}


def test_an_address_that_cannot_be_read_is_told(graph: sw.AttributionGraph) -> None:
    with pytest.raises(FormatError, match="its supernodes are text that is no JSON.*Copy it again"):
        graph.with_url("slug=a-graph&supernodes=[[")
    with pytest.raises(FormatError, match="pruningThreshold is 'much', not a number"):
        graph.with_url("slug=a-graph&pruningThreshold=much")
    with pytest.raises(FormatError, match="The address is of the graph 'b', the file is 'a-graph'"):
        graph.with_url("?slug=b")


# -- numbers


def test_inputs_and_outputs_are_ranked_with_their_shares(graph: sw.AttributionGraph, content: Row) -> None:
    for row in content["nodes"]:
        into = [link for link in content["links"] if link["target"] == row["node_id"]]
        out = [link for link in content["links"] if link["source"] == row["node_id"]]
        for found, wanted, end in [
            (graph.inputs(row["node_id"]), into, "source"),
            (graph.outputs(row["node_id"]), out, "target"),
        ]:
            ordered = sorted(wanted, key=lambda link: -abs(link["weight"]))
            assert [(one.node.node_id, one.weight) for one in found] == [(o[end], o["weight"]) for o in ordered]
            total = sum(abs(link["weight"]) for link in wanted)
            assert [one.share for one in found] == pytest.approx([abs(o["weight"]) / total for o in ordered])
            for one, link in zip(found, ordered, strict=True):
                inputs = [abs(o["weight"]) for o in content["links"] if o["target"] == link["target"]]
                assert one.input_share == pytest.approx(link["weight"] / sum(inputs))


@pytest.mark.slow
def test_tables_have_a_row_a_node_and_a_row_a_link(graph: sw.AttributionGraph, content: Row) -> None:
    a, b, *_ = features(graph)
    table = graph.group("g", b).pin(a).to_pandas()
    rows = content["nodes"]
    assert table["node_id"].tolist() == [row["node_id"] for row in rows]
    assert table["pinned"].tolist() == [row["node_id"] in (a, b) for row in rows]
    assert table["group"].fillna("").tolist() == ["g" if row["node_id"] == b else "" for row in rows]
    # Of features, the index that the number pairs with the layer; of logits, their own token.
    for found, row in zip(table.to_dict("records"), rows, strict=True):
        if row["feature_type"] == CLT:
            assert paired(int(row["layer"]), found["feature"]) == row["feature"]
        tokens = [token.replace("\ud83d", "\ufffd") for token in content["metadata"]["prompt_tokens"]]
        assert found["token"] == (row["clerp"].split('"')[1] if row["clerp"] else tokens[row["ctx_idx"]])
    links = graph.to_pandas("links")
    assert links[["source_id", "target_id", "weight"]].to_numpy().tolist() == [
        [link["source"], link["target"], link["weight"]] for link in content["links"]
    ]
    assert [rows[i]["node_id"] for i in links["source"]] == links["source_id"].tolist()
    assert links.groupby("target")["share"].sum().to_numpy() == pytest.approx(1)
    with pytest.raises(GraphError, match='"nodes" and of "links"'):
        graph.to_pandas("edges")  # type: ignore[arg-type]
    assert repr(graph) == (
        f"AttributionGraph('a-graph': {len(features(graph))} features, 12 errors, 4 tokens, 2 logits, {len(links)} links)"
    )

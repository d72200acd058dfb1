"""Files of attribution graphs: what is read is what their formats say, and what is written again has lost nothing."""

from __future__ import annotations

import copy
import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest
from graphs_made import CLT, EMBEDDING, ERROR, LOGIT, Row, anthropic, circuit_tracer, content_of, paired

import saewidgets as sw
from saewidgets.attribution.graph.errors import GraphError
from saewidgets.formats.attribution_graph import as_json, graph_of, read_graph, write_graph
from saewidgets.formats.graph_ids import Named, cantor, digits, from_cantor, from_digits, index_of, numbering_of
from saewidgets.formats.graph_nodes import error_node, feature_node, logit_node, new_graph, token_node

DIALECTS = {
    "schema 1": lambda dice: circuit_tracer(dice),
    "schema 1, new errors": lambda dice: circuit_tracer(dice, old_errors=False),
    "gemma": lambda dice: circuit_tracer(dice, schema=None, digits=True),
    "gemma, schema 0": lambda dice: circuit_tracer(dice, schema=0, digits=True),
    "anthropic": anthropic,
}


def written(tmp_path: Path, content: Row, name: str = "graph.json") -> Path:
    path = tmp_path / name
    text = json.dumps(content)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def stored(path: Path) -> Row:
    found: Row = json.loads(
        (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
    )
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_written_again_is_what_was_read(dialect: str, seed: int, tmp_path: Path) -> None:
    content = DIALECTS[dialect](random.Random(seed))
    graph = sw.AttributionGraph.open(written(tmp_path, content))
    assert stored(graph.save(tmp_path / "again.json")) == content
    assert stored(graph.save(tmp_path / "again.json.gz")) == content
    again = sw.AttributionGraph.open(tmp_path / "again.json.gz")
    assert again.save(tmp_path / "third.json").read_bytes() == (tmp_path / "again.json").read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dialect", DIALECTS)
def test_nodes_and_links_are_the_file_s(dialect: str, seed: int, tmp_path: Path) -> None:
    content = DIALECTS[dialect](random.Random(seed))
    graph = sw.AttributionGraph.open(written(tmp_path, content, "graph.json.gz"))
    kinds = {CLT: "feature", ERROR: "error", EMBEDDING: "token", LOGIT: "logit"}
    for node, row in zip(graph.nodes, content["nodes"], strict=True):
        assert (node.node_id, node.js_id, node.layer) == (row["node_id"], row["jsNodeId"], row["layer"])
        assert (node.feature, node.position, node.label) == (row["feature"], row["ctx_idx"], row["clerp"])
        assert node.kind == kinds[row["feature_type"]]
        assert (node.influence, node.activation) == (row.get("influence"), row.get("activation"))
        # The index stands in the id of a feature; in opaque ones nothing does.
        known = node.kind == "feature" and dialect != "anthropic"
        assert node.index == (int(row["node_id"].split("_")[1]) if known else None)
    links = graph.links
    found = [
        (graph.nodes[s].node_id, graph.nodes[t].node_id, w)
        for s, t, w in zip(links.sources.tolist(), links.targets.tolist(), links.weights.tolist(), strict=True)
    ]
    assert found == [(row["source"], row["target"], row["weight"]) for row in content["links"]]
    assert graph.tokens == tuple(content["metadata"]["prompt_tokens"])
    assert (graph.file.slug, graph.file.prompt) == (content["metadata"]["slug"], content["metadata"]["prompt"])
    assert graph.file.ids == ("jsNodeId" if dialect == "anthropic" else "node_id")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_edited_file_has_the_edit_and_everything_else(dialect: str, tmp_path: Path) -> None:
    content = DIALECTS[dialect](random.Random(5))
    features = [row for row in content["nodes"] if row["feature_type"] == CLT]
    assert len(features) > 3
    logit = content["nodes"][-1]
    graph = sw.AttributionGraph.open(written(tmp_path, content))
    edited = graph.group("a \udc00 group", [features[-1]["node_id"], features[-2]["node_id"]]).pin(logit["node_id"])
    edited.save(tmp_path / "edited.json")

    wanted = copy.deepcopy(content)
    name = "jsNodeId" if dialect == "anthropic" else "node_id"
    members = [features[-1][name], features[-2][name]]
    chosen = wanted["qParams"]
    chosen["supernodes"] = [*chosen["supernodes"], ["a \udc00 group", *members]]
    chosen["pinnedIds"] = list(dict.fromkeys([*chosen["pinnedIds"], *members, logit[name]]))
    assert stored(tmp_path / "edited.json") == wanted
    again = sw.AttributionGraph.open(tmp_path / "edited.json")
    assert [node.node_id for node in again.groups["a \udc00 group"]] == [
        features[-1]["node_id"],
        features[-2]["node_id"],
    ]
    assert again.to_dict() == wanted
    assert graph.to_dict() == content  # the older one is as it was


def test_ids_of_an_error_and_a_feature_can_be_the_same(tmp_path: Path) -> None:
    """Feature 2 of layer 0 at position 1, and the error of layer 2 there: both "0_2_1"."""
    content = circuit_tracer(random.Random(0))
    twin = {**content["nodes"][0], "node_id": "0_2_1", "feature": paired(0, 2), "layer": "0", "ctx_idx": 1}
    content["nodes"].insert(0, twin)
    assert sum(row["node_id"] == "0_2_1" for row in content["nodes"]) == 2
    without = [row for row in content["links"] if row["source"] != "0_2_1"]
    token = next(row["node_id"] for row in content["nodes"] if row["feature_type"] == EMBEDDING)
    # Nothing leads to an error: a target is the feature.
    into = {"source": token, "target": "0_2_1", "weight": 2.0}
    graph = sw.AttributionGraph.open(written(tmp_path, {**content, "links": [*without, into]}))
    assert graph.nodes[int(graph.links.targets[-1])].key == (CLT, "0_2_1")
    with pytest.raises(GraphError, match="2 nodes are called '0_2_1': say which by type and id"):
        graph.node("0_2_1")
    assert graph.node((ERROR, "0_2_1")).layer == "2"
    assert graph.node((CLT, "0_2_1")).index == 2

    out = {"source": "0_2_1", "target": content["nodes"][-1]["node_id"], "weight": 1.0}
    path = written(tmp_path, {**content, "links": [*without, out]})
    with pytest.raises(ValueError, match="Two nodes have the id '0_2_1'.*say it: meant={'0_2_1': '"):
        read_graph(path)
    for meant in (CLT, ERROR):
        file = read_graph(path, meant={"0_2_1": meant})
        assert file.nodes[int(file.sources[-1])].key == (meant, "0_2_1")
        assert as_json(file) == {**content, "links": [*without, out]}


def test_pins_may_be_one_string_and_stay_one(tmp_path: Path) -> None:
    content = anthropic(random.Random(1))
    names = [row["jsNodeId"] for row in content["nodes"] if row["feature_type"] == CLT]
    content["qParams"]["pinnedIds"] = f"{names[0]}, {names[1]}"
    graph = sw.AttributionGraph.open(written(tmp_path, content))
    assert [node.js_id for node in graph.pins] == names[:2]
    assert graph.to_dict() == content
    more = graph.pin(next(n for n in graph.nodes if n.js_id == names[2]))
    assert content_of(more)["qParams"]["pinnedIds"] == ",".join(names[:3])


def test_labels_of_a_file_may_be_text_and_stay_it(tmp_path: Path) -> None:
    content = anthropic(random.Random(1))
    row = next(row for row in content["nodes"] if row["feature_type"] == CLT)
    graph = sw.AttributionGraph.open(written(tmp_path, content)).label(row["node_id"], "a \ud83d label")
    made = content_of(graph)
    assert json.loads(made["qParams"]["clerps"]) == [[f"{row['layer']}_{row['feature']}", "a \ud83d label"]]
    assert next(r for r in made["nodes"] if r["node_id"] == row["node_id"])["clerp"] == "a \ud83d label"
    assert sw.AttributionGraph.from_dict(made).file.labels == graph.file.labels
    assert content_of(graph.label(row["node_id"], None))["nodes"] == content["nodes"]


def test_bytes_that_are_no_text_do_not_stop_a_file(tmp_path: Path) -> None:
    content = circuit_tracer(random.Random(2))
    content["metadata"]["prompt_tokens"] = ["TOKEN"] * 4
    text = json.dumps(content).encode()
    for raw, token in [(b"\xff\xfe", "\udcff\udcfe"), (b"\xed\xa0\xbd", "\ud83d"), ("é".encode(), "é")]:
        (tmp_path / "g.json").write_bytes(b"\xef\xbb\xbf" + text.replace(b"TOKEN", raw))
        graph = sw.AttributionGraph.open(tmp_path / "g.json")
        assert graph.tokens == (token,) * 4
        again = json.loads(graph.save(tmp_path / "again.json").read_bytes().decode("utf-8"))
        assert again["metadata"]["prompt_tokens"] == [token] * 4


def test_numbers_of_features() -> None:
    pairs = [(0, 0), (0, 1), (1, 0), (25, 16383), (0, 12284), (61, 10**9)]
    assert [cantor(*pair) for pair in pairs[:5]] == [*(paired(*pair) for pair in pairs[:4]), 75466754]
    assert [from_cantor(cantor(*pair)) for pair in pairs] == pairs
    assert [from_cantor(n) for n in range(6)] == [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
    dice = random.Random(0)
    for _ in range(300):
        layer, index = dice.randrange(40), dice.randrange(10 ** dice.randrange(1, 7))
        assert from_digits(digits(layer, index), layer) == index
    assert digits(0, 7) == 7 and digits(12, 345) == 1200345
    assert from_digits(1000345, 1) is None  # six digits are not padded
    assert from_digits(1200345, 2) is None
    assert from_digits(1234, 12) is None  # five digits at least
    assert index_of("cantor", 3, cantor(2, 5)) is None  # of another layer


def test_numbering_is_told_by_what_fits() -> None:
    def named(layer: int, index: int, number: int, js: str = "-0") -> Named:
        return Named(f"{layer}_{index}_4", f"{layer}_{index}{js}", layer, number)

    many = [(0, 5), (3, 7), (12, 12284), (25, 99999)]
    assert numbering_of(1, [named(2, 5, 17)]) == "cantor"
    assert numbering_of(None, [named(*one, cantor(*one)) for one in many]) == "cantor"
    assert numbering_of(0, [named(*one, digits(*one)) for one in many]) == "digits"
    assert numbering_of(None, [named(*one, one[1]) for one in many]) == "plain"
    assert numbering_of(None, [named(*one, one[1], "_-0") for one in many]) == "opaque"
    assert numbering_of(None, [named(2, 5, 17), named(3, 4, 18)]) == "opaque"


def test_a_graph_that_is_made_here_is_one_of_circuit_tracer(tmp_path: Path) -> None:
    import numpy as np

    nodes = [
        feature_node(1, 7, 2, activation=1.5, influence=0.5),
        error_node(0, 1),
        token_node(42, 0),
        logit_node(9, " \ud83d", 2, n_layers=2, probability=0.25, target=True),
    ]
    file = new_graph(
        nodes,
        np.array([1, 2, 0]),
        np.array([0, 0, 3]),
        np.array([0.5, -1.5, 2.0]),
        slug="made",
        scan="m",
        prompt="a",
        tokens=["a"],
    )
    row = {"token_prob": 0.0, "is_target_logit": False, "run_idx": 0, "reverse_ctx_idx": 0}
    wanted: list[dict[str, Any]] = [
        {
            "node_id": "1_7_2",
            "feature": 43,
            "layer": "1",
            "ctx_idx": 2,
            "feature_type": CLT,
            "jsNodeId": "1_7-0",
            "clerp": "",
        }
        | {"influence": 0.5, "activation": 1.5},
        {
            "node_id": "0_-1_1",
            "feature": -1,
            "layer": "0",
            "ctx_idx": 1,
            "feature_type": ERROR,
            "jsNodeId": "0_-1-1",
            "clerp": "",
        }
        | {"influence": None},
        {"node_id": "E_42_0", "feature": 0, "layer": "E", "ctx_idx": 0, "feature_type": EMBEDDING, "jsNodeId": "E_42-0"}
        | {"clerp": "", "influence": None},
        {"node_id": "3_9_2", "feature": 9, "layer": "3", "ctx_idx": 2, "feature_type": LOGIT, "jsNodeId": "L_9-2"}
        | {"token_prob": 0.25, "is_target_logit": True, "clerp": 'Output " \ud83d" (p=0.250)'},
    ]
    made = stored(write_graph(file, tmp_path / "made.json"))
    assert made["nodes"] == [{**row, **one} for one in wanted]
    assert made["links"][1] == {"source": "E_42_0", "target": "1_7_2", "weight": -1.5}
    again = graph_of(made)
    assert again.nodes == file.nodes
    assert (again.nodes[0].index, again.nodes[3].token, again.numbering) == (7, " \ud83d", "cantor")

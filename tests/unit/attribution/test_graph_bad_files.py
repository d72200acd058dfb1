"""Files that are no graphs, or broken ones: refused in words that say what to do; nothing is guessed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from graphs_made import CLT, Row, circuit_tracer

import saewidgets as sw
from saewidgets.formats.errors import FormatError


def refused(path: Path, match: str, **how: Any) -> None:
    with pytest.raises(FormatError, match=match):
        sw.AttributionGraph.open(path, **how)


@pytest.fixture
def content() -> Row:
    return circuit_tracer(random.Random(0))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "is empty. Fetch or write it again"),
        ("  \n", "is empty"),
        ("[" * 100_000, "nested too deeply"),
        ("9" * 5000, "no JSON that can be read|not an object"),
        ("\x89PNG\r\n", "is no JSON from line 1, column 1"),
        ("[]", "This is list, not an object with nodes and links. Give an attribution graph"),
        ("null", "This is NoneType"),
        ('{"features": []}', "no list of 'nodes' and 'links'. Give"),
        ('{"nodes": {}, "links": []}', "no list of 'nodes'"),
        ('{"nodes": [], "links": null}', "no list of 'links'"),
        ('{"nodes": [1], "links": []}', r"nodes\[0\] is int, not an object"),
        ('{"nodes": [], "links": [1]}', r"links\[0\] is int"),
        ('{"nodes": [], "links": [{"source": 1, "target": 2}]}', r"links\[0\] does not name its source and its target"),
    ],
)
def test_what_is_no_graph(text: str, match: str, tmp_path: Path) -> None:
    path = tmp_path / "graph.json"
    path.write_text(text, encoding="utf-8")
    refused(path, match)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_was_cut_off(share: float, content: Row, tmp_path: Path) -> None:
    whole = json.dumps(content, indent=1)
    (tmp_path / "cut.json").write_text(whole[: int(len(whole) * share)])
    refused(tmp_path / "cut.json", r"cut.json is no JSON from line \d+, column \d+ on .*cut off")


def test_a_packed_file_that_was_cut_off(content: Row, tmp_path: Path) -> None:
    path = sw.AttributionGraph.from_dict(content).save(tmp_path / "cut.json.gz")
    path.write_bytes(path.read_bytes()[:-20])
    refused(path, "cut.json.gz cannot be read .*Fetch or write it again")
    path.write_bytes(b"no gzip")
    refused(path, "cannot be read")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="There is no file at"):
        sw.AttributionGraph.open(tmp_path / "none.json")


def test_a_file_that_is_too_large_can_be_read_all_the_same(content: Row, tmp_path: Path) -> None:
    for name in ("large.json", "large.json.gz"):
        path = sw.AttributionGraph.from_dict(content).save(tmp_path / name)
        refused(path, r"more than 1,000 bytes.*Prune it where it was made.*limit=2_000 or limit=None", limit=1000)
        assert sw.AttributionGraph.open(path, limit=None).to_dict() == content
        size = len(json.dumps(content, separators=(",", ":")))
        assert sw.AttributionGraph.open(path, limit=size).to_dict() == content
        refused(path, "more than", limit=size - 1)


@pytest.mark.parametrize("schema", [2, -1, "two", 1.5, True, [1]])
def test_another_schema(schema: object, content: Row, tmp_path: Path) -> None:
    content["metadata"]["schema_version"] = schema
    (tmp_path / "g.json").write_text(json.dumps(content))
    refused(tmp_path / "g.json", "reads schemas 0, 1 and files without one. Write it again .*install a newer")


@pytest.mark.parametrize("weight", ["NaN", "Infinity", "-Infinity", "null", '"1"', "true", "1e999", "1" + "0" * 400])
def test_weights_that_are_no_numbers(weight: str, content: Row, tmp_path: Path) -> None:
    content["links"][3]["weight"] = "HERE"
    (tmp_path / "g.json").write_text(json.dumps(content).replace('"HERE"', weight))
    link = content["links"][3]
    refused(
        tmp_path / "g.json", rf"links\[3\] \('{link['source']}' to '{link['target']}'\) has no finite weight.*float32"
    )


def test_a_weight_that_is_missing(content: Row, tmp_path: Path) -> None:
    del content["links"][0]["weight"]
    (tmp_path / "g.json").write_text(json.dumps(content))
    refused(tmp_path / "g.json", "has no finite weight")


def test_links_to_nodes_that_are_not_there(content: Row, tmp_path: Path) -> None:
    there = len(content["links"])
    token = next(row["node_id"] for row in content["nodes"] if row["layer"] == "E")
    new = [{"source": token, "target": "9_9_9", "weight": 1.0}, {"source": "8_8_8", "target": "9_9_9", "weight": 2.0}]
    path = tmp_path / "g.json"
    path.write_text(json.dumps({**content, "links": [*new, *content["links"]]}))
    refused(path, rf"2 of {there + 2} links name nodes that are not in the file: '9_9_9', '8_8_8'\..*missing=\"drop\"")
    assert sw.AttributionGraph.open(path, missing="drop").to_dict() == content


CHANGES: list[tuple[Callable[[Row], object], str]] = [
    (lambda row: row.pop("node_id"), "it has no node_id"),
    (lambda row: row.update(node_id=7), "its node_id is 7, not a text"),
    (lambda row: row.pop("feature_type"), "it has no feature_type"),
    (lambda row: row.pop("layer"), 'its layer is None, not "E" or a number'),
    (lambda row: row.update(ctx_idx="x"), "its ctx_idx is 'x', not a whole number"),
    (lambda row: row.update(ctx_idx=10**30), "its ctx_idx is 1000"),
    (lambda row: row.update(influence="much"), "its influence is 'much', not a number"),
    (lambda row: row.update(activation=[1]), r"its activation is \[1\], not a number"),
]


@pytest.mark.parametrize(("change", "why"), CHANGES)
def test_a_node_that_is_wrong_is_named(change: Callable[[Row], object], why: str, content: Row, tmp_path: Path) -> None:
    change(content["nodes"][0])
    (tmp_path / "g.json").write_text(json.dumps(content))
    refused(tmp_path / "g.json", rf"nodes\[0\] \(.*\): {why}.*Mend it in the file")


def test_two_nodes_of_one_type_with_one_id(content: Row, tmp_path: Path) -> None:
    content["nodes"].insert(2, dict(content["nodes"][0]))
    (tmp_path / "g.json").write_text(json.dumps(content))
    refused(tmp_path / "g.json", rf"nodes\[0\] and nodes\[2\] are both '{CLT}' with the id .*another node_id")


@pytest.mark.parametrize(
    ("chosen", "why"),
    [
        ({"pinnedIds": 7}, "its pinnedIds are 7, not a list of ids"),
        ({"supernodes": 7}, "its supernodes are 7, not a list of lists"),
        ({"clerps": "[["}, r"its clerps are text that is no JSON"),
    ],
)
def test_what_was_chosen_is_no_list(chosen: Row, why: str, content: Row, tmp_path: Path) -> None:
    content["qParams"] |= chosen
    (tmp_path / "g.json").write_text(json.dumps(content))
    refused(tmp_path / "g.json", why)


def test_what_is_odd_is_kept(content: Row, tmp_path: Path) -> None:
    """Of no harm: nulls, other types, whole numbers as floats, fields of others, numbers that JSON alone can hold."""
    odd = [
        {"node_id": "bias_0", "feature": None, "layer": 5, "ctx_idx": None, "feature_type": "bias", "clerp": None},
        {
            "node_id": "5_1_0",
            "feature": "500001-x",
            "layer": "5",
            "ctx_idx": 0.0,
            "feature_type": "lorsa",
            "new": {"a": 1},
        },
        {"node_id": "s", "feature": 1e30, "layer": "E1", "ctx_idx": 2, "feature_type": "supernode", "token_prob": None},
    ]
    content["nodes"] += odd
    content["links"].append({"source": "5_1_0", "target": "s", "weight": 2, "note": [1]})
    content["qParams"] = {"pinnedIds": None, "supernodes": [[], ["empty"], 7], "clickedId": None}
    content["metadata"]["prompt_tokens"] = ["a", None, 7]
    (tmp_path / "g.json").write_text(json.dumps(content))
    graph = sw.AttributionGraph.open(tmp_path / "g.json")
    assert [(n.kind, n.position, n.feature) for n in graph.nodes[-3:]] == [
        ("other", -1, None),
        ("feature", 0, 500001),
        ("other", 2, int(1e30)),
    ]
    assert graph.tokens == ("a", "", "7")
    assert json.loads(graph.save(tmp_path / "again.json").read_text()) == content
    assert graph.scores().replacement is None
    assert "1 nodes of this graph are of Lorsa" in graph.scores().why


def test_numbers_that_are_none_are_not_known(content: Row, tmp_path: Path) -> None:
    content["nodes"][0] |= {"influence": "NAN", "activation": "INF"}
    text = json.dumps(content).replace('"NAN"', "NaN").replace('"INF"', "1e999")
    (tmp_path / "g.json").write_text(text)
    graph = sw.AttributionGraph.open(tmp_path / "g.json")
    assert (graph.nodes[0].influence, graph.nodes[0].activation) == (None, None)
    again = json.loads(graph.save(tmp_path / "again.json").read_text(), parse_constant=lambda _: pytest.fail("no JSON"))
    assert (again["nodes"][0]["influence"], again["nodes"][0]["activation"]) == (None, None)


def test_a_file_that_cannot_be_written_leaves_the_older_one(content: Row, tmp_path: Path, monkeypatch: Any) -> None:
    graph = sw.AttributionGraph.from_dict(content)
    path = graph.save(tmp_path / "g.json")
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        graph.pin(0).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]

"""What a graph's file says of influence beside what its links say; its scores; what pruning leaves of the file."""

from __future__ import annotations

import random

import numpy as np
import pytest
from graphs_made import CLT, EMBEDDING, ERROR, LOGIT, Row, anthropic, circuit_tracer, content_of

import saewidgets as sw
from saewidgets.attribution.graph.errors import GraphError


def influence(content: Row) -> dict[str, float]:
    """Over paths, from the file itself: node_id to the sum of products of shares, times the logit's probability."""
    p = {row["node_id"]: row["token_prob"] for row in content["nodes"] if row["feature_type"] == LOGIT}
    sums: dict[str, float] = {}
    for link in content["links"]:
        sums[link["target"]] = sums.get(link["target"], 0) + abs(link["weight"])
    known: dict[str, float] = {}

    def of(node: str) -> float:
        if node not in known:
            out = [link for link in content["links"] if link["source"] == node]
            known[node] = sum(
                abs(o["weight"]) / sums[o["target"]] * (p.get(o["target"], 0) + of(o["target"])) for o in out
            )
        return known[node]

    return {row["node_id"]: of(row["node_id"]) for row in content["nodes"]}


def cumulative(content: Row) -> dict[str, float]:
    found = influence(content)
    return {node: sum(x for x in found.values() if x >= own) / sum(found.values()) for node, own in found.items()}


@pytest.fixture
def content() -> Row:
    return circuit_tracer(random.Random(1), old_errors=False)


def test_influence_is_computed_and_compared(content: Row) -> None:
    wanted, reached = influence(content), cumulative(content)
    graph = sw.AttributionGraph.from_dict(content)
    assert graph.influence.tolist() == pytest.approx([wanted[row["node_id"]] for row in content["nodes"]])
    said = [np.nan if row["influence"] is None else row["influence"] for row in content["nodes"]]
    assert np.array_equal(graph.cumulative, said, equal_nan=True)  # the file's own
    check = graph.check_influence()
    known = [row for row in content["nodes"] if row["influence"] is not None]
    assert check.compared == len(known)
    assert check.largest == pytest.approx(max(abs(row["influence"] - reached[row["node_id"]]) for row in known))
    assert not check.same and "before it was pruned" in check.said

    for row in content["nodes"]:
        row["influence"] = None if row["influence"] is None else float(np.float32(reached[row["node_id"]]))
    check = sw.AttributionGraph.from_dict(content).check_influence()
    assert check.same and check.said == "The file's influence is that of its links."


def test_a_file_without_influence_has_it_computed() -> None:
    content = anthropic(random.Random(2))
    graph = sw.AttributionGraph.from_dict(content)
    reached = cumulative(content)
    nothing = [row["node_id"] for row in content["nodes"] if influence(content)[row["node_id"]] == 0]
    for node, found in zip(graph.nodes, graph.cumulative.tolist(), strict=True):
        if node.node_id not in nothing:
            assert found == pytest.approx(reached[node.node_id])
    assert graph.check_influence().compared == 0 and "computed from its links" in graph.check_influence().said


def scores(content: Row) -> tuple[float, float]:
    found, kinds = influence(content), {row["node_id"]: row["feature_type"] for row in content["nodes"]}
    tokens = sum(x for node, x in found.items() if kinds[node] == EMBEDDING)
    errors = sum(x for node, x in found.items() if kinds[node] == ERROR)
    top = bottom = 0.0
    for row in content["nodes"]:
        into = [link for link in content["links"] if link["target"] == row["node_id"]]
        total = sum(abs(link["weight"]) for link in into)
        of_errors = sum(abs(link["weight"]) / total for link in into if kinds[link["source"]] == ERROR)
        weight = found[row["node_id"]] + (row["token_prob"] if row["feature_type"] == LOGIT else 0)
        top, bottom = top + (1 - of_errors) * weight, bottom + weight
    return tokens / (tokens + errors), top / bottom


@pytest.mark.parametrize("seed", range(5))
def test_scores_of_the_graph_and_of_its_pinned_part(seed: int) -> None:
    content = circuit_tracer(random.Random(seed), old_errors=False)
    graph = sw.AttributionGraph.from_dict(content)
    found = graph.scores()
    assert [found.replacement, found.completeness] == pytest.approx([*scores(content)])
    assert found.why == ""
    features = [row["node_id"] for row in content["nodes"] if row["feature_type"] == CLT]
    chosen = {*random.Random(seed).sample(features, len(features) // 2), content["nodes"][-1]["node_id"]}
    linked = {link["source"] for link in content["links"] if link["target"] in chosen}
    nodes = [
        row
        for row in content["nodes"]
        if row["node_id"] in chosen
        or row["feature_type"] in (EMBEDDING, LOGIT)
        or (row["feature_type"] == ERROR and row["node_id"] in linked)
    ]
    there = {row["node_id"] for row in nodes}
    part = {**content, "nodes": nodes}
    part["links"] = [link for link in content["links"] if {link["source"], link["target"]} <= there]
    found = graph.pin(*chosen).scores(pinned=True)
    assert [found.replacement, found.completeness] == pytest.approx([*scores(part)])
    assert graph.scores(pinned=True).why.startswith("No feature is pinned")


def test_scores_that_there_are_not_have_a_reason(content: Row) -> None:
    for row in content["nodes"]:
        if row["feature_type"] == LOGIT:
            row |= {"token_prob": 0.0, "clerp": "x"}
    graph = sw.AttributionGraph.from_dict(content)
    assert graph.scores().completeness is None and "has a probability" in graph.scores().why
    with pytest.raises(GraphError, match="has a probability"):
        graph.pruned()
    assert len(graph.layout().x) == len(graph.nodes)
    assert "cannot be compared" in graph.check_influence().said
    content["links"] = []
    content["nodes"][-1]["token_prob"] = 0.5
    alone = sw.AttributionGraph.from_dict(content).scores()
    assert (alone.replacement, alone.completeness) == (None, 1.0) and "No path" in alone.why


def test_a_logit_s_probability_may_stand_in_its_label_alone(content: Row) -> None:
    wanted = sw.AttributionGraph.from_dict(content).influence
    for row in content["nodes"]:
        if row["feature_type"] == LOGIT:
            del row["token_prob"]  # "(p=0.600)" stands in the label
    graph = sw.AttributionGraph.from_dict(content)
    assert graph.influence.tolist() == pytest.approx(wanted.tolist())
    assert graph.to_dict() == content


def test_what_is_left_is_a_file_of_its_own(content: Row) -> None:
    for number, link in enumerate(content["links"]):
        link["note"] = number
    graph = sw.AttributionGraph.from_dict(content)
    left = graph.pruned(0.5, 0.9)
    made = content_of(left)
    assert 0 < len(made["links"]) < len(content["links"]) and len(made["nodes"]) < len(content["nodes"])
    assert all(link in content["links"] for link in made["links"])
    assert made["nodes"] == [row for row in content["nodes"] if row["node_id"] in {n.node_id for n in left.nodes}]
    ends = {link[end] for link in made["links"] for end in ("source", "target")}
    assert ends <= {row["node_id"] for row in made["nodes"]}
    assert sw.AttributionGraph.from_dict(made).to_dict() == made
    # All that has any influence: what has none goes.
    reached = {node for node, x in influence(content).items() if x > 0}
    whole = {n.node_id for n in graph.pruned(1.0, 1.0).nodes}
    assert whole == reached | {r["node_id"] for r in content["nodes"] if r["feature_type"] in (EMBEDDING, LOGIT)}


def test_the_file_s_influence_prunes_as_a_slider_does(content: Row) -> None:
    features = [row for row in content["nodes"] if row["feature_type"] == CLT]
    pinned, clicked, unsaid = sorted(features, key=lambda row: -row["influence"])[:3]
    unsaid["influence"] = None
    content["qParams"] |= {"pinnedIds": [pinned["node_id"]], "clickedId": clicked["node_id"]}
    graph = sw.AttributionGraph.from_dict(content)
    always = {pinned["node_id"], clicked["node_id"], unsaid["node_id"]}
    wanted = [
        row["node_id"]
        for row in content["nodes"]
        if row["feature_type"] in (EMBEDDING, LOGIT) or row["node_id"] in always or row["influence"] <= 0.4
    ]
    left = graph.pruned(0.4, by="file")
    assert [node.node_id for node in left.nodes] == wanted
    assert len(left.links) == sum({link["source"], link["target"]} <= set(wanted) for link in content["links"])
    with pytest.raises(GraphError, match="from 0 to 1, not 40"):
        graph.pruned(40, by="file")
    with pytest.raises(GraphError, match="leave out edge="):
        graph.pruned(0.4, 0.9, by="file")

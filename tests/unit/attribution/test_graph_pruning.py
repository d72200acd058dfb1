"""Influence, pruning and scores: against exact fractions, computed in the obvious way from the definitions."""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from saewidgets.attribution.graph.errors import GraphError
from saewidgets.attribution.graph.prune import (
    Links,
    Roles,
    completeness_score,
    cumulative_influence,
    edge_scores,
    node_influence,
    prune,
    replacement_score,
)

FEATURE, ERROR, TOKEN, LOGIT = "feature", "error", "token", "logit"


@dataclass
class Example:
    """A graph as a list of nodes' kinds, {(source, target): weight} and {logit: probability}."""

    kinds: list[str]
    weights: dict[tuple[int, int], Fraction]
    p: dict[int, Fraction]

    @property
    def links(self) -> Links:
        ends = np.array(list(self.weights), np.int64).reshape(-1, 2)
        return Links(len(self.kinds), ends[:, 0], ends[:, 1], np.array(list(map(float, self.weights.values()))))

    @property
    def roles(self) -> Roles:
        return Roles(*(np.array([k == kind for k in self.kinds]) for kind in (FEATURE, ERROR, TOKEN, LOGIT)))

    @property
    def logit_weights(self) -> np.ndarray:
        return np.array([float(self.p.get(i, 0)) for i in range(len(self.kinds))])


# -- the definitions, slowly


def shares(weights: dict[tuple[int, int], Fraction]) -> dict[tuple[int, int], Fraction]:
    sums: dict[int, Fraction] = {}
    for (_, target), weight in weights.items():
        sums[target] = sums.get(target, Fraction(0)) + abs(weight)
    return {(s, t): abs(w) / sums[t] if sums[t] else Fraction(0) for (s, t), w in weights.items()}


def influences(n: int, weights: dict[tuple[int, int], Fraction], p: dict[int, Fraction]) -> list[Fraction]:
    """Over all paths that begin at a node: the product of shares, times the probability at the end."""
    share = shares(weights)

    @cache
    def paths(node: int) -> Fraction:
        ways = [(target, one) for (source, target), one in share.items() if source == node]
        return sum((one * (p.get(target, Fraction(0)) + paths(target)) for target, one in ways), Fraction(0))

    return [paths(node) for node in range(n)]


def scored(n: int, weights: dict[tuple[int, int], Fraction], p: dict[int, Fraction]) -> dict[tuple[int, int], Fraction]:
    influence, share = influences(n, weights, p), shares(weights)
    return {(s, t): share[s, t] * (influence[t] + p.get(t, Fraction(0))) for s, t in weights}


def least_kept(scores: list[Fraction], share: Fraction) -> Fraction:
    total, so_far = sum(scores), Fraction(0)
    for score in sorted(scores, reverse=True):
        so_far += score
        if so_far >= share * total:
            return score
    return Fraction(0)


def left(graph: Example, node_share: Fraction, edge_share: Fraction) -> tuple[set[int], set[tuple[int, int]]]:
    """Which nodes and links are left."""
    n, kinds = len(graph.kinds), graph.kinds
    influence = influences(n, graph.weights, graph.p)
    least = least_kept(influence, node_share)
    nodes = {i for i in range(n) if influence[i] >= least or kinds[i] in (TOKEN, LOGIT)}
    weights = {(s, t): w for (s, t), w in graph.weights.items() if s in nodes and t in nodes}
    scores = scored(n, weights, graph.p)
    least = least_kept(list(scores.values()), edge_share)
    edges = {edge for edge, score in scores.items() if score >= least}
    while True:
        gone = {i for i in nodes if kinds[i] not in (TOKEN, LOGIT) and not any(s == i for s, _ in edges)}
        gone |= {i for i in nodes if kinds[i] == FEATURE and not any(t == i for _, t in edges)}
        if not gone:
            return nodes, edges
        nodes -= gone
        edges = {(s, t) for s, t in edges if s in nodes and t in nodes}


# -- the example of circuit-tracer's own test: 2 layers, 2 tokens, 5 features, 1 logit

TWELVE = Example(
    [FEATURE] * 5 + [ERROR] * 4 + [TOKEN] * 2 + [LOGIT],
    {
        (source, target): Fraction(10)
        for target, sources in {11: (1, 3, 6, 8), 3: (0, 1, 6), 1: (9, 10), 0: (9,)}.items()
        for source in sources
    },
    {11: Fraction(1)},
)
TWELVE_INFLUENCE = [Fraction(n, 12) for n in (1, 4, 0, 3, 0, 0, 4, 0, 3, 3, 2, 0)]


def test_twelve_nodes_have_the_influence_that_is_known() -> None:
    assert influences(12, TWELVE.weights, TWELVE.p) == TWELVE_INFLUENCE  # of the reference itself
    found = node_influence(TWELVE.links, TWELVE.logit_weights)
    assert found.tolist() == pytest.approx([float(x) for x in TWELVE_INFLUENCE], rel=1e-15)


def test_twelve_nodes_pruned_have_the_scores_that_are_known() -> None:
    pruned = prune(TWELVE.links, TWELVE.roles, TWELVE.logit_weights, 0.8, 1.0)
    assert np.flatnonzero(pruned.nodes).tolist() == [1, 3, 6, 8, 9, 10, 11]
    links = TWELVE.links.only(pruned.links)
    scores = edge_scores(links, TWELVE.logit_weights)
    by_link = dict(zip(zip(links.sources.tolist(), links.targets.tolist(), strict=True), scores.tolist(), strict=True))
    known = {(s, 11): 1 / 4 for s in (1, 3, 6, 8)} | {(1, 3): 1 / 8, (6, 3): 1 / 8, (9, 1): 3 / 16, (10, 1): 3 / 16}
    assert by_link == known  # halves of halves: exact


def test_twelve_nodes_have_their_scores() -> None:
    links, roles, p = TWELVE.links, TWELVE.roles, TWELVE.logit_weights
    # Tokens 9 and 10 hold 5/12, errors 6 and 8 hold 7/12.
    assert replacement_score(links, roles, p) == pytest.approx(5 / 12)
    # Inputs of errors: half of the logit's (weight 1), a third of 3's (1/4); all weights together 1 + 20/12.
    assert completeness_score(links, roles, p) == pytest.approx(1 - (1 / 2 + 1 / 3 * 1 / 4) / (1 + 20 / 12))


# -- random graphs


def example(seed: int, n: int = 14) -> Example:
    """A random graph without circles; its weights are small, so that equal influences are common."""
    dice = random.Random(seed)
    kinds = [dice.choice([FEATURE, FEATURE, ERROR, TOKEN, "other"]) for _ in range(n)] + [LOGIT, LOGIT]
    weights = {
        (s, t): Fraction(dice.choice([-2, -1, 0, 1, 1, 3]))
        for t in range(n + 2)
        for s in range(min(t, n))
        if kinds[t] in (FEATURE, LOGIT) and dice.random() < 0.4
    }
    order = list(weights)
    dice.shuffle(order)
    return Example(kinds, {edge: weights[edge] for edge in order}, {n: Fraction(5, 8), n + 1: Fraction(1, 8)})


SEEDS = range(40)


@pytest.mark.parametrize("seed", SEEDS)
def test_influence_is_the_sum_over_paths(seed: int) -> None:
    graph = example(seed)
    wanted = influences(len(graph.kinds), graph.weights, graph.p)
    assert node_influence(graph.links, graph.logit_weights).tolist() == pytest.approx(
        list(map(float, wanted)), rel=1e-12
    )
    scores = scored(len(graph.kinds), graph.weights, graph.p)
    assert edge_scores(graph.links, graph.logit_weights).tolist() == pytest.approx(
        [float(scores[edge]) for edge in graph.weights], rel=1e-12
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_left_is_what_the_definition_leaves(seed: int) -> None:
    graph, dice = example(seed), random.Random(seed)
    for node_share, edge_share in [
        ("0.8", "0.98"),
        (str(round(dice.random(), 2)), str(round(dice.random(), 2))),
        ("1", "1"),
    ]:
        nodes, edges = left(graph, Fraction(node_share), Fraction(edge_share))
        pruned = prune(graph.links, graph.roles, graph.logit_weights, float(node_share), float(edge_share))
        assert set(np.flatnonzero(pruned.nodes).tolist()) == nodes
        kept = {edge for edge, keep in zip(graph.weights, pruned.links.tolist(), strict=True) if keep}
        assert kept == edges


@pytest.mark.parametrize("seed", SEEDS)
def test_scores_are_shares_of_influence(seed: int) -> None:
    graph = example(seed)
    n = len(graph.kinds)
    influence, share = influences(n, graph.weights, graph.p), shares(graph.weights)
    tokens = sum(influence[i] for i in range(n) if graph.kinds[i] == TOKEN)
    errors = sum(influence[i] for i in range(n) if graph.kinds[i] == ERROR)
    found = replacement_score(graph.links, graph.roles, graph.logit_weights)
    assert found == (pytest.approx(float(tokens / (tokens + errors))) if tokens + errors else None)
    weight = [influence[i] + graph.p.get(i, Fraction(0)) for i in range(n)]
    of_errors = [sum(s for (a, t), s in share.items() if t == i and graph.kinds[a] == ERROR) for i in range(n)]
    wanted = sum((1 - of_errors[i]) * weight[i] for i in range(n)) / sum(weight)
    assert completeness_score(graph.links, graph.roles, graph.logit_weights) == pytest.approx(float(wanted))


@pytest.mark.parametrize("seed", range(5))
def test_cumulative_influence_is_what_a_node_and_all_with_more_hold(seed: int) -> None:
    influence = np.random.default_rng(seed).random(30)
    wanted = [sum(other for other in influence if other >= own) / sum(influence) for own in influence]
    assert cumulative_influence(influence).tolist() == pytest.approx(wanted)


def test_equal_nodes_are_kept_together() -> None:
    """Thirds by two ways, which floats sum to different numbers."""
    weights = {(0, 3): Fraction(1), (1, 3): Fraction(1), (2, 3): Fraction(1)}
    graph = Example([TOKEN] * 3 + [LOGIT], weights, {3: Fraction(1)})
    assert prune(graph.links, graph.roles, graph.logit_weights, 0.1, 1 / 3).links.tolist() == [True] * 3


def test_a_circle_is_refused_and_a_share_is_one() -> None:
    graph = Example(
        [FEATURE, FEATURE, LOGIT], {(0, 1): Fraction(1), (1, 0): Fraction(1), (1, 2): Fraction(1)}, {2: Fraction(1)}
    )
    with pytest.raises(GraphError, match="round in a circle.*take those out"):
        node_influence(graph.links, graph.logit_weights)
    with pytest.raises(GraphError, match="node_threshold is a share of all influence, from 0 to 1, not 80"):
        prune(TWELVE.links, TWELVE.roles, TWELVE.logit_weights, 80)


def test_a_graph_of_nothing() -> None:
    none = np.zeros(0, np.int64)
    empty, mask = Links(0, none, none, np.zeros(0)), np.zeros(0, bool)
    pruned = prune(empty, Roles(mask, mask, mask, mask), np.zeros(0))
    assert (pruned.nodes.size, pruned.links.size, pruned.cumulative.size) == (0, 0, 0)

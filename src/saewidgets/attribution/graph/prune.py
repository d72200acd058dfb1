"""How much each node and link has to do with the logits, and what is left when the rest is taken away.

The definitions are circuit-tracer's. A link's share is |weight| by the sum over all links into its target, so A[target, source]
is a matrix whose rows sum to 1, or to 0 where nothing leads to a node. With p the probabilities of the logits (0 at other nodes),
a node's influence is p(A + A² + A³ + ...): over every path from it to a logit, the product of the shares, times the logit's
probability. Nothing here knows a file or a model: nodes are rows, links are arrays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...engine.arrays import Bools, Doubles, Ints
from .errors import GraphError

__all__ = [
    "Links",
    "Pruned",
    "Roles",
    "completeness_score",
    "cumulative_influence",
    "edge_scores",
    "input_shares",
    "node_influence",
    "prune",
    "replacement_score",
    "threshold_of",
]

_SMALLEST_SUM = 1e-10
"""What sums of |weights| are taken for at least, as circuit-tracer does."""
_TIE = 1e-9
"""By what share numbers may differ that are equal but for rounding: paths are summed in no fixed order."""


@dataclass(frozen=True, eq=False)
class Links:
    """The links of a graph; two between the same nodes are two links.

    Attributes:
        n: number of nodes.
        sources, targets: [links] nodes, from 0.
        weights: [links], signed.
    """

    n: int
    sources: Ints
    targets: Ints
    weights: Doubles

    def __len__(self) -> int:
        return len(self.weights)

    def only(self, kept: Bools) -> Links:
        """The links where `kept` [links] says so, of the same nodes."""
        return Links(self.n, self.sources[kept], self.targets[kept], self.weights[kept])


@dataclass(frozen=True, eq=False)
class Roles:
    """What the nodes of a graph are: masks over them, [nodes] each.

    Attributes:
        features: are kept only with links that come and links that leave.
        errors: reconstruction errors, kept only with links that leave; nodes of no role here, too.
        tokens, logits: always kept.
    """

    features: Bools
    errors: Bools
    tokens: Bools
    logits: Bools

    @property
    def given(self) -> Bools:
        """Nodes that are never pruned."""
        kept: Bools = self.tokens | self.logits
        return kept


@dataclass(frozen=True, eq=False)
class Pruned:
    """What is left of a graph.

    Attributes:
        nodes: [nodes] which are kept; links: [links] which are.
        cumulative: [nodes] cumulative influence in the whole graph.
    """

    nodes: Bools
    links: Bools
    cumulative: Doubles


def input_shares(links: Links) -> Doubles:
    """[links] |weight| by the sum of |weight| over all links into the same target."""
    size = np.abs(links.weights)
    into = np.bincount(links.targets, weights=size, minlength=links.n)
    shares: Doubles = size / np.maximum(into, _SMALLEST_SUM)[links.targets]
    return shares


def node_influence(links: Links, logit_weights: Doubles) -> Doubles:
    """[nodes] influence on the logits: p(A + A² + ...).

    Args:
        links: of the graph.
        logit_weights: [nodes] probabilities at the logits, 0 elsewhere.

    Raises:
        GraphError: if links go round in a circle: no such sum need end then.
    """
    shares = input_shares(links)
    total = np.zeros(links.n)
    now: Doubles = np.asarray(logit_weights, np.float64)
    for _ in range(links.n + 1):
        now = np.bincount(links.sources, shares * now[links.targets], links.n).astype(np.float64, copy=False)
        if not now.any():
            return total
        total += now
    raise GraphError(
        "Links of this graph go round in a circle, so influence has no end. A link leads from an earlier layer or token to a later "
        "one: take those out that lead back."
    )


def edge_scores(links: Links, logit_weights: Doubles) -> Doubles:
    """[links] a link's share in its target, times what the target has to do with the logits (influence, and p itself)."""
    scores: Doubles = input_shares(links) * (node_influence(links, logit_weights) + logit_weights)[links.targets]
    return scores


def threshold_of(scores: Doubles, share: float) -> float:
    """The score of the last one that is needed to come to `share` of the sum of all, taking the largest first.

    Everything with this score or more is kept, so that of equal ones all are. 0 where there is nothing to sum.
    """
    ordered = np.sort(scores)[::-1]
    total = float(ordered.sum()) if len(ordered) else 0.0
    if total <= 0:
        return 0.0
    reached = np.cumsum(ordered) / total
    needed = int(np.searchsorted(reached, share - _TIE))
    return float(ordered[min(needed, len(ordered) - 1)])


def cumulative_influence(influence: Doubles) -> Doubles:
    """[nodes] the share of all influence that a node and all with more hold together: what files say as `influence`.

    Of equal ones, those that come later in the graph count as having less.
    """
    order = np.argsort(-influence, kind="stable")
    total = float(influence.sum())
    reached = np.empty(len(influence))
    reached[order] = np.cumsum(influence[order]) / total if total > 0 else 1.0
    return reached


def prune(
    links: Links, roles: Roles, logit_weights: Doubles, node_threshold: float = 0.8, edge_threshold: float = 0.98
) -> Pruned:
    """The nodes that hold `node_threshold` of all influence, and the links that hold `edge_threshold` of all scores.

    1. Nodes: the fewest with the most influence that hold the share of it together, and all tokens and logits.
    2. Links: of what is left, shares computed anew, the fewest with the highest scores that hold their share together.
    3. Until nothing changes: features and errors without a link that leaves them go, and features without one that comes.

    Raises:
        GraphError: for a threshold outside 0 .. 1, or links in a circle.
    """
    for name, value in (("node_threshold", node_threshold), ("edge_threshold", edge_threshold)):
        if not 0 <= value <= 1:
            raise GraphError(f"{name} is a share of all influence, from 0 to 1, not {value!r}.")
    influence = node_influence(links, logit_weights)
    nodes = (influence >= _at_least(influence, node_threshold)) | roles.given
    there = nodes[links.sources] & nodes[links.targets]
    scores = np.zeros(len(links))
    scores[there] = edge_scores(links.only(there), logit_weights)
    edges = there & (scores >= _at_least(scores, edge_threshold))
    while True:
        leaves: Bools = np.zeros(links.n, bool)
        comes: Bools = np.zeros(links.n, bool)
        leaves[links.sources[edges]] = True
        comes[links.targets[edges]] = True
        kept = nodes & (leaves | roles.given) & (comes | ~roles.features)
        if (kept == nodes).all():
            return Pruned(nodes, edges, cumulative_influence(influence))
        nodes = kept
        edges = edges & nodes[links.sources] & nodes[links.targets]


def replacement_score(links: Links, roles: Roles, logit_weights: Doubles) -> float | None:
    """The share of tokens in the influence that tokens and errors have: 1 where no path begins in an error.

    None if neither have any.
    """
    influence = node_influence(links, logit_weights)
    tokens, errors = float(influence[roles.tokens].sum()), float(influence[roles.errors].sum())
    return tokens / (tokens + errors) if tokens + errors > 0 else None


def completeness_score(links: Links, roles: Roles, logit_weights: Doubles) -> float | None:
    """The share of a node's inputs that is no error's, in the mean over nodes, weighted by what they have to do with the logits
    (influence, and p itself). Errors and tokens, which have no inputs, count as wholly explained.

    None if no logit has a probability.
    """
    from_errors = np.where(roles.errors[links.sources], input_shares(links), 0.0)
    explained = 1 - np.bincount(links.targets, weights=from_errors, minlength=links.n)
    weight = node_influence(links, logit_weights) + logit_weights
    total = float(weight.sum())
    return float((explained * weight).sum()) / total if total > 0 else None


def _at_least(scores: Doubles, share: float) -> float:
    return threshold_of(scores, share) * (1 - _TIE)

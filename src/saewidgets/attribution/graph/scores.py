"""What a whole graph is worth, and whether a file's influence is that of its links."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...engine.arrays import Bools, Doubles
from ...formats.graph_records import GraphFile
from .errors import GraphError
from .prune import Links, Roles, completeness_score, cumulative_influence, node_influence, replacement_score

__all__ = ["GraphScores", "InfluenceCheck", "check_influence", "links_of", "logit_weights_of", "roles_of", "scores_of"]

# Files have numbers of float32.
_SAME = 1e-4


@dataclass(frozen=True)
class GraphScores:
    """What a graph explains.

    Attributes:
        replacement: share of tokens in the influence of tokens and errors.
        completeness: share of inputs that are no errors', weighted by influence.
        why: why there is none of one or both; "" if there are both.
    """

    replacement: float | None
    completeness: float | None
    why: str = ""


@dataclass(frozen=True)
class InfluenceCheck:
    """The cumulative influence of a file beside that of its links.

    Attributes:
        compared: nodes of which the file says it.
        largest: largest difference; None if nothing was compared.
        said: what that means, in a sentence.
    """

    compared: int
    largest: float | None
    said: str

    @property
    def same(self) -> bool:
        """Whether the file's numbers are those of its links, but for rounding."""
        return self.largest is not None and self.largest <= _SAME


def links_of(file: GraphFile) -> Links:
    """The links of a file."""
    return Links(len(file.nodes), file.sources, file.targets, file.weights)


def roles_of(file: GraphFile) -> Roles:
    """What its nodes are."""
    features, errors, tokens, logits = (
        np.array([node.kind == kind for node in file.nodes], bool) for kind in ("feature", "error", "token", "logit")
    )
    return Roles(features, errors, tokens, logits)


def logit_weights_of(file: GraphFile) -> Doubles:
    """[nodes] probabilities at the logits, 0 elsewhere.

    Raises:
        GraphError: if there are no logits, or none has a probability.
    """
    given = [node.probability or 0.0 if node.kind == "logit" else 0.0 for node in file.nodes]
    if not any(given):
        raise GraphError(
            "No logit of this graph has a probability (token_prob), so there is nothing to have influence on. Make the graph again "
            "with its logits."
        )
    return np.array(given, np.float64)


def scores_of(file: GraphFile, pinned: Bools | None = None) -> GraphScores:
    """Scores of a graph; with `pinned` [nodes], of what somebody chose in it: these features, errors linked to a chosen node,
    all tokens and logits."""
    lorsa = sum("lorsa" in node.feature_type for node in file.nodes)
    if lorsa:
        return GraphScores(
            None,
            None,
            f"{lorsa} nodes of this graph are of Lorsa (attention) features, for which these scores are not defined.",
        )
    if pinned is not None:
        roles, links = roles_of(file), links_of(file)
        features = roles.features & pinned
        if not features.any():
            return GraphScores(None, None, "No feature is pinned: pin those of which scores are wanted.")
        touched = np.zeros(links.n, bool)
        touched[links.sources[pinned[links.targets]]] = True
        nodes = features | (roles.errors & touched) | ~(roles.features | roles.errors)
        file = file.kept(nodes, nodes[links.sources] & nodes[links.targets])
    try:
        weights = logit_weights_of(file)
        links, roles = links_of(file), roles_of(file)
        made = GraphScores(replacement_score(links, roles, weights), completeness_score(links, roles, weights))
    except GraphError as error:
        return GraphScores(None, None, str(error))
    if made.replacement is None:
        return replace(made, why="No path leads from a token or an error to a logit.")
    return made


def check_influence(file: GraphFile) -> InfluenceCheck:
    """Compare the influence that a file says with that of its links."""
    said = np.array([np.nan if node.influence is None else node.influence for node in file.nodes], np.float64)
    known = np.isfinite(said)
    if not known.any():
        return InfluenceCheck(
            0, None, "The file does not say the influence of its nodes; it is computed from its links."
        )
    try:
        found = cumulative_influence(node_influence(links_of(file), logit_weights_of(file)))
    except GraphError as error:
        return InfluenceCheck(0, None, f"The file's influence cannot be compared: {error}")
    largest = float(np.abs(said - found)[known].max())
    count = int(known.sum())
    if largest <= _SAME:
        return InfluenceCheck(count, largest, "The file's influence is that of its links.")
    return InfluenceCheck(
        count,
        largest,
        f"The file's cumulative influence differs by up to {largest:.2g} from that of the links in it: it is of the graph before "
        "it was pruned, of which the file has a part.",
    )

"""A small attribution graph to show the view with: made up by hand, after the well-known one of the capital of Texas.

The demo has no transcoders, so no graph of its own. Its page in the documentation says that this one is made up.
"""

from __future__ import annotations

import numpy as np

import saewidgets as sw
from saewidgets.formats.graph_nodes import error_node, feature_node, logit_node, new_graph, token_node

TOKENS = "<bos>|Fact|:| the| capital| of| the| state| containing| Dallas| is".split("|")
LAYERS = 12
CAPITAL, STATE, DALLAS, IS = 4, 7, 9, 10

# name: (layer, feature, position, activation, what it is called)
FEATURES = {
    "capital": (1, 310, CAPITAL, 8.1, "capital"),
    "capital+": (3, 4417, CAPITAL, 6.4, "capital cities"),
    "state": (1, 1289, STATE, 7.7, "state"),
    "states": (2, 905, STATE, 4.9, "state / states"),
    "dallas": (1, 6620, DALLAS, 9.3, "Dallas"),
    "texas": (4, 2051, DALLAS, 7.2, "Texas"),
    "texas+": (5, 3733, DALLAS, 5.6, "places in Texas"),
    "texas at is": (7, 1184, IS, 4.4, "Texas"),
    "say capital": (8, 5096, IS, 5.9, "say a capital"),
    "say a place": (7, 240, IS, 3.1, "say a place"),
    "say austin": (10, 4162, IS, 6.8, "say Austin"),
    "verb": (3, 77, IS, 2.3, "is / are"),
}
# from, to, weight; a token by its position, an output by its rank
LINKS: list[tuple[str | int, str, float]] = [
    (CAPITAL, "capital", 6.0),
    (CAPITAL, "capital+", 1.8),
    ("capital", "capital+", 4.2),
    (STATE, "state", 5.6),
    (STATE, "states", 2.1),
    ("state", "states", 2.6),
    (DALLAS, "dallas", 7.4),
    (DALLAS, "texas", 2.2),
    ("dallas", "texas", 5.1),
    ("dallas", "texas+", 1.6),
    ("texas", "texas+", 3.8),
    ("states", "texas at is", 0.9),
    ("texas", "texas at is", 2.7),
    ("texas+", "texas at is", 1.5),
    (IS, "verb", 2.4),
    ("verb", "say a place", 1.1),
    ("capital+", "say capital", 4.6),
    ("capital", "say capital", 1.9),
    ("say a place", "say capital", 0.8),
    ("states", "say a place", 1.2),
    ("states", "say capital", -0.6),
    ("texas at is", "say austin", 3.9),
    ("say capital", "say austin", 3.4),
    ("texas+", "say austin", 1.3),
    ("say austin", "Austin", 5.2),
    ("say capital", "Austin", 2.4),
    ("texas at is", "Austin", 1.2),
    ("error", "Austin", 1.4),
    ("say capital", "Houston", 0.7),
    ("texas at is", "Houston", 2.1),
    ("texas+", "Houston", 1.6),
    ("say a place", "Houston", 0.9),
    ("verb", "Austin", -0.4),
]


def made_up_graph() -> sw.AttributionGraph:
    """The graph; the same at every call."""
    names: list[str | int] = list(range(len(TOKENS)))
    nodes = [token_node(100 + position, position) for position in range(len(TOKENS))]
    for name, (layer, feature, position, activation, label) in FEATURES.items():
        names.append(name)
        nodes.append(feature_node(layer, feature, position, activation, label=label))
    names += ["error", "Austin", "Houston"]
    nodes.append(error_node(9, IS))
    nodes += [logit_node(7, " Austin", IS, LAYERS, 0.41, target=True), logit_node(8, " Houston", IS, LAYERS, 0.09)]
    rows = np.array([[names.index(source), names.index(target)] for source, target, _ in LINKS])
    file = new_graph(
        nodes,
        rows[:, 0],
        rows[:, 1],
        np.array([weight for _, _, weight in LINKS]),
        slug="made-up",
        scan="made-up",
        prompt="".join(TOKENS[1:]),
        tokens=TOKENS,
        metadata={"node_threshold": 0.8, "info": {"description": "Made up by hand, to show the view."}},
    )
    return sw.AttributionGraph.from_file(file)

"""A group of nodes as one: the recipe of its features, at their positions, in the dictionaries of their layers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from graphs_made import anthropic

import saewidgets as sw
from saewidgets.attribution.graph.errors import GraphError
from saewidgets.errors import FeatureIndexError
from saewidgets.formats.graph_nodes import error_node, feature_node, logit_node, new_graph, token_node
from saewidgets.formats.graph_records import GraphNode

PROMPT = "In the beginning God created"


def transcoder(layer: int) -> Any:
    hooks = f"blocks.{layer}.mlp.hook_in", f"blocks.{layer}.hook_mlp_out"
    return tiny.sae("jumprelu_transcoder", hooks[0], hook_out=hooks[1], seed=layer)


@pytest.fixture(scope="module")
def engine() -> Iterator[sw.Engine]:
    saes = {"first": transcoder(0), "second": transcoder(1)}
    with sw.Engine(tiny.hooked(), saes) as engine:
        yield engine


NODES = [
    feature_node(0, 5, 2),
    feature_node(0, 5, 4),
    feature_node(0, 9, 2),
    feature_node(0, 9, 4),
    feature_node(0, 7, 3),
    feature_node(1, 5, 0),
    error_node(0, 2),
    token_node(3, 1),
    logit_node(9, "x", 4, n_layers=2, probability=0.5),
]


def graph(nodes: list[GraphNode] = NODES) -> sw.AttributionGraph:
    none = np.zeros(0, np.int64)
    file = new_graph(nodes, none, none, np.zeros(0), slug="g", scan="tiny", prompt=PROMPT, tokens=["a"] * 5)
    return sw.AttributionGraph.from_file(file)


def test_a_group_s_features_are_changed_where_they_stand(engine: sw.Engine) -> None:
    grouped = graph().group("capitals", [0, 1, 2, 3, 4, 5])
    recipe = grouped.recipe("capitals", engine)
    assert recipe == sw.Recipe(
        [
            sw.ablate([5, 9], sae="first", positions=[2, 4], special=True, label="capitals"),
            sw.ablate(7, sae="first", positions=[3], special=True, label="capitals"),
            sw.ablate(5, sae="second", positions=[0], special=True, label="capitals"),
        ],
        name="capitals",
    )
    assert grouped.recipe(["0_7_3"], engine, "scale", -2) == sw.Recipe(
        [sw.scale(7, -2, sae="first", positions=[3], special=True)]
    )
    assert graph().recipe("1_5_0", engine, "clamp", 3, "max", everywhere=True) == sw.Recipe(
        [sw.clamp(5, 3, unit="max", sae="second")]
    )


def test_a_group_of_more_than_features(engine: sw.Engine) -> None:
    grouped = graph().group("all", range(9))
    with pytest.raises(
        GraphError, match="3 of these nodes are no features .'0_-1_2', 'E_3_1', '3_9_4'.*features_only=True"
    ):
        grouped.recipe("all", engine)
    assert len(grouped.recipe("all", engine, features_only=True)) == 3
    with pytest.raises(GraphError, match="no feature among these nodes"):
        grouped.recipe([6, 7], engine, features_only=True)
    with pytest.raises(GraphError, match="no node 'al'"):
        grouped.recipe("al", engine)


def test_layers_need_one_dictionary_each(engine: sw.Engine) -> None:
    more = graph([*NODES, feature_node(7, 1, 1)])
    with pytest.raises(GraphError, match="no dictionary for layer 7; it has 'first', 'second'.*dictionaries={7: name}"):
        more.recipe("7_1_1", engine)
    assert more.recipe("7_1_1", engine, dictionaries={7: "second"}).interventions[0].sae == "second"
    with pytest.raises(KeyError, match="no dictionary 'third'"):
        more.recipe("7_1_1", engine, dictionaries={7: "third"})
    with pytest.raises(FeatureIndexError, match="Feature 48 is outside 'first'"):
        graph([feature_node(0, tiny.D_SAE, 1)]).recipe(0, engine)


@pytest.mark.slow
def test_two_dictionaries_of_one_layer_are_asked_about() -> None:
    saes = {"mlp": transcoder(1), "stream": tiny.sae("jumprelu", "blocks.1.hook_resid_pre")}
    with sw.Engine(tiny.hooked(), saes) as engine:
        with pytest.raises(GraphError, match="'mlp' and 'stream' all read in block 1.*dictionaries={1: 'mlp'}"):
            graph().recipe("1_5_0", engine)
        assert graph().recipe("1_5_0", engine, dictionaries={1: "stream"}).interventions[0].sae == "stream"


def test_features_that_no_engine_has(engine: sw.Engine) -> None:
    opaque = sw.AttributionGraph.from_dict(anthropic(random.Random(0)))
    with pytest.raises(
        GraphError, match="does not say which feature of which dictionary.*transcoder-circuits|never do"
    ):
        opaque.recipe(next(n for n in opaque.nodes if n.kind == "feature"), engine)
    content = graph().to_dict()
    content["nodes"][0]["feature_type"] = "lorsa"  # type: ignore[index, call-overload]
    with pytest.raises(GraphError, match="'0_5_2': features of attention"):
        sw.AttributionGraph.from_dict(content).recipe(0, engine)


@pytest.mark.slow
def test_the_recipe_does_what_it_says(engine: sw.Engine) -> None:
    """Ablated: less by a times the decoder row, at the positions of the nodes alone, in the output of the MLP."""
    ids = torch.tensor(engine.to_ids(PROMPT))
    sae, clean = transcoder(0), tiny.hooked().run_with_cache(ids)[1]
    a = sae.encode(clean["blocks.0.mlp.hook_in"])[0].detach()
    chosen = [(p, int(f)) for p in range(len(a)) for f in a[p].nonzero().flatten()[:2]]  # BOS too
    recipe = graph([feature_node(0, f, p) for p, f in chosen]).recipe(range(len(chosen)), engine)
    wanted = clean["blocks.0.hook_resid_post"][0].detach().clone()
    for position, feature in chosen:
        wanted[position] -= a[position, feature] * sae.W_dec[feature].detach()
    seen: list[torch.Tensor] = []
    raw = engine.model.raw
    with sw.applied(engine, recipe):
        raw.run_with_hooks(ids, fwd_hooks=[("blocks.0.hook_resid_post", lambda x, hook: seen.append(x[0].detach()))])
    assert torch.allclose(seen[0], wanted, atol=1e-5)
    assert ((wanted - clean["blocks.0.hook_resid_post"][0]).abs().amax(1) > 1e-3).all()

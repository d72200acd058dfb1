"""A group of nodes as one: the recipe that changes its features, where they are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...formats.graph_records import GraphNode
from .errors import GraphError

if TYPE_CHECKING:
    from ...engine.engine import Engine
    from ...interventions.recipe.recipe import Recipe

__all__ = ["Acting", "recipe_of"]

_BLOCK = re.compile(r"blocks\.(\d+)\.")


@dataclass(frozen=True)
class Acting:
    """What is to be done with a group's features; see `AttributionGraph.recipe`."""

    kind: str = "ablate"
    value: float | None = None
    unit: str = "raw"
    everywhere: bool = False
    features_only: bool = False
    dictionaries: Mapping[int, str] = field(default_factory=dict)
    label: str | None = None


def recipe_of(nodes: Sequence[GraphNode], engine: Engine, acting: Acting) -> Recipe:
    """The recipe that does `acting` with the features among `nodes`.

    Raises:
        GraphError, FeatureIndexError, RecipeError, KeyError: as `AttributionGraph.recipe`.
    """
    from ...interventions.recipe.intervention import Intervention
    from ...interventions.recipe.recipe import Recipe

    features = _features(nodes, acting.features_only, acting.everywhere)
    names = _names(sorted({layer for layer, _ in features}), engine, acting.dictionaries)
    # Features of a dictionary that stand at the same positions share an intervention.
    together: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for (layer, index), positions in features.items():
        engine.dictionary(names[layer]).check_features([index])
        at = () if acting.everywhere else tuple(sorted(positions))
        together.setdefault((names[layer], at), []).append(index)
    made = [
        Intervention(
            features=tuple(sorted(indices)),
            kind=acting.kind,
            value=acting.value,
            unit=acting.unit,
            sae=name,
            positions=at or "all",
            # Where a node stands it is meant to be changed, also at BOS; everywhere is where tokens count.
            special=bool(at),
            label=acting.label,
        )
        for (name, at), indices in sorted(together.items())
    ]
    return Recipe(made, name=acting.label or "")


def _features(nodes: Sequence[GraphNode], features_only: bool, everywhere: bool) -> dict[tuple[int, int], set[int]]:
    """(layer, index) to positions.

    Raises:
        GraphError: for nodes that cannot be changed.
    """
    others = [node for node in nodes if node.kind != "feature"]
    if others and not features_only:
        raise GraphError(
            f"{len(others)} of these nodes are no features ({_some(others)}), and only features can be changed. Leave them out: "
            "features_only=True."
        )
    chosen = [node for node in nodes if node.kind == "feature"]
    if not chosen:
        raise GraphError("There is no feature among these nodes, so there is nothing to change.")
    lorsa = [node for node in chosen if node.feature_type == "lorsa"]
    if lorsa:
        raise GraphError(
            f"{_some(lorsa)}: features of attention (Lorsa), which no engine has a dictionary of. Leave them out."
        )
    found: dict[tuple[int, int], set[int]] = {}
    for node in chosen:
        if node.index is None or node.layer_number is None:
            raise GraphError(
                f"{node.node_id!r}: this file does not say which feature of which dictionary it is (its number is "
                f"{node.feature}), as files of transformer-circuits.pub never do. A graph of circuit-tracer or Neuronpedia does."
            )
        if node.position < 0 and not everywhere:
            raise GraphError(f"{node.node_id!r}: the file does not say at which token it stands. Say everywhere=True.")
        found.setdefault((node.layer_number, node.index), set()).add(node.position)
    return found


def _names(layers: Sequence[int], engine: Engine, given: Mapping[int, str]) -> dict[int, str]:
    """Layer to the name of the dictionary that reads in its block.

    Raises:
        GraphError: for a layer without one, or with several. KeyError: for a name that the engine does not have.
    """
    by_layer: dict[int, list[str]] = {}
    for name, dictionary in engine.dictionaries.items():
        block = _BLOCK.match(dictionary.hook_name)
        if block is not None:
            by_layer.setdefault(int(block[1]), []).append(name)
    found: dict[int, str] = {}
    for layer in layers:
        names = [engine.dictionary(given[layer]).name] if layer in given else by_layer.get(layer, [])
        if len(names) > 1:
            told = " and ".join(map(repr, names))
            raise GraphError(
                f"{told} all read in block {layer}. Say which has the graph's features: dictionaries={{{layer}: {names[0]!r}}}."
            )
        if names:
            found[layer] = names[0]
    missing = [layer for layer in layers if layer not in found]
    if missing:
        raise GraphError(
            f"The engine has no dictionary for layer{'s' if len(missing) > 1 else ''} {', '.join(map(str, missing))}; it has "
            f"{', '.join(map(repr, engine.dictionaries))}. Make one with the transcoders of all these layers, or say "
            f"dictionaries={{{missing[0]}: name}}."
        )
    return found


def _some(nodes: Sequence[GraphNode]) -> str:
    return f"{', '.join(repr(node.node_id) for node in nodes[:3])}{', ...' if len(nodes) > 3 else ''}"

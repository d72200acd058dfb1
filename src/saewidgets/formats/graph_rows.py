"""A node, and what somebody chose in a graph, as a file's row and back: what was not changed is written as it was read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .errors import FormatError
from .graph_records import GraphFile, GraphNode, Supernode, kind_of, probability_in
from .records import Json

__all__ = ["Chosen", "chosen_in", "node_of", "parameters_of", "row_of"]

_COMMA = ","


def node_of(row: Mapping[str, Any]) -> GraphNode:
    """A node from its row. Its `index` depends on the whole file's numbering and is not set.

    Raises:
        FormatError: naming the field that is missing or of another type.
    """
    node_id, feature_type = (_required(row, key) for key in ("node_id", "feature_type"))
    label = _text(row, "clerp")
    probability = _number(row, "token_prob")
    if probability is None and kind_of(feature_type) == "logit":
        probability = probability_in(label)
    return GraphNode(
        node_id=node_id,
        feature_type=feature_type,
        layer=_layer(row),
        position=-1 if (found := _whole(row, "ctx_idx")) is None else found,
        feature=_feature(row.get("feature")),
        js_id=_text(row, "jsNodeId") or node_id,
        label=label,
        probability=probability,
        target=bool(row.get("is_target_logit")),
        influence=_number(row, "influence"),
        activation=_number(row, "activation"),
        raw=row,
    )


_KEYS = {
    "node_id": "node_id",
    "feature_type": "feature_type",
    "layer": "layer",
    "position": "ctx_idx",
    "feature": "feature",
    "js_id": "jsNodeId",
    "label": "clerp",
    "probability": "token_prob",
    "target": "is_target_logit",
    "influence": "influence",
    "activation": "activation",
}


def row_of(node: GraphNode) -> dict[str, Json]:
    """A node's row: the one that it was read from, with the fields that are not as they were."""
    row = dict(node.raw)
    before = node_of(row) if row else None
    for name, key in _KEYS.items():
        value = getattr(node, name)
        if before is None or value != getattr(before, name):
            row[key] = value
    return row


class Chosen(NamedTuple):
    """What somebody chose in a graph."""

    pins: tuple[str, ...]
    supernodes: tuple[Supernode, ...]
    clicked: str | None
    labels: tuple[tuple[str, str], ...]


def chosen_in(parameters: Mapping[str, Any]) -> Chosen:
    """What `qParams` say. Lists may stand there as such, or as an address has them: ids with commas, others as JSON.

    Raises:
        FormatError: for a list that is none.
    """
    groups = [Supernode(one[0], tuple(one[1:])) for one in _lists(parameters, "supernodes")]
    labels = [(one[0], one[1]) for one in _lists(parameters, "clerps") if len(one) == 2]
    clicked = parameters.get("clickedId")
    return Chosen(
        _ids(parameters.get("pinnedIds")),
        tuple(groups),
        clicked if isinstance(clicked, str) and clicked else None,
        tuple(labels),
    )


def parameters_of(file: GraphFile) -> dict[str, Json]:
    """`qParams` of a file: those that it was read with, with what was changed since, in the form that it had."""
    given = dict(file.parameters)
    before = chosen_in(given)
    now: dict[str, tuple[object, object, Json]] = {
        "pinnedIds": (before.pins, file.pins, list(file.pins)),
        "supernodes": (before.supernodes, file.supernodes, [[one.label, *one.members] for one in file.supernodes]),
        "clickedId": (before.clicked, file.clicked, file.clicked or ""),
        "clerps": (before.labels, file.labels, [[feature, label] for feature, label in file.labels]),
    }
    for key, (old, new, value) in now.items():
        if old == new:
            continue
        if key == "pinnedIds" and isinstance(given.get(key), str):
            given[key] = _COMMA.join(file.pins)
        # The only reader of labels in files, the front-end of transformer-circuits.pub, takes them as text.
        elif isinstance(given.get(key, "" if key == "clerps" else None), str) and key in ("clerps", "supernodes"):
            given[key] = json.dumps(value)
        else:
            given[key] = value
    return given


def _ids(given: object) -> tuple[str, ...]:
    if given is None:
        return ()
    if isinstance(given, str):
        return tuple(one.strip() for one in given.split(_COMMA) if one.strip())
    if not isinstance(given, Sequence):
        raise FormatError(f"its pinnedIds are {_short(given)}, not a list of ids")
    return tuple(one if isinstance(one, str) else str(one) for one in given)


def _lists(parameters: Mapping[str, Any], key: str) -> list[list[str]]:
    given = parameters.get(key)
    if isinstance(given, str):
        try:
            given = json.loads(given) if given.strip() else []
        except (ValueError, RecursionError):
            raise FormatError(f"its {key} are text that is no JSON: {_short(given)}") from None
    if given is None:
        return []
    if not isinstance(given, list):
        raise FormatError(f"its {key} are {_short(given)}, not a list of lists")
    # Others are kept in the file as they stand there.
    return [one for one in given if isinstance(one, list) and one and all(isinstance(part, str) for part in one)]


def _required(row: Mapping[str, Any], key: str) -> str:
    given = row.get(key)
    if not isinstance(given, str) or not given:
        raise FormatError(f"it has no {key}" if given in (None, "") else f"its {key} is {_short(given)}, not a text")
    return given


def _text(row: Mapping[str, Any], key: str) -> str:
    given = row.get(key)
    return given if isinstance(given, str) else "" if given is None else str(given)


def _layer(row: Mapping[str, Any]) -> str:
    given = row.get("layer")
    if given is None or isinstance(given, bool) or not isinstance(given, str | int):
        raise FormatError(f'its layer is {_short(given)}, not "E" or a number')
    return str(given)


def _whole(row: Mapping[str, Any], key: str) -> int | None:
    given = row.get(key)
    if given is None:
        return None
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int) or not -(2**31) < given < 2**31:
        raise FormatError(f"its {key} is {_short(given)}, not a whole number")
    return given


def _feature(given: object) -> int | None:
    """The number of a feature. Old files of Neuronpedia have it as text, with something after a dash."""
    if isinstance(given, str):
        head = given.partition("-")[0]
        return int(head) if head.isascii() and head.isdigit() and len(head) < 30 else None
    if isinstance(given, float) and given.is_integer():
        return int(given)
    return given if isinstance(given, int) and not isinstance(given, bool) else None


def _number(row: Mapping[str, Any], key: str) -> float | None:
    given = row.get(key)
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise FormatError(f"its {key} is {_short(given)}, not a number")
    try:
        return float(given) if math.isfinite(given) else None
    except OverflowError:
        return None


def _short(given: object) -> str:
    text = repr(given)
    return text if len(text) <= 60 else f"{text[:60]}..."

"""How files of attribution graphs number features and name nodes.

Three numberings are in use, and a file says at most which of two it has (`schema_version`):

- "cantor" (schema 1; circuit-tracer, Neuronpedia): layer and index in one number by Cantor's pairing, (a + b)(a + b + 1) / 2 + b.
- "digits" (schema 0; Neuronpedia's first graphs of gemma-2-2b): the layer's digits, then the index with five of its own.
- "plain" (no schema; Neuronpedia's first graphs of qwen3-4b): the index itself.
- "opaque" (transformer-circuits.pub): a number that only its makers can look up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import isqrt
from typing import Literal, NamedTuple, TypeAlias

__all__ = [
    "Named",
    "Numbering",
    "cantor",
    "digits",
    "from_cantor",
    "from_digits",
    "index_of",
    "number_of",
    "numbering_of",
]

Numbering: TypeAlias = Literal["cantor", "digits", "plain", "opaque"]

# Of transformer-circuits.pub: "1_24855676_-0", where circuit-tracer has "1_24855676-0".
_OPAQUE = re.compile(r"_-\d+$")


class Named(NamedTuple):
    """What a feature's node is called: both of its ids, its layer (None: no number), and the number it has for a feature."""

    node_id: str
    js_id: str
    layer: int | None
    number: int | None


def cantor(layer: int, index: int) -> int:
    """Cantor's pairing of a layer and an index.

    Example:
        >>> cantor(0, 12284)
        75466754
    """
    return (layer + index) * (layer + index + 1) // 2 + index


def from_cantor(number: int) -> tuple[int, int]:
    """The layer and the index that `cantor` paired, exactly: in floats, large numbers would come out beside themselves."""
    diagonal = (isqrt(8 * number + 1) - 1) // 2
    index = number - diagonal * (diagonal + 1) // 2
    return diagonal - index, index


def digits(layer: int, index: int) -> int:
    """The layer's digits followed by the index with five.

    Example:
        >>> digits(12, 345)
        1200345
    """
    return int(f"{layer}{index:05d}")


def from_digits(number: int, layer: int) -> int | None:
    """The index in a number that `digits` made for `layer`; None if it made none such.

    The number alone does not say it: a leading layer 0 vanishes, and 112345 could be of layer 1 or of 11 with too few digits.
    """
    if number < 0:
        return None
    if layer == 0:
        return number
    text, head = str(number), str(layer)
    rest = text[len(head) :]
    padded = len(rest) == 5 or (len(rest) > 5 and rest[0] != "0")
    return int(rest) if text.startswith(head) and padded else None


def number_of(numbering: Numbering, layer: int, index: int) -> int | None:
    """The number of a feature; None where only its makers know it."""
    if numbering == "cantor":
        return cantor(layer, index)
    if numbering == "digits":
        return digits(layer, index)
    return index if numbering == "plain" else None


def index_of(numbering: Numbering, layer: int | None, number: int | None) -> int | None:
    """The index of a feature in its layer's dictionary; None if the number does not say it, or says it of another layer."""
    if number is None or number < 0 or layer is None:
        return None
    if numbering == "cantor":
        found, index = from_cantor(number)
        return index if found == layer else None
    if numbering == "digits":
        return from_digits(number, layer)
    return number if numbering == "plain" else None


def numbering_of(schema: int | None, features: Iterable[Named]) -> Numbering:
    """How a file numbers its features: by its schema, and where it has none, by the only numbering that all of them fit.

    Args:
        schema: `schema_version` of the file; None if it has none, as with files of transformer-circuits.pub.
        features: its features.
    """
    if schema == 1:
        return "cantor"
    named = list(features)
    if any(_OPAQUE.search(one.js_id) for one in named):
        return "opaque"
    if named and all(_is_cantor(one) for one in named):
        return "cantor"  # a tool that forgot to say so
    if all(index_of("digits", one.layer, one.number) is not None for one in named):
        return "digits"
    if all(one.node_id.startswith(f"{one.layer}_{one.number}_") for one in named):
        return "plain"
    return "opaque"


def _is_cantor(one: Named) -> bool:
    index = index_of("cantor", one.layer, one.number)
    return index is not None and one.node_id.startswith(f"{one.layer}_{index}_")

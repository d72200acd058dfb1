"""Where texts are compared: at a position of each, or over all of their counted tokens."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np

from ...errors import ComparisonError

__all__ = ["At", "Place", "places"]

At: TypeAlias = "int | Literal['max', 'sum'] | Sequence[int] | Mapping[int, int]"
Place: TypeAlias = "Literal['max', 'sum'] | tuple[int, ...]"
"""The same once the texts are known: "max", "sum", or a position of each text."""


def places(at: At, lengths: Sequence[int]) -> Place:
    """What `at` says of texts of these lengths.

    Raises:
        ComparisonError: for a position that a text does not have, or a text that is not there.
    """
    if at == "max" or at == "sum":
        return at
    if isinstance(at, str):
        raise ComparisonError(f'at is a position, one for each text, "max" or "sum", not {at!r}.')
    if isinstance(at, Mapping):
        unknown = [text for text in at if not 0 <= operator.index(text) < len(lengths)]
        if unknown:
            raise ComparisonError(f"There is no text {unknown[0]}: the {len(lengths)} texts are counted from 0.")
        given = [at.get(text, -1) for text in range(len(lengths))]
    elif not isinstance(at, (int, np.integer)):
        given = list(at)
        if len(given) != len(lengths):
            raise ComparisonError(f"{len(given)} positions were given for {len(lengths)} texts.")
    else:
        given = [int(at)] * len(lengths)
    return tuple(_position(at, n, text) for text, (at, n) in enumerate(zip(given, lengths, strict=True)))


def _position(given: int, n: int, text: int) -> int:
    position = operator.index(given)
    if n == 0:
        raise ComparisonError(
            f'Text {text} (counted from 0) has no tokens, and so no position: type something, or compare by "max" or "sum".'
        )
    if not -n <= position < n:
        raise ComparisonError(f"Text {text} (counted from 0) has {n} tokens, and so no position {position}.")
    return position % n

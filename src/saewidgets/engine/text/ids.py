"""Token ids by themselves: as plain integers, and those of a string that follows others."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence

from ...errors import TokenIdError
from ..arrays import Ints

__all__ = ["after_ids", "integers"]


def integers(ids: Sequence[int] | Ints) -> list[int]:
    """`ids` as plain integers, of whatever vocabulary."""
    try:
        return [operator.index(i) for i in ids]
    except (TypeError, ValueError):
        raise TokenIdError("Token ids must be integers: one flat sequence per text.") from None


# A text's first tokens may be made in a way of their own; these are short, and nothing merges with all of them.
_BEFORE = ("\n", "a", ".", "1")


def after_ids(answer: str, encode: Callable[[str], list[int]]) -> list[int]:
    """`answer` after token ids, which stay as they are: its tokens inside a text, where nothing merges with them."""
    for before in _BEFORE:
        own, whole = encode(before), encode(before + answer)
        if whole[: len(own)] == own:
            return whole[len(own) :]
    return encode(answer)

"""Texts side by side: what of each stands where something of the first stands, told from their token ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

import numpy as np

from ..arrays import Ints

__all__ = ["align", "shared_beginning"]

# SequenceMatcher takes the square of a stretch in which tokens repeat; in longer ones, frequent tokens are no anchors.
_LONG = 1000


def align(texts: Sequence[Sequence[int]]) -> Ints:
    """[columns, texts] positions of the tokens that stand in one column; -1 where a text has none there.

    Each text is aligned with the first: what both begin and end with, and between these the runs of equal ids that
    `difflib.SequenceMatcher` finds. A run that stands in the place of another is paired with it token by token from the
    left; what is left over stands alone. Where several texts have something between two tokens of the first, it shares
    columns from the left, without having been compared.

    Example:
        >>> align([[5, 6, 7], [5, 9, 8, 7]])
        array([[ 0,  0], [ 1,  1], [-1,  2], [ 2,  3]])
    """
    first = list(texts[0])
    opposite = np.full((len(first), len(texts)), -1, np.int64)
    opposite[:, 0] = np.arange(len(first))
    # What a text has before a token of the first (or after the last), by that token.
    between: dict[int, dict[int, range]] = {}
    for i, ids in enumerate(texts[1:], 1):
        for a, b in _runs(first, list(ids)):
            paired = min(len(a), len(b))
            opposite[a.start : a.start + paired, i] = b[:paired]
            if len(b) > paired:
                between.setdefault(a.stop, {})[i] = b[paired:]
    columns = list[Ints]()
    for token in range(len(first) + 1):
        alone = between.get(token, {})
        block = np.full((max(map(len, alone.values()), default=0), len(texts)), -1, np.int64)
        for i, positions in alone.items():
            block[: len(positions), i] = positions
        columns += [block, opposite[token : token + 1]]
    return np.concatenate(columns)


def shared_beginning(a: Sequence[int], b: Sequence[int]) -> int:
    """How many ids `a` and `b` begin alike."""
    n = min(len(a), len(b))
    differs = np.flatnonzero(np.asarray(a[:n], np.int64) != np.asarray(b[:n], np.int64))
    return int(differs[0]) if len(differs) else n


def _runs(a: list[int], b: list[int]) -> Iterator[tuple[range, range]]:
    """Ranges of `a` and `b`, in order, that stand in each other's place: equal ones, or one instead of the other."""
    start = shared_beginning(a, b)
    end = shared_beginning(a[start:][::-1], b[start:][::-1])
    inner_a, inner_b = a[start : len(a) - end], b[start : len(b) - end]
    matcher = SequenceMatcher(None, inner_a, inner_b, autojunk=max(len(inner_a), len(inner_b)) > _LONG)
    yield range(start), range(start)
    for _, a0, a1, b0, b1 in matcher.get_opcodes():
        yield range(start + a0, start + a1), range(start + b0, start + b1)
    yield range(len(a) - end, len(a)), range(len(b) - end, len(b))

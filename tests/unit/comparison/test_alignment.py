"""The alignment of texts: what it must hold, of any texts, and what it is, of a few."""

from __future__ import annotations

import random
from difflib import SequenceMatcher
from itertools import pairwise

import pytest

from saewidgets.engine.comparison.alignment import align, shared_beginning

NONE = -1


@pytest.mark.parametrize(
    ("texts", "columns"),
    [
        ([[5, 6, 7], [5, 9, 7]], [[0, 0], [1, 1], [2, 2]]),
        ([[5, 6, 7], [5, 9, 8, 7]], [[0, 0], [1, 1], [NONE, 2], [2, 3]]),
        ([[5, 9, 8, 7], [5, 6, 7]], [[0, 0], [1, 1], [2, NONE], [3, 2]]),
        ([[5, 6], [5, 6, 7]], [[0, 0], [1, 1], [NONE, 2]]),
        ([[5, 6], [7, 5, 6]], [[NONE, 0], [0, 1], [1, 2]]),
        ([[5, 6, 7], [6]], [[0, NONE], [1, 0], [2, NONE]]),
        ([[5, 6], [5, 1, 6], [5, 2, 3, 6]], [[0, 0, 0], [NONE, 1, 1], [NONE, NONE, 2], [1, 2, 3]]),
        ([[], [5]], [[NONE, 0]]),
        ([[5], []], [[0, NONE]]),
        ([[], []], []),
        ([[5, 5, 5], [5, 5]], [[0, 0], [1, 1], [2, NONE]]),
    ],
)
def test_columns(texts: list[list[int]], columns: list[list[int]]) -> None:
    assert align(texts).tolist() == columns


@pytest.mark.parametrize("seed", range(60))
def test_every_token_once_in_order_and_equal_runs_are_difflib_s(seed: int) -> None:
    dice = random.Random(seed)
    letters = dice.choice([2, 5, 40])
    texts = [[dice.randrange(letters) for _ in range(dice.randrange(12))] for _ in range(dice.randrange(2, 6))]
    found = align(texts)
    assert found.shape[1] == len(texts)
    assert (found >= 0).any(1).all(), "no column is empty"
    for i, ids in enumerate(texts):
        here = found[:, i]
        assert here[here >= 0].tolist() == list(range(len(ids)))
    for i, ids in enumerate(texts[1:], 1):
        first = texts[0]
        paired = [(a, b) for a, b in found[:, [0, i]].tolist() if a >= 0 and b >= 0]
        start = shared_beginning(first, ids)
        inner = [first[start:], ids[start:]]
        end = shared_beginning(inner[0][::-1], inner[1][::-1])
        middle = [part[: len(part) - end] for part in inner]
        # By definition: what both begin and end with, and difflib's blocks between.
        equal = {(k, k) for k in range(start)} | {(len(first) - k, len(ids) - k) for k in range(1, end + 1)}
        for block in SequenceMatcher(None, *middle, autojunk=False).get_matching_blocks():
            equal |= {(start + block.a + k, start + block.b + k) for k in range(block.size)}
        assert equal <= set(paired)
        assert all(first[a] != ids[b] for a, b in set(paired) - equal)
        # Between two equal pairs the shorter run is paired whole, from the left.
        edges = [(-1, -1), *sorted(equal), (len(first), len(ids))]
        for (a0, b0), (a1, b1) in pairwise(edges):
            n = min(a1 - a0, b1 - b0) - 1
            assert [(a0 + k, b0 + k) for k in range(1, n + 1)] == [
                p for p in paired if a0 < p[0] < a1 and b0 < p[1] < b1
            ]


def test_how_far_two_begin_alike() -> None:
    assert [shared_beginning(a, b) for a, b in (([], []), ([1], []), ([1, 2], [1, 3]), ([1, 2], [1, 2, 3]))] == [
        0,
        0,
        1,
        2,
    ]

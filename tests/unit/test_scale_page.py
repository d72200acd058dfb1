"""docs/scale.md says what was measured, and its arithmetic is what it says that it is."""

from __future__ import annotations

import json

import pytest

from benchmarks.extrapolate import PAGE, Clock, Measured, page
from benchmarks.scale_bench import RESULTS


def test_the_page_has_the_figures_that_are_kept() -> None:
    assert page(PAGE.read_text(), json.loads(RESULTS.read_text())) == PAGE.read_text()


def test_states_grow_until_every_room_is_full_and_are_merged_as_they_come() -> None:
    bytes_of = {"row": 100.0, "entry": 10.0, "grid": 1000.0, "sampled": 12.0, "text": 5.0, "chunk": 20.0}
    seconds = {"forward": 1.0, "scan": 1.0, "merging": 1.0, "finishing": 1.0, "stored": 1.0, "memory": 1.0, "sent": 1.0}
    measured = Measured(**bytes_of, **seconds)
    # 2**20 tokens x 64 of a million features: each 67.1 times, all kept; on all 65,536 drawn tokens; all 8,192 texts of 128.
    some = 10**6 * (100 + 67.108864 * 10) + 2**16 * 64 * 12 + 8192 * (128 * 5 + 20)
    assert measured.state(2**20) == pytest.approx(some)
    # 10**9 tokens: 64,000 times each, of which 320 stay, beside a fine histogram; every text has a kept example.
    whole = 10**6 * (100 + 320 * 10 + 1000) + 2**16 * 64 * 12 + 10**9 / 128 * (128 * 5 + 20)
    assert measured.state(10**9) == pytest.approx(whole)
    # One machine: a shard takes 2**21 s, a byte of a merge one second. Sixteen become one, then that and fifteen others.
    went = Clock.went(measured, 1)
    assert went.scanned >= 954 * 2**21
    parts, moved, seconds, disk = [2.0**20] * 16, 954 * some, 0.0, 0.0
    left = 954 - 16
    while True:
        read, made = sum(map(measured.state, parts)), measured.state(sum(parts))
        moved, seconds, disk = moved + read + made, seconds + read, max(disk, read + made)
        if not left:
            break
        new = min(left, 15)
        parts, left = [sum(parts), *([2.0**20] * new)], left - new
    assert went.merges == 64
    assert went.moved == pytest.approx(moved) and went.disk == pytest.approx(disk)
    assert went.ended == pytest.approx(954 * 2**21 + seconds)
    # Two scan faster than one, at best twice as fast.
    both = Clock.went(measured, 2)
    assert 954 * 2**20 <= both.scanned < went.scanned and both.merges >= 32

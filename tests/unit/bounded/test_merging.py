"""States merge exactly: any grouping and order of shards ends with the same bytes, which hold what the definitions say."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from forks import hashes

from saewidgets.index.bounded.draw import chunk_draw, token_draw
from saewidgets.index.bounded.exact_sum import as_float, squares_of, totals_of
from saewidgets.index.bounded.facts import Bounds, ShardFacts
from saewidgets.index.bounded.state import StateFolder
from saewidgets.index.bounded.write_state import merge_states, write_state
from saewidgets.index.corpus.documents import Chunk, Document
from saewidgets.index.errors import IndexCorruptError
from saewidgets.index.scan.shards import Block

FEATURES, VOCABULARY, LENGTH = 12, 30, 6
BOUNDS = Bounds(seed=3, sample=9, extreme=3, chunks=4)


class World:
    """A corpus of shards whose activations are made up: what each feature does on each token."""

    def __init__(self, seed: int, shards: int = 5) -> None:
        dice = np.random.default_rng(seed)
        self.tokens: list[tuple[int, int, int, int]] = []  # document, place, token id, flag
        self.entries: list[tuple[int, int, int, float]] = []  # feature, document, place, value
        self.blocks: list[list[Block]] = []
        self.facts: list[ShardFacts] = []
        rates = dice.permutation([0.9, 0.5, 0.5, 0.3, 0.2, 0.1, 0.05, 0.05, 0.02, 0.02, 0.01, 0.0])
        document = 0
        for number in range(shards):
            of_shard = []
            for _ in range(int(dice.integers(1, 4))):
                chunks, flags, entries = [], [], []
                for _ in range(int(dice.integers(1, 5))):
                    length = int(dice.integers(1, 3 * LENGTH))
                    ids = dice.integers(0, VOCABULARY, length).tolist()
                    of = Document(document, ids, f"d{document}", {"half": document % 2})
                    for start in range(0, length, LENGTH):
                        part = ids[start : start + LENGTH]
                        chunks.append(Chunk(tuple(part), of, start, 0))
                        for i, token in enumerate(part):
                            flag = int(dice.random() < 0.1)
                            self.tokens.append((document, start + i, token, flag))
                            for f in np.flatnonzero(dice.random(FEATURES) < rates).tolist():
                                if not flag:
                                    value = float(np.float32(dice.lognormal(0, 2) * (-1) ** int(f == 2 and i % 3 == 0)))
                                    if i % 4 == 0:
                                        value = float(np.float32(math.copysign(1.5, value)))  # equal ones
                                    entries.append((len(flags), f, value))
                                    self.entries.append((f, document, start + i, value))
                            flags.append(flag)
                    document += 1
                position, feature, value = (
                    (np.array(c) for c in zip(*entries, strict=True)) if entries else ([], [], [])
                )
                of_shard.append(
                    Block(
                        chunks,
                        np.array(flags, np.uint8),
                        np.array(position, np.int64),
                        np.array(feature, np.int64),
                        np.array(value, np.float32),
                    )
                )
            self.blocks.append(of_shard)
            self.facts.append(ShardFacts(number, 1, 1, sum(map(len, of_shard)), 0, 0, 0, f"t{number}", "", False))

    def write(self, path: Path, number: int) -> Path:
        write_state(path, self.blocks[number], self.facts[number], BOUNDS, FEATURES, VOCABULARY)
        return path

    def of(self, feature: int) -> list[tuple[int, int, float]]:
        return sorted((d, p, v) for f, d, p, v in self.entries if f == feature)


def merged(sources: Sequence[Path], path: Path) -> Path:
    merge_states(sources, path)
    return path


def grouped(shards: list[Path], folder: Path, dice: random.Random) -> Path:
    """Merge in an order and in groups of the dice."""
    left, made = shards[:], 0
    while len(left) > 1:
        some = dice.sample(left, dice.randint(2, min(3, len(left))))
        left = [path for path in left if path not in some]
        left.append(merged(some, folder / f"merged-{made}"))
        made += 1
    return left[0]


@pytest.mark.parametrize("seed", range(3))
def test_any_order_and_grouping_gives_the_same_bytes(seed: int, tmp_path: Path) -> None:
    world = World(seed)
    shards = [world.write(tmp_path / f"shard-{i}", i) for i in range(5)]
    wanted = hashes(merged(shards, tmp_path / "all"))
    for attempt in range(6):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        assert hashes(grouped(shards, folder, random.Random(attempt))) == wanted


def test_portions_of_a_shard_are_the_shard(tmp_path: Path) -> None:
    world = World(7, shards=1)
    for i, block in enumerate(world.blocks[0]):
        write_state(tmp_path / str(i), [block], world.facts[0], BOUNDS, FEATURES, VOCABULARY, i)
    assert len(world.blocks[0]) > 1
    merge_states([tmp_path / str(i) for i in range(len(world.blocks[0]))], tmp_path / "merged", whole=world.facts[0])
    whole, portions = StateFolder(world.write(tmp_path / "whole", 0)), StateFolder(tmp_path / "merged")
    for name in whole.folder.names():
        np.testing.assert_array_equal(whole.folder.read(name), portions.folder.read(name), err_msg=name)
    assert whole.facts == portions.facts


def test_a_state_holds_what_its_definitions_say(tmp_path: Path) -> None:
    world = World(11)
    state = StateFolder(merged([world.write(tmp_path / str(i), i) for i in range(5)], tmp_path / "all"))
    chunks, tokens = state.chunks, state.folder.read("tokens")
    ids = {(d, p): token for d, p, token, _ in world.tokens}
    place = {}
    for c, (first, length) in enumerate(zip(chunks.ptr, chunks.length, strict=False)):
        for i in range(int(length)):
            place[int(first) + i] = (int(chunks.document[c]), int(chunks.start[c]) + i)
            assert ids[place[int(first) + i]] == tokens[int(first) + i]
    np.testing.assert_array_equal(
        state.folder.read("occurrences"),
        np.bincount([token for _, _, token, flag in world.tokens if not flag], minlength=VOCABULARY),
    )
    drawn = sorted(
        {(d, p - p % LENGTH) for d, p, _, _ in world.tokens},
        key=lambda c: int(chunk_draw(3, *map(np.array, zip(c)))[0]),
    )
    assert {
        (int(d), int(s))
        for d, s, y in zip(chunks.document, chunks.start, state.folder.read("chunk_sampled"), strict=True)
        if y
    } == set(drawn[: BOUNDS.chunks])

    assert state.alive.tolist() == sorted({f for f, *_ in world.entries})
    read = state.folder.read
    for row, feature in enumerate(state.alive.tolist()):
        of = world.of(feature)
        values = [v for *_, v in of]
        assert read("count")[row] == len(of)
        assert (read("low")[row], read("high")[row]) == (min(values), max(values))
        assert as_float(read("totals")[row : row + 1])[0] == pytest.approx(math.fsum(values), rel=1e-15)
        assert as_float(read("squares")[row : row + 1])[0] == pytest.approx(math.fsum(v * v for v in values), rel=1e-15)
        by_draw = sorted(of, key=lambda e: int(token_draw(3, np.array([e[0]]), np.array([e[1]]))[0]))
        sampled = set(by_draw[: BOUNDS.sample])
        largest = {e for e in sorted(of, key=lambda e: (-e[2], e[:2]))[: BOUNDS.extreme] if e[2] > 0}
        lowest = {e for e in sorted(of, key=lambda e: (e[2], e[:2]))[: BOUNDS.extreme] if e[2] < 0}
        beside = {(d, p - p % LENGTH) for d, p, _ in sampled | largest | lowest}
        kept = {e for e in of if (e[0], e[1] - e[1] % LENGTH) in beside}
        _, (at, value, why) = state.ragged("entry_ptr", row, row + 1, "entry_at", "entry_value", "entry_why")
        found = [(*place[int(a)], float(v)) for a, v in zip(at, value, strict=True)]
        assert set(found) == kept and found == sorted(found)
        assert {e for e, w in zip(found, why, strict=True) if w & 2} == sampled
        assert {e for e, w in zip(found, why, strict=True) if w & 1} == largest | lowest
        _, (bins, counts) = state.ragged("grid_ptr", row, row + 1, "grid_bin", "grid_count")
        if len(of) > BOUNDS.sample:
            top = max(map(abs, values))
            width = 2.0 ** (math.floor(math.log2(top)) + 1 - 9)
            wanted = {k: len(list(g)) for k, g in itertools.groupby(sorted(math.floor(v / width) for v in values))}
            assert dict(zip(bins.tolist(), counts.tolist(), strict=True)) == wanted
        else:
            assert not len(bins)
    where = {(d, p): at for at, (d, p) in place.items()}
    sample = sorted(
        (f, where[d, p], v) for f, d, p, v in world.entries if (d, p - p % LENGTH) in set(drawn[: BOUNDS.chunks])
    )
    assert sample == list(zip(*(read(f"sample_{n}").tolist() for n in ("feature", "at", "value")), strict=True))


def test_two_states_of_one_shard_are_refused(tmp_path: Path) -> None:
    world = World(1, shards=2)
    a, b = (world.write(tmp_path / str(i), i) for i in range(2))
    both = merged([a, b], tmp_path / "both")
    with pytest.raises(IndexCorruptError, match="same shard"):
        merge_states([a, both], tmp_path / "more")


@pytest.mark.parametrize("scale", [1.0, 1e-42, 3e38, 1e-20])
def test_sums_do_not_round(scale: float) -> None:
    dice = np.random.default_rng(0)
    values = (dice.standard_normal(500) * dice.choice([1, 1e-6, 1e-12], 500) * min(scale, 1e38) / 4).astype(np.float32)
    of = np.sort(dice.integers(0, 3, 500))
    for group in range(3):
        exact = [Fraction(float(v)) for v in values[of == group]]
        assert as_float(totals_of(of, values, 3))[group] == pytest.approx(float(sum(exact)), rel=1e-15, abs=0)
        assert as_float(squares_of(of, values, 3))[group] == pytest.approx(float(sum(v * v for v in exact)), rel=1e-15)
    for order in (np.arange(500)[::-1], dice.permutation(500)):
        np.testing.assert_array_equal(totals_of(of[order], values[order], 3), totals_of(of, values, 3))

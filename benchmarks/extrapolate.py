"""From what was measured to a billion tokens and a million features: the tables of docs/scale.md, with their arithmetic.

    python -m benchmarks.extrapolate --write

Reads benchmarks/results/scale.json. It is arithmetic on what two cores did with made-up residuals, and no measurement: every
step is printed.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from math import ceil
from pathlib import Path
from typing import Any

from benchmarks.measure import replaced, table
from benchmarks.scale_bench import RESULTS, rows_of
from saewidgets.index.bounded.drive import Course, Drive
from saewidgets.index.bounded.facts import Bounds, ShardFacts
from saewidgets.index.bounded.hands import Done, Task

TOKENS, FEATURES, ACTIVE, CONTEXT = 10**9, 10**6, 64, 128
SHARD = 2**20
MACHINES = (1, 10, 100)
# What a bounded scan keeps by default (index/build.py, index/bounded/job.py).
SAMPLE, LARGEST, DRAWN_TOKENS = 256, 64, 2**16
PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
_ROWS = ("feature", "count", "low", "high", "totals", "squares", "grid_ptr", "entry_ptr")
_ENTRIES = ("entry_at", "entry_value", "entry_why")
_GRIDS = ("grid_bin", "grid_count")
_SAMPLES = ("sample_feature", "sample_at", "sample_value")
_TEXTS = ("tokens", "flags")
_CHUNKS = ("chunk_document", "chunk_lead", "chunk_length", "chunk_sampled", "chunk_start")


@dataclass(frozen=True)
class Measured:
    """What the arithmetic begins with.

    Attributes:
        forward: seconds a token of the demo's forward to its hook. scan: of a scan of 1,000,000 features of width 64, model apart.
        row, entry, grid, sampled, text, chunk: bytes of a state for a feature, a kept activation, the fine histogram of a feature with
            more than are kept, an activation on a drawn text, a token and a text that are kept.
        merging: bytes a second that a merge reads. finishing: seconds a feature of writing the index. stored: bytes a feature there,
            texts apart.
        memory: most of a process that scans 1,000,000 features, bytes. sent: bytes through Ray for a shard.
    """

    forward: float
    scan: float
    row: float
    entry: float
    grid: float
    sampled: float
    text: float
    chunk: float
    merging: float
    finishing: float
    stored: float
    memory: float
    sent: float

    @classmethod
    def of(cls, figures: dict[str, Any]) -> Measured:
        beside, full, builds = figures["beside"], figures["million"]["full"], figures["million"]["builds"]
        whole = full["whole"]

        def each(names: tuple[str, ...], of: float | None = None) -> float:
            return sum(whole[name][1] for name in names) / (of or whole[names[0]][0])

        def rest(one: dict[str, Any]) -> float:
            return float(one["seconds"] - one["tokens"] / one["rate"] - one["merging"])

        least, most = figures["memory"]["ray"][0], figures["memory"]["ray"][-1]
        return cls(
            forward=statistics.median(beside["bare"]) / beside["tokens"],
            scan=max(1 / one["rate"] for one in builds),
            row=each(_ROWS),
            entry=each(_ENTRIES),
            grid=each(_GRIDS, full["full"]),
            sampled=each(_SAMPLES),
            text=each(_TEXTS),
            chunk=each(_CHUNKS),
            merging=full["read"] * 1e6 / full["merging"],
            finishing=max(rest(full) / full["features"], *(rest(one) / FEATURES for one in builds)),
            stored=(full["index"] * 1e6 - full["tokens"] * each(_TEXTS)) / full["features"],
            memory=max(one["peak"] for one in builds) * 1e6,
            sent=(most["sent"] - least["sent"]) / (most["shards"] - least["shards"]),
        )

    def state(self, tokens: float) -> float:
        """Bytes of the state of so many tokens, if all features fire alike and hardly ever twice in a text."""
        fires = tokens * ACTIVE / FEATURES
        kept = min(fires, SAMPLE + LARGEST)
        of_features = FEATURES * (self.row + kept * self.entry + (self.grid if fires > SAMPLE else 0))
        texts = min(tokens / CONTEXT, FEATURES * kept)
        return (
            of_features + min(tokens, DRAWN_TOKENS) * ACTIVE * self.sampled + texts * (CONTEXT * self.text + self.chunk)
        )


@dataclass(frozen=True)
class Went:
    """What a scan of all tokens came to, by the clock of `Clock`.

    Attributes:
        scanned: seconds until the last shard was done; ended: until there was one state.
        merges: how many; moved: bytes of states written and read.
        disk: most bytes of states that were there at once.
    """

    scanned: float
    ended: float
    merges: int
    moved: float
    disk: float


class Clock:
    """N machines that do what the scan's own driver (index/bounded/drive.py) tells them to, and take as long as is calculated."""

    def __init__(self, measured: Measured, machines: int) -> None:
        self._measured, self._machines = measured, machines
        self.at_once = machines + (machines > 1)
        self._shards = ceil(TOKENS / SHARD)
        self._states: dict[str, float] = {}  # their tokens, as they are known when they are begun
        self._bytes = self.now = self.scanned = self.moved = self.disk = 0.0
        self.merges = 0
        self._waiting: deque[Task] = deque()
        self._busy: list[tuple[float, int, Task]] = []
        self._numbers = count()

    @classmethod
    def went(cls, measured: Measured, machines: int) -> Went:
        """Let all of it happen."""
        clock = cls(measured, machines)
        bounds = Bounds(0, SAMPLE, LARGEST, DRAWN_TOKENS // CONTEXT)
        shelf: Any = clock
        drive = Drive(Course(None, SHARD // CONTEXT, bounds), clock, shelf, "", lambda *_: None)
        with replaced(Drive, _whole=lambda of: True):
            drive.run(lambda: None)
        return Went(clock.scanned, clock.now, clock.merges, clock.moved, clock.disk)

    def begin(self, task: Task) -> None:
        self._waiting.append(task)

    def done(self) -> Done:
        while self._waiting and len(self._busy) < self._machines:
            self._start(self._waiting.popleft())
        self.now, _, task = heappop(self._busy)
        if task.kind == "merge":
            self.merges += 1
            return Done(task)
        here = task.number < self._shards
        if here:
            self.scanned = self.now
        return Done(task, _facts(task.number, SHARD // CONTEXT if here else 0, SHARD if here else 0))

    def _start(self, task: Task) -> None:
        some = [self._states[name] for name in task.names]
        seconds = sum(map(self._measured.state, some)) / self._measured.merging
        tokens = sum(some)
        if task.kind == "scan" and task.number < self._shards:
            tokens = float(SHARD)
            seconds = SHARD * (self._measured.forward + self._measured.scan)
        heappush(self._busy, (self.now + seconds, next(self._numbers), task))
        if tokens:
            self._states[task.name] = tokens
            size = self._measured.state(tokens)
            self.moved += size + sum(map(self._measured.state, some))
            self._bytes += size
            self.disk = max(self.disk, self._bytes)

    # -- the shelf of the states

    def names(self, prefix: str) -> list[str]:
        return []

    def remove(self, name: str) -> None:
        self._bytes -= self._measured.state(self._states.pop(name))

    def tokens_under_way(self) -> int:
        return 0

    def close(self) -> None:
        pass


def _facts(number: int, documents: int, tokens: int) -> ShardFacts:
    return ShardFacts(number, documents, documents, tokens, tokens, 0, documents, "", "", False)


def lines(measured: Measured) -> list[str]:
    """Markdown."""
    shards = ceil(TOKENS / SHARD)
    all_of_it = {n: Clock.went(measured, n) for n in MACHINES}
    alone = all_of_it[MACHINES[0]]
    scan = TOKENS * (measured.forward + measured.scan)
    finish = FEATURES * measured.finishing
    whole, shard = measured.state(TOKENS), measured.state(SHARD)
    final = FEATURES * measured.stored + TOKENS * measured.text
    found = [
        f"- **Scan**: ({measured.forward * 1e3:.2f} ms a token for the demo's forward + {measured.scan * 1e3:.2f} ms for 1,000,000 "
        f"features of width 64) × 10⁹ tokens = {scan / 3600:,.0f} hours of one machine, divided by N.",
        f"- **Shards**: 10⁹ / 2²⁰ tokens = {shards}, each with a state of {shard / 1e9:.2f} GB: a million features × ({measured.row:.0f} "
        f"bytes + {SHARD * ACTIVE / FEATURES:.0f} activations × {measured.entry:.0f} bytes) + 65,536 drawn tokens × 64 × "
        f"{measured.sampled:.0f} bytes + 2²⁰ tokens × {measured.text:.0f} bytes.",
        f"- **The state of all**: {whole / 1e9:.1f} GB, of it a million features × ({measured.row:.0f} + 320 × {measured.entry:.0f} + "
        f"{measured.grid:,.0f} bytes of fine histogram), and {measured.text:.0f} bytes for every token: 320 examples of a million "
        "features are in more texts than there are.",
        "- **What is done when** is what the scan's own driver tells machines to do that take so long: all states that wait become one "
        f"once they are 16, and of several machines half may merge at once. A merge reads {measured.merging / 1e6:,.0f} MB a second; "
        f"{alone.merges} merges of one machine, "
        + " and ".join(f"{all_of_it[n].merges} of {n}" for n in MACHINES[1:])
        + ".",
        f"- **Finishing** by the process that called: {measured.finishing * 1e6:,.0f} µs a feature = {finish / 60:.0f} minutes.",
        f"- **Index**: {measured.stored:,.0f} bytes a feature + {measured.text:.0f} a token = {final / 1e9:.1f} GB. Most disk is that of "
        "the states that are there at once, on the shared storage, those that are being written counted whole.",
        f"- **Network**: states written and read, over the whole time; through Ray {shards} shards × {measured.sent:,.0f} bytes = "
        f"{shards * measured.sent / 1e6:.1f} MB.",
        f"- **Memory** of a worker: the {measured.memory / 1e9:.1f} GB that the scan of 1,000,000 × 64 took, and at most 2²⁴ activations × "
        "60 bytes = 1.0 GB that it holds before it writes.",
        "",
        "| machines (2 cores) | until all is scanned | then, until it is merged | finishing | in all | most disk | index | network, "
        "each machine |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for n, went in all_of_it.items():
        after, total = went.ended - went.scanned, went.ended + finish
        found.append(
            f"| {n} | {_time(went.scanned)} | {_time(after)} | {_time(finish)} | {_time(total)} | {went.disk / 1e9:,.0f} GB | "
            f"{final / 1e9:.0f} GB | {went.moved / n / 1e9:,.0f} GB |"
        )
    return found


def _time(seconds: float) -> str:
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 72 * 3600 else f"{seconds / 86400:.1f} days"


def page(before: str, figures: dict[str, Any]) -> str:
    """docs/scale.md with these figures in the places that it has for them."""
    for begin, end, text in (
        ("<!-- measured -->", "<!-- to there -->", f"{figures['hardware']}.\n\n{table(rows_of(figures))}"),
        ("<!-- extrapolated -->", "<!-- to here -->", "\n".join(lines(Measured.of(figures)))),
    ):
        head, found, rest = before.partition(begin)
        _, ends, tail = rest.partition(end)
        assert found and ends, f"docs/scale.md has no place {begin}"
        before = f"{head}{begin}\n{text}\n{end}{tail}"
    return before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="into docs/scale.md; default: print it")
    text = page(PAGE.read_text(), json.loads(RESULTS.read_text()))
    if parser.parse_args().write:
        PAGE.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()

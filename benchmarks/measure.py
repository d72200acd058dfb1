"""Ratios measured in one run: ours and the reference in turn, medians of the pairs, so that a busy machine cannot lie."""

from __future__ import annotations

import platform
import re
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    budget: str
    measured: str
    within: bool | None

    def cells(self) -> tuple[str, str, str, str]:
        return self.what, self.budget, self.measured, {True: "yes", False: "NO", None: "-"}[self.within]


@dataclass(frozen=True)
class Ratio:
    """Median seconds of both, and the median of the pairwise ratios."""

    ours: float
    reference: float
    ratio: float


def ratio(ours: Callable[[], object], reference: Callable[[], object], pairs: int = 30, warm: int = 3) -> Ratio:
    """Run both in turn, in alternating order."""
    for _ in range(warm):
        ours()
        reference()
    seconds: list[tuple[float, float]] = []
    for i in range(pairs):
        first, second = (ours, reference) if i % 2 == 0 else (reference, ours)
        a, b = seconds_of(first), seconds_of(second)
        seconds.append((a, b) if i % 2 == 0 else (b, a))
    return Ratio(
        statistics.median(a for a, _ in seconds),
        statistics.median(b for _, b in seconds),
        statistics.median(a / b for a, b in seconds),
    )


def seconds_of(run: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


@contextmanager
def stopwatch(owner: Any, *names: str) -> Iterator[dict[str, float]]:
    """Seconds spent in functions of a module or class while the context is open, by name: where a long call spends its time."""
    spent = dict.fromkeys(names, 0.0)
    real = {name: getattr(owner, name) for name in names}

    def timed(name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return real[name](*args, **kwargs)
            finally:
                spent[name] += time.perf_counter() - start

        return call

    with replaced(owner, **{name: timed(name) for name in names}):
        yield spent


@contextmanager
def replaced(owner: Any, **functions: Callable[..., Any]) -> Iterator[None]:
    """Functions of a module or class that are others while the context is open."""
    real = {name: getattr(owner, name) for name in functions}
    for name, function in functions.items():
        setattr(owner, name, function)
    try:
        yield
    finally:
        for name, function in real.items():
            setattr(owner, name, function)


def hardware() -> str:
    """The accelerator's name, or the processor's."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*:\s*(.*)", info.read_text()) if info.exists() else []
    return f"{names[0] if names else platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"


def table(rows: list[Row]) -> str:
    """A Markdown table."""
    lines = ["| what | budget | measured | within |", "|---|---|---|---|"]
    return "\n".join([*lines, *("| " + " | ".join(row.cells()) + " |" for row in rows)])

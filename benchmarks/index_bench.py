"""`build_index` beside a bare loop, its memory, and what a finished index costs to look at."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np
import torch
from torch import Tensor

import saewidgets as sw
from benchmarks.bare import Bare, token_batches
from benchmarks.measure import Row, seconds_of, stopwatch
from benchmarks.saedashboard import FEATURES_AT_ONCE, FEATURES_AT_ONCE_UNCACHED, SaeDashboard, prompts_of
from saewidgets import demo
from saewidgets.demo.index import ASSET
from saewidgets.engine.activations.portion import TOKENS
from saewidgets.engine.dictionary.sae import SaeDictionary
from saewidgets.engine.engine import Engine
from saewidgets.engine.model.model import Model
from saewidgets.engine.provenance import context_of
from saewidgets.index import job
from saewidgets.index.corpus.documents import Chunk, chunks
from saewidgets.index.remaining import compute
from saewidgets.index.scan.costs import SCAN
from saewidgets.index.scan.progress import Bar
from saewidgets.index.scan.scan import Scan
from saewidgets.index.statistics import coactivation, write_store
from saewidgets.index.statistics.neuron_correlations import NeuronSums


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        tokens: of the demo corpus, for the build.
        rounds: builds, each with one bare loop around it.
        tiny_tokens: of the tiny model, for the peak of memory of the shorter build.
        sae_dashboard_tokens: for the comparison with SAEDashboard.
    """

    tokens: int = 65_536
    rounds: int = 2
    tiny_tokens: int = 65_536
    sae_dashboard_tokens: int = 16_384


QUICK = Size(tokens=8_192, rounds=1, tiny_tokens=16_384, sae_dashboard_tokens=4_096)

# Where a build spends its time: whose functions, and what they do.
_PARTS: dict[tuple[object, str], str] = {
    (Scan, "run"): "the scan, all of it",
    (Model, "read"): "scan: forward",
    (SaeDictionary, "encode"): "scan: encode",
    (NeuronSums, "add"): "scan: neuron sums",
    (Scan, "_commit"): "scan: writing shards",
    (job, "write_store"): "the finish, after which the index opens",
    (write_store, "_write_features"): "finish: statistics and examples",
    (write_store, "correlations"): "finish: neuron correlations",
    (compute.Remaining, "run"): "what remains, in the background",
    (compute, "neighbours"): "remaining: neighbours",
    (compute, "logit_weights"): "remaining: logit weights",
    (coactivation.Correlated, "_best"): "remaining: feature correlations, choosing the best",
    (coactivation, "_products"): "remaining: feature correlations, products",
}


def rows(engine: Engine, size: Size) -> list[Row]:
    """All measurements; the last index built is the one that is looked at."""
    with TemporaryDirectory() as folder:
        index, found = build_rows(engine, size, Path(folder))
        found.append(first_report_row(engine, Path(folder)))
        found += look_rows(index)
        found += sae_dashboard_rows(engine, size.sae_dashboard_tokens, Path(folder))
        return [*found, *memory_rows(size)]


# -- the build


def build_rows(engine: Engine, size: Size, folder: Path) -> tuple[sw.FeatureIndex, list[Row]]:
    """The build beside the bare loop over the same batches, and where the build's time goes.

    Half of the bare loop runs before each build and half after it, so that a machine that slows down slows both.
    """
    corpus = sw.load_corpus()
    batches = token_batches(engine, first_chunks(engine, corpus, size.tokens))
    bare = Bare(engine)
    bare.encode(batches[-1])
    half = len(batches) // 2
    pairs, parts = [], []
    for i in range(size.rounds):
        before = seconds_of(lambda: _read(bare, batches[:half]))
        with ExitStack() as stack:
            watches = {part: stack.enter_context(stopwatch(*part)) for part in _PARTS}
            start = time.perf_counter()
            index = sw.build_index(engine, corpus, folder / str(i), tokens=size.tokens, progress=False, wait=True)
            whole = time.perf_counter() - start
        pairs.append((whole, before + seconds_of(lambda: _read(bare, batches[half:]))))
        parts.append({_PARTS[part]: sum(spent.values()) for part, spent in watches.items()})
    return index, [_build_row(index.tokens, batches, pairs), *_part_rows(pairs, parts)]


def first_report_row(engine: Engine, folder: Path) -> Row:
    """From the call until its bar says that tokens were read."""

    class Told(BaseException):
        pass

    real, start = Bar.draw, time.perf_counter()

    def draw(self: Bar, step: str, done: int, total: int) -> None:
        if step == SCAN and done:
            raise Told
        real(self, step, done, total)

    Bar.draw = draw  # type: ignore[method-assign]
    try:
        sw.build_index(engine, sw.load_corpus(), folder / "first")
    except Told:
        seconds = time.perf_counter() - start
    finally:
        Bar.draw = real  # type: ignore[method-assign]
    return Row("the first tokens that a scan reports, whatever its batch", "<= 2 s", f"{seconds:.1f} s", seconds <= 2)


def first_chunks(engine: Engine, corpus: Iterable[object], tokens: int) -> list[Chunk]:
    """The chunks that a build of so many tokens reads."""
    some: list[Chunk] = []
    size = min(context_of(engine.dictionary()) or engine.context_size, engine.context_size)
    stream = chunks(corpus, engine, size, None, None)
    while sum(len(chunk.ids) for chunk in some) < tokens and (following := list(islice(stream, 1))):
        some += following
    return some


def _read(bare: Bare, batches: list[Tensor]) -> None:
    for tokens in batches:
        bare.encode(tokens)


def _build_row(tokens: int, batches: list[Tensor], pairs: list[tuple[float, float]]) -> Row:
    ours, reference = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    padding = sum(batch.numel() for batch in batches) / tokens - 1
    return Row(
        f"build_index, all features, {tokens:,} tokens / bare loop of forward to the hook + sae.encode, same batches",
        "<= 1.25",
        f"{ratio:.3f} ({ours:.1f} / {reference:.1f} s, {len(batches)} batches, {padding:.1%} padding)",
        ratio <= 1.25,
    )


def _part_rows(pairs: list[tuple[float, float]], parts: list[dict[str, float]]) -> list[Row]:
    """Each part of the build as a share of the bare loop: the shares of scan and finish add up to the ratio."""
    found = []
    for name in _PARTS.values():
        seconds = statistics.median(part[name] for part in parts)
        share = statistics.median(part[name] / bare for part, (_, bare) in zip(parts, pairs, strict=True))
        found.append(Row(f"- {name} / bare loop", "-", f"{share:.3f} ({seconds:.1f} s)", None))
    return found


# -- beside SAEDashboard


def sae_dashboard_rows(engine: Engine, tokens: int, folder: Path, batches: int = 3) -> list[Row]:
    """An index of all features beside the port of SAEDashboard on some batches of features, one before and two after."""
    n_features = engine.dictionary().n_features
    prompts = prompts_of(engine, sw.load_corpus()["text"].tolist(), tokens, context_of(engine.dictionary()) or 256)
    theirs = SaeDashboard(engine, prompts, folder)
    all_batches = torch.arange(n_features).split(FEATURES_AT_ONCE)
    some = [all_batches[len(all_batches) * (2 * i + 1) // (2 * batches)].tolist() for i in range(batches)]
    forward = seconds_of(theirs.cache)
    parts = [_one_batch(theirs, some[0])]
    ours = seconds_of(lambda: sw.build_index(engine, prompts, folder / "beside", progress=False, wait=True))
    parts += [_one_batch(theirs, features) for features in some[1:]]
    data, page, size = (statistics.mean(column) for column in zip(*parts, strict=True))
    forwards = -(-n_features // FEATURES_AT_ONCE_UNCACHED)
    name = f"SAEDashboard 0.8's algorithm ({batches} of {len(all_batches)} batches, scaled) / build_index"
    name = f"whole demo SAE, {prompts.numel():,} tokens, {name}"

    def row(what: str, budget: float | None, seconds: float) -> Row:
        times = f"{seconds / n_features:.4f} / {ours / n_features:.4f} s a feature"
        within = None if budget is None else seconds / ours >= budget
        return Row(what, "-" if budget is None else f">= {budget:g}", f"{seconds / ours:.1f} ({times})", within)

    return [
        row(f"{name}: its default, {forwards} forwards", 30, forwards * forward + (data + page) * n_features),
        row("- the same with its cache, 1 forward", None, forward + (data + page) * n_features),
        row(f"- with its cache, without its page of {size:.0f} kB a feature", None, forward + data * n_features),
        row("- its one forward", None, forward),
    ]


def _one_batch(theirs: SaeDashboard, features: list[int]) -> tuple[float, float, float]:
    """Seconds a feature for its data and for its page, and kilobytes of the page."""
    start = time.perf_counter()
    data = theirs.batch(features)
    made = time.perf_counter()
    pages = [theirs.page(one) for one in data]
    end = time.perf_counter()
    n = len(features)
    return (made - start) / n, (end - made) / n, sum(map(len, pages)) / 1e3 / n


# -- memory


def memory_rows(size: Size) -> list[Row]:
    """Peak memory at 10 times the tokens: of a tiny model, so that the index is most of it, and of the demo."""
    tiny = "tiny model, 4096 features, 32 active"
    real = f"demo model (the scan reads {TOKENS:,} tokens at once: the shorter build is a part of that)"
    return [*_memory_of(tiny, "tiny", size.tiny_tokens), *_memory_of(real, "demo", round(size.tokens / 10))]


def _memory_of(what: str, kind: str, tokens: int) -> list[Row]:
    """Resident memory, which includes pages of mapped files, and beside it what is private to the process."""
    one, ten = _build_elsewhere(kind, tokens), _build_elsewhere(kind, 10 * tokens)
    name = f"peak memory of a build, {10 * tokens:,} / {tokens:,} tokens, {what}"
    ratio = ten["peak"] / one["peak"]
    measured = f"{ratio:.3f} ({ten['peak']:.0f} / {one['peak']:.0f} MB, {one['before']:.0f} MB of it before the build)"
    found = [Row(name, "<= 1.10", measured, ratio <= 1.10)]
    if one["private"]:
        ratio = ten["private"] / one["private"]
        measured = f"{ratio:.3f} ({ten['private']:.0f} / {one['private']:.0f} MB)"
        found.append(Row("- the same without pages of mapped files", "-", measured, None))
    return found


def _build_elsewhere(kind: str, tokens: int) -> dict[str, float]:
    """Build an index in a process of its own; megabytes."""
    command = [sys.executable, "-m", "benchmarks.index_memory", kind, str(tokens)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
    return cast("dict[str, float]", json.loads(done.stdout.splitlines()[-1]))


# -- a finished index


def look_rows(index: sw.FeatureIndex) -> list[Row]:
    """Opening features, and the size of a snapshot: of the index just built, and of the demo's if that one is there."""
    indices = {"this index": index}
    if (Path(demo.__file__).parent / "assets" / ASSET).exists():
        indices["the demo index"] = sw.load_demo_index()
    return [row(name, one) for row in (_open_row, _snapshot_row) for name, one in indices.items()]


def _alive(index: sw.FeatureIndex, n: int) -> list[int]:
    """Some features that fire, drawn with a fixed seed."""
    return random.Random(0).sample(np.flatnonzero(index.column("count")).tolist(), n)


def _open_row(name: str, index: sw.FeatureIndex) -> Row:
    """Everything a dashboard asks for, from a path: a new FeatureIndex for each feature."""

    def look(feature: int) -> None:
        fresh = sw.FeatureIndex.open(index.path)
        fresh.feature(feature)
        fresh.examples(feature)

    features = random.Random(0).sample(range(len(index)), 21)
    look(features[0])  # what is imported on first use
    times = [seconds_of(partial(look, feature)) * 1e3 for feature in features[1:]]
    median = statistics.median(times)
    return Row(
        f"opening a feature of {name} ({index.tokens:,} tokens) with its examples, new FeatureIndex, page cache warm",
        "<= 50 ms",
        f"{median:.1f} ms (slowest of {len(times)}: {max(times):.1f} ms)",
        median <= 50,
    )


def _snapshot_row(name: str, index: sw.FeatureIndex, n: int = 100) -> Row:
    page = sw.FeatureDashboard(index=index).page(features=_alive(index, n))
    size = len(page.encode()) / 1e6
    what = f"snapshot of {n} features of {name} ({index.tokens:,} tokens) with their examples"
    return Row(what, "<= 1.5 MB", f"{size:.2f} MB", size <= 1.5)

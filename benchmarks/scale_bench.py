"""A scan that is bounded and distributed: beside SAEDashboard's own code and a bare loop, its memory and disk as tokens grow, Ray.

    python -m benchmarks.scale_bench --only beside memory --save

Each part leaves its figures in benchmarks/results/scale.json (--save), from which `benchmarks.extrapolate` makes the table of the docs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch

import saewidgets as sw
from benchmarks.bare import Bare, token_batches
from benchmarks.index_bench import first_chunks
from benchmarks.measure import Row, hardware, seconds_of, table
from benchmarks.saedashboard import prompts_of
from benchmarks.saedashboard_original import VERSION, OriginalError, run_original
from saewidgets.engine.engine import Engine
from saewidgets.engine.provenance import context_of

RESULTS = Path(__file__).parent / "results" / "scale.json"
_ROOT = Path(__file__).parents[1]

Figures = dict[str, Any]
"""What a part measured, as JSON."""


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        tokens, features, rounds: of the demo, beside SAEDashboard (its features) and a bare loop (builds, each with one around it).
        saturated: tokens at 1x; times: how many times as many.
        on_ray, ray_rounds: tokens of the demo on Ray and beside it, and how often.
        million: tokens of both scans of 1,000,000 features; full: of a few that are full, which the extrapolation needs.
    """

    tokens: int = 65_536
    features: int = 512
    rounds: int = 2
    saturated: int = 262_144
    times: tuple[int, ...] = (1, 4, 16)
    on_ray: int = 32_768
    ray_rounds: int = 1
    million: tuple[int, int] = (8192, 16_384)
    full: int = 1_048_576


QUICK = Size(2048, 32, 1, 2048, (1, 2), 2048, 1, (256, 512), 262_144)


# -- beside SAEDashboard's own code, and beside a bare loop


def beside(size: Size) -> Figures:
    """Bounded builds of the demo, each between the halves of a bare loop over the same batches; SAEDashboard between them."""
    engine = sw.load_demo()
    prompts = prompts_of(engine, sw.load_corpus()["text"].tolist(), size.tokens, context_of(engine.dictionary()) or 256)
    batches = token_batches(engine, first_chunks(engine, prompts, size.tokens))
    bare = Bare(engine)
    bare.encode(batches[0][:1])
    half = -(-len(batches) // 2)
    n = engine.dictionary().n_features
    features = torch.linspace(0, n - 1, size.features).long().tolist()
    pairs: list[tuple[float, float]] = []
    found: Figures = {"n_features": n, "tokens": prompts.numel(), "batches": len(batches)}
    with TemporaryDirectory() as folder:
        for i in range(size.rounds):
            before = seconds_of(lambda: _read(bare, batches[:half]))
            path = Path(folder) / str(i)
            ours = seconds_of(lambda to=path: _bounded(engine, prompts, to))  # type: ignore[misc]
            pairs.append((ours, before + seconds_of(lambda: _read(bare, batches[half:]))))
            if i == 0:
                found["original"] = _original(engine, prompts, features, path, Path(folder))
    engine.close()
    return {**found, "ours": [a for a, _ in pairs], "bare": [b for _, b in pairs]}


def _read(bare: Bare, batches: Sequence[torch.Tensor]) -> None:
    for tokens in batches:
        bare.encode(tokens)


def _bounded(engine: Engine, corpus: torch.Tensor, path: Path) -> None:
    sw.build_index(engine, corpus, path, keep_activations=False, progress=False, wait=True)


def _original(engine: Engine, prompts: torch.Tensor, features: list[int], index: Path, folder: Path) -> Figures:
    """What SAEDashboard took, and whether it found the same largest activations as the index."""
    try:
        took = run_original(engine, prompts, features, folder)
    except OriginalError as error:
        return {"error": str(error)}
    high = sw.FeatureIndex.open(index).column("high")
    fires = [f for f in features if took.largest[f] > 0 or high[f] > 0]
    return {
        "features": took.features,
        "at_once": took.at_once,
        "computing": took.computing,
        "forwards": took.forwards,
        "writing": took.writing,
        "page": took.page,
        "fire": len(fires),
        "same": sum(abs(took.largest[f] - float(high[f])) <= 0.002 for f in fires),
    }


def beside_rows(found: Figures) -> list[Row]:
    """The ratios, and what they are of."""
    n, tokens = found["n_features"], found["tokens"]
    ours, bare = statistics.median(found["ours"]), statistics.median(found["bare"])
    ratio = statistics.median(a / b for a, b in zip(found["ours"], found["bare"], strict=True))
    rows = [
        Row(
            f"bounded build, all features, {tokens:,} tokens / bare loop of forward to the hook + sae.encode, same batches",
            "<= 1.25",
            f"{ratio:.3f} ({ours:.1f} / {bare:.1f} s, {len(found['ours'])} in turn)",
            ratio <= 1.25,
        )
    ]
    theirs = found["original"]
    name = f"SAEDashboard {VERSION}'s own code"
    if "error" in theirs:
        return [*rows, Row(f"{name} / bounded build", ">= 30", f"not measured: {theirs['error']}", None)]
    features, whole = theirs["features"], theirs["computing"] + theirs["writing"]
    forwards = -(-features // theirs["at_once"])
    all_forwards = -(-n // theirs["at_once"])
    forward, rest = theirs["forwards"] / forwards, (whole - theirs["forwards"]) / features * n
    all_of_it, cached = all_forwards * forward + rest, forward + rest

    def row(what: str, budget: float | None, ratio: float, said: str) -> Row:
        within = None if budget is None else ratio >= budget
        return Row(what, "-" if budget is None else f">= {budget:g}", f"{ratio:.1f} ({said})", within)

    same = []
    if "same" in theirs:
        what = f"- features of those {features} that fire, with the same largest activation (to .002) in both"
        same.append(Row(what, "-", f"{theirs['same']} of {theirs['fire']}", None))
    return [
        *rows,
        row(
            f"{name}, {features} features of the demo, {tokens:,} tokens, as it comes / bounded build of all {n:,}",
            None,
            whole / ours,
            f"{whole:.1f} / {ours:.1f} s",
        ),
        *same,
        row(
            f"- the same for all {n:,}, extrapolated ({all_forwards} forwards, the rest {n / features:g} times), and so per feature",
            30,
            all_of_it / ours,
            f"{all_of_it / 60:.1f} / {ours / 60:.1f} minutes, {all_of_it / n:.3f} / {ours / n:.4f} s a feature",
        ),
        row(
            "- the same with its cache of the model's activations, also extrapolated (one forward, reading the cache not counted)",
            None,
            cached / ours,
            f"{cached / 60:.1f} / {ours / 60:.1f} minutes",
        ),
        Row(
            f"- of its time, {forwards} forwards / data / the page of {theirs['page'] / features / 1e3:.0f} kB a feature",
            "-",
            " / ".join(
                f"{seconds / whole:.0%}"
                for seconds in (theirs["forwards"], theirs["computing"] - theirs["forwards"], theirs["writing"])
            ),
            None,
        ),
    ]


# -- memory and disk as tokens grow


def memory(size: Size) -> Figures:
    """Bounded builds of more and more tokens, here and by two actors."""
    return {
        kind: [_child("saturated", size.saturated * times, "--shard", "4096", *options) for times in size.times]
        for kind, options in (("alone", ()), ("ray", ("--actors", "2", "--threads", "1")))
    }


def memory_rows(found: Figures) -> list[Row]:
    alone, ray = found["alone"], found["ray"]
    times = "/".join(f"{one['tokens'] / alone[0]['tokens']:.0f}x" for one in alone)
    name = f"bounded build, {times} of {alone[0]['tokens']:,} tokens"

    def grown(what: str, some: list[Figures], key: str, unit: str = "MB") -> Row:
        ratio = max(one[key] for one in some) / some[0][key]
        measured = " / ".join(f"{one[key]:,.1f}" for one in some)
        return Row(f"{name}: {what}", "<= 1.10", f"{ratio:.3f} ({measured} {unit})", ratio <= 1.10)

    def beyond(what: str, some: list[Figures]) -> Row:
        measured = " / ".join(f"{one['peak'] - one['before']:,.1f}" for one in some)
        return Row(f"- {what}, beyond what the process had before", "-", f"{measured} MB", None)

    full = " / ".join(f"{one['full'] / one['features']:.0%}" for one in alone)
    merged = " / ".join(f"{one['merged'] / alone[-1]['merged']:.1%}" for one in alone)
    first, last = ray[0], ray[-1]
    each = (last["sent"] - first["sent"]) / (last["tokens"] - first["tokens"])
    return [
        grown("peak memory", alone, "peak"),
        beyond("peak memory", alone),
        grown("most disk while it goes on", alone, "disk"),
        grown("disk of the finished index", alone, "index"),
        Row("- how full it is: features with more activations than are kept", "-", full, None),
        Row("- the same: size of the state of all shards, of the last one's", "-", merged, None),
        grown("2 actors, peak memory of the process that calls", ray, "peak"),
        beyond("that process", ray),
        grown("2 actors, peak memory of the larger actor", ray, "worker"),
        grown("2 actors, most disk while it goes on", ray, "disk"),
        Row(
            "bytes between the build and its actors through Ray, as pickled, a token (a constant taken away)",
            "-",
            f"{each:.4f} ({first['sent']:,} bytes at 1x, {last['sent']:,} at {last['tokens'] / first['tokens']:.0f}x)",
            None,
        ),
    ]


# -- two actors of one thread beside one process of two


def actors(size: Size) -> Figures:
    """Scans of the demo, in turn by two actors of one thread and by one process of two."""
    found: dict[str, list[Figures]] = {"alone": [], "ray": []}
    for i in range(size.ray_rounds):
        for kind in ("ray", "alone") if i % 2 == 0 else ("alone", "ray"):
            options = ("--actors", "2", "--threads", "1") if kind == "ray" else ("--threads", "2")
            found[kind].append(_child("demo", size.on_ray, "--shard", str(size.on_ray // 32), *options))
    return dict(found)


def actors_rows(found: Figures) -> list[Row]:
    pairs = list(zip(found["ray"], found["alone"], strict=True))
    ratio = statistics.median(a["rate"] / b["rate"] for a, b in pairs)
    rates = [statistics.median(one["rate"] for one in found[kind]) for kind in ("ray", "alone")]
    whole = [statistics.median(one["seconds"] for one in found[kind]) for kind in ("ray", "alone")]
    tokens, shards = pairs[0][1]["tokens"], pairs[0][1]["shards"]
    return [
        Row(
            f"2 Ray actors of one thread / one process of two, demo, {tokens:,} tokens in {shards} shards: tokens a second once "
            "their engines are ready",
            ">= 0.90",
            f"{ratio:.3f} ({rates[0]:.0f} / {rates[1]:.0f})",
            ratio >= 0.9,
        ),
        Row(
            "- seconds of the whole call, in which Ray's actors load their models, and the store is written (a cluster was there)",
            "-",
            f"{whole[0]:.1f} / {whole[1]:.1f} s",
            None,
        ),
        Row(
            "- peak memory of the process that calls, and of the larger actor",
            "-",
            f"{max(a['peak'] for a, _ in pairs):,.0f} and {max(a['worker'] for a, _ in pairs):,.0f} MB (one process: "
            f"{max(b['peak'] for _, b in pairs):,.0f} MB)",
            None,
        ),
    ]


# -- 1,000,000 features


def million(size: Size) -> Figures:
    """Bounded scans of 1,000,000 features on two numbers of tokens; and of 4096 whose rooms are full, by which they are extrapolated."""
    return {"builds": [_child("million", tokens) for tokens in size.million], "full": _child("full", size.full)}


def million_rows(found: Figures) -> list[Row]:
    (less, more), full = found["builds"], found["full"]
    share = full["full"] / full["features"]
    name = f"1,000,000 x 64 TopK dictionary of 64 active on random residuals, {less['tokens']:,} and {more['tokens']:,} tokens"
    # Of a cost that is linear the second half of the tokens takes as long as the first.
    linear = (more["tokens"] / more["rate"]) / (less["tokens"] / less["rate"]) / (more["tokens"] / less["tokens"])
    return [
        Row(f"{name}: tokens a second of the scan", "-", f"{less['rate']:.0f} and {more['rate']:.0f}", None),
        Row("- seconds a token, the larger / the smaller", "<= 1.10", f"{linear:.3f}", linear <= 1.10),
        Row(
            "- seconds for merging, and for the rest (models, store) beside the scan",
            "-",
            " and ".join(
                f"{one['merging']:.1f} + {one['seconds'] - one['tokens'] / one['rate'] - one['merging']:.1f}"
                for one in (less, more)
            ),
            None,
        ),
        Row(
            "- peak memory (its weights are 512 MB)",
            "-",
            f"{less['peak']:,.0f} and {more['peak']:,.0f} MB, {less['before']:,.0f} MB of it before the build",
            None,
        ),
        Row(
            "- disk: largest state of a shard, state of all, most at once, finished index",
            "-",
            " and ".join(
                " / ".join(f"{one[key]:,.0f}" for key in ("state", "merged", "disk", "index")) for one in (less, more)
            )
            + " MB",
            None,
        ),
        Row(
            f"4096 features, 4 active, {full['tokens']:,} tokens ({share:.0%} with more activations than are kept): "
            "state of all / finished index, a feature",
            "-",
            f"{full['merged'] * 1e3 / full['features']:.1f} / {full['index'] * 1e3 / full['features']:.1f} kB",
            None,
        ),
        Row("- merging, of what it reads", "-", f"{full['read'] / full['merging']:.0f} MB a second", None),
    ]


# -- all of it

PARTS: dict[str, tuple[Callable[[Size], Figures], Callable[[Figures], list[Row]]]] = {
    "beside": (beside, beside_rows),
    "memory": (memory, memory_rows),
    "actors": (actors, actors_rows),
    "million": (million, million_rows),
}


def rows(size: Size) -> list[Row]:
    """All measurements."""
    return rows_of(measure(size, PARTS))


def measure(size: Size, parts: Iterable[str]) -> Figures:
    """The figures of some parts."""
    return {part: PARTS[part][0](size) for part in parts}


def rows_of(figures: Figures) -> list[Row]:
    """What figures say."""
    return [row for part, (_, rows_of_part) in PARTS.items() if part in figures for row in rows_of_part(figures[part])]


def _child(kind: str, tokens: int, *options: str) -> Figures:
    """One build in a process of its own (scale_child.py)."""
    command = [sys.executable, "-m", "benchmarks.scale_child", kind, str(tokens), *options]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=_ROOT)
    return cast(Figures, json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[*PARTS])
    parser.add_argument("--rounds", type=int, default=Size.rounds, help="builds beside a bare loop")
    parser.add_argument("--save", action="store_true", help=f"keep the figures in {RESULTS.relative_to(_ROOT)}")
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that everything runs, not to compare")
    arguments = parser.parse_args()
    if arguments.save and arguments.quick:
        parser.error("--quick measures too little to be kept")
    kept: Figures = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for part in arguments.only:
        figures = measure(QUICK if arguments.quick else Size(rounds=arguments.rounds), [part])
        print(table(rows_of(figures)), flush=True)
        if arguments.save:
            kept |= figures | {"hardware": f"{hardware()}, torch {torch.__version__}"}
            RESULTS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()

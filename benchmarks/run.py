"""Prints every budget beside what was measured here and now. `--save` keeps the table under benchmarks/results/."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

import saewidgets as sw
from benchmarks import (
    browser_bench,
    datasets_bench,
    engine_bench,
    geometry_bench,
    graph_bench,
    index_bench,
    large_bench,
    map_bench,
    map_frames_bench,
    million_bench,
    package_bench,
    scale_bench,
    search_bench,
    steering_bench,
)
from benchmarks.measure import Row, hardware, table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", action="store_true", help="write the table to benchmarks/results/")
    parser.add_argument("--no-browser", action="store_true", help="leave out what needs Chromium and JupyterLab")
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that everything runs, not to compare")
    arguments = parser.parse_args()
    if arguments.save and arguments.quick:
        parser.error("--quick measures too little to be kept")
    rows: list[Row] = []
    for row in _measured(quick=arguments.quick, browser=not arguments.no_browser):
        rows.append(row)
        # As they come: it takes most of an hour, and who ends it before has these.
        print(" | ".join(row.cells()), file=sys.stderr, flush=True)
    text = f"{hardware()}, torch {torch.__version__}\n\n{table(rows)}\n"
    print(text)
    if arguments.save:
        folder = Path(__file__).parent / "results"
        folder.mkdir(exist_ok=True)
        name = re.sub(r"[^A-Za-z0-9]+", "-", hardware()).strip("-").lower()
        (folder / f"{name}.md").write_text(text)


def _measured(*, quick: bool, browser: bool) -> Iterator[Row]:
    yield package_bench.import_time()
    yield from package_bench.bundles()
    with sw.load_demo() as engine:
        yield engine_bench.activations(engine)
        yield engine_bench.attribution(engine)
        yield from datasets_bench.rows(engine, *((20, 1) if quick else ()))
        yield from index_bench.rows(engine, index_bench.QUICK if quick else index_bench.Size())
        yield from large_bench.rows(engine, 4096 if quick else 16_384, browser)
        yield from steering_bench.rows(engine, *((8, 1) if quick else ()))
        yield from geometry_bench.rows(*((2048, 1, 512) if quick else ()))
        yield from map_bench.rows(engine, 500 if quick else None)
        yield from search_bench.rows(5_000 if quick else 100_000)
        yield from million_bench.rows(engine, 10_000 if quick else million_bench.MILLION, frames=browser)
    yield from scale_bench.rows(scale_bench.QUICK if quick else scale_bench.Size())
    if browser:
        yield from browser_bench.rows()
        yield from graph_bench.rows()
        yield from map_frames_bench.rows(*((8192, 10) if quick else ()))


if __name__ == "__main__":
    main()

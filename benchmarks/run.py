"""Prints every budget beside what was measured here and now. `--save` keeps the table under benchmarks/results/."""

from __future__ import annotations

import argparse
import re
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
from benchmarks.measure import hardware, table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", action="store_true", help="write the table to benchmarks/results/")
    parser.add_argument("--no-browser", action="store_true", help="leave out what needs Chromium and JupyterLab")
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that everything runs, not to compare")
    arguments = parser.parse_args()
    if arguments.save and arguments.quick:
        parser.error("--quick measures too little to be kept")
    rows = [package_bench.import_time(), *package_bench.bundles()]
    engine = sw.load_demo()
    rows += [engine_bench.activations(engine), engine_bench.attribution(engine)]
    rows += datasets_bench.rows(engine, *((20, 1) if arguments.quick else ()))
    rows += index_bench.rows(engine, index_bench.QUICK if arguments.quick else index_bench.Size())
    rows += large_bench.rows(engine, 4096 if arguments.quick else 16_384, not arguments.no_browser)
    rows += steering_bench.rows(engine, *((8, 1) if arguments.quick else ()))
    rows += geometry_bench.rows(*((2048, 1, 512) if arguments.quick else ()))
    rows += map_bench.rows(engine, 500 if arguments.quick else None)
    rows += search_bench.rows(5_000 if arguments.quick else 100_000)
    features = 10_000 if arguments.quick else million_bench.MILLION
    rows += million_bench.rows(engine, features, frames=not arguments.no_browser)
    engine.close()
    rows += scale_bench.rows(scale_bench.QUICK if arguments.quick else scale_bench.Size())
    if not arguments.no_browser:
        rows += browser_bench.rows()
        rows += graph_bench.rows()
        rows += map_frames_bench.rows(*((8192, 10) if arguments.quick else ()))
    text = f"{hardware()}, torch {torch.__version__}\n\n{table(rows)}\n"
    print(text)
    if arguments.save:
        folder = Path(__file__).parent / "results"
        folder.mkdir(exist_ok=True)
        name = re.sub(r"[^A-Za-z0-9]+", "-", hardware()).strip("-").lower()
        (folder / f"{name}.md").write_text(text)


if __name__ == "__main__":
    main()

"""The map of the demo's SAE: fastumap beside umap-learn on the same neighbours, and how many of these each keeps.

Each layout is made once, in a process of its own that has loaded nothing: a map is made once, so what the first one costs is
what counts, and umap-learn compiles itself meanwhile. That takes too long to be done in turns, so the ratio is of the seconds that
the processor spent, which hardly depend on what else the machine does.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.measure import Row, seconds_of
from saewidgets.engine.engine import Engine
from saewidgets.engine.ticket import Ticket
from saewidgets.geometry.map.kept import K, neighbours_kept, neighbours_of_rows

_LIBRARIES = ("fastumap", "umap-learn")
_BUDGET = 1.0

# What runs in the process of one library: rows and neighbours in, places and seconds out.
_SCRIPT = """
import sys, time
import numpy as np
from saewidgets.geometry.map import embed
library, given, made = sys.argv[1:]
embed._WAYS = ((library, "principal components"),)
arrays = np.load(given)
graph = embed.Graph(arrays["rows"], arrays["neighbours"], arrays["cosines"], int(arrays["n_neighbors"]))
start = time.process_time()
found = embed.embed(graph, 0.05, 0)
np.savez(made, places=found.places, seconds=time.process_time() - start, method=found.method)
"""


def rows(engine: Engine, features: int | None = None) -> list[Row]:
    """All measurements; `features`: of the first so many only."""
    decoder = engine.dictionary().decoder()[:features]
    unit = decoder / decoder.norm(dim=1, keepdim=True)
    found: list[tuple[np.ndarray, np.ndarray]] = []
    searching = seconds_of(lambda: found.append(neighbours_of_rows(unit, K, Ticket())))
    neighbours, cosines = found[0]
    m = len(unit)
    table = [Row(f"map of {m:,} features: exact {K} nearest of each", "-", f"{searching:.1f} s", None)]
    seconds: dict[str, float] = {}
    kept: dict[str, float] = {}
    method: dict[str, str] = {}
    with TemporaryDirectory() as folder:
        given = Path(folder) / "given.npz"
        np.savez(given, rows=unit.cpu().numpy(), neighbours=neighbours, cosines=cosines, n_neighbors=K)
        for library in _LIBRARIES:
            made = Path(folder) / f"{library}.npz"
            subprocess.run([sys.executable, "-W", "ignore", "-c", _SCRIPT, library, str(given), str(made)], check=True)
            with np.load(made) as result:
                seconds[library], method[library] = float(result["seconds"]), str(result["method"])
                x, y = result["places"].astype(np.float32).T
            kept[library] = neighbours_kept(neighbours, x, y)
    ratio = seconds["fastumap"] / seconds["umap-learn"]
    table.append(
        Row(
            f"map of {m:,} features, first in a process, processor time: {method['fastumap']} / {method['umap-learn']}, "
            "same neighbours and start",
            f"<= {_BUDGET}",
            f"{ratio:.3f} ({seconds['fastumap']:.1f} / {seconds['umap-learn']:.1f} s)",
            ratio <= _BUDGET,
        )
    )
    shares = " / ".join(f"{kept[library]:.3f}" for library in _LIBRARIES)
    table.append(
        Row(f"the same: {K} nearest kept, by chance {K / (m - 1):.3f}", "-", f"{shares}", None),
    )
    return table


def main() -> None:
    """This table alone."""
    import saewidgets as sw
    from benchmarks.measure import table

    with sw.load_demo() as engine:
        print(table(rows(engine)))


if __name__ == "__main__":
    main()

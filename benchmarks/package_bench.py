"""What the package weighs: import time and bundle sizes."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import saewidgets
from benchmarks.measure import Row

STATIC = Path(saewidgets.__file__).parent / "static"
WIDGETS = json.loads((Path(__file__).parents[1] / "js" / "widgets.json").read_text("utf-8"))


def import_time(runs: int = 7) -> Row:
    """A fresh interpreter that imports saewidgets, less one that imports nothing."""

    def seconds(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - start

    pairs = [(seconds("import saewidgets"), seconds("pass")) for _ in range(runs)]
    cost = statistics.median(a - b for a, b in pairs)
    code = "import sys, saewidgets; sys.exit('torch' in sys.modules)"
    lazy = subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    loaded = "torch not imported" if lazy else "TORCH IMPORTED"
    return Row("import saewidgets", "<= 0.5 s, no torch", f"{cost:.3f} s, {loaded}", cost <= 0.5 and lazy)


def bundles() -> list[Row]:
    """Each widget's live bundle (snapshot bundles carry their host as well and have no budget)."""
    rows = []
    for path in sorted(STATIC.glob("*.js")):
        size = path.stat().st_size / 1000
        if path.name.endswith(".snapshot.js"):
            rows.append(Row(f"bundle {path.name}", "-", f"{size:.1f} kB", None))
        else:
            budget = WIDGETS[path.stem]["budget"] // 1000
            rows.append(Row(f"bundle {path.name}", f"<= {budget} kB", f"{size:.1f} kB", size <= budget))
    return rows

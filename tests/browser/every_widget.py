"""The names of every widget there is, what each looks like when it is there, and a kernel's cell that makes them all."""

from __future__ import annotations

import json
from pathlib import Path

WIDGETS = tuple(json.loads((Path(__file__).parents[2] / "js" / "widgets.json").read_text()))

ROOTS = {name: f".saew-{name}:not(.saew-explore *)" for name in WIDGETS} | {"explore": ".saew-bench"}
"""Each widget's own element; a workbench has others in its box."""

SIGNS = {
    "heatmap": ".saew-ranking tbody tr",
    "blindtest": ".saew-card",
    "attribution": ".saew-feature",
    "beside": ".saew-cloud",
    "browser": "tbody .saew-table-row",
    "explore": ".saew-bench-feature b",
    "comparison": ".saew-unlike .saew-t",
    "graph": ".saew-graph-head",
    "layers": ".saew-lens-strip",
    "subspace": ".saew-plot-box",
    "map": ".saew-map-legend",
    "catalog": "tbody tr",
    "dashboard": ".saew-examples .saew-t",
    "steering": ".saew-primary",
}

# A kernel's cell: `shown` is what was made, by name.
CELL = f"""
import sys
sys.path[:0] = [{str(Path(__file__).parents[1] / "unit")!r}, {str(Path(__file__).parent)!r}]
import every_widget_made, saewidgets as sw
shown = every_widget_made.made()
globals().update(shown)
"""

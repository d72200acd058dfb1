"""Every widget there is, made by one kernel on tiny models: what the tests of notebook front-ends show."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import tiny
from blindtest_made import LENGTH, some
from blindtest_made import build as index_of_letters
from catalog_made import hub
from dashboard_made import ROWS
from graph_view_made import graph_of
from map_view_made import layout_of

import saewidgets as sw

TEXT = "In the beginning God created the heaven and the earth."


def made() -> dict[str, Any]:
    """The widgets by name; "explore" is the box with its bar and ten views."""
    folder = Path(tempfile.mkdtemp())
    hub(folder / "hub").__enter__()
    engine = sw.Engine(tiny.hooked(), tiny.sae(), labels={3: "Genesis"})
    index = sw.build_index(engine, ROWS, folder / "index", progress=False, wait=True)
    letters = sw.FeatureIndex.open(index_of_letters(folder / "letters"))
    first, second = (int(f) for f in index.order("max")[:2])
    layout = layout_of(len(index))
    return {
        "heatmap": sw.TokenFeatureHeatmap(engine, TEXT, index=index, features=[first]),
        "blindtest": sw.BlindTest(letters, some(letters)[0], n=6, window=LENGTH),
        "attribution": sw.AttributionPanel(engine, index, TEXT, " the", " and"),
        "beside": sw.FeatureComparison((index, first), (index, second), text=TEXT),
        "browser": sw.FeatureBrowser(index),
        "explore": sw.explore(engine, index, feature=first, text=TEXT, prompt=TEXT),
        "comparison": sw.PromptComparison(engine, index, [TEXT, TEXT.replace("heaven", "sea")]),
        "graph": sw.AttributionGraphView(graph_of(60, 600), pinned=[20, 21], selected=20),
        "layers": sw.LayerLens(engine, TEXT, index=index, feature=first),
        "subspace": sw.FeatureSubspace(engine, [first, second, 3], texts=[TEXT, "the earth was without form"]),
        "map": sw.FeatureMap(index, layout=layout),
        "catalog": sw.SAEBrowser(tiny.hooked()),
        "dashboard": sw.FeatureDashboard(engine, index, feature=first),
        "steering": sw.SteeringPanel(engine, index, prompt=TEXT, recipe=sw.add(first, 3, unit="max"), n_tokens=4),
    }

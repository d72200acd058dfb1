"""A page of every widget, on tiny models: what is opened wherever pages are opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import blindtest_made
import tiny
from graph_view_made import graph_of
from map_view_made import layout_of

import saewidgets as sw

TEXT = "In the beginning God created the heaven and the earth. "


def every_page(folder: Path) -> dict[str, Path]:
    """The page of each widget, by the name of its bundle."""
    texts = [TEXT * 6, "God created the day and the night " * 4]
    blind = sw.FeatureIndex.open(blindtest_made.build(folder / "blind"))
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        index = sw.build_index(engine, texts, folder / "index", progress=False, wait=True)
        made = _made(engine, index, blind)
        return {name: widget.save(folder / f"{name}.html", **options) for name, widget, options in made}


def _made(
    engine: sw.Engine, index: sw.FeatureIndex, blind: sw.FeatureIndex
) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    a, b, c = index.order("density")[:3].tolist()
    layout = layout_of(len(index))
    yield (
        "heatmap",
        sw.TokenFeatureHeatmap(engine, TEXT, index=index, features=[a]),
        {"prompts": ["God created the day"]},
    )
    yield "dashboard", sw.FeatureDashboard(index=index, features=[a, b, c]), {}
    yield "browser", sw.FeatureBrowser(index, feature=a), {"rows": 20}
    yield "map", sw.FeatureMap(index, layout=layout, feature=a), {}
    yield "subspace", sw.FeatureSubspace(index, [a, b, c]), {"texts": 10}
    yield "comparison", sw.PromptComparison(engine, index, ["God created", "God saw"]), {}
    yield "layers", sw.LayerLens(engine, "God created the day", index=index), {}
    yield "beside", sw.FeatureComparison((index, a), (index, b), text=""), {}
    yield "attribution", sw.AttributionPanel(engine, index, "In the beginning God", " the", " and"), {}
    yield "graph", sw.AttributionGraphView(graph_of(20, 100)), {}
    yield "catalog", sw.SAEBrowser(query="gemma"), {"rows": 20, "cards": 3}
    recipe = sw.add(a, 1.0, unit="max")
    yield "steering", sw.SteeringPanel(engine, index, prompt="God", recipe=recipe, n_tokens=4), {"strengths": [0, 2]}
    test = sw.BlindTest(blind, blindtest_made.some(blind)[0], n=4, window=blindtest_made.LENGTH)
    test.answers = [True, False, True, False]
    test.check()
    yield "blindtest", test, {}
    bench = sw.explore(engine, index, feature=a, text=TEXT)
    yield "explore", bench, {"views": ["browser", "heatmap", "dashboard"], "features": [a, b, c]}

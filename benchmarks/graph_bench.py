"""An attribution graph: how long its answer takes in the kernel, and a frame while it is panned and zoomed in a page."""

from __future__ import annotations

import statistics
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import saewidgets as sw
from benchmarks.browser_bench import AFTER_PAINT, chromium
from benchmarks.measure import Row, seconds_of
from saewidgets.formats.graph_nodes import feature_node, logit_node, new_graph, token_node
from saewidgets.widgets.graph.asked import AskedGraph

_TOKENS, _LAYERS = 12, 18

PAN = (
    """async steps => { """
    + AFTER_PAINT
    + """
    const canvas = document.querySelector('canvas'), box = canvas.getBoundingClientRect(), out = [];
    const send = (name, x, y) => canvas.dispatchEvent(
        new PointerEvent(name, { clientX: box.left + x, clientY: box.top + y, bubbles: true, button: 0, pointerId: 1 }));
    canvas.setPointerCapture = () => {};
    for (const key of '++') canvas.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    await new Promise(resolve => setTimeout(resolve, 1000));
    send('pointerdown', 300, 200);
    for (let i = 1; i <= steps; i++) {
        const start = performance.now();
        send('pointermove', 300 + 80 * Math.sin(i / 12), 200 + 60 * Math.sin(i / 17));
        await afterPaint();
        out.push(performance.now() - start);
    }
    send('pointerup', 0, 0);
    return out; }"""
)


def graph_of(features: int, links: int) -> sw.AttributionGraph:
    """A made-up graph with so many links."""
    dice = np.random.default_rng(0)
    at = sorted(
        {
            (int(dice.integers(_LAYERS)), int(dice.integers(16_384)), int(dice.integers(_TOKENS)))
            for _ in range(features)
        }
    )
    nodes = [token_node(i, i) for i in range(_TOKENS)]
    nodes += [feature_node(*one, label=f"feature {i}") for i, one in enumerate(at)]
    nodes += [logit_node(1, " Austin", _TOKENS - 1, _LAYERS, 0.9, True)]
    sources, targets = dice.integers(0, len(nodes) - 1, links * 6), dice.integers(_TOKENS, len(nodes), links * 6)
    earlier = sources < targets
    sources, targets = sources[earlier][:links], targets[earlier][:links]
    tokens = [f" word{i}" for i in range(_TOKENS)]
    return sw.AttributionGraph.from_file(
        new_graph(
            nodes,
            sources,
            targets,
            dice.normal(size=len(sources)),
            slug="made-up",
            scan="tiny",
            prompt="".join(tokens),
            tokens=tokens,
        )
    )


def rows() -> list[Row]:
    """Of a graph with 1,600 links, which must pan smoothly, and of one with 20,000."""
    found = []
    for features, links in ((90, 1_600), (800, 20_000)):
        view = sw.AttributionGraphView(graph_of(features, links), threshold=1.0)
        answer = statistics.median(seconds_of(partial(view._answer, "graph", AskedGraph(), None)) for _ in range(5))  # type: ignore[arg-type]
        found.append(Row(f"graph of {links:,} links: its answer", "-", f"{answer * 1e3:.0f} ms", None))
        frame = _panned(view)
        limit = links < 2_000
        found.append(
            Row(
                "- a frame while it is panned",
                "<= 33 ms" if limit else "-",
                f"{frame:.0f} ms",
                frame <= 33 if limit else None,
            )
        )
        view.close()
    return found


def _panned(view: sw.AttributionGraphView) -> float:
    with TemporaryDirectory() as folder, chromium() as chrome:
        path = view.save(Path(folder) / "graph.html")
        page = chrome.new_page(viewport={"width": 1280, "height": 900})
        page.goto(path.as_uri())
        page.wait_for_selector("canvas")
        return float(statistics.median(page.evaluate(PAN, 90)))

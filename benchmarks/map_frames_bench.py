"""A map of 131,072 features in a browser: how long a frame takes while it is moved and zoomed, and what travels for it."""

from __future__ import annotations

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.browser_bench import AFTER_PAINT, chromium
from benchmarks.measure import Row
from saewidgets.geometry.map.feature_map import MOST
from saewidgets.geometry.map.layout import FeatureLayout
from saewidgets.snapshot.page import View, page
from saewidgets.widgets import wire
from saewidgets.widgets.assets import asset
from saewidgets.widgets.map.payload import by_number, layout_reply
from saewidgets.widgets.shot import recorded
from saewidgets.widgets.table.columns import Column

_FEATURES, _FRAMES = MOST, 90

MOVE = (
    """async frames => { """
    + AFTER_PAINT
    + """
    const canvas = document.querySelector('.saew-map canvas'), box = canvas.getBoundingClientRect();
    const at = (name, x, y) => canvas.dispatchEvent(new PointerEvent(name,
        { bubbles: true, button: 0, pointerId: 1, clientX: box.left + x, clientY: box.top + y }));
    canvas.setPointerCapture = () => {};
    canvas.focus();
    const timed = async (act) => { const start = performance.now(); act(); await afterPaint(); return performance.now() - start; };
    const out = { idle: [], moved: [], zoomed: [], close: [], hover: [] };
    for (let i = 0; i < 20; i++) out.idle.push(await timed(() => {}));
    at('pointerdown', 400, 300);
    for (let i = 1; i <= frames; i++) out.moved.push(await timed(() => at('pointermove', 400 + 3 * (i % 40), 300 + 2 * (i % 30))));
    at('pointerup', 400, 300);
    const wheel = by => canvas.dispatchEvent(new WheelEvent('wheel',
        { deltaY: by, clientX: box.left + 500, clientY: box.top + 250, bubbles: true, cancelable: true }));
    for (let i = 0; i < frames; i++) out.zoomed.push(await timed(() => wheel(i < frames / 2 ? -30 : 30)));
    wheel(-600);
    await afterPaint();
    at('pointerdown', 400, 300);
    for (let i = 1; i <= frames; i++) out.close.push(await timed(() => at('pointermove', 400 + 3 * (i % 40), 300 + 2 * (i % 30))));
    at('pointerup', 400, 300);
    return out; }"""
)


def made_up(n: int) -> FeatureLayout:
    """As many points as features, in clusters, for which nobody had to compute a map."""
    rng = np.random.default_rng(0)
    middles = rng.uniform(-0.9, 0.9, (400, 2))
    cluster = rng.integers(0, 400, n)
    x, y = np.clip(middles[cluster] + rng.normal(0, 0.05, (n, 2)), -1, 1).T
    nothing = np.zeros((n, 0), np.int64)
    return FeatureLayout(
        features=np.arange(n),
        x=x,
        y=y,
        kept=0.1,
        k=15,
        cluster=cluster,
        method="nothing",
        settings={},
        n_features=n,
        provenance={},
        notes=(),
        path=None,
        neighbours=nothing,
        cosines=nothing.astype(np.float64),
    )


def html(layout: FeatureLayout, selected: list[int]) -> tuple[str, int]:
    """A page of the widget with these points, and the bytes that a live view is sent for them."""
    density = Column(
        "density", "made up", np.random.default_rng(1).lognormal(-6, 2, len(layout)), log=True, form="share"
    )
    answers = {
        "facts": ({}, wire.Reply({"colours": [], "lists": [], "provenance": [], "notes": [], "stages": []})),
        "layout": ({}, layout_reply(layout)),
        "colour": ({"colour": "density"}, by_number(density, layout.features).reply()),
    }
    size = sum(array.nbytes for _, reply in answers.values() for array in reply.arrays.values())
    state: dict[str, wire.Json] = {
        "feature": 5,
        "selected_features": [*selected],
        "colour": "density",
        "query": "",
        "by": "words",
        "only": "",
        "theme": "light",
        "error": None,
        "revision": 0,
    }
    text = page(
        widget="map",
        title="A map",
        views=[
            View("", "map", state, [recorded(channel, params, reply) for channel, (params, reply) in answers.items()])
        ],
        script=asset("map.snapshot.js"),
        style=asset("map.css"),
        fallback="",
        provenance=[],
    )
    return text, size


def rows(n: int = _FEATURES, frames: int = _FRAMES) -> list[Row]:
    """A frame of the whole map moved, of one zoomed in and out, and of one that is moved close by; none of it by a GPU."""
    layout = made_up(n)
    with TemporaryDirectory() as folder, chromium() as chrome:
        path = Path(folder) / "map.html"
        text, size = html(layout, list(range(0, n, 400)))
        path.write_text(text)
        window = chrome.new_page(viewport={"width": 1280, "height": 900})
        window.goto(path.as_uri())
        window.wait_for_selector(".saew-map-legend")
        found = window.evaluate(MOVE, frames)
    idle, *times = (statistics.median(found[name]) for name in ("idle", "moved", "zoomed", "close"))
    worst = max(times)
    said = " / ".join(f"{one:.0f}" for one in times)
    return [
        Row(
            f"map of {n:,} features: a frame while panned / zoomed / panned close by",
            "<= 33 ms",
            f"{said} ms (an idle frame takes {idle:.0f} ms)",
            worst <= 33,
        ),
        Row("- what travels for its points and their colours, once", "-", f"{size / 1e3:.0f} kB", None),
    ]

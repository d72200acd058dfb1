"""The table of 131,072 features: how long a window of rows takes in the kernel, how large it is, and how it scrolls."""

from __future__ import annotations

import statistics
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import saewidgets as sw
from benchmarks.browser_bench import AFTER_PAINT, chromium
from benchmarks.measure import Row, seconds_of
from saewidgets.widgets.table.asked import Chosen, Rows
from saewidgets.widgets.wire import success

# Rows that the page has, through which it is scrolled.
_SCROLLED = 3000

SCROLL = (
    """async rows => { """
    + AFTER_PAINT
    + """
    const box = document.querySelector('.saew-table'), out = [];
    const share = box.querySelector('tbody').offsetHeight / (26 * rows); // below 1 where so tall an element cannot be
    for (let i = 1; i <= 120; i++) {
        const start = performance.now();
        box.scrollTop = i * 26 * 20 * share;
        await afterPaint();
        out.push(performance.now() - start);
    }
    return { out, last: box.querySelectorAll('tbody tr').length }; }"""
)


def rows(index: sw.FeatureIndex, frames: bool = True) -> list[Row]:
    """Of a `FeatureBrowser` on `index`: the first window of an order (which sorts all features), the next one, their size,
    and with `frames` how long one takes while it is scrolled by twenty rows each."""
    browser = sw.FeatureBrowser(index)
    n = len(index)

    def window(sort: str, first: int) -> int:
        reply = browser._answer("rows", Rows(Chosen(sort=sort), first), None)  # type: ignore[arg-type]
        message, buffers = success("v:1", reply, "binary")
        return len(str(message).encode()) + sum(map(len, buffers))

    window("density", 0)
    names = ("max", "mean", "count", "std", "density")
    sorting = statistics.median(seconds_of(partial(window, name, 0)) for name in names)
    following = statistics.median(seconds_of(partial(window, "density", 1000 * k)) for k in range(1, 12))
    size = max(window("density", 1000 * k) for k in range(0, 130, 10))
    found = [
        Row(
            f"table of {n:,} features: sorted anew / the next window",
            "-",
            f"{sorting * 1e3:.0f} / {following * 1e3:.0f} ms",
            None,
        ),
        Row("- the largest message of a window of 200 rows", "<= 100 kB", f"{size / 1e3:.0f} kB", size <= 100_000),
    ]
    if frames:
        found.append(scrolled(browser))
    browser.close()
    return found


def scrolled(browser: sw.FeatureBrowser) -> Row:
    """How long a frame takes while a page of the table is scrolled by twenty rows each."""
    with TemporaryDirectory() as folder, chromium() as chrome:
        path = browser.save(Path(folder) / "table.html", rows=_SCROLLED, cards=0)
        page = chrome.new_page(viewport={"width": 1280, "height": 900})
        page.goto(path.as_uri())
        page.wait_for_selector(".saew-table tbody tr")
        frame = statistics.median(page.evaluate(SCROLL, len(browser.index))["out"])
    return Row("- a frame while it is scrolled", "<= 33 ms", f"{frame:.0f} ms", frame <= 33)

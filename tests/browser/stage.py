"""Live widgets on a bare page, their Python in this process: what a notebook shows, without a notebook's server.

All widgets stand on one page, each in a section of its own after a button, so that a test comes from before one and leaves it
with the Tab key. `js/widgets.json` says which there are: a new one without a line here fails.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import blindtest_made
import catalog_made
import front_end
import tiny
from dashboard_made import DEAD, HOSTILE, ROWS, build, make_engine, with_dead
from graph_view_made import graph_of
from map_view_made import layout_of
from playwright.sync_api import Page, Route

import saewidgets as sw

ROOT = Path(__file__).parents[2]
WIDGETS = tuple(json.loads((ROOT / "js" / "widgets.json").read_text("utf-8")))
TEXT = "In the beginning God created the heaven and the earth. "
ADDRESS = "https://stage.test/"
"""Never asked for: the page is the test's own."""


class Stage:
    """A page with widgets, by name."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.widgets: dict[str, Any] = {}
        self.errors: list[str] = []
        self.words: dict[str, str] = {}
        """Strings that stand for others in what the kernel says from now on, as if its tokenizer had such tokens."""
        self._heard: dict[str, int] = {}
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        page.expose_binding("kernel", lambda _source, *asked: self._answer(*asked))
        page.route(f"{ADDRESS}**", _serve)
        page.goto(ADDRESS)

    def show(self, name: str, widget: Any, box: str = "") -> None:
        """Put a widget on the page; in the element `box` if that is said."""
        self.widgets[name] = widget
        state = {k: v for k, v in widget.get_state().items() if not k.startswith("_") and k != "layout"}
        self._new(name)
        self.page.evaluate("told => stage.show(...told)", [name, state, widget._esm, widget._css, box])

    def set(self, name: str, **traits: Any) -> None:
        """Set traits in Python, and tell the page."""
        for trait, value in traits.items():
            setattr(self.widgets[name], trait, value)
        self.page.evaluate("told => stage.hear(...told)", [name, self._new(name)])

    def settled(self) -> None:
        """Wait until every question is answered and drawn."""
        self.page.wait_for_function("() => stage.asked === 0")
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        self.page.wait_for_function("() => stage.asked === 0")

    def _answer(self, name: str, method: str, content: Any) -> list[dict[str, Any]]:
        comm = self.widgets[name].comm
        if method == "update":
            comm.view_sets(**content)
        else:
            comm.view_sends(content)
            if content["t"] == "req":
                comm.response(content["id"])
        return self._new(name)

    def _new(self, name: str) -> list[dict[str, Any]]:
        """What the kernel said since it was last asked."""
        sent = list(self.widgets[name].comm.sent)
        new = sent[self._heard.get(name, 0) :]
        self._heard[name] = len(sent)
        return [
            {**self._worded(data), "buffers": [base64.b64encode(one).decode() for one in buffers]}
            for data, buffers in new
            if data.get("method") in ("update", "custom")
        ]

    def _worded(self, data: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(data)
        for old, new in self.words.items():
            text = text.replace(json.dumps(old), json.dumps(new))
        worded: dict[str, Any] = json.loads(text)
        return worded


def _serve(route: Route) -> None:
    files = {"": ("index.html", "text/html"), "stage.js": ("stage.js", "text/javascript")}
    name, kind = files[route.request.url.removeprefix(ADDRESS)]
    route.fulfill(body=(Path(__file__).parent / "bare" / name).read_text("utf-8"), content_type=kind)


@contextmanager
def every_widget(page: Page, folder: Path) -> Iterator[Stage]:
    """All of them, on tiny models."""
    with ExitStack() as stack:
        stack.enter_context(front_end.recording())
        hub = stack.enter_context(catalog_made.hub(folder / "hub"))
        assert hub
        engine = stack.enter_context(with_dead(make_engine("topk", labels={3: "a name of one's own"}), DEAD))
        index = build(engine, folder / "index", ROWS)
        best = int(index.order("density")[0])
        blind = sw.FeatureIndex.open(blindtest_made.build(folder / "blind"))
        one = blindtest_made.some(blind)[0]
        blind.set_label(one, "a name")
        made: dict[str, Callable[[], Any]] = {
            "heatmap": lambda: sw.TokenFeatureHeatmap(engine, TEXT + HOSTILE, index=index, features=[best, 3]),
            "blindtest": lambda: sw.BlindTest(blind, one, n=4, window=blindtest_made.LENGTH),
            "attribution": lambda: sw.AttributionPanel(
                engine, index, ["In the beginning God", "God created"], " the", " and"
            ),
            "beside": lambda: sw.FeatureComparison(
                sw.Side(engine=engine, index=index, feature=best),
                sw.Side(engine=engine, index=index, feature=3),
                text=TEXT,
            ),
            "browser": lambda: sw.FeatureBrowser(index, feature=best),
            "comparison": lambda: sw.PromptComparison(
                engine, index, [TEXT, TEXT.replace("heaven", "sea")], features=[best]
            ),
            "graph": lambda: sw.AttributionGraphView(graph_of(60, 600), pinned=[20, 21], selected=20),
            "layers": lambda: sw.LayerLens(engine, TEXT, index=index, feature=best),
            "subspace": lambda: sw.FeatureSubspace(engine, [3, 11, 20, 31], texts=[TEXT, HOSTILE, "the earth"]),
            "map": lambda: sw.FeatureMap(index, layout=layout_of(len(index), (2,))),
            "catalog": lambda: sw.SAEBrowser(tiny.hooked()),
            "dashboard": lambda: sw.FeatureDashboard(engine, index, feature=best, text=TEXT),
            "steering": lambda: sw.SteeringPanel(
                engine, index, prompt=TEXT, recipe=sw.add(best, 1.0, unit="max"), n_tokens=4, answer=" the"
            ),
        }
        stage = Stage(page)
        for name in WIDGETS:
            if name == "explore":
                bench = sw.explore(engine, index, feature=best, text=TEXT)
                page.evaluate("() => stage.box()")
                stage.show("explore", bench.bar, ".saew-explore")
                stage.show("explore-browser", bench.browser, ".saew-explore")
                stage.show("explore-dashboard", bench.dashboard, ".saew-explore")
            else:
                stage.show(name, made[name]())
        stage.settled()
        yield stage

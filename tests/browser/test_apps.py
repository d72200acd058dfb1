"""The example apps, each as its own server starts it: two people at once, each with answers of their own, from one engine.

They run as they stand in examples/apps, only with a small model in the place of the demo's.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from lab import PATIENCE, Watched, watching
from playwright.sync_api import Browser, Page, Route, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
# In the place of examples/apps/shared.py; it also tells how many widgets live.
SHARED = """
import gc, sys, tempfile, threading, time, weakref
from pathlib import Path

sys.path.insert(0, {tests!r})
import tiny
import saewidgets as sw
from saewidgets.widgets.base import EngineWidget

engine = sw.Engine(tiny.hooked(), tiny.sae())
text = "In the beginning God created"
index = sw.build_index(engine, [tiny.TEXTS[0]], tempfile.mkdtemp() + "/index", progress=False)
feature = int(index.order("density")[0])
made = weakref.WeakSet()
init = EngineWidget.__init__

def counted(self, *args, **kwargs):
    init(self, *args, **kwargs)
    made.add(self)

def tell():
    asked, told = Path({alive!r} + ".asked"), Path({alive!r})
    while True:
        time.sleep(0.5)
        if asked.exists():
            gc.collect()
            told.write_text(str(len(made)))
            asked.unlink()

EngineWidget.__init__ = counted
threading.Thread(target=tell, daemon=True).start()
"""
# Voila starts every extension that is installed for JupyterLab, also those that cannot be without it.
VOILA = "--VoilaConfiguration.extension_denylist=['@jupyter-notebook/lab-extension','@pyviz/jupyterlab_pyviz']"
# Icons that Voila and Panel fetch for their own buttons, and do without.
ICONS = re.compile(r"https://[a-z.]+/.*(font-?awesome).*\.css")

ROW = ".saew-browser .saew-table tbody tr"


@dataclass(frozen=True)
class Server:
    """How an app is started; whether one process serves all, lets go of what a visitor had who left, and starts two at once."""

    file: str
    command: tuple[str, ...]
    shared: bool = True
    frees: bool = True
    together: bool = True
    path: str = ""


SERVERS = {
    # For each visitor marimo imports transformers itself. While a first one's app is importing it, that raises, and the page
    # connects again.
    "marimo": Server("marimo_app.py", ("marimo", "run", "--headless", "--no-token"), frees=False, together=False),
    "panel": Server("panel_app.py", ("panel", "serve", "--check-unused-sessions=1000"), path="panel_app"),
    "shiny": Server("shiny_app.py", ("shiny", "run")),
    "solara": Server("solara_app.py", ("solara", "run", "--no-open", "--production")),
    "voila": Server("voila_app.ipynb", ("voila", "--no-browser", VOILA), shared=False, frees=False),
}


@contextmanager
def served(server: Server, folder: Path) -> Iterator[str]:
    """The address of a running app."""
    shutil.copy(ROOT / "examples" / "apps" / server.file, folder)
    (folder / "shared.py").write_text(
        SHARED.format(tests=str(ROOT / "tests" / "unit"), alive=str(folder / "alive")), encoding="utf-8"
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    homes = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    # A visitor who is cut off may come back for so long; who closes the page is gone at once, if the browser gets to say so.
    homes["SOLARA_KERNEL_CULL_TIMEOUT"] = "2s"
    command = [sys.executable, "-m", *server.command, f"--port={port}", str(folder / server.file)]
    log = folder / "log"
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **homes}, cwd=folder)
    try:
        end = time.monotonic() + PATIENCE / 1000
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{server.file} did not start:\n{log.read_text()[-3000:]}") from None
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/{server.path}"
        assert "Traceback" not in log.read_text()
    finally:
        process.terminate()
        process.wait(PATIENCE / 1000)


def without_icons(route: Route) -> None:
    route.fulfill(status=200, content_type="text/css", body="")


def choose(page: Page, row: int) -> str:
    """Click a row of the table: what the dashboard must then be about."""
    number = page.locator(ROW).nth(row).locator("b")
    chosen = number.inner_text()
    number.click()
    return f"Feature {chosen}"


@pytest.mark.parametrize("app", SERVERS)
def test_each_visitor_has_answers_of_their_own(app: str, browser: Browser, tmp_path: Path) -> None:
    server = SERVERS[app]
    if app == "solara":
        needs_assets()
    with served(server, tmp_path) as address, ExitStack() as contexts:
        visitors = [contexts.enter_context(watching(browser)) for _ in range(2 if server.shared else 1)]
        for visitor in visitors:
            visitor.page.route(ICONS, without_icons)
            visitor.page.goto(address)
            if not server.together:
                visitor.page.locator(ROW).first.wait_for()
        wanted = [choose(visitor.page, 1 + i) for i, visitor in enumerate(visitors)]
        for visitor, feature in zip(visitors, wanted, strict=True):
            expect(visitor.page.locator(".saew-dashboard h2")).to_have_text(feature)
        typed = ["Q", "Z"][: len(visitors)]
        for visitor, text in zip(visitors, typed, strict=True):
            visitor.page.locator("button", has_text=re.compile("^Text$")).first.click()
            visitor.page.locator(".saew-heatmap textarea").fill(text)
        for visitor, text, feature in zip(visitors, typed, wanted, strict=True):
            tokens = visitor.page.locator(".saew-heatmap .saew-t")
            expect(tokens.filter(has_text=text).first).to_be_visible()
            expect(visitor.page.locator(".saew-dashboard h2")).to_have_text(feature)
            others = set(typed) - {text}
            for other in others:
                expect(tokens.filter(has_text=other)).to_have_count(0)
            check(visitor)
        if server.frees:
            contexts.close()
            until_none(tmp_path / "alive")


def check(visitor: Watched) -> None:
    """Nothing went wrong, and nothing left the machine."""
    assert [error for error in visitor.errors if "favicon" not in error and "404" not in error] == []
    assert [url for url in visitor.outside if not ICONS.fullmatch(url)] == []


def until_none(alive: Path) -> None:
    end = time.monotonic() + PATIENCE / 1000
    asked = alive.with_suffix(".asked")
    while True:
        asked.touch()
        while asked.exists():
            assert time.monotonic() < end
            time.sleep(0.1)
        if (count := alive.read_text()) == "0":
            return
        assert time.monotonic() < end, f"{count} widgets are left of visitors who left"


def needs_assets() -> None:
    """Solara's own page comes from a public server, unless it was put into its folder."""
    from solara.server.settings import assets

    if not any(Path(assets.proxy_cache_dir).glob("@widgetti/solara-vuetify3-app@*")):
        pytest.skip("Solara's front-end is not here: make solara-assets")

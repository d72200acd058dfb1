"""A real JupyterLab server and a real Chromium, isolated from the user's own settings."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    FloatRect,
    Locator,
    Page,
    expect,
    sync_playwright,
)
from warm_kernel import warm_kernels

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Tests wait for a state; only what never comes ends by this, in ms. A loaded machine may be forty times slower.
PATIENCE = 240_000
# With SAEW_LATE in ms, what a view sets reaches the kernel so much later, and after what was asked meanwhile (JupyterLab holds
# it back itself while the kernel has not yet said that it dealt with what was set before), and a view's pauses are as much longer.
# With SAEW_SLOW in ms, what the kernel's side of a widget says reaches the view so much later, and after what a cell printed
# meanwhile (answers come from threads of their own), and a view draws as much later.
LATE = """([late, slow]) => {
    const later = window.setTimeout;
    const ours = () => /blob:|saew/.test(new Error().stack);
    const text = data => typeof data === 'string' ? data : data instanceof ArrayBuffer ? new TextDecoder().decode(data) : '';
    if (late) window.setTimeout = (done, pause, ...rest) => later(done, pause >= 100 && ours() ? pause + late : pause, ...rest);
    const send = WebSocket.prototype.send;
    if (late) WebSocket.prototype.send = function (data) {
        const set = text(data).includes('"comm_msg"') && text(data).includes('"method":"update"');
        set ? later(() => send.call(this, data), late) : send.call(this, data);
    };
    if (!slow) return;
    const frame = window.requestAnimationFrame;
    window.requestAnimationFrame = done => ours() ? frame(() => later(() => frame(done), Math.min(slow, 300))) : frame(done);
    const held = told => function (event) {
        const said = text(event.data);
        const kind = /"msg_type": ?"(\\w+)"/.exec(said)?.[1] ?? said;  // the header's; that of its parent comes later
        const ofWidget = kind === 'comm_msg' || (/"model-lifecycle"/.test(kind) && !/"method": ?"open"/.test(kind));
        // Not where a message is cut into several, as Bokeh's are.
        const whole = /[/]api[/]kernels[/]|[/]ws[?]/.test(this.url);
        ofWidget && whole ? later(() => told.call(this, event), slow) : told.call(this, event);
    };
    const on = Object.getOwnPropertyDescriptor(WebSocket.prototype, 'onmessage');
    Object.defineProperty(WebSocket.prototype, 'onmessage', {
        ...on, set(told) { on.set.call(this, told ? held(told) : told); },
    });
    const listen = WebSocket.prototype.addEventListener;
    WebSocket.prototype.addEventListener = function (kind, told, ...rest) {
        return listen.call(this, kind, kind === 'message' && typeof told === 'function' ? held(told) : told, ...rest);
    };
}"""
STARTED = """() => { const w = window.jupyterapp?.shell.currentWidget, k = w?.sessionContext?.session?.kernel;
    return w?.sessionContext?.isReady && k?.connectionStatus === 'connected' && k?.status === 'idle'; }"""

# JupyterLab holds what a view sets back until the kernel has dealt with what was set before, and a cell that is run meanwhile
# comes first.
ARRIVED = """async patience => {
    const cells = jupyterapp.shell.currentWidget.content.widgets;
    const outputs = cells.flatMap(cell => cell.outputArea?.widgets ?? []).flatMap(output => [...output.children()]);
    const views = outputs.filter(shown => shown.mimeType === 'application/vnd.jupyter.widget-view+json');
    const end = Date.now() + patience, pause = ms => new Promise(done => setTimeout(done, ms));
    const found = Promise.all(views.map(view => view._manager.promise)).then(managers =>
        Promise.all([...new Set(managers)].flatMap(manager => Object.values(manager._models))));
    const models = await Promise.race([found, pause(patience)]);
    while (!models?.every(model => model._pending_msgs === 0 && model._msg_buffer === null)) {
        if (Date.now() >= end) throw new Error('What a view set never reached the kernel.');
        await pause(10);
    }
}"""
# Wait until an element has been where it is for so many frames.
AT_REST = """(el, frames) => new Promise(done => {
    let before = '', still = 0;
    const look = () => {
        const box = JSON.stringify(el.getBoundingClientRect());
        still = box === before ? still + 1 : 0;
        before = box;
        still < frames ? requestAnimationFrame(look) : done();
    };
    look();
})"""


def chromium_path() -> str:
    """Debian's Chromium, or whatever CHROMIUM names."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        raise RuntimeError("These tests need Chromium: apt-get install chromium, or set CHROMIUM to its path.")
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), headless=True, args=CHROMIUM_FLAGS)
        expect.set_options(timeout=PATIENCE)
        try:
            yield browser
        finally:
            browser.close()


def new_context(browser: Browser, **options: Any) -> BrowserContext:
    """A context whose pages wait as long as a state may take."""
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE)
    late, slow = (float(os.environ.get(name, "0")) for name in ("SAEW_LATE", "SAEW_SLOW"))
    if late or slow:
        context.add_init_script(f"({LATE})([{late}, {slow}])")
    return context


class Watched:
    """A page with what went wrong in it and every request that left this machine."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.errors: list[str] = []
        self.outside: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._console)
        self.page.on("request", lambda r: self._request(r.url))

    def _console(self, message: ConsoleMessage) -> None:
        # A busy Jupyter server answers a poll of its own lists (/api/kernels) with 500 now and then, and is asked again.
        polled = "status of 500" in message.text and "/api/" in message.location["url"]
        if message.type == "error" and not polled:
            self.errors.append(message.text)

    def _request(self, url: str) -> None:
        if not url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:", "file:")):
            self.outside.append(url)


@contextmanager
def watching(browser: Browser) -> Iterator[Watched]:
    """A page that may use the clipboard."""
    context = new_context(browser, viewport={"width": 1280, "height": 1000})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield Watched(context)
    context.close()


@dataclass
class Lab:
    """A running JupyterLab."""

    base: str
    token: str

    def open(self, page: Page, notebook: str, front: str = "lab/tree") -> None:
        """Open a notebook and wait for its kernel (the indicator says idle before there is one, and cells that are run
        then are not run at all). `front` is "notebooks" for Notebook 7."""
        page.goto(f"{self.base}/{front}/{notebook}?token={self.token}&reset")
        page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        page.wait_for_function(STARTED)

    def settings(self, page: Page, plugin: str, values: dict[str, object]) -> None:
        """Put a user's settings of a plugin in the place of all that were there; pages that are loaded later have them."""
        address = f"{self.base}/lab/api/settings/{plugin}"
        told = {"raw": json.dumps(values)}
        done = page.request.put(address, headers={"Authorization": f"token {self.token}"}, data=told)
        assert done.ok, done.text()

    @contextmanager
    def opened(self, browser: Browser, notebook: str) -> Iterator[Watched]:
        """A page with a notebook open, for all tests of a module (`run_anew` before each)."""
        with watching(browser) as watched:
            self.open(watched.page, notebook)
            yield watched


def menu(page: Page, name: str, item: str) -> None:
    """Choose `item` from the menu `name`."""
    page.locator("#jp-MainMenu .lm-MenuBar-itemLabel", has_text=re.compile(f"^{name}$")).click()
    page.locator(".lm-Menu .lm-Menu-itemLabel", has_text=re.compile(f"^{item}$")).click()


def run_all(page: Page) -> None:
    """Run all cells of the notebook that is open, when its kernel listens."""
    page.wait_for_function(STARTED)
    menu(page, "Run", "Run All Cells")


def set_theme(page: Page, theme: str) -> None:
    """ "JupyterLab Light" or "JupyterLab Dark"."""
    page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    page.wait_for_function(
        "light => document.body.dataset.jpThemeLight === light", arg=str(theme.endswith("Light")).lower()
    )


def at_rest(target: Locator) -> None:
    """Wait until nothing moves an element any more."""
    target.evaluate(AT_REST, 20)


def place(target: Locator) -> FloatRect:
    """Where an element is, in sight, once nothing moves it any more: what the mouse does at a place is done there, whatever
    has come to lie there meanwhile."""
    target.scroll_into_view_if_needed()
    at_rest(target)
    box = target.bounding_box()
    assert box is not None
    return box


def arrived(page: Page) -> None:
    """Wait until all that the views set is in the kernel."""
    page.evaluate(ARRIVED, PATIENCE)


def run_code(page: Page, code: str) -> str:
    """Run `code` in the notebook's kernel, as a cell would, when what the views set is there, and return what it printed.
    Raises on an error."""
    arrived(page)
    answer = page.evaluate(
        """async code => {
            const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
            const future = kernel.requestExecute({ code });
            let out = '';
            future.onIOPub = m => {
                if (m.header.msg_type === 'stream') out += m.content.text;
                if (m.header.msg_type === 'error') out += 'ERROR ' + m.content.ename + ': ' + m.content.evalue;
            };
            await future.done;
            return out;
        }""",
        code,
    )
    if "ERROR " in answer:
        raise AssertionError(answer)
    return str(answer).strip()


def python(page: Page, expression: str, run: Callable[[Page, str], str] = run_code) -> Any:
    """The value of an expression in the kernel."""
    return json.loads(run(page, f"print(__import__('json').dumps({expression}, default=float))"))


@contextmanager
def without_numbers(page: Page, feature: str = "0") -> Iterator[None]:
    """The SAE of the notebook's `engine` with a bias that is NaN; whatever happens meanwhile, afterwards it is as it was."""
    run_code(
        page, f"_bias = engine.dictionary().sae.b_enc.data; _kept = _bias.clone(); _bias[{feature}] = float('nan')"
    )
    try:
        yield
    finally:
        run_code(page, "_bias.copy_(_kept)")


def sees(look: Callable[[], Any], wanted: Any) -> None:
    """Wait until what is looked at is what is wanted: an answer of the kernel's comes, and is drawn, when it comes.

    For what `expect` has no words for. What is read from a screen once may be of what was there before, and what is then made
    of it may be no number, or no part that is looked for.
    """
    end = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < end:
        with suppress(ValueError, IndexError):
            if look() == wanted:
                return
        time.sleep(0.05)
    assert look() == wanted


def becomes(page: Page, expression: str, wanted: Any, run: Callable[[Page, str], str] = run_code) -> None:
    """Wait until an expression in the kernel has a value."""
    end = time.monotonic() + PATIENCE / 1000
    while (got := python(page, expression, run)) != wanted and time.monotonic() < end:
        page.wait_for_timeout(100)
    assert got == wanted, expression


def write_notebook(path: Path, cells: list[str]) -> None:
    """A notebook of these code cells."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made: list[dict[str, Any]] = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "outputs": [], "execution_count": None, "source": source}
        for i, source in enumerate(cells)
    ]
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": made}))


def run_anew(watched: Watched, widget: str) -> None:
    """Run all cells of the notebook that is open, and wait until a widget stands there that was not there before."""
    page = watched.page
    watched.errors.clear()
    watched.outside.clear()
    page.evaluate("widget => document.querySelectorAll(widget).forEach(el => { el.dataset.old = ''; })", widget)
    run_all(page)
    page.wait_for_selector(f"{widget}:not([data-old])")
    run_code(page, "")  # after all cells
    page.wait_for_function(STARTED)
    expect(page.locator(f"{widget}[data-old]")).to_have_count(0)


@contextmanager
def jupyterlab(root: Path, scratch: Path, env: dict[str, str] | None = None) -> Iterator[Lab]:
    """A JupyterLab over `root`, with all its state in `scratch`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    homes = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    settings = scratch / "config" / "labconfig"
    settings.mkdir(parents=True)
    (settings / "page_config.json").write_text(
        json.dumps({"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}})
    )
    environment = {
        **os.environ,
        **{name: str(scratch / folder) for name, folder in homes.items()},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        **(env or {}),
    }
    command = [
        *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", f"--port={port}", "--ip=127.0.0.1"),
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={root}",
        "--ServerApp.port_retries=0",
        "--LabApp.expose_app_in_browser=True",
        "--JupyterNotebookApp.expose_app_in_browser=True",
        "--LabApp.extension_manager=readonly",
    ]
    log = scratch / "jupyter.log"
    with warm_kernels(scratch / "warm", environment) as environment, log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        try:
            until_up(f"http://127.0.0.1:{port}/api/status?token={token}", process, log)
            yield Lab(f"http://127.0.0.1:{port}", token)
        finally:
            process.terminate()
            process.wait(PATIENCE / 1000)


def until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers, or raise what it wrote into its log."""
    end = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError("The server did not start:\n" + log.read_text()[-3000:])

"""A stand-in of VS Code's notebook webview: the bundle that VS Code loads into every notebook, its themes, a real kernel.

The modules come from node_modules, or from the folders in NODE_PATH.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import Lab, Watched, new_context
from playwright.sync_api import Browser, Page, Route, TimeoutError

HERE = Path(__file__).parent / "vscode"
ROOT = Path(__file__).parents[2]
NBEXTENSIONS = Path(sys.prefix) / "share" / "jupyter" / "nbextensions"
# What VS Code's webview allows with notebook.experimental.enableCsp: no script from a blob.
STRICT = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' https: http: data:; font-src 'self' https:; connect-src 'self' https: ws://127.0.0.1:*; "
    "child-src https: data:;"
)


def installed(name: str) -> Path:
    """A file of an npm package."""
    folders = [ROOT / "node_modules", *map(Path, filter(None, os.environ.get("NODE_PATH", "").split(os.pathsep)))]
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    raise RuntimeError(f"There is no {name} in {', '.join(map(str, folders))}: npm ci")


def bundled(folder: Path) -> Path:
    """The page's script."""
    made = folder / "page.js"
    installed("@vscode/jupyter-ipywidgets8/dist/ipywidgets.js")
    options = ["--bundle", "--format=esm", "--target=es2022", "--alias:path=path-browserify", "--log-level=error"]
    options += ["--define:process.env={}", "--define:global=globalThis", f"--outfile={made}"]
    subprocess.run([installed(".bin/esbuild"), HERE / "page.js", *options], check=True, cwd=ROOT)
    return made


@contextmanager
def webview(browser: Browser, lab: Lab, script: Path, kernel: str = "", policy: str = "") -> Iterator[Watched]:
    """The page, with a kernel of its own that ends with it, or that of another page.

    The files stand under the server's own address, as its kernels ask.
    """
    context = new_context(browser, viewport={"width": 1100, "height": 900})
    # A page that a test serves has no address of its own, and Chromium would keep it from this machine's kernels.
    context.grant_permissions(["local-network-access"])
    watched = Watched(context)
    page = watched.page
    files = {"index.html": HERE / "index.html", "page.js": script, "require.js": installed("requirejs/require.js")}

    def serve(route: Route) -> None:
        name = route.request.url.split("?")[0].split("/vscode/")[1]
        path = NBEXTENSIONS / name.removeprefix("nbextensions/") if name.startswith("nbextensions/") else files[name]
        kind = {".html": "text/html", ".js": "text/javascript"}[path.suffix]
        headers = {"content-type": kind, **({"content-security-policy": policy} if policy else {})}
        route.fulfill(path=path, headers=headers)

    page.route("**/vscode/**", serve)
    page.goto(f"{lab.base}/vscode/index.html?token={lab.token}&kernel={kernel}")
    try:
        page.wait_for_function("window.ready || window.fatal")
    except TimeoutError as late:
        raise AssertionError(f"Stuck at {page.evaluate('window.stage')}; {watched.errors}") from late
    assert page.evaluate("window.fatal ?? null") is None
    yield watched
    if not kernel:
        page.evaluate("window.shutDown()")
    context.close()


def run(page: Page, code: str) -> str:
    """Run `code` as a cell and return what it printed."""
    printed = str(page.evaluate("code => window.run(code)", code))
    assert "ERROR " not in printed, printed
    return printed.strip()

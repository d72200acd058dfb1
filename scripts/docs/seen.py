"""Every page of the built site in a real browser: no error, nothing from elsewhere, every live page drawn.

Run as `python -m scripts.docs.seen`. It says what is wrong and ends with 1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from playwright.sync_api import Browser, expect

from .check import SITE

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "browser"))
from lab import PATIENCE, chromium

# In the widget's own root: beside it stands the script-free picture, which needs no widget.
DRAWN = "#saew-root .saew"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """`folder` at an address of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def problems(browser: Browser, site: Path, root: str) -> Iterator[str]:
    """What is wrong on each page."""
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith((root, "data:", "blob:")) else said.append(request.url),
    )
    page.on(
        "response",
        lambda response: said.append(f"{response.status} {response.url}") if response.status >= 400 else None,
    )
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site).as_posix()
        if name.startswith("live/") or name == "404.html":
            continue
        said.clear()
        page.goto(f"{root}/{name}")
        frames = page.locator("iframe.saew-live")
        for i in range(frames.count()):
            frames.nth(i).scroll_into_view_if_needed()
            view = frames.nth(i).content_frame
            try:
                expect(view.locator(DRAWN).first).to_have_text(re.compile(r"\S"), timeout=PATIENCE)
            except AssertionError:
                yield f"{name}: live page {i + 1} is empty"
            else:
                yield from (f"{name}: {text}" for text in view.locator("[role=alert]").all_inner_texts())
        yield from (f"{name}: {one}" for one in said)
    page.close()


def main() -> int:
    with served(SITE) as root, chromium() as browser:
        found = list(problems(browser, SITE, root))
    print("\n".join(found) or "Every page was opened, and every live page is drawn")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

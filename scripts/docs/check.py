"""Whether the built site holds together: links, anchors, nothing from elsewhere, every page in the navigation.

Run as `python -m scripts.docs.check`. It says what is wrong and ends with 1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import saewidgets as sw

from .stage import ROOT, STAGED

SITE = ROOT / "build" / "site"
# What a browser fetches by itself; a link of `a` is followed by a reader only.
FETCHED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "link": "href",
    "source": "src",
    "video": "src",
    "audio": "src",
}
_CSS = re.compile(r"url\(\s*['\"]?(?!data:)(https?:)?//|@import\s+['\"]?(https?:)?//")


@dataclass
class Page(HTMLParser):
    """The links and anchors of a page."""

    path: Path
    links: list[tuple[str, str]] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := given.get(name))}
        for name in ("href", "src"):
            if (value := given.get(name)) is not None:
                self.links.append((tag, value))


def problems(site: Path) -> Iterator[str]:
    """Every link of the site that leads nowhere, and every file that it would fetch from elsewhere."""
    pages = {path: Page(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        # Pages of widgets are whole by themselves, and the page of an error stands at any address.
        if "live" in path.parts or path.name == "404.html":
            continue
        said = path.relative_to(site)
        for tag, link in page.links:
            parts = urlsplit(link)
            if parts.scheme in ("data", "mailto"):
                continue
            if parts.scheme or parts.netloc:
                if tag in FETCHED:
                    yield f"{said} fetches {link}"
                continue
            target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
            if target.is_dir():
                target /= "index.html"
            if not target.is_file():
                yield f"{said} links to {link}, which is not there"
            elif parts.fragment and target in pages and not anchored(pages[target], unquote(parts.fragment)):
                yield f"{said} links to {link}, which has no such anchor"
    for path in sorted(site.rglob("*.css")):
        if _CSS.search(path.read_text("utf-8")):
            yield f"{path.relative_to(site)} fetches something from elsewhere"


def anchored(page: Page, fragment: str) -> bool:
    """Whether a page has that place; the theme's scripts make "__..." ones."""
    return fragment in page.anchors or fragment.startswith("__")


def out_of_sight(site: Path) -> Iterator[str]:
    """Pages that the navigation does not lead to, and the other way round."""
    nav = set(re.findall(r"\"([\w/-]+\.md)\"", (ROOT / "zensical.toml").read_text("utf-8")))
    there = {path.relative_to(STAGED).as_posix() for path in STAGED.rglob("*.md")}
    for name in sorted(nav - there):
        yield f"zensical.toml names {name}, which is not there"
    for name in sorted(there - nav):
        yield f"{name} is not in the navigation of zensical.toml"


def undocumented(site: Path) -> Iterator[str]:
    """Public names that the reference leaves out."""
    anchors = set().union(
        *(Page(path).anchors for path in site.rglob("*.html") if path.parent.name in ("api", "widgets"))
    )
    for name in sw.__all__:
        if name != "__version__" and f"saewidgets.{name}" not in anchors:
            yield f"The reference has no {name}: add it to a page of docs/api"


def main() -> int:
    found = [*problems(SITE), *out_of_sight(SITE), *undocumented(SITE)]
    print("\n".join(found) or f"{sum(1 for _ in SITE.rglob('*.html'))} pages, every link leads somewhere")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""The pages that the site is built of: those in docs/, with what is generated put in where they say so, in build/docs.

A page says it in comments, which other readers of Markdown do not show:

    <!-- live: heatmap 700 -->     the live page of a widget, in a frame 700 px high
    <!-- traits: SteeringPanel -->  the table of a widget's traits
    <!-- notebooks -->              the example notebooks, each with its first words
    <!-- file: CHANGELOG.md -->     a file of the repository
"""

from __future__ import annotations

import json
import re
import shutil
from functools import partial
from pathlib import Path

import saewidgets as sw

from .live import MADE
from .traits import table_of

ROOT = Path(__file__).parents[2]
SOURCE, STAGED, LIVE = ROOT / "docs", ROOT / "build" / "docs", ROOT / "build" / "live"
_MARK = re.compile(r"^<!-- (?P<kind>live|traits|notebooks|file)(?:: (?P<what>[^\n]*?))? -->$", re.M)
# The ground of a page, and what its widget takes its theme from.
_SCHEME = [
    ('<meta name="color-scheme" content="light dark">', '<meta name="color-scheme" content="{scheme}">'),
    ('<html lang="en">', '<html lang="en" data-theme="{scheme}">'),
]
# Of everything in a notebook the first heading and paragraph are what it is about.
_FIRST = re.compile(r"# (?P<title>[^\n]+)\n+(?P<says>[^\n]+)")


def stage() -> None:
    """Write build/docs anew."""
    shutil.rmtree(STAGED, ignore_errors=True)
    shutil.copytree(SOURCE, STAGED)
    for page in sorted(LIVE.glob("*.html")):
        for scheme in ("auto", "light", "dark"):
            in_scheme(page, scheme)
    shutil.copytree(ROOT / "examples", STAGED / "examples", ignore=shutil.ignore_patterns(".*", "__pycache__"))
    for page in sorted(STAGED.rglob("*.md")):
        up = "../" * (len(page.relative_to(STAGED).parts) - 1)
        put_in = partial(_put_in, up=up)
        page.write_text(_MARK.sub(put_in, page.read_text("utf-8")), "utf-8", newline="\n")


def _put_in(mark: re.Match[str], up: str) -> str:
    return generated(mark["kind"], mark["what"] or "", up)


def in_scheme(page: Path, scheme: str) -> None:
    """Write a live page for one colour scheme: a frame cannot see which one the reader chose for this site."""
    text = page.read_text("utf-8")
    if scheme != "auto":
        for before, after in _SCHEME:
            if text.count(before) != 1:
                raise ValueError(f"{page} has not once {before}, by which it is put into a scheme.")
            text = text.replace(before, after.format(scheme=scheme))
    path = STAGED / "live" / scheme / page.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8", newline="\n")


def generated(kind: str, what: str, up: str) -> str:
    """What stands in place of a mark; `up` leads from the page to the site's root."""
    if kind == "live":
        name, height = what.split()
        if name not in MADE:
            raise ValueError(f"There is no live page {name!r}; there are {', '.join(MADE)}.")
        return (
            f'<iframe class="saew-live" title="{name}, live" sandbox="allow-scripts" loading="lazy" '
            f'data-live="{up}live/auto/{name}.html" height="{height}"></iframe>\n\n'
            f"Recorded from the demo, without a kernel: what was recorded answers, the rest says so. "
            f'<a href="{up}live/auto/{name}.html" target="_blank">Open it alone</a>.'
        )
    if kind == "traits":
        return table_of(getattr(sw, what))
    if kind == "notebooks":
        return "\n".join(notebook_line(path, up) for path in sorted((ROOT / "examples").glob("*.ipynb")))
    return (ROOT / what).read_text("utf-8")


def notebook_line(path: Path, up: str) -> str:
    """An example as an item of a list.

    Raises:
        ValueError: for a notebook that does not begin with a heading and a paragraph.
    """
    first = "".join(json.loads(path.read_text("utf-8"))["cells"][0]["source"])
    found = _FIRST.match(first)
    if found is None:
        raise ValueError(f"{path} does not begin with a heading and what it is about.")
    return f"- [{found['title']}]({up}examples/{path.name}): {found['says']}"


if __name__ == "__main__":
    stage()

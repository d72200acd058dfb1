"""The Python samples of the README and the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^(?P<run><!-- run -->\n)?```python\n(?P<code>.*?)^```$", re.M | re.S)


def samples(page: Path) -> Iterator[tuple[int, str, bool]]:
    """Line, code, and whether it is to be run."""
    text = page.read_text("utf-8")
    for found in _BLOCK.finditer(text):
        yield text.count("\n", 0, found.start("code")) + 1, found["code"], found["run"] is not None

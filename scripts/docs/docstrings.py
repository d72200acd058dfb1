"""How our docstrings are read for the API reference.

They are Google's, but for three habits that save lines in the source: several arguments or errors in one item ("top_p, top_k: ...",
"A: ... B: ..."), an "Example:" of one, and traits of widgets, whose table stands on the widget's own page.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields|Example|Traits)\b[^:\n]*:$")
_ITEM = re.compile(r"^(?P<names>\*{0,2}\w+(?:, \*{0,2}\w+)+)(?P<rest>: .*)$")
# Where another item begins in the same line: an error's name, or a parameter's.
_MORE = re.compile(r"(?<=[.)]) (?=(?:[A-Z]\w*(?:Error|Warning)|(?:[a-z_]\w*, )*[a-z_]\w*): )")


class Docstrings(griffe.Extension):
    """Rewrites each docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **_options: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = rewritten(obj.docstring.value)


def rewritten(text: str) -> str:
    """A docstring in the form that the parser knows."""
    found: list[str] = []
    section = ""
    for line in text.splitlines():
        stripped = line.strip()
        if _SECTION.match(stripped) and not line.startswith(" " * 4):
            section = stripped.split(":")[0].split(" ")[0]
            if section == "Example":
                line = "Examples:"
        elif line and not line.startswith(" "):
            section = ""
        if section == "Traits":
            continue
        found += _items(line) if section in ("Args", "Attributes", "Raises") else [line]
    return "\n".join(found)


def _items(line: str) -> list[str]:
    """A line of a section, in which one item begins where the line begins with a name, and another after each sentence that does."""
    indent = line[: len(line) - len(line.lstrip())]
    if len(indent) != 4:
        return [line]
    parts = []
    for part in _MORE.split(line.strip()):
        several = _ITEM.match(part)
        names = several["names"].split(", ") if several else [""]
        parts += [f"{indent}{name}{several['rest']}" if several else f"{indent}{part}" for name in names]
    return parts

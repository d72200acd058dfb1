"""One self-contained HTML file: no network, a strict policy of hashes, and only what was recorded.

The page holds exactly one script (host and widget) and one data block. The block is gzipped JSON in base64, so no
character of any token can act in it; the policy allows that one script and that one style sheet by their hashes.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from .fallback import fallback_css
from .html_text import shown

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

BUNDLE_VERSION = 1


@dataclass(frozen=True)
class Recorded:
    """One recorded answer: the channel and parameters it belongs to, its JSON and its base64 arrays."""

    ch: str
    p: Mapping[str, Json]
    r: Mapping[str, Json]
    arrays: Sequence[Json]


def page(
    *,
    widget: str,
    title: str,
    state: Mapping[str, Json],
    recorded: Sequence[Recorded],
    script: str,
    style: str,
    fallback: str,
    provenance: Sequence[tuple[str, str]],
) -> str:
    """The HTML. Equal inputs give equal bytes.

    Raises:
        ValueError: if script or style could end their own element.
    """
    css = _inert(style + fallback_css(), "</style")
    js = _inert(script, "</script")
    if "<!--" in js and "<script" in js.lower():
        raise ValueError("The script holds both '<!--' and '<script', which together change how HTML reads it.")
    inner = json.dumps(
        {"state": state, "recorded": [asdict(r) for r in recorded], "provenance": list(provenance)},
        sort_keys=True,
        separators=(",", ":"),
        allow_nan=False,
    )
    packed = base64.b64encode(gzip.compress(inner.encode(), 9, mtime=0)).decode()
    data = _escape_json(
        json.dumps({"version": BUNDLE_VERSION, "widget": widget, "title": title, "gz": packed}, sort_keys=True)
    )
    # The static picture brings its own <style>; in a page its rules are in the one style sheet that the policy allows.
    static = fallback.split("</style>", 1)[-1]
    policy = (
        f"default-src 'none'; script-src '{_hash(js)}'; style-src '{_hash(css)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    version = dict(provenance).get("versions", "")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="{html.escape(version)}">\n'
        f"<title>{shown(title)}</title>\n<style>{css}</style>\n</head>\n<body>\n"
        f'<main>\n<h1 class="saew-page-title">{shown(title)}</h1>\n'
        f'<div id="saew-root"></div>\n<div id="saew-static">{static}</div>\n</main>\n'
        f'<script type="application/json" id="saew-data">{data}</script>\n<script>{js}</script>\n</body>\n</html>\n'
    )


def _inert(code: str, end: str) -> str:
    if end in code.lower():
        raise ValueError(f"The bundle holds {end!r}, which would end its element.")
    return code


def _hash(code: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()


def _escape_json(text: str) -> str:
    for character in "&<>\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text

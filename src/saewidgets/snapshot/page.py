"""One self-contained HTML file: no network, a strict policy of hashes, and only what was recorded.

The page holds exactly one script (host and widgets) and one data block. The block is gzipped JSON in base64, so no
character of any token can act in it; the policy allows that one script and that one style sheet by their hashes.

A folder (`Parts`) is the same page with most of its answers in files beside it, which its script adds when they are asked
for. They are scripts, since a page from `file://` may read no other file; each only hands over such a block. The policy
then trusts what the one script of known hash adds ('strict-dynamic'), and a second one, which holds as well, takes files
only from where the page itself is: no markup of any text can load a script, nor can anything from elsewhere.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import cast

from .fallback import fallback_css
from .html_text import shown
from .sharing import Json as Json
from .sharing import share

BUNDLE_VERSION = 2
PLAIN = "Where scripts run, this page can be clicked through. Here is a picture of what it shows first."
PART = "parts/{:04d}.js"
"""Where the parts of a folder are, beside its page."""


@dataclass(frozen=True)
class Recorded:
    """One recorded answer: the channel and parameters it belongs to, its JSON and its base64 arrays."""

    ch: str
    p: Mapping[str, Json]
    r: Mapping[str, Json]
    arrays: Sequence[Json]


@dataclass(frozen=True)
class Choice:
    """What a reader can choose among what was recorded: a name, and options of what each says and the traits it sets."""

    name: str
    options: Sequence[tuple[str, Mapping[str, Json]]]


@dataclass(frozen=True)
class View:
    """One widget of a page.

    Attributes:
        name: in this page, for links. widget: its front-end.
        state: the traits that it starts with. recorded: what it can be asked. choices: above it.
        missing: why it is not there; then all else is empty.
    """

    name: str
    widget: str
    state: Mapping[str, Json]
    recorded: Sequence[Recorded]
    choices: Sequence[Choice] = ()
    missing: str = ""


@dataclass(frozen=True)
class Parts:
    """Answers of a page's one view that stand in files beside it.

    Attributes:
        features: what the answers are about, file by file. key: of these files; those of another page are refused.
        scripts: what stands in the files.
    """

    features: Sequence[Sequence[int]]
    key: str
    scripts: Sequence[str]


Link = Sequence[tuple[str, str]]
"""(view, trait) of traits that have one value."""


def page(
    *,
    widget: str,
    title: str,
    views: Sequence[View],
    script: str,
    style: str,
    fallback: str,
    provenance: Sequence[tuple[str, str]],
    links: Sequence[Link] = (),
    parts: Parts | None = None,
) -> str:
    """The HTML. Equal inputs give equal bytes.

    Raises:
        ValueError: if script or style could end their own element.
    """
    css = _inert(style + fallback_css(), "</style")
    js = _inert(script, "</script")
    if "<!--" in js and "<script" in js.lower():
        raise ValueError("The script holds both '<!--' and '<script', which together change how HTML reads it.")
    packed = pack(
        {
            "views": [cast(Json, asdict(view)) for view in views],
            "links": cast(Json, [[list(end) for end in link] for link in links]),
            "parts": None
            if parts is None
            else {"key": parts.key, "features": cast(Json, [list(features) for features in parts.features])},
            "provenance": cast(Json, [list(fact) for fact in provenance]),
        }
    )
    data = _escape_json(
        json.dumps({"version": BUNDLE_VERSION, "widget": widget, "title": title, "gz": packed}, sort_keys=True)
    )
    # The static picture brings its own <style>; in a page its rules are in the one style sheet that the policy allows.
    static = fallback.split("</style>", 1)[-1]
    policies = "".join(
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">\n'
        for policy in _policies(js, css, parts is not None)
    )
    version = dict(provenance).get("versions", "")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"{policies}"
        '<meta name="color-scheme" content="light dark">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="{html.escape(version)}">\n'
        f"<title>{shown(title)}</title>\n<style>{css}</style>\n</head>\n<body>\n"
        f'<main>\n<h1 class="saew-page-title">{shown(title)}</h1>\n'
        f'<noscript><p class="saew-page-plain">{PLAIN}</p></noscript>\n'
        f'<div id="saew-root"></div>\n<div id="saew-static">{static}</div>\n</main>\n'
        f'<script type="application/json" id="saew-data">{data}</script>\n<script>{js}</script>\n</body>\n</html>\n'
    )


def parts_of(groups: Sequence[tuple[Sequence[int], Sequence[Recorded]]]) -> Parts:
    """Features, and the answers about them, as files: each hands its answers over to the page, and does nothing else."""
    packed = [pack([cast(Json, asdict(one)) for one in recorded]) for _, recorded in groups]
    key = hashlib.sha256("\n".join(packed).encode()).hexdigest()[:16]
    scripts = [f'saewPart("{key}",{number},"{one}");\n' for number, one in enumerate(packed)]
    return Parts([features for features, _ in groups], key, scripts)


def pack(data: Json) -> str:
    """JSON with what is there several times once, gzipped, as base64: nothing of what it holds can act, wherever it stands."""
    shared, value = share(data)
    inner = json.dumps({"shared": shared, "value": value}, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(inner.encode(), 9, mtime=0)).decode()


def _policies(js: str, css: str, parts: bool) -> Iterator[str]:
    added = " 'strict-dynamic'" if parts else ""
    yield (
        f"default-src 'none'; script-src '{_hash(js)}'{added}; style-src '{_hash(css)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    if parts:
        yield f"script-src '{_hash(js)}' 'self' file:"


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

"""Token texts that would like to be more than text, as many as are wanted."""

from __future__ import annotations

import random

PIECES = [
    "<script>window.hacked=1</script>",
    "</script>",
    "<!--",
    "-->",
    "<!--<script>",
    "]]>",
    "<img src=x onerror=window.hacked=1>",
    "<svg onload=window.hacked=1>",
    "<iframe srcdoc='<script>parent.hacked=1</script>'>",
    "<a href=javascript:window.hacked=1>",
    "<style>*{display:none}</style>",
    "</style>",
    "<base href=//x>",
    "<form action=//x><input autofocus onfocus=window.hacked=1>",
    '" onmouseover="window.hacked=1',
    "' autofocus onfocus='window.hacked=1",
    "`${window.hacked=1}`",
    "{{constructor.constructor('window.hacked=1')()}}",
    "&lt;script&gt;",
    "&#60;b&#62;",
    "&amp",
    "</title><b>",
    "</textarea>",
    "</noscript>",
    "\x00",
    "\x1b[31m",
    "\u2028",
    "\u2029",
    "\u202e",
    "\u2066",
    "\u200b",
    "\ufeff",
    "\ud800",
    "\udfff",
    "שלום",
    "\u0301",
    "\U0001f469\u200d\U0001f680",
    "expression(window.hacked=1)",
    "url(javascript:window.hacked=1)",
    "\\u003cscript\\u003e",
    "</",
    "<",
    ">",
    "'",
    '"',
    "\\",
    "$",
    "$&",
    " word",
    "\n",
    "\t",
    " ",
]


def hostile(n: int, seed: int = 0) -> list[str]:
    """`n` texts of one to four pieces, none of them empty."""
    dice = random.Random(seed)
    return ["".join(dice.choices(PIECES, k=dice.randint(1, 4))) for _ in range(n)]

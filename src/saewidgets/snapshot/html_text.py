"""Hostile text into HTML: everything escaped, and characters that would act (instead of show) made visible."""

from __future__ import annotations

import html
import unicodedata

_NAMED = {"\n": "\u21b5\n", "\t": "\u21e5\t"}


def shown(text: str) -> str:
    """`text` as HTML: escaped; line ends as a sign; control, bidi and zero-width characters as [U+....]."""
    return "".join(_character(character) for character in text)


def _character(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    # Cc control, Cf format (bidi marks, zero-width joiners), Cs surrogate, Zl/Zp line and paragraph separators.
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return f"[U+{ord(character):04X}]"
    return html.escape(character)

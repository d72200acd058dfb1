"""Script-free HTML of a view: for GitHub, nbconvert, e-mail, and for a page whose script does not run.

Readable with no CSS at all: every number that a colour shows also stands in a table or a title. Styles are classes in
one <style> element, never attributes, so that the same HTML passes the strict policy of a page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .html_text import shown

LEVELS = 10
SAVED = "As shown when the cell ran; run it again for the live view."


@dataclass(frozen=True)
class FallbackRow:
    """One token: its text, its colour level (-1 .. 1), whether it is greyed, and its activation for the title."""

    text: str
    level: float
    muted: bool
    value: float | None


def fallback_css() -> str:
    """The style sheet of `fallback`."""
    base = (
        ".saew-fb{font:14px/1.7 system-ui,sans-serif;max-width:72em}"
        ".saew-fb-text{white-space:pre-wrap;overflow-wrap:anywhere}"
        ".saew-fb-text bdi{border-radius:2px;padding:1px 0}"
        ".saew-fb-muted{opacity:.5}"
        ".saew-fb table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13px}"
        ".saew-fb td,.saew-fb th{padding:1px 12px 1px 0;text-align:left}"
        ".saew-fb small{opacity:.75}"
    )
    orange = "".join(
        f".saew-fb-p{i}{{background:rgba(230,119,0,{i / LEVELS * 0.75:.3f})}}" for i in range(1, LEVELS + 1)
    )
    blue = "".join(f".saew-fb-n{i}{{background:rgba(0,114,178,{i / LEVELS * 0.75:.3f})}}" for i in range(1, LEVELS + 1))
    return base + orange + blue


def fallback(
    *,
    heading: str,
    tokens: Sequence[FallbackRow],
    left_out: int,
    caption: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    provenance: Sequence[tuple[str, str]],
    notes: Sequence[str],
    with_style: bool = True,
) -> str:
    """A heading, the coloured tokens, a table, notes and provenance."""
    style = f"<style>{fallback_css()}</style>" if with_style else ""
    head = "".join(f"<th>{shown(c)}</th>" for c in columns)
    body = "".join("<tr>" + "".join(f"<td>{shown(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    more = f"<p><small>{left_out} more tokens are left out here.</small></p>" if left_out else ""
    said = "".join(f"<p><small>{shown(note)}</small></p>" for note in notes)
    facts = " \u00b7 ".join(f"{shown(k)}: {shown(v)}" for k, v in provenance)
    return (
        f'{style}<div class="saew-fb"><p><strong>{shown(heading)}</strong></p>'
        f'<p class="saew-fb-text">{"".join(map(_token, tokens))}</p>{more}'
        f"<p><small>{shown(caption)}</small></p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{said}<p><small>{facts}</small></p></div>"
    )


def as_saved(picture: str) -> str:
    """`picture`, a script-free HTML of a widget, as a notebook's file keeps it: with the moment it is of.

    The file keeps what the cell put out when it ran, while the live view goes on; where a reader sees the picture, the
    live view is gone, so that it must say by itself what it is of.
    """
    return f'<p class="saew-fb-saved"><small>{SAVED}</small></p>{picture}'


def _token(row: FallbackRow) -> str:
    level = round(min(1.0, abs(row.level)) * LEVELS)
    if row.level and not level:
        level = 1  # a weak activation is still one
    names = [f"saew-fb-{'n' if row.level < 0 else 'p'}{level}"] if level else []
    names += ["saew-fb-muted"] if row.muted else []
    title = f' title="{row.value:.4g}"' if row.value else ""
    css = f' class="{" ".join(names)}"' if names else ""
    # bdi: a right-to-left token must not reorder its neighbours.
    return f"<bdi{css}{title}>{shown(row.text)}</bdi>"

"""A map without a kernel: what a page answers, and the script-free picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...snapshot.fallback import fallback, fallback_css
from ...snapshot.html_text import shown
from ...snapshot.points import HUES, REST, dots
from ..feature.card import AskedCard
from ..shot import Question
from .asked import AskedColour, AskedFacts, AskedLayout, AskedMarks
from .colours import Colours
from .payload import NO_LEVEL, Colouring, kept_in_words, made_in_words

if TYPE_CHECKING:
    from ...geometry.map.layout import FeatureLayout
    from ...index.feature_index import FeatureIndex

__all__ = ["fallback_of", "questions"]

_FALLBACK_POINTS, _FALLBACK_ROWS = 3000, 25
_WIDTH, _MARGIN, _LINE = 720, 6, 18
# Readable on white and on black: of numbers from the lowest to the highest, of groups one each.
_SCALE = ("#b8a12c", "#7fae3c", "#35a574", "#2a8f97", "#3f78a8", "#5a5fb0", "#7a46a0")
_GROUPS = (*HUES, "#516142", "#331031", "#6f1f18", "#412a95")


def questions(colours: Sequence[str], marks: AskedMarks, features: Sequence[int]) -> Iterator[Question]:
    """The points, the colourings, what is marked, and cards of these features."""
    yield Question("facts", AskedFacts())
    yield Question("layout", AskedLayout())
    for name in colours:
        yield Question("colour", AskedColour(name))
    if marks.query.strip() or marks.only:
        yield Question("marks", marks)
    for feature in features:
        yield Question("card", AskedCard(feature))


def fallback_of(
    index: FeatureIndex, layout: FeatureLayout | None, colours: Colours, colour: str, selected: Sequence[int]
) -> str:
    """Script-free HTML: the points as a picture, and the selected features in words."""
    rows = []
    for feature in selected[:_FALLBACK_ROWS]:
        said = index.describe(feature)
        rows.append([str(feature), "" if said is None else said.text])
    if layout is None:
        picture, heading, notes = "", f"Map of {len(index):,} features", ["The map is made when its view is shown."]
    else:
        found = colours.of(colour, layout)
        picture, drawn = _svg(layout, found)
        heading = f"Map of {len(layout.features):,} features"
        notes = [
            f"Coloured by {found.title}: {found.says}.",
            kept_in_words(layout),
            made_in_words(layout),
            *layout.notes,
        ]
        if drawn < len(layout.features):
            notes.insert(0, f"{drawn:,} of {len(layout.features):,} points, drawn at random.")
    words = fallback(
        heading=heading,
        tokens=[],
        left_out=0,
        caption=f"{len(rows)} of {len(selected):,} selected features" if selected else "No feature is selected",
        columns=["feature", "description"] if rows else [],
        rows=rows,
        provenance=list(index.provenance.items()),
        notes=notes,
        with_style=False,
    )
    return f"<style>{fallback_css()}</style>{picture}{words}"


def _svg(layout: FeatureLayout, colouring: Colouring) -> tuple[str, int]:
    """The picture, and how many points are in it: one path a colour, each point a line of no length with round ends."""
    n = len(layout.features)
    chosen = np.arange(n)
    if n > _FALLBACK_POINTS:
        chosen = np.sort(np.random.default_rng(0).choice(n, _FALLBACK_POINTS, replace=False))
    left, top = float(layout.x.min()), float(layout.y.max())
    span = max(float(layout.x.max()) - left, 1e-6)
    unit = (_WIDTH - 2 * _MARGIN) / span
    height = round((top - float(layout.y.min())) * unit) + 2 * _MARGIN
    x = np.round((layout.x[chosen] - left) * unit + _MARGIN, 1)
    y = np.round((top - layout.y[chosen]) * unit + _MARGIN, 1)
    level = colouring.level[chosen].astype(int)
    names = _GROUPS if colouring.groups else _SCALE
    shade = level if colouring.groups else level * len(names) // NO_LEVEL
    paths = []
    for at, colour in enumerate([REST, *names]):
        mine = level == NO_LEVEL if at == 0 else (level != NO_LEVEL) & (shade == at - 1)
        paths.append(dots(zip(x[mine], y[mine], strict=True), colour, 3))
    label = shown(f"{len(chosen):,} features by {colouring.title}")
    legend = _legend(colouring)
    lines = [
        f'<circle cx="{_MARGIN + 4}" cy="{height + _LINE * i + 8}" r="4" fill="{colour}"/>'
        f'<text x="{_MARGIN + 16}" y="{height + _LINE * i + 12}">{shown(says)}</text>'
        for i, (colour, says) in enumerate(legend)
    ]
    tall = height + _LINE * len(legend) + _MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {tall}" width="{_WIDTH}" height="{tall}" '
        f'role="img" aria-label="{label}">{"".join(paths)}'
        f'<g fill="currentColor" font-size="12" font-family="sans-serif">{"".join(lines)}</g></svg>'
    ), len(chosen)


def _legend(colouring: Colouring) -> list[tuple[str, str]]:
    """Colours with what they mean: groups, or the steps of a scale from where each begins."""
    rest = [(REST, f"{colouring.rest.name} ({colouring.rest.n:,})")] if colouring.rest.n else []
    if colouring.groups:
        return [*((_GROUPS[i], f"{one.name} ({one.n:,})") for i, one in enumerate(colouring.groups)), *rest]
    low, high = colouring.low, colouring.high
    if low is None or high is None:
        return rest
    if low == high and not (colouring.below or colouring.above):
        return [(_SCALE[0], f"{low:.3g}"), *rest]
    shares = np.arange(len(_SCALE)) / len(_SCALE)
    begins: list[float] = (low * (high / low) ** shares if colouring.log else low + (high - low) * shares).tolist()
    says = [f"from {value:.3g}" for value in begins]
    if colouring.below:  # what is below the scale has its first colour
        says[0] = f"below {begins[1]:.3g}"
    return [*zip(_SCALE, says, strict=True), *rest]

"""A subspace without a kernel: the answers that a page carries, and the script-free picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...engine.labels import said
from ...snapshot.fallback import fallback, fallback_css
from ...snapshot.html_text import shown
from ...snapshot.points import HUES, REST, dots
from ..shot import Question
from .asked import AskedColour, AskedSubspace, AskedTexts
from .colours import OTHER, Groups, choices, coloured

if TYPE_CHECKING:
    from ...engine.arrays import Ints
    from ...geometry.subspace.result import Subspace

__all__ = ["fallback_of", "not_yet", "questions", "recorded_points"]

# Of the picture without scripts, which every saved notebook holds.
_POINTS, _SIZE, _EDGE = 1500, 360, 12
# Hues as discs, then darker as squares: as the view has them (js/src/widgets/subspace/colours.ts).
_MARKS = (*HUES, *("#926b11", "#0d5178", "#0d6a54", "#835572", "#894511", "#3f7798"))


def recorded_points(sub: Subspace, selected: Sequence[int], texts: int, seed: int = 0) -> list[int]:
    """The points whose texts a page has: those that are selected, and up to `texts` in all, drawn with `seed`."""
    n = len(sub.points)
    drawn: list[int] = np.random.default_rng(seed).permutation(n)[: max(0, texts)].tolist()
    return sorted({*selected, *drawn[: max(0, texts - len(selected))]})


def questions(sub: Subspace, colour: str, points: Sequence[int]) -> Iterator[Question]:
    """What a page answers: the points, every way to colour them, and texts, which its host takes apart (offline.ts)."""
    features = tuple(sub.features.tolist())
    yield Question("subspace", AskedSubspace(features))
    for one in dict.fromkeys([colour, *(value for value, _ in choices(sub))]):
        yield Question("colour", AskedColour(features, one))
    yield Question("texts", AskedTexts(features, tuple(points)))


def not_yet(features: Sequence[int]) -> str:
    """The same of features that nobody has read yet."""
    named = ", ".join(map(str, features[:8])) + (" ..." if len(features) > 8 else "")
    return (
        f"<p>Subspace of features {named}: the index does not keep all their activations, and their texts had not been read "
        "again when this picture was made. The live view reads them; showing the widget again then keeps a picture.</p>"
    )


def fallback_of(sub: Subspace, pair: tuple[int, int], colour: str) -> str:
    """Script-free HTML: the points on two components, and the mean place of each group of tokens."""
    a, b = pair
    found = coloured(sub, colour)
    groups = found if isinstance(found, Groups) else coloured(sub, "token")
    assert isinstance(groups, Groups)
    drawn = np.sort(np.random.default_rng(0).permutation(len(sub.points))[:_POINTS])
    names = [said(sub.labels, f) for f in sub.features.tolist()]
    listed = [f"{f} {name}".strip() for f, name in zip(sub.features.tolist(), names, strict=True)]
    what = (
        "all points"
        if len(drawn) == len(sub.points)
        else f"{len(drawn):,} of {len(sub.points):,} points, drawn at random"
    )
    axes = [f"PC{i + 1} ({sub.explained[i]:.0%} of the variance)" for i in (a, b)]
    by = "token" if groups is not found or colour == "token" else colour
    rows = [
        [
            name,
            str(count),
            *(f"{sub.points[groups.group == g, i].mean():.4g}" for i in (a, b)),
        ]
        for g, (name, count) in enumerate(zip(groups.names, groups.counts, strict=True))
    ]
    style = f"<style>{fallback_css()}</style>"
    picture = _picture(sub, pair, groups, drawn, f"{axes[0]} to the right, {axes[1]} upwards")
    table = fallback(
        heading=f"Subspace of features {', '.join(listed)}",
        tokens=[],
        left_out=0,
        caption=f"{axes[0]} to the right, {axes[1]} upwards; {what}, coloured by {by}. Circularity of this pair: "
        f"{sub.circularity[a, b]:.3f}. Below, the mean place of the most frequent groups.",
        columns=[by, "points", f"mean PC{a + 1}", f"mean PC{b + 1}"],
        rows=rows,
        provenance=list(sub.provenance.items()),
        notes=list(sub.notes),
        with_style=False,
    )
    return f"{style}{picture}{table}"


def _picture(sub: Subspace, pair: tuple[int, int], groups: Groups, drawn: Ints, says: str) -> str:
    """An SVG without text, for whoever takes out pictures leaves text: both axes in the same units."""
    xy = sub.points[:, list(pair)]
    low, high = xy.min(0), xy.max(0)
    room = _SIZE - 2 * _EDGE
    scale = room / max(float((high - low).max()), 1e-12)
    middle = (low + high) / 2
    at = np.rint(_SIZE / 2 + (xy - middle) * scale * np.array([1, -1])).astype(int)
    paths = [
        dots(
            at[drawn[groups.group[drawn] == group]].tolist(),
            REST if group == OTHER else _MARKS[group],
            4,
            square=len(HUES) <= group < OTHER,
        )
        for group in [OTHER, *range(len(groups.names))]
    ]
    edge = f'<rect x=".5" y=".5" width="{_SIZE - 1}" height="{_SIZE - 1}" fill="none" stroke="{REST}"/>'
    return (
        f'<svg width="{_SIZE}" height="{_SIZE}" viewBox="0 0 {_SIZE} {_SIZE}" role="img" aria-label="{shown(says)}">'
        f"{edge}{''.join(paths)}</svg>"
    )

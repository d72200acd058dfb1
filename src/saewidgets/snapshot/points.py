"""Points of a script-free picture: of one colour they are one path, each a line of no length whose ends make a disc or a square."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["HUES", "REST", "dots"]

HUES = ("#e69f00", "#0072b2", "#009e73", "#cc79a7", "#d55e00", "#56b4e9")
"""Okabe and Ito's colours, which every kind of colour vision tells apart, as the views have them; readable on white and black."""
REST = "#8c959f"
"""Of what has no colour of its own."""


def dots(places: Iterable[tuple[float, float]], colour: str, size: float, *, square: bool = False) -> str:
    """SVG of points of one colour, `size` wide; "" of none.

    Args:
        places: x and y of each, in units of the picture.
    """
    moves = "".join(f"M{x:g} {y:g}h0" for x, y in places)
    if not moves:
        return ""
    cap = "square" if square else "round"
    return f'<path stroke="{colour}" d="{moves}" stroke-width="{size:g}" stroke-linecap="{cap}" fill="none"/>'

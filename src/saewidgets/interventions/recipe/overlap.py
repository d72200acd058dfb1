"""Interventions that meet: the same feature twice at one position, and positions that a text does not have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf

from .errors import RecipeError
from .intervention import Intervention, Positions

__all__ = ["clash", "refuse_past_the_end"]


def clash(interventions: Sequence[Intervention], default: str | None = None, n_prompt: int | None = None) -> None:
    """Refuse the same feature twice at a position where both may act: which of the two is meant cannot be known.

    Whether "prompt" or "generated" meets positions that are listed depends on the length of the prompt. Until it is
    known, only what must meet is refused: a prompt has position 0, and a text may go on for ever.

    Args:
        default: the dictionary that is meant where none is named.
        n_prompt: tokens of the prompt, where it is known.

    Raises:
        RecipeError: with `row`, naming the feature and the first position that both have.
    """
    seen: dict[tuple[str | None, int], list[Intervention]] = {}
    for row, i in enumerate(interventions):
        for f in i.features if i.on else ():
            others = seen.setdefault((i.sae or default, f), [])
            for other in others:
                at = _meeting(i.positions, other.positions, n_prompt)
                if at is not None:
                    error = RecipeError(
                        f"Feature {f} is changed twice at position {at}. Put both into one intervention, switch one off, or "
                        "give them positions that they do not share (such as 'prompt' and 'generated').",
                        "features",
                    )
                    error.row = row
                    raise error
            others.append(i)


def _meeting(a: Positions, b: Positions, n_prompt: int | None) -> int | None:
    """The first position that both have; None if they share none, or if that is not known."""
    if {a, b} == {"prompt", "generated"}:
        return None
    spans_a, spans_b = _spans(a, b, n_prompt), _spans(b, a, n_prompt)
    shared = [max(x[0], y[0]) for x in spans_a for y in spans_b if max(x[0], y[0]) < min(x[1], y[1])]
    return min(shared, default=None)


def _spans(positions: Positions, beside: Positions, n_prompt: int | None) -> list[tuple[int, float]]:
    """[start, stop) of positions. Of a prompt of unknown length, what it has in any case, unless both are it."""
    if not isinstance(positions, str):
        return [(p, p + 1) if isinstance(p, int) else (p[0] or 0, inf if p[1] is None else p[1]) for p in positions]
    if positions == "all" or positions == beside:
        return [(0, inf)]
    if positions == "prompt":
        return [(0, 1 if n_prompt is None else n_prompt)]
    return [(n_prompt if n_prompt is not None else _longest(beside), inf)]


def _longest(positions: Positions) -> int:
    """The first position past everything that ends: there, a text may still be going on."""
    ends = [p + 1 if isinstance(p, int) else p[1] or p[0] or 0 for p in positions if not isinstance(p, str)]
    return max(ends, default=1)


def refuse_past_the_end(recipe: Iterable[Intervention], n: int) -> None:
    """Refuse positions and spans that lie wholly past a text of `n` tokens: nothing would happen there.

    Raises:
        RecipeError: with `row`, naming the position.
    """
    for row, i in enumerate(recipe):
        for p in i.positions if i.on and not isinstance(i.positions, str) else ():
            start = (p[0] or 0) if isinstance(p, tuple) else p
            if start >= n:
                error = RecipeError(
                    f"{'The span' if isinstance(p, tuple) else 'Position'} {p!r} is past the end of the text, which has "
                    f"{n} tokens (0 to {n - 1}, BOS included).",
                    "positions",
                )
                error.row = row
                raise error

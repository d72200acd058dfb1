"""What an intervention may be: refused at once and by name, so that no nonsense reaches the model."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

from ...errors import SaewidgetsError, nearest
from .kinds import KINDS, UNITS, kind_of

if TYPE_CHECKING:
    from .recipe import Intervention, Positions, Recipe

_LARGEST = 3.4e38
"""Of float32, in which edits are computed."""
_NAMED = ("all", "prompt", "generated")


class RecipeError(SaewidgetsError, ValueError):
    """An intervention that cannot be meant, or that the engine cannot do. `row` and `field` say which of a recipe."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.row: int | None = None


def plain(i: Intervention) -> dict[str, object]:
    """The fields of `i` that hold numbers, as Python's own: NumPy's and torch's are as good as those, bools are none.

    Raises:
        RecipeError: for what is no number, or no index.
    """
    made: dict[str, object] = {}
    for number in ("value", "low", "max_activation"):
        given = getattr(i, number)
        made[number] = None if given is None else _number(given, number)
    if not isinstance(i.features, tuple):
        raise RecipeError(f"`features` must be a tuple of indices, not {i.features!r}.", "features")
    made["features"] = tuple(_index(f, "features") for f in i.features)
    made["by"] = None if i.by is None else _index(i.by, "by")
    if i.direction is not None:
        made["direction"] = tuple(_number(x, "direction") for x in i.direction)
    if isinstance(i.positions, tuple):
        made["positions"] = tuple(
            tuple(None if end is None else _index(end, "positions") for end in p)
            if isinstance(p, tuple)
            else _index(p, "positions")
            for p in i.positions
        )
    if i.when is not None:
        if not hasattr(i.when, "feature"):
            raise RecipeError(f"`when` is a feature and a threshold, such as (12, 0.5), not {i.when!r}.", "when")
        made["when"] = replace(i.when, feature=_index(i.when.feature, "when"), above=_number(i.when.above, "when"))
    return made


def _index(value: object, field: str) -> int:
    try:
        if isinstance(value, bool) or "bool" in str(getattr(value, "dtype", "")):
            raise TypeError
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        hint = " For a raw vector, say at which hook: hook='blocks.7.hook_resid_pre'." if field == "features" else ""
        what = (
            "a position is a number from 0 or a pair (start, stop)"
            if field == "positions"
            else "an index is an integer"
        )
        raise RecipeError(f"`{field}`: {what}, not {value!r}.{hint}", field) from None


def _number(value: object, field: str) -> float:
    try:
        if isinstance(value, (bool, str, bytes)) or getattr(value, "ndim", 0) != 0:
            raise TypeError
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise RecipeError(f"`{field}` must be a finite number, not {str(value)[:40]!r}.", field) from None


def _finite(number: float) -> bool:
    return abs(number) <= _LARGEST


def check(i: Intervention) -> None:
    """Refuse what cannot be meant.

    Raises:
        RecipeError: naming the field and the remedy.
    """
    _check_kind(i)
    _check_target(i)
    _check_value(i)
    _check_positions(i)
    if i.when is not None:
        if i.when.feature < 0:
            raise RecipeError(f"The feature of `when` is an index from 0, not {i.when.feature}.", "when")
        if i.direction is not None:
            raise RecipeError("A raw direction belongs to no SAE, so there is no other feature to look at.", "when")
        if not _finite(i.when.above):
            raise RecipeError(f"The threshold of `when` must be a finite number, not {i.when.above!r}.", "when")
    for name in ("special", "only_active", "on"):
        if not isinstance(getattr(i, name), bool):
            raise RecipeError(f"`{name}` must be True or False, not {getattr(i, name)!r}.", name)
    for name in ("sae", "hook", "label"):
        if not isinstance(getattr(i, name), (str, type(None))):
            raise RecipeError(f"`{name}` must be a string, not {getattr(i, name)!r}.", name)


def _check_kind(i: Intervention) -> None:
    if not isinstance(i.kind, str) or i.kind not in KINDS:
        near = nearest(str(i.kind), KINDS, 1)
        raise RecipeError(
            f"There is no kind {i.kind!r}; {f'did you mean {near[0]!r}?' if near else 'kinds are ' + ', '.join(KINDS)}",
            "kind",
        )
    if not isinstance(i.unit, str) or i.unit not in UNITS:
        raise RecipeError(f"There is no unit {i.unit!r}; units are {', '.join(UNITS)}.", "unit")
    allowed = kind_of(i).units
    if i.unit not in (allowed or ("raw",)):
        raise RecipeError(
            f"{i.kind} takes {'the units ' + ', '.join(allowed) if allowed else 'no unit'}, not {i.unit!r}.", "unit"
        )


def _check_target(i: Intervention) -> None:
    if (i.direction is None) == (not i.features):
        raise RecipeError("An intervention needs either features or a direction.", "features")
    if (i.direction is None) != (i.hook is None):
        raise RecipeError("A direction needs the name of its hook, and only a direction does.", "hook")
    wrong = next((f for f in i.features if f < 0), None)
    if wrong is not None:
        raise RecipeError(f"Features are indices from 0, not {wrong!r}.", "features")
    if len(set(i.features)) != len(i.features):
        raise RecipeError("The same feature stands twice in one intervention.", "features")
    if i.direction is not None:
        if not all(map(_finite, i.direction)):
            raise RecipeError("The direction holds NaN or infinity.", "direction")
        if not any(i.direction):
            raise RecipeError("The direction is zero: it points nowhere.", "direction")
        if kind_of(i).other or UNITS[i.unit].of_features:
            raise RecipeError("A raw direction has no maximal activation and is replaced by no feature.", "kind")
    if kind_of(i).other != (i.by is not None):
        taking = ", ".join(f"{name}()" for name, kind in KINDS.items() if kind.other)
        raise RecipeError(f"`by` names the feature that replaces: needed by {taking}, and only there.", "by")
    if i.by is not None and (i.by < 0 or i.by in i.features):
        raise RecipeError(f"A feature cannot be replaced by {i.by!r}: name another feature.", "by")


def _check_value(i: Intervention) -> None:
    kind = kind_of(i)
    if kind.start is None:
        if i.value is not None:
            raise RecipeError(f"{i.kind} takes no value: {kind.formula}. Use another kind, such as clamp.", "value")
        return
    if i.value is None or not _finite(i.value):
        raise RecipeError(f"The value must be a finite number, not {i.value!r}.", "value")
    if i.low is not None and (not kind.bounded or not _finite(i.low) or i.low > i.value):
        raise RecipeError("`low` is the lower bound of a cap: a finite number, not above the value.", "low")
    if i.max_activation is not None and (not _finite(i.max_activation) or i.max_activation == 0):
        raise RecipeError("`max_activation` must be a finite number other than 0.", "max_activation")


def _check_positions(i: Intervention) -> None:
    if isinstance(i.positions, str):
        if i.positions not in _NAMED:
            raise RecipeError(
                f"There are no positions {i.positions!r}; say {', '.join(map(repr, _NAMED))}, or give a list of positions.",
                "positions",
            )
        return
    if not isinstance(i.positions, tuple) or not i.positions:
        raise RecipeError("Positions must be a name or a tuple that is not empty.", "positions")
    for p in i.positions:
        ends = p if isinstance(p, tuple) else (p,)
        if any(end is not None and end < 0 for end in ends) or (isinstance(p, tuple) and len(p) != 2):
            raise RecipeError(
                f"A position is a number from 0 or a pair (start, stop), not {p!r}. Positions count from the start of the "
                "text, BOS included.",
                "positions",
            )
        if isinstance(p, tuple) and p[1] is not None and p[1] <= (p[0] or 0):
            raise RecipeError(f"The span {p!r} is empty: it stops before it starts.", "positions")


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


def refuse_past_the_end(recipe: Recipe, n: int) -> None:
    """Refuse positions and spans that lie wholly past a text of `n` tokens: nothing would happen there.

    Raises:
        RecipeError: with `row`, naming the position.
    """
    for row, i in enumerate(recipe.interventions):
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

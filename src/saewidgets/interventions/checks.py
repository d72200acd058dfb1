"""What an intervention may be: refused at once and by name, so that no nonsense reaches the model."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..engine.errors import SaewidgetsError, nearest

if TYPE_CHECKING:
    from .recipe.recipe import Intervention, Recipe

KINDS = ("add", "scale", "clamp", "ablate", "orthogonal", "cap", "replace")
UNITS = ("raw", "max", "resid", "own")

_UNITS_OF = {
    "add": UNITS,
    "clamp": ("raw", "max", "resid"),
    "cap": ("raw", "resid"),
}
"""The others take a bare factor, or nothing."""
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
    if i.kind not in KINDS:
        near = nearest(str(i.kind), KINDS, 1)
        raise RecipeError(
            f"There is no kind {i.kind!r}; {f'did you mean {near[0]!r}?' if near else 'kinds are ' + ', '.join(KINDS)}",
            "kind",
        )
    if i.unit not in UNITS:
        raise RecipeError(f"There is no unit {i.unit!r}; units are {', '.join(UNITS)}.", "unit")
    if i.unit not in _UNITS_OF.get(i.kind, ("raw",)):
        allowed = _UNITS_OF.get(i.kind)
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
        if i.kind == "replace" or i.unit == "max":
            raise RecipeError("A raw direction has no maximal activation and is replaced by no feature.", "kind")
    if (i.kind == "replace") != (i.by is not None):
        raise RecipeError("`by` names the feature that replaces: needed by replace(), and only there.", "by")
    if i.by is not None and (i.by < 0 or i.by in i.features):
        raise RecipeError(f"A feature cannot be replaced by {i.by!r}: name another feature.", "by")


def _check_value(i: Intervention) -> None:
    if i.kind == "ablate":
        if i.value is not None:
            raise RecipeError("ablate takes no value: it sets the activation to 0. Use clamp for another one.", "value")
        return
    if i.value is None or not _finite(i.value):
        raise RecipeError(f"The value must be a finite number, not {i.value!r}.", "value")
    if i.low is not None and (i.kind != "cap" or not _finite(i.low) or i.low > i.value):
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


def clash(interventions: Sequence[Intervention]) -> None:
    """Refuse the same feature twice where both would act: which of the two is meant cannot be known.

    Raises:
        RecipeError: naming the feature.
    """
    seen: dict[tuple[str | None, int], list[Intervention]] = {}
    for row, i in enumerate(interventions):
        for f in i.features if i.on else ():
            for other in seen.setdefault((i.sae, f), []):
                if {i.positions, other.positions} != {"prompt", "generated"}:
                    error = RecipeError(
                        f"Feature {f} is changed twice. Put both into one intervention, switch one off, or give one the "
                        "positions 'prompt' and the other 'generated'.",
                        "features",
                    )
                    error.row = row
                    raise error
            seen[i.sae, f].append(i)


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

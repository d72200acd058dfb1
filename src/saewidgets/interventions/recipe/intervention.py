"""One change of the stream, as plain data; what cannot be meant is refused at once and by name."""

from __future__ import annotations

import operator
from dataclasses import dataclass, fields, replace
from typing import TypeAlias

from ...errors import nearest
from .errors import RecipeError
from .kinds import KINDS, UNITS, kind_of

__all__ = ["Condition", "Intervention", "Positions", "Span"]

_LARGEST = 3.4e38
"""Of float32, in which edits are computed."""
_NAMED = ("all", "prompt", "generated")

Span: TypeAlias = "int | tuple[int | None, int | None]"
Positions: TypeAlias = "str | tuple[Span, ...]"
""" "all", "prompt", "generated", or absolute positions and [start, stop) spans of the token sequence (BOS is 0)."""


@dataclass(frozen=True)
class Condition:
    """Only where feature `feature` of the same dictionary has an activation above `above`."""

    feature: int
    above: float = 0.0


@dataclass(frozen=True)
class Intervention:
    """One change of one feature, of several alike, or along a raw direction.

    Made by `add`, `scale`, `clamp`, `ablate`, `orthogonal`, `cap` and `replace`, where the formulas stand.

    Attributes:
        features: indices; each is changed for itself. Empty for a raw direction.
        kind: one of `KINDS`.
        value: how much, in `unit`.
        unit: "raw"; "max", times the feature's maximal activation; "resid", so that the vector added is that many times
            as long as the median value at the hook (the median residual norm, where that is the residual stream);
            "own", times the token's own activation.
        sae: name of a dictionary of the engine; None: the first.
        positions: "all", "prompt", "generated" or a tuple of positions and (start, stop) pairs. The first generated
            token is predicted at the last *prompt* position: "generated" leaves it as it is.
        special: also at special tokens, chat-template tokens and norm outliers of the prompt.
        only_active: only where the feature itself is active.
        when: only where another feature is active enough.
        by: the feature that replaces.
        low: the lower bound of a cap.
        max_activation: what "max" refers to, if it shall not be looked up.
        on: False leaves it out.
        direction, hook: a raw vector at a hook instead of features.
        label: for people.
    """

    features: tuple[int, ...] = ()
    kind: str = "add"
    value: float | None = None
    unit: str = "raw"
    sae: str | None = None
    positions: Positions = "all"
    special: bool = False
    only_active: bool = False
    when: Condition | None = None
    by: int | None = None
    low: float | None = None
    max_activation: float | None = None
    on: bool = True
    direction: tuple[float, ...] | None = None
    hook: str | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if self.value is None and isinstance(self.kind, str) and self.kind in KINDS:
            object.__setattr__(self, "value", KINDS[self.kind].default)
        for name, value in _plain(self).items():
            object.__setattr__(self, name, value)
        _check(self)

    def __repr__(self) -> str:
        """The call that makes it, with numbers in full: `add(12, 4, unit='max')`."""
        if self.direction is not None:
            parts = [f"<direction of {len(self.direction)}>"]
        else:
            parts = [str(self.features[0]) if len(self.features) == 1 else str(list(self.features))]
        kind = kind_of(self)
        if kind.other:
            parts.append(f"by={self.by}")
        if self.value is not None and self.value != kind.default:
            number = repr(int(self.value) if self.value.is_integer() and abs(self.value) < 2**53 else self.value)
            parts.append(f"factor={number}" if kind.other else number)
        defaults = {f.name: f.default for f in fields(self)}
        for name in (
            "hook",
            "unit",
            "low",
            "sae",
            "positions",
            "special",
            "only_active",
            "when",
            "max_activation",
            "on",
        ):
            value = getattr(self, name)
            if value != defaults[name]:
                parts.append(f"{name}={value!r}")
        return f"{self.kind}({', '.join(parts)})"


def _plain(i: Intervention) -> dict[str, object]:
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


def _check(i: Intervention) -> None:
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

"""The kinds of intervention: for each its formula, and the same as plain code.

Checks, edits, copied code, sliders and the view all ask here, so that what one says is what another does. A new kind is
a row of words and bounds in `kinds.json` and a class here, named in `_CLASSES` (`register` takes one from elsewhere).

Symbols: h the value at the hook, a the feature's activation there, d what one unit of it adds to h (the decoder row;
times `size` at a token, where the SAE normalises its input), d̂ = d / |d|, v the value, m the median norm of the unit
"resid".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .kind import UNITS, WORDS, Added, Change, Kind, Sized, Tokens, Unit, Written, norm_name, pair

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["KINDS", "UNITS", "Added", "Kind", "Tokens", "Unit", "Written", "kind_of", "norm_name", "register"]


def _sign(x: float) -> int:
    return (x > 0) - (x < 0)


class _Add(Kind):
    def reads(self, i: Change) -> bool:
        return i.unit == "own"

    def adds(self, i: Change, at: Tokens) -> Added:
        if i.unit == "raw":
            # In units of activation: how long the stored row is beside d.
            gained = at.value * (at.stored.norm() / (at.d.norm() * at.size))
            part = at.value.expand_as(at.size), at.stored
        elif i.unit == "resid":
            gained = at.value * at.median / (at.d.norm() * at.size)
            part = (at.value * at.median).expand_as(at.size), at.unit
        else:
            gained = at.value * at.activation if i.unit == "own" else at.value.expand_as(at.size)
            part = gained * at.size, at.d
        return Added((part,), None if at.a is None else at.a + gained)

    def code(self, amount: Sized) -> Written:
        f, v, unit = amount.feature, repr(amount.value), amount.intervention.unit
        if unit == "raw":
            return Written(v, f"W[{f}]")
        if unit == "resid":
            return Written(f"{v} * {amount.median_norm!r}", f"(D[{f}] / D[{f}].norm())")
        return Written(f"{v} * size" if unit == "max" else f"{v} * a[..., {f}] * size", f"D[{f}]")

    def direction(self, i: Change, value: float, activation: float, unedited: float) -> int:
        # A multiple of an activation that is negative on average works the other way round.
        return _sign(value) * (-1 if i.unit == "own" and unedited < 0 else 1)


class _Set(Kind):
    """Kinds that make the activation another: h += (wanted − a) d."""

    def wanted(self, i: Change, at: Tokens) -> Tensor:
        raise NotImplementedError

    def wanted_code(self, amount: Sized) -> str:
        raise NotImplementedError

    def adds(self, i: Change, at: Tokens) -> Added:
        wanted = self.wanted(i, at).expand_as(at.activation)
        return Added((((wanted - at.activation) * at.size, at.d),), wanted)

    def code(self, amount: Sized) -> Written:
        f = amount.feature
        return Written(f"({self.wanted_code(amount)} - a[..., {f}]) * size", f"D[{f}]")


class _Scale(_Set):
    def wanted(self, i: Change, at: Tokens) -> Tensor:
        return at.activation * at.value

    def wanted_code(self, amount: Sized) -> str:
        return f"{amount.value!r} * a[..., {amount.feature}]"

    def direction(self, i: Change, value: float, activation: float, unedited: float) -> int:
        return _sign(value - 1) * (-1 if unedited < 0 else 1)


class _Clamp(_Set):
    def wanted(self, i: Change, at: Tokens) -> Tensor:
        return at.value * (at.median / (at.d.norm() * at.size)) if i.unit == "resid" else at.value

    def wanted_code(self, amount: Sized) -> str:
        if amount.intervention.unit == "resid":
            return f"{amount.value!r} * {amount.median_norm!r} / (D[{amount.feature}].norm() * size)"
        return repr(amount.value)

    def direction(self, i: Change, value: float, activation: float, unedited: float) -> int:
        # Without a mean to compare with (nothing is active), 0 is what the feature does.
        return _sign(activation - (0.0 if math.isnan(unedited) else unedited))


class _Ablate(_Set):
    def wanted(self, i: Change, at: Tokens) -> Tensor:
        return at.activation.new_zeros(())

    def wanted_code(self, amount: Sized) -> str:
        return "0.0"

    def direction(self, i: Change, value: float, activation: float, unedited: float) -> int:
        return -1


class _Orthogonal(Kind):
    def reads(self, i: Change) -> bool:
        return False

    def adds(self, i: Change, at: Tokens) -> Added:
        return Added((((at.value - 1) * (at.h.float() @ at.unit), at.unit),))

    def code(self, amount: Sized) -> Written:
        f = amount.feature
        before = f"u = D[{f}] / D[{f}].norm()", "along = h.float() @ u"
        return Written(f"{amount.value - 1!r} * along", "u", before)

    def direction(self, i: Change, value: float, activation: float, unedited: float) -> int:
        return _sign(value - 1)


class _Cap(_Orthogonal):
    def adds(self, i: Change, at: Tokens) -> Added:
        along = at.h.float() @ at.unit
        low = (at.low * at.median).where(~at.low.isinf(), at.low)
        return Added(((along.clamp(min=low, max=at.value * at.median) - along, at.unit),))

    def code(self, amount: Sized) -> Written:
        i, m = amount.intervention, 1.0 if amount.median_norm is None else amount.median_norm
        low = None if i.low is None else i.low * m
        bounded = f"along.clamp(min={low!r}, max={amount.value * m!r})"
        return Written(f"{bounded} - along", "u", super().code(amount).before)

    def direction(self, i: Change, value: float, activation: float, unedited: float) -> int:
        return -1


class _Replace(Kind):
    def adds(self, i: Change, at: Tokens) -> Added:
        assert at.other is not None
        moved = at.activation * at.size
        return Added(((moved, -at.d), (moved * at.value, at.other)), at.activation.new_zeros(moved.shape))

    def code(self, amount: Sized) -> Written:
        f, by = amount.feature, amount.intervention.by
        return Written(f"a[..., {f}] * size", f"({amount.value!r} * D[{by}] - D[{f}])")

    def direction(self, i: Change, value: float, activation: float, unedited: float) -> int:
        return -1


KINDS: dict[str, Kind] = {}
"""By name, in the order of menus."""


def register(kind: Kind) -> Kind:
    """Make a kind known to checks, edits, code and JSON.

    Raises:
        ValueError: if there is one of its name.
    """
    if kind.name in KINDS:
        raise ValueError(f"There is a kind {kind.name!r} already.")
    KINDS[kind.name] = kind
    return kind


_CLASSES = {
    "add": _Add,
    "scale": _Scale,
    "clamp": _Clamp,
    "ablate": _Ablate,
    "orthogonal": _Orthogonal,
    "cap": _Cap,
    "replace": _Replace,
}
for _name, _row in WORDS["kinds"].items():
    register(_CLASSES[_name](_name, **{**_row, "units": tuple(_row["units"]), "slider": pair(_row.get("slider"))}))


def kind_of(i: Change) -> Kind:
    """The kind of an intervention."""
    return KINDS[i.kind]

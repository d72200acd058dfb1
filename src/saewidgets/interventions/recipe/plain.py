"""An intervention as plain JSON values, and as the call that makes it."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING

from .kinds import kind_of

if TYPE_CHECKING:
    from .recipe import Intervention

__all__ = ["as_call", "as_dict"]


def as_dict(intervention: Intervention) -> dict[str, object]:
    """All its fields, as JSON has them."""
    data = asdict(intervention)
    data["features"] = list(intervention.features)
    if intervention.direction is not None:
        data["direction"] = list(intervention.direction)
    if not isinstance(intervention.positions, str):
        data["positions"] = [list(p) if isinstance(p, tuple) else p for p in intervention.positions]
    return data


def as_call(i: Intervention) -> str:
    """The call that makes it, with numbers in full: `add(12, 4, unit='max')`."""
    if i.direction is not None:
        parts = [f"<direction of {len(i.direction)}>"]
    else:
        parts = [str(i.features[0]) if len(i.features) == 1 else str(list(i.features))]
    kind = kind_of(i)
    if kind.other:
        parts.append(f"by={i.by}")
    if i.value is not None and i.value != kind.default:
        number = repr(int(i.value) if i.value.is_integer() and abs(i.value) < 2**53 else i.value)
        parts.append(f"factor={number}" if kind.other else number)
    defaults = {f.name: f.default for f in fields(i)}
    for name in ("hook", "unit", "low", "sae", "positions", "special", "only_active", "when", "max_activation", "on"):
        value = getattr(i, name)
        if value != defaults[name]:
            parts.append(f"{name}={value!r}")
    return f"{i.kind}({', '.join(parts)})"

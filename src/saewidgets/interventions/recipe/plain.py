"""An intervention as plain JSON values, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields

from .errors import RecipeError
from .intervention import Condition, Intervention

__all__ = ["as_dict", "intervention_from", "refuse_unknown"]


def as_dict(intervention: Intervention) -> dict[str, object]:
    """All its fields, as JSON has them."""
    data = asdict(intervention)
    data["features"] = list(intervention.features)
    if intervention.direction is not None:
        data["direction"] = list(intervention.direction)
    if not isinstance(intervention.positions, str):
        data["positions"] = [list(p) if isinstance(p, tuple) else p for p in intervention.positions]
    return data


def intervention_from(data: object) -> Intervention:
    """An intervention from plain JSON values.

    Raises:
        RecipeError: for unknown keys or wrong types.
    """
    if not isinstance(data, Mapping):
        raise RecipeError(f"An intervention is a JSON object, not {type(data).__name__}.")
    refuse_unknown(data, {f.name for f in fields(Intervention)}, "An intervention")
    made = dict(data)
    try:
        if made.get("features") is not None:
            made["features"] = tuple(made["features"])
        if made.get("direction") is not None:
            made["direction"] = tuple(made["direction"])
        if isinstance(made.get("positions"), Sequence) and not isinstance(made["positions"], str):
            made["positions"] = tuple(tuple(p) if isinstance(p, Sequence) else p for p in made["positions"])
        if isinstance(made.get("when"), Mapping):
            refuse_unknown(made["when"], {"feature", "above"}, "`when`")
            made["when"] = Condition(**made["when"])
        return Intervention(**{key: value for key, value in made.items() if value is not None or key == "value"})
    except (TypeError, ValueError) as error:
        if isinstance(error, RecipeError):
            raise
        raise RecipeError(f"This is no intervention: {error}.") from None


def refuse_unknown(data: Mapping[str, object], known: set[str], what: str) -> None:
    """Refuse keys of `data` that are not `known`: a misspelt setting would be ignored in silence."""
    unknown = sorted(set(map(str, data)) - known)
    if unknown:
        raise RecipeError(f"{what} has no {unknown[0]!r}; it may have {', '.join(sorted(known))}.")

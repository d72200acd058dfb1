"""What to change, where, and in which unit: a recipe, as plain data.

A recipe is what a run can be repeated from, so it holds nothing but numbers and names, goes through JSON unchanged and
never meets the model. `edit/hooks.py` turns it into changes of the residual stream; the formulas stand at the functions
that make interventions (`add`, `clamp`, ...). There h is the value at the dictionary's hook, a the feature's
activation of the run as it is there (after edits at earlier hooks, before those at this one), d what one unit of
activation adds to h (the decoder row; for SAEs that normalise their input, times the token's scale, as decoding does),
and d̂ = d / |d|.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from .errors import RecipeError
from .intervention import Intervention
from .overlap import clash
from .plain import as_dict, intervention_from, refuse_unknown

__all__ = ["Recipe"]

VERSION = 1


@dataclass(frozen=True)
class Recipe:
    """Interventions that act together.

    Several at one hook are simultaneous: each is computed from the value before any of them, and the changes are
    summed, so their order means nothing. Those at a later hook see what earlier ones did.

    Args:
        interventions: what to change. Without one that is on, a recipe is an exact no-op.
        keep_error: True: the reconstruction error stays, only the features change. False: the SAE's reconstruction
            replaces the value at its hook at *every* position, as `run_with_saes` does, and features change in it.
        system, thinking: in a chat, whether the system message and what stands in <think>...</think> is edited too.
        name: for people.

    Raises:
        RecipeError: for the same feature twice at positions that both have (disjoint ones are simply both done).

    Example:
        >>> recipe = sw.Recipe([sw.add(20115, 4, unit="max"), sw.ablate(16873)])
        >>> sw.Recipe.from_json(recipe.to_json()) == recipe
        True
    """

    interventions: tuple[Intervention, ...] = ()
    keep_error: bool = True
    system: bool = True
    thinking: bool = True
    name: str = ""

    def __init__(
        self,
        interventions: Intervention | Sequence[Intervention] = (),
        keep_error: bool = True,
        system: bool = True,
        thinking: bool = True,
        name: str = "",
    ) -> None:
        try:
            several = (interventions,) if isinstance(interventions, Intervention) else tuple(interventions)
        except TypeError:
            several = (interventions,)  # type: ignore[assignment]
        wrong = next((i for i in several if not isinstance(i, Intervention)), None)
        if wrong is not None:
            raise RecipeError(f"A recipe holds interventions such as sw.add(12, 4), not {type(wrong).__name__}.")
        for key, value in (
            ("interventions", several),
            ("keep_error", bool(keep_error)),
            ("system", bool(system)),
            ("thinking", bool(thinking)),
            ("name", str(name)),
        ):
            object.__setattr__(self, key, value)
        clash(several)

    @classmethod
    def of(cls, recipe: Recipe | Intervention | Sequence[Intervention]) -> Recipe:
        """`recipe` itself, or one of the interventions that are given in its place."""
        return recipe if isinstance(recipe, Recipe) else cls(recipe)

    @property
    def active(self) -> tuple[Intervention, ...]:
        """The interventions that are on."""
        return tuple(i for i in self.interventions if i.on)

    def __iter__(self) -> Iterator[Intervention]:
        return iter(self.interventions)

    def __len__(self) -> int:
        return len(self.interventions)

    def __add__(self, other: Recipe) -> Recipe:
        """Both together; error, chat settings and name of the first."""
        return replace_in(self, (*self.interventions, *other.interventions))

    def with_value(self, row: int, value: float) -> Recipe:
        """The same with another value for intervention `row`."""
        changed = replace(self.interventions[row], value=value)
        return replace_in(self, (*self.interventions[:row], changed, *self.interventions[row + 1 :]))

    def with_error(self, keep: bool) -> Recipe:
        """The same with the reconstruction error kept or dropped."""
        return Recipe(self.interventions, keep, self.system, self.thinking, self.name)

    # -- as data

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values, with the version of the format."""
        return {
            "version": VERSION,
            "name": self.name,
            "keep_error": self.keep_error,
            "system": self.system,
            "thinking": self.thinking,
            "interventions": [as_dict(i) for i in self.interventions],
        }

    def to_json(self, indent: int | None = None) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Recipe:
        """The recipe of `to_dict`; only "interventions" must be there.

        Raises:
            RecipeError: for unknown keys, wrong types, or a newer version.
        """
        if not isinstance(data, Mapping):
            raise RecipeError(f"A recipe is a JSON object, not {type(data).__name__}.")
        version = data.get("version", VERSION)
        if not isinstance(version, int) or version > VERSION:
            raise RecipeError(
                f"The recipe is of version {version}; this saewidgets reads versions up to {VERSION}. Update it."
            )
        known = {"version", "name", "keep_error", "system", "thinking", "interventions"}
        refuse_unknown(data, known, "A recipe")
        rows = data.get("interventions", [])
        if not isinstance(rows, Sequence) or isinstance(rows, str):
            raise RecipeError("`interventions` must be a list.")
        flags = {key: data.get(key, True) for key in ("keep_error", "system", "thinking")}
        wrong = next((key for key, value in flags.items() if not isinstance(value, bool)), None)
        if wrong is not None:
            raise RecipeError(f"`{wrong}` must be true or false.")
        return cls(
            [intervention_from(row) for row in rows], name=str(data.get("name") or ""), **cast("dict[str, bool]", flags)
        )

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """The recipe of `to_json`.

        Raises:
            RecipeError: if it is no JSON, or no recipe.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RecipeError(f"This is not JSON: {error}.") from None
        return cls.from_dict(data)

    def __repr__(self) -> str:
        inside = ", ".join(map(repr, self.interventions))
        extra = "" if self.keep_error else ", keep_error=False"
        extra += "" if self.system else ", system=False"
        extra += "" if self.thinking else ", thinking=False"
        extra += f", name={self.name!r}" if self.name else ""
        return f"Recipe([{inside}]{extra})"


def replace_in(recipe: Recipe, interventions: Sequence[Intervention]) -> Recipe:
    """`recipe` with other interventions."""
    return Recipe(interventions, recipe.keep_error, recipe.system, recipe.thinking, recipe.name)

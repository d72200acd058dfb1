"""What a page of a panel lets its reader choose: other prompts, and other strengths of the recipe's first row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

from ...interventions.recipe.errors import RecipeError
from ...interventions.recipe.intervention import Intervention
from ...interventions.recipe.kind import UNITS
from ...interventions.recipe.kinds import kind_of
from ...snapshot.page import Choice
from .. import wire
from ..shot import Question
from ..traits import several_numbers
from .asked import AskedTexts
from .page import questions

__all__ = ["Variants"]

_SHORT = 48


@dataclass(frozen=True)
class Variants:
    """Prompts and recipes, each of which can be chosen with each of the others.

    Attributes:
        prompts: those that can be chosen. recipes: by strength, the smallest first; empty: only the one on screen.
        unit: of the strengths.
    """

    prompts: Sequence[wire.Json]
    recipes: Sequence[tuple[float, wire.Json]]
    unit: str

    @classmethod
    def of(cls, now: AskedTexts, prompts: Sequence[str], strengths: Sequence[float]) -> Variants:
        """Of what is on screen, and these.

        Raises:
            RecipeError: for strengths of a recipe whose first row has none, or without a row. TypeError, ValueError: for what
                is no list of finite numbers.
        """
        if prompts and now.messages:
            raise RecipeError(
                "A conversation is on screen, which prompts cannot take the place of: set messages=[].", "prompt"
            )
        several = [now.prompt] if now.prompt or not prompts else []
        several += [prompt for prompt in prompts if prompt not in several]
        numbers = several_numbers(strengths, "strengths")
        if not numbers:
            return cls(several, (), "")
        recipe = now.whole
        first = recipe.interventions[0] if recipe.interventions else None
        if first is None or first.value is None:
            raise RecipeError("strengths are of the recipe's first row, and it has none to vary.", "strengths")
        values = sorted({*numbers, float(first.value)})
        recipes = [
            (value, now.recipe if value == first.value else cast("wire.Json", recipe.with_value(0, value).to_dict()))
            for value in values
        ]
        return cls(several, recipes, _unit(first))

    def questions(self, now: AskedTexts, views: Sequence[str], freeze: bool, answer: str) -> Iterator[Question]:
        """What views of the present state ask, and of each other that can be chosen: its texts, and what is quick of `views`."""
        yield from questions(now, views, freeze, answer)
        quick = [view for view in dict.fromkeys([*views, "text"]) if view != "sweep"]
        for one in self._others(now):
            yield from questions(one, quick, freeze, answer)

    def _others(self, now: AskedTexts) -> Iterator[AskedTexts]:
        for prompt in self.prompts:
            for recipe in [recipe for _, recipe in self.recipes] or [now.recipe]:
                one = replace(now, prompt=prompt, recipe=recipe)
                if one != now:
                    yield one

    @property
    def choices(self) -> list[Choice]:
        """As a page's reader chooses."""
        found = []
        if len(self.prompts) > 1:
            found.append(Choice("Prompt", [(_said(prompt), {"prompt": prompt}) for prompt in self.prompts]))
        if len(self.recipes) > 1:
            says = [(_number(value), {"recipe": recipe}) for value, recipe in self.recipes]
            found.append(Choice(f"Strength ({self.unit})", says))
        return found


def _unit(row: Intervention) -> str:
    return UNITS[row.unit].says.format(norm="norm at the hook") if kind_of(row).units else "a factor"


def _said(prompt: wire.Json) -> str:
    text = prompt if isinstance(prompt, str) else " ".join(map(str, cast("list[int]", prompt)))
    return (text or "(empty)") if len(text) <= _SHORT else f"{text[:20]} \u2026 {text[-25:]}"


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "\u2212")

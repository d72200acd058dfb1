"""A panel's recipe as a trait, which may hold anything while it is typed, and the feature that it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import traitlets

from ..interventions.recipe.constructors import add
from ..interventions.recipe.intervention import Intervention
from ..interventions.recipe.recipe import Recipe
from .traits import JsonTrait

if TYPE_CHECKING:
    from ..engine.engine import Engine

Rows = list[object]
RecipeLike: TypeAlias = "Recipe | Intervention | Sequence[Intervention] | Mapping[str, object]"


def as_dict(recipe: RecipeLike) -> dict[str, object]:
    """A recipe as plain JSON.

    Raises:
        RecipeError: for what is none.
    """
    if isinstance(recipe, Mapping):
        recipe = Recipe.from_dict(recipe)
    return Recipe.of(recipe).to_dict()


class RecipeTrait(JsonTrait):
    """A recipe as JSON, of a `Recipe`, of interventions, or of any JSON object: what is wrong with that one is told in the view."""

    def validate(self, obj: Any, value: Any) -> Any:
        if isinstance(value, (Recipe, Intervention, list, tuple)):
            try:
                value = as_dict(value)
            except ValueError as error:
                raise traitlets.TraitError(str(error)) from error
        return super().validate(obj, value) or Recipe().to_dict()


def _rows(recipe: Mapping[str, object]) -> Rows:
    rows = recipe.get("interventions")
    return list(rows) if isinstance(rows, (list, tuple)) else []


def _place(rows: Rows, engine: Engine, of: str | None) -> int | None:
    """The first row that is about features, of dictionary `of` if that is given."""
    for place, row in enumerate(rows):
        if not isinstance(row, Mapping):
            continue
        mine = of is None or (row.get("sae") or engine.default) == of
        if mine and _first(row) is not None:
            return place
        if of is None:
            return None  # without an index it is the first row, whatever it is about
    return None


def _first(row: Mapping[str, object]) -> int | None:
    features = row.get("features")
    first = features[0] if isinstance(features, (list, tuple)) and features else None
    return first if isinstance(first, int) and not isinstance(first, bool) and first >= 0 else None


def feature_of(recipe: Mapping[str, object], engine: Engine, of: str | None) -> int | None:
    """The feature of the first row (of dictionary `of`, if that is given); None where there is no such row or feature.

    Never raises: a recipe comes from a view as it is being typed, and its errors are told elsewhere.
    """
    rows = _rows(recipe)
    place = _place(rows, engine, of)
    row = None if place is None else rows[place]
    if not isinstance(row, Mapping):
        return None
    feature = _first(row)
    dictionary = engine.dictionaries.get(str(row.get("sae") or engine.default))
    known = dictionary is not None and feature is not None and feature < dictionary.n_features
    return feature if known else None


def with_feature(
    recipe: Mapping[str, object], feature: int, engine: Engine, of: str | None, unit: str
) -> dict[str, object]:
    """`recipe` with `feature` in place of the one that it is about; without one, with a new first row in `unit`."""
    rows = _rows(recipe)
    place = _place(rows, engine, of)
    if place is None:
        sae = None if of == engine.default else of
        made = Recipe(add(feature, 1.0, unit=unit, sae=sae))
        rows = [*_rows(made.to_dict()), *rows]
    else:
        row = rows[place]
        assert isinstance(row, Mapping)
        # What was said of the one feature is not true of the other.
        rows[place] = {**row, "features": [feature], "max_activation": None, "label": None}
    return {**(recipe or Recipe().to_dict()), "interventions": rows}

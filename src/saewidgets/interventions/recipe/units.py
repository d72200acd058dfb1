"""The units of a recipe as numbers: what "× max activation" and "× median norm" come to, and where that was taken from.

A strength means nothing without its unit, and a unit means nothing without its source; so both are looked up in one
place, once, before anything runs, and go with every result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from ...engine.arrays import Floats
from ...engine.dictionary.base import Dictionary
from ...engine.dictionary.directions import Directions
from ...engine.text.prompt import Prompt
from ...errors import FeatureIndexError, HookNotFoundError, SaewidgetsError
from .errors import RecipeError
from .intervention import Intervention
from .kinds import norm_name
from .overlap import clash
from .recipe import Recipe

if TYPE_CHECKING:
    import numpy.typing as npt

    from ...engine.engine import Engine
    from ...engine.ticket import Ticket

    Array = npt.NDArray[np.generic]

Maxima = Mapping[str, Floats]
"""Max |activation| of every feature, by name of the dictionary: as a scale, a feature that is only ever negative has one."""


class Index(Protocol):
    """What is asked of a `FeatureIndex`."""

    def check(self, engine: Engine, sae: str | None = None) -> None: ...

    def column(self, name: str) -> Array: ...


class LookedUp(dict[str, Floats]):
    """The maximal activations of an index that was checked: given in its place, nothing is looked up or checked again."""

    def __init__(self, maxima: Maxima, index: Index | None) -> None:
        super().__init__(maxima)
        self.index = index


def maxima_of(engine: Engine, index: Index | LookedUp | None) -> LookedUp:
    """The maximal activations that `index` knows, for the dictionary of the engine that it is of.

    Raises:
        SaewidgetsError: if it is of none of them.
    """
    if index is None:
        return LookedUp({}, None)
    if isinstance(index, LookedUp):
        return index
    refused: SaewidgetsError | None = None
    for name in engine.dictionaries:
        try:
            index.check(engine, name)
        except SaewidgetsError as error:
            refused = refused or error
        else:
            high, low = (np.nan_to_num(index.column(side).astype(np.float32)) for side in ("high", "low"))
            return LookedUp({name: np.maximum(np.abs(high), np.abs(low))}, index)
    assert refused is not None
    raise refused


@dataclass(frozen=True)
class Amount:
    """One feature (or direction) of one intervention, with its units as numbers.

    Attributes:
        row: index of the intervention in the recipe.
        feature: index in `dictionary`.
        value: `Intervention.value` in activations, "own" and factors as they are.
        max_activation, max_from: max |activation| and its source ("index", "prompt", "given"), where "max" is used.
        median_norm: median norm of the value at the hook over the prompt's counted tokens, where "resid" is used.
        norm: |d|, of what one unit of activation adds.
    """

    row: int
    intervention: Intervention
    dictionary: Dictionary
    feature: int
    value: float
    norm: float
    max_activation: float | None = None
    max_from: str = ""
    median_norm: float | None = None

    @property
    def key(self) -> str | tuple[object, ...]:
        """What tells dictionaries apart: the name, or where a raw direction stands and what it is."""
        i = self.intervention
        return self.dictionary.name if i.direction is None else (self.row, i.hook, i.direction)

    def __str__(self) -> str:
        i = self.intervention
        said = f"{i.kind} {i.label or (f'feature {self.feature}' if i.direction is None else 'direction')}"
        if i.value is None:
            return said
        said += f": {i.value:g}"
        if i.unit == "max":
            source = {"index": "in the index", "prompt": "in the prompt", "given": "as given"}[self.max_from]
            said += f" × {max_name_of(self.dictionary)} {self.max_activation:.4g} ({source}) = {self.value:.4g}"
        elif i.unit == "resid":
            said += f" × median {norm_of(self.dictionary)} {self.median_norm:.4g} (of the prompt)"
        elif i.unit == "own":
            said += " × its own activation"
        return said


def norm_of(dictionary: Dictionary) -> str:
    """What the norm behind the unit "resid" is called for a dictionary: "residual norm", or the hook that it is of."""
    return norm_name(dictionary.hook_name_out or dictionary.hook_name, dictionary.head)


def max_name_of(dictionary: Dictionary) -> str:
    """What the activation behind the unit "max" is called for a dictionary: it is the largest by magnitude."""
    return "max |activation|" if dictionary.signed else "max activation"


@dataclass(frozen=True)
class Resolved:
    """A recipe with all units looked up, for the engine's dictionaries."""

    recipe: Recipe
    amounts: tuple[Amount, ...]

    def lines(self) -> list[str]:
        """What it does, one line a feature."""
        return [str(amount) for amount in self.amounts]

    @property
    def noop(self) -> bool:
        """True if it changes nothing, whatever the text."""
        return not self.amounts


def resolve(
    engine: Engine,
    recipe: Recipe,
    prompt: Prompt | Sequence[int],
    maxima: Maxima | None = None,
    ticket: Ticket | None = None,
    *,
    for_units: bool = False,
) -> Resolved:
    """Look up features, directions and units. Runs on the engine's worker; a forward only where a unit needs one.

    Args:
        prompt: a prompt or token ids, for median norms, and for maximal activations that neither recipe nor `maxima` know.
        for_units: it is given for that alone; what will be run may be of another length.

    Raises:
        RecipeError: with `row` and `field`, for whatever the engine cannot do.
    """
    # Again, now that it is known which dictionary is meant where none is named.
    clash(recipe.interventions, engine.default, None if for_units else len(prompt) or None)
    amounts: list[Amount] = []
    for row, i in enumerate(recipe.interventions):
        if not i.on:
            continue
        try:
            amounts += _amounts(engine, row, i, prompt, maxima or {}, ticket)
        except SaewidgetsError as error:
            if not isinstance(error, RecipeError):
                field = "features" if isinstance(error, FeatureIndexError) else "hook"
                error = RecipeError(str(error), field)
            error.row = row
            raise error from None
    if not recipe.keep_error:
        _refuse_dropping(engine, amounts)
    return Resolved(recipe, tuple(amounts))


def dictionary_of(engine: Engine, i: Intervention) -> Dictionary:
    """The dictionary that an intervention is about; a raw direction is one of its own.

    Raises:
        RecipeError: if the engine has no such dictionary; HookNotFoundError: for a direction at no hook.
    """
    if i.direction is not None:
        assert i.hook is not None
        engine.model.resolve(i.hook)
        vector = torch.tensor(i.direction, device=engine.model.input_device)
        return Directions(vector, i.hook, name=i.label or "direction")
    if i.sae is not None and i.sae not in engine.dictionaries:
        has = ", ".join(map(repr, engine.dictionaries))
        raise RecipeError(f"The engine has no SAE {i.sae!r}; it has {has}.", "sae")
    return engine.dictionary(i.sae)


def _amounts(
    engine: Engine, row: int, i: Intervention, prompt: Prompt | Sequence[int], maxima: Maxima, ticket: Ticket | None
) -> list[Amount]:
    try:
        dictionary = dictionary_of(engine, i)
    except HookNotFoundError as error:
        raise RecipeError(str(error), "hook") from None
    features = [0] if i.direction is not None else dictionary.check_features(i.features)
    for field, other in (("by", i.by), ("when", i.when.feature if i.when else None)):
        if other is not None and not other < dictionary.n_features:
            raise RecipeError(f"{dictionary.name!r} has no feature {other}: it has {dictionary.n_features}.", field)
    norms = dictionary.contribution(torch.tensor([*features, *([i.by] if i.by is not None else [])])).norm(dim=-1)
    for f, norm in zip([*features, i.by], norms.tolist(), strict=False):
        if not norm > 0:  # NaN, where a decoder divides by it
            raise RecipeError(
                f"Feature {f} of {dictionary.name!r} has a decoder vector of norm 0 (or past what a float32 holds): it points nowhere.",
                "features",
            )
    median = median_norm(engine, dictionary, prompt, ticket) if i.unit == "resid" else None
    amounts = []
    for f, norm in zip(features, norms.tolist(), strict=False):
        largest, source = _max_of(engine, dictionary, f, i, prompt, maxima) if i.unit == "max" else (None, "")
        value = 0.0 if i.value is None else i.value * (largest or 1.0)
        if abs(value) > torch.finfo(torch.float32).max:
            raise RecipeError(f"{i.value:g} × max activation {largest:g} is too large for a float32.", "value")
        amounts.append(Amount(row, i, dictionary, f, value, norm, largest, source, median))
    return amounts


def _max_of(
    engine: Engine,
    dictionary: Dictionary,
    feature: int,
    i: Intervention,
    prompt: Prompt | Sequence[int],
    maxima: Maxima,
) -> tuple[float, str]:
    if i.max_activation is not None:
        return i.max_activation, "given"
    if dictionary.name in maxima:
        largest = float(maxima[dictionary.name][feature])
        if largest > 0:
            return largest, "index"
        where = "in the index"
    else:
        largest = prompt_max(engine, dictionary, [feature], prompt)[0]
        if largest > 0:
            return largest, "prompt"
        where = "in the prompt, and there is no index"
    raise RecipeError(
        f"Feature {feature} never fires {where}, so '× max activation' has no size. Use the unit 'raw' or 'resid', or give "
        "max_activation=.",
        "unit",
    )


def prompt_max(
    engine: Engine, dictionary: Dictionary, features: Sequence[int], prompt: Prompt | Sequence[int]
) -> list[float]:
    """Max |activation| of each feature over the prompt's counted tokens; 0 where it is silent.

    Special tokens, the chat template and norm outliers do not count.
    """
    if not len(prompt):
        return [0.0] * len(features)
    known = _prompt_of(prompt)
    acts = engine.activations(list(known.ids), sae=dictionary.name, features=features)
    counted = acts.counted & ~known.template
    return [float(max(np.abs(acts[:, f][counted]), default=0.0)) for f in features]


def _prompt_of(prompt: Prompt | Sequence[int]) -> Prompt:
    return prompt if isinstance(prompt, Prompt) else Prompt.plain(prompt)


def median_norm(engine: Engine, dictionary: Dictionary, prompt: Prompt | Sequence[int], ticket: Ticket | None) -> float:
    """Median norm of the value at the hook that is edited, over the prompt's counted tokens.

    Raises:
        RecipeError: for a prompt without any.
    """
    known = _prompt_of(prompt)
    counted = known.roles(engine, dictionary, ticket).counted if len(known) else np.zeros(0, bool)
    if not counted.any():
        raise RecipeError(
            f"'× {norm_of(dictionary)}' needs a prompt: the median over its tokens is the unit. Give a prompt, or use "
            "another unit.",
            "unit",
        )
    place = dictionary.hook_name_out or dictionary.hook_name
    site = engine.site(dictionary)
    tokens = torch.tensor([known.ids], device=engine.model.input_device)
    with engine.lock, torch.no_grad():
        value = engine.model.read(tokens, [place], ticket)[place]
        flat = site.target(value) if dictionary.hook_name_out else site.flatten(value)
        norm = flat[0].float().norm(dim=-1).cpu().numpy()
    return float(np.median(norm[counted]))


def _refuse_dropping(engine: Engine, amounts: Sequence[Amount]) -> None:
    """The error can be dropped by an autoencoder only, and by one at each hook."""
    places: dict[str, str] = {}
    for amount in amounts:
        dictionary = amount.dictionary
        probe = torch.zeros(1, 1, dictionary.d_in, device=dictionary.device)
        with torch.no_grad():
            rebuilds = amount.intervention.direction is None and dictionary.autoencode(probe)[1] is not None
        if not rebuilds:
            error = RecipeError(
                f"{dictionary.name!r} reconstructs nothing, so there is no error to drop: keep the error.", "keep_error"
            )
            error.row = amount.row
            raise error
        place = engine.model.resolve(dictionary.hook_name_out or dictionary.hook_name)
        if places.setdefault(place, dictionary.name) != dictionary.name:
            error = RecipeError(
                f"{places[place]!r} and {dictionary.name!r} both write to {place!r}: only one reconstruction can replace its "
                "value. Keep the error.",
                "keep_error",
            )
            error.row = amount.row
            raise error

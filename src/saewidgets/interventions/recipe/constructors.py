"""The words a recipe is written in: one function a kind of intervention, with its formula; and the presets.

Symbols as in `recipe.py`: h the value at the hook, a the activation there, d what one unit of activation adds to h,
d̂ = d / |d|. The sources of the presets are named at each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypedDict

from .errors import RecipeError
from .intervention import Condition, Intervention, Positions
from .recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor
    from typing_extensions import Unpack

    from ...engine.arrays import Floats

    Vector: TypeAlias = Tensor | Floats | Sequence[float]
    Target: TypeAlias = int | Sequence[int] | Tensor | Floats


class Where(TypedDict, total=False):
    """What every kind of intervention takes besides its value; see `Intervention`."""

    sae: str | None
    positions: Positions | Sequence[int | tuple[int | None, int | None]] | slice
    special: bool
    only_active: bool
    when: Condition | tuple[int, float] | None
    max_activation: float | None
    on: bool
    hook: str | None
    label: str | None


def add(target: Target, value: float, unit: str = "raw", **where: Unpack[Where]) -> Intervention:
    """Add the feature's direction: h += v · W_dec[f], whatever the feature is doing there by itself.

    Units of `value`: "raw": v = value, and the row of W_dec as it is stored, as steering code has it (Neuronpedia's
    SIMPLE_ADDITIVE). In the other units what is added is a contribution of the feature, d times an activation:
    "max": of value · max activation (the SAELens tutorial); "resid": so that |what is added| = value · median norm of the
    value at the hook (over the prompt; the median residual norm, where the hook is of the residual stream); "own": of
    value · a. For most SAEs W_dec[f] and d are the same; they differ where the SAE
    normalises its input token by token, or divides by the norms of W_dec.

    Args:
        target: a feature, several (each gets its own), or a raw vector with `hook=`.
        value, unit: how much.
        where: `sae`, `positions`, `special`, `only_active`, `when`, `max_activation`, `on`, `hook`, `label`; see
            `Intervention`.

    Example:
        >>> sw.add(20115, 4, unit="max", positions="generated")
        >>> sw.add(steering_vector, 6.0, hook="blocks.7.hook_resid_pre")
    """
    return _made("add", target, value, unit, where)


def scale(target: Target, factor: float, **where: Unpack[Where]) -> Intervention:
    """Multiply the activation: h += (factor − 1) · a · d. Does nothing where the feature is silent.

    Example:
        >>> sw.scale(20115, 3)
    """
    return _made("scale", target, factor, "raw", where)


def clamp(target: Target, value: float, unit: str = "raw", **where: Unpack[Where]) -> Intervention:
    """Set the activation: h += (v − a) · d, at every position, or with `only_active=True` where the feature fires.

    "Scaling Monosemanticity" clamps to multiples of the max activation (unit "max"); the reconstruction error stays
    unless the recipe drops it. Of a raw direction, a is h·d and the clamped h has h·d = v.

    Example:
        >>> sw.clamp(20115, 5, unit="max")
    """
    return _made("clamp", target, value, unit, where)


def ablate(target: Target, **where: Unpack[Where]) -> Intervention:
    """Set the activation to 0: h −= a · d. The same as `clamp` to 0 and `scale` by 0.

    Example:
        >>> sw.ablate([16873, 402])
    """
    return _made("ablate", target, None, "raw", where)


def orthogonal(target: Target, factor: float = 0.0, **where: Unpack[Where]) -> Intervention:
    """Scale the component along the direction: h += (factor − 1)(h·d̂) d̂. 0 removes it, 1 does nothing.

    Neuronpedia's ORTHOGONAL_DECOMP. It takes more than the feature: whatever lies along d, also where a = 0.

    Example:
        >>> sw.orthogonal(20115)
    """
    return _made("orthogonal", target, factor, "raw", where)


def cap(
    target: Target, value: float, unit: str = "raw", low: float | None = None, **where: Unpack[Where]
) -> Intervention:
    """Bound the projection: h += (clip(h·d̂, low, v) − h·d̂) d̂, with no lower bound unless `low` is given.

    "raw" is in units of h, "resid" in median norms of h over the prompt (`low` too).

    Example:
        >>> sw.cap(20115, 2.0)
    """
    made = _made("cap", target, value, unit, where)
    return dataclasses.replace(made, low=low)


def replace(target: Target, by: int, factor: float = 1.0, **where: Unpack[Where]) -> Intervention:
    """Let another feature of the same SAE have the activation: h += a · (factor · d_by − d).

    Example:
        >>> sw.replace(20115, by=16873)
    """
    return Intervention(features=_several(target), kind="replace", value=factor, by=by, **_where(where))  # type: ignore[arg-type]


def _made(kind: str, target: Target, value: float | None, unit: str, where: Where) -> Intervention:
    common = _where(where)
    if where.get("hook") is not None:
        vector = target.tolist() if hasattr(target, "tolist") else target
        if not isinstance(vector, Sequence):
            raise RecipeError("With hook=, the target is a vector.", "direction")
        return Intervention(kind=kind, direction=tuple(vector), value=value, unit=unit, **common)  # type: ignore[arg-type]
    return Intervention(features=_several(target), kind=kind, value=value, unit=unit, **common)  # type: ignore[arg-type]


def _several(items: object) -> tuple[object, ...]:
    """Itself alone, or what it holds. Arrays without dimensions have `__iter__` and cannot be iterated."""
    alone = isinstance(items, (str, bytes)) or not hasattr(items, "__iter__") or getattr(items, "ndim", 1) == 0
    return (items,) if alone else tuple(items)  # type: ignore[arg-type]


def _where(where: Where) -> dict[str, object]:
    made: dict[str, object] = dict(where)
    positions = where.get("positions", "all")
    if isinstance(positions, slice):
        if positions.step not in (None, 1):
            raise RecipeError("A slice of positions has no step.", "positions")
        made["positions"] = ((positions.start, positions.stop),)
    elif not isinstance(positions, str):
        made["positions"] = tuple(tuple(p) if isinstance(p, list) else p for p in _several(positions))
    when = where.get("when")
    if isinstance(when, (tuple, list)) and len(when) == 2:
        made["when"] = Condition(*when)
    return made


# -- presets


def tutorial(
    feature: int, strength: float = 1.0, max_activation: float | None = None, sae: str | None = None
) -> Recipe:
    """SAELens' tutorial_2_0: h += strength · max_act · W_dec[f] at every position, BOS and generated ones included.

    Where an SAE's decoding scales W_dec[f] (see `add`), what is added is scaled so, too: the tutorial, which knows only SAEs
    that do not, would add something that is no activation's worth.
    """
    made = add(feature, strength, unit="max", special=True, sae=sae, max_activation=max_activation)
    return Recipe([made], name="SAELens tutorial")


def neuronpedia(feature: int, strength: float = 10.0, multiplier: float = 1.0, sae: str | None = None) -> Recipe:
    """Neuronpedia's SIMPLE_ADDITIVE: h += multiplier · strength · W_dec[f] at every position, BOS included."""
    return Recipe([add(feature, multiplier * strength, special=True, sae=sae)], name="Neuronpedia additive")


def neuronpedia_orthogonal(
    feature: int, strength: float = 0.0, multiplier: float = 1.0, sae: str | None = None
) -> Recipe:
    """Neuronpedia's ORTHOGONAL_DECOMP: h += (c − 1)(h·d̂) d̂ with c = multiplier · strength, at every position."""
    return Recipe([orthogonal(feature, multiplier * strength, special=True, sae=sae)], name="Neuronpedia orthogonal")


def anthropic(
    feature: int, times_max: float = 5.0, max_activation: float | None = None, sae: str | None = None
) -> Recipe:
    """ "Scaling Monosemanticity": clamp the feature to a multiple of its max activation everywhere, error kept."""
    made = clamp(feature, times_max, unit="max", special=True, sae=sae, max_activation=max_activation)
    return Recipe([made], name="Anthropic clamp")


PRESETS: dict[str, tuple[str, str, Callable[[int, str | None], Recipe]]] = {
    "tutorial": (
        "SAELens tutorial",
        "h += strength · max activation · W_dec[f], all positions, BOS too",
        lambda f, sae: tutorial(f, 1.0, sae=sae),
    ),
    "neuronpedia": (
        "Neuronpedia additive",
        "h += multiplier · strength · W_dec[f], all positions, BOS too",
        lambda f, sae: neuronpedia(f, sae=sae),
    ),
    "neuronpedia_orthogonal": (
        "Neuronpedia orthogonal",
        "h += (c − 1)(h·d̂) d̂, all positions, BOS too",
        lambda f, sae: neuronpedia_orthogonal(f, sae=sae),
    ),
    "anthropic": (
        "Anthropic clamp",
        "h += (5 · max activation − a) · d, all positions, error kept",
        lambda f, sae: anthropic(f, sae=sae),
    ),
}
"""Key to (name, formula, recipe for a feature)."""


def preset(name: str, feature: int, strength: float | None = None, **options: object) -> Recipe:
    """A recipe as others steer: "tutorial", "neuronpedia", "neuronpedia_orthogonal" or "anthropic".

    Args:
        name: whose.
        feature: the feature.
        strength: in the unit of that source; default: its own default.
        options: `sae`; `multiplier` (Neuronpedia); `max_activation` (tutorial and Anthropic).

    Raises:
        RecipeError: for a preset that there is not.

    Example:
        >>> sw.preset("tutorial", 20115, 2.0)
    """
    makers: dict[str, Callable[..., Recipe]] = {
        "tutorial": tutorial,
        "neuronpedia": neuronpedia,
        "neuronpedia_orthogonal": neuronpedia_orthogonal,
        "anthropic": anthropic,
    }
    if name not in makers:
        raise RecipeError(f"There is no preset {name!r}; there are {', '.join(map(repr, makers))}.", "preset")
    return makers[name](feature, **options) if strength is None else makers[name](feature, strength, **options)

"""What an edit is compared with: the same push on features that have nothing to do with it, and in random directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..engine.dictionary import Dictionary
from .prompts import Prompt
from .recipe import Intervention, Recipe, replace_in
from .scales import Index, Maxima, dictionary_of, resolve
from .terms import stored
from .writing import contribution

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from ..engine.worker import Ticket
    from .dose import Doubles

__all__ = ["Control", "controls_for"]

# A control is drawn among this many times as many features, those nearest in density.
_AMONG = 10


@dataclass(frozen=True)
class Control:
    """One control: a recipe for every strength.

    Attributes:
        kind: "feature" or "direction".
        name: for people.
    """

    kind: str
    name: str
    recipes: tuple[Recipe, ...]


def controls_for(
    engine: Engine,
    recipe: Recipe,
    row: int,
    strengths: Doubles,
    n: int,
    index: Index | None,
    maxima: Maxima,
    prompt: Prompt,
    seed: int,
    ticket: Ticket,
) -> tuple[list[Control], list[str]]:
    """`n` other features and `n` random directions in place of intervention `row`, and notes on what they are.

    For `add` (but not in units of its own activation) they add vectors of the norm that the edit adds at that strength.
    Other kinds depend on the feature's own activation: there the same intervention is made on the other features, value
    and unit as they are, and there are no directions. Features are drawn among those nearest in activation density
    (`index` counts them), without one among all.
    """
    if n <= 0:
        return [], []
    varied = recipe.interventions[row]
    dictionary = dictionary_of(engine, varied)
    draw = np.random.default_rng(seed)
    made: list[Control] = []
    notes: list[str] = []
    pushes = varied.kind == "add" and varied.unit != "own"
    norms = [_norm(engine, recipe, row, s, prompt, maxima, ticket) for s in strengths] if pushes else []
    if varied.features:
        drawn, said = _others(dictionary, varied, n, index if dictionary.name in maxima else None, draw)
        notes.append(said)
        for others in drawn:
            recipes = []
            for at, strength in enumerate(strengths):
                if pushes:
                    rows = _same_norm(dictionary, varied, others, norms[at])
                else:
                    rows = [replace(varied, features=others, value=float(strength), label=None)]
                recipes.append(_in_place(recipe, row, rows))
            made.append(Control("feature", ", ".join(f"feature {f}" for f in others), tuple(recipes)))
    if pushes:
        width = contribution(dictionary, torch.tensor([varied.features[0] if varied.features else 0])).shape[-1]
        place = dictionary.hook_name_out or dictionary.hook_name
        if getattr(dictionary, "head", None) is None:
            for number in range(n):
                vector = draw.standard_normal(width)
                vector /= np.linalg.norm(vector)
                rows_of = [_push(varied, vector, place, float(np.sum(norm))) for norm in norms]
                made.append(
                    Control(
                        "direction", f"random direction {number + 1}", tuple(_in_place(recipe, row, r) for r in rows_of)
                    )
                )
    else:
        notes.append(f"There are no random directions beside {varied.kind}: its size is the feature's own activation.")
    return made, notes


def _norm(
    engine: Engine, recipe: Recipe, row: int, strength: float, prompt: Prompt, maxima: Maxima, ticket: Ticket
) -> list[float]:
    """The norm of what each feature of the intervention adds at a strength, with its sign."""
    alone = Recipe([replace(recipe.interventions[row], value=float(strength))])
    found = []
    for amount in resolve(engine, alone, prompt.ids, maxima, ticket).amounts:
        if amount.median_norm is not None:
            found.append(amount.value * amount.median_norm)
        elif amount.intervention.unit == "raw":
            found.append(amount.value * float(stored(amount.dictionary, torch.tensor([amount.feature])).norm()))
        else:
            found.append(amount.value * amount.norm)
    return found


def _others(
    dictionary: Dictionary, varied: Intervention, n: int, index: Index | None, draw: np.random.Generator
) -> tuple[list[tuple[int, ...]], str]:
    """`n` draws of as many other features as `varied` has."""
    taken = {*varied.features, *([] if varied.by is None else [varied.by])}
    alive = contribution(dictionary, torch.arange(dictionary.n_features)).norm(dim=-1).cpu().numpy() > 0
    count = None if index is None else np.asarray(index.column("count"), dtype=np.float64)
    if count is not None:
        alive &= count > 0
    free = np.array([f for f in np.flatnonzero(alive) if f not in taken])
    drawn: list[list[int]] = [[] for _ in range(n)]
    for f in varied.features:
        near = free if count is None else free[np.argsort(np.abs(count[free] - count[f]), kind="stable")[: _AMONG * n]]
        for at, other in enumerate(draw.permutation(near)[:n]):
            drawn[at].append(int(other))
        free = free[~np.isin(free, [d[-1] for d in drawn if d])]
    said = (
        "Control features are drawn at random: without an index their densities are not known."
        if count is None
        else f"Control features are drawn among the {_AMONG * n} nearest in activation density."
    )
    return [tuple(d) for d in drawn if len(d) == len(varied.features)], said


def _same_norm(
    dictionary: Dictionary, varied: Intervention, others: Sequence[int], norms: Sequence[float]
) -> list[Intervention]:
    lengths = stored(dictionary, torch.tensor(list(others))).norm(dim=-1).tolist()
    return [
        replace(varied, features=(f,), value=norm / length, unit="raw", max_activation=None, label=None)
        for f, norm, length in zip(others, norms, lengths, strict=True)
    ]


def _push(varied: Intervention, vector: Doubles, place: str, norm: float) -> list[Intervention]:
    # Conditions on a feature's activation mean nothing for a direction, but where the edit acts is part of its size.
    direction = tuple(float(x) for x in vector)
    return [
        replace(
            varied, features=(), direction=direction, hook=place, sae=None, value=norm, unit="raw", when=None,
            only_active=False, max_activation=None, label=None,
        )
    ]  # fmt: skip


def _in_place(recipe: Recipe, row: int, rows: Sequence[Intervention]) -> Recipe:
    return replace_in(recipe, (*recipe.interventions[:row], *rows, *recipe.interventions[row + 1 :]))

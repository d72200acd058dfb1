"""What an edit is compared with: the same push on features that have nothing to do with it, and in random directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from ...engine.arrays import Ints
from ...engine.dictionary.base import Dictionary
from ...engine.text.prompt import Prompt
from ..recipe.intervention import Condition, Intervention
from ..recipe.kinds import kind_of
from ..recipe.recipe import Recipe, replace_in
from ..recipe.units import Index, Maxima, dictionary_of, prompt_max, resolve

if TYPE_CHECKING:
    from ...engine.arrays import Doubles
    from ...engine.engine import Engine
    from ...engine.ticket import Ticket

__all__ = ["Control", "controls_for"]

# A control is drawn among this many times as many features, those nearest in density.
_AMONG = 10


@dataclass(frozen=True)
class Control:
    """One control: a recipe for every strength, in every prompt.

    Attributes:
        kind: "feature" or "direction".
        name: for people.
        of_prompt: [prompts][strengths] recipes. They differ between prompts where the edit's own size does (a unit that
            is measured in the prompt).
    """

    kind: str
    name: str
    of_prompt: tuple[tuple[Recipe, ...], ...]

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """[strengths] those of the first prompt."""
        return self.of_prompt[0]


def controls_for(
    engine: Engine,
    recipe: Recipe,
    row: int,
    strengths: Doubles,
    n: int,
    index: Index | None,
    maxima: Maxima,
    prompts: Sequence[Prompt],
    seed: int,
    ticket: Ticket,
) -> tuple[list[Control], list[str]]:
    """`n` other features and `n` random directions in place of intervention `row`, and notes on what they are.

    For `add` (but not in units of its own activation) they add vectors of the norm that the edit adds at that strength,
    features where the edit acts, directions at all its positions (they cannot look at activations).
    Other kinds depend on the feature's own activation: there the same intervention is made on the other features, value
    and unit as they are, and there are no directions. Features are drawn among those nearest in activation density
    (`index` counts them), without one among all; never those that the recipe has to do with elsewhere. The same ones in
    every prompt.
    """
    if n <= 0:
        return [], []
    varied = recipe.interventions[row]
    dictionary = dictionary_of(engine, varied)
    draw = np.random.default_rng(seed)
    made: list[Control] = []
    notes: list[str] = []
    kind = kind_of(varied)
    pushes = kind.in_activations and not kind.reads(varied)
    # [prompts][strengths][features]
    norms = [[_norm(engine, recipe, row, s, p, maxima, ticket) for s in strengths] if pushes else [] for p in prompts]
    if varied.features:
        counted = index if dictionary.name in maxima else None
        free, said = _free(engine, recipe, row, dictionary, counted, maxima, prompts)
        drawn, near = _others(varied, n, free, counted, draw)
        notes.append(near + said)
        if len(drawn) < n:
            notes.append(f"There are only {len(drawn)} control features to be had.")
        for others in drawn:
            of_prompt = []
            for of_one in norms:
                recipes = []
                for at, strength in enumerate(strengths):
                    if pushes:
                        rows = _same_norm(dictionary, varied, others, of_one[at])
                    else:
                        rows = [replace(varied, features=others, value=float(strength), label=None)]
                    recipes.append(_in_place(recipe, row, rows))
                of_prompt.append(tuple(recipes))
            made.append(Control("feature", ", ".join(f"feature {f}" for f in others), tuple(of_prompt)))
    if pushes:
        width = dictionary.contribution(torch.tensor([varied.features[0] if varied.features else 0])).shape[-1]
        place = dictionary.hook_name_out or dictionary.hook_name
        if dictionary.head is not None:
            notes.append("There are no random directions for one head of several.")
        else:
            totals = [_totals(dictionary, varied, strengths, of_one) for of_one in norms]
            if varied.unit == "max":
                for number, prompt in enumerate(prompts):
                    scale, of_scale = _typical_scale(engine, dictionary, prompt, ticket)
                    totals[number] = [total * scale for total in totals[number]]
                    notes += [note for note in of_scale if note not in notes]
            if varied.only_active or varied.when is not None:
                notes.append("Random directions act at all positions of the edit, not only where its condition holds.")
            for number in range(n):
                vector = draw.standard_normal(width)
                vector /= np.linalg.norm(vector)
                pushed = tuple(
                    tuple(_in_place(recipe, row, _push(varied, vector, place, total)) for total in of_one)
                    for of_one in totals
                )
                made.append(Control("direction", f"random direction {number + 1}", pushed))
    else:
        notes.append(f"There are no random directions beside {varied.kind}: its size is the feature's own activation.")
    return made, notes


def _norm(
    engine: Engine, recipe: Recipe, row: int, strength: float, prompt: Prompt, maxima: Maxima, ticket: Ticket
) -> list[float]:
    """The norm of what each feature of the intervention adds at a strength, with its sign."""
    alone = Recipe([replace(recipe.interventions[row], value=float(strength))])
    found = []
    for amount in resolve(engine, alone, prompt, maxima, ticket).amounts:
        if amount.median_norm is not None:
            found.append(amount.value * amount.median_norm)
        elif amount.intervention.unit == "raw":
            found.append(amount.value * float(amount.dictionary.stored(torch.tensor([amount.feature])).norm()))
        else:
            found.append(amount.value * amount.norm)
    return found


def _free(
    engine: Engine,
    recipe: Recipe,
    row: int,
    dictionary: Dictionary,
    index: Index | None,
    maxima: Maxima,
    prompts: Sequence[Prompt],
) -> tuple[Ints, str]:
    """Features that can be controls, and what is to be said of them."""
    varied, said = recipe.interventions[row], ""
    taken = {f for i in recipe.active if (i.sae or engine.default) == dictionary.name for f in (*i.features, i.by)}
    alive = dictionary.contribution(torch.arange(dictionary.n_features)).norm(dim=-1).cpu().numpy() > 0
    if index is not None:
        alive &= np.asarray(index.column("count"), dtype=np.float64) > 0
    if kind_of(varied).reads(varied) and varied.unit == "max" and varied.max_activation is None:
        # Their own maxima are the unit, so they must have one.
        if index is None:
            for prompt in prompts:
                alive &= np.array(prompt_max(engine, dictionary, range(dictionary.n_features), prompt)) > 0
            said = (
                f" Only those that fire in {'every' if len(prompts) > 1 else 'the'} prompt have a maximal activation."
            )
        else:
            alive &= maxima[dictionary.name] > 0
    return np.array([f for f in np.flatnonzero(alive) if f not in taken], dtype=np.int64), said


def _others(
    varied: Intervention, n: int, free: Ints, index: Index | None, draw: np.random.Generator
) -> tuple[list[tuple[int, ...]], str]:
    """`n` draws, from `free`, of as many other features as `varied` has."""
    count = None if index is None else np.asarray(index.column("count"), dtype=np.float64)
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


def _totals(
    dictionary: Dictionary, varied: Intervention, strengths: Doubles, norms: Sequence[Sequence[float]]
) -> list[float]:
    """The norm of all that the edit adds at each strength, with the sign of the strength."""
    rows = dictionary.contribution(torch.tensor(varied.features or (0,))).double().cpu()
    units = (rows / rows.norm(dim=-1, keepdim=True)).numpy()
    return [float(np.copysign(np.linalg.norm(norm @ units), s)) for norm, s in zip(norms, strengths, strict=True)]


def _typical_scale(engine: Engine, dictionary: Dictionary, prompt: Prompt, ticket: Ticket) -> tuple[float, list[str]]:
    """By what decoding multiplies at the median token of the prompt, and a note if that is not 1 everywhere."""
    tokens = torch.tensor([prompt.ids], device=engine.model.input_device)
    with engine.lock, torch.no_grad():
        hook = dictionary.hook_name
        x = engine.site(dictionary).flatten(engine.model.read(tokens, [hook], ticket)[hook])
        scale = dictionary.decoder_scale(x)[0, :, 0].double().cpu().numpy()
    counted = prompt.roles(engine, dictionary, ticket).counted
    median = float(np.median(scale[counted] if counted.any() else scale))
    if (scale == 1).all():
        return 1.0, []
    return median, [
        "The SAE scales what it adds token by token; random directions have the norm of the prompt's median token."
    ]


def _same_norm(
    dictionary: Dictionary, varied: Intervention, others: Sequence[int], norms: Sequence[float]
) -> list[Intervention]:
    # In units of activation, an SAE that normalises its input scales both alike, token by token.
    activations = varied.unit == "max"
    rows = (dictionary.contribution if activations else dictionary.stored)(torch.tensor(list(others)))
    made = []
    for n, (f, norm, length) in enumerate(zip(others, norms, rows.norm(dim=-1).tolist(), strict=True)):
        one = replace(
            varied, features=(f,), value=norm / length, unit="max" if activations else "raw",
            max_activation=1.0 if activations else None, label=None,
        )  # fmt: skip
        if varied.only_active and varied.when is None and not dictionary.signed:
            # Where the edited feature is active, not where the control is.
            one = replace(one, only_active=False, when=Condition(varied.features[n]))
        made.append(one)
    return made


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

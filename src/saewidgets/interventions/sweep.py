"""Dose-response: what grows with the strength of an edit, what breaks, and what any push of that size would have done.

A strength is chosen by eye more often than not, and the eye sees the texts that came out well. So all strengths are run
at once with the same dice, and beside them controls of the same size: other features, and random directions. An effect
that the controls have too is not the feature's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..engine.errors import SaewidgetsError
from ..engine.memory import in_batches
from .checks import RecipeError, refuse_past_the_end
from .controls import Control, controls_for
from .dose import PERPLEXITY_FACTOR, REPETITION, Sweep, band_of
from .generation import Continuation, continuations, notes_of, write
from .measure import Measurer, Target, repetition
from .prompts import Prompt, PromptInput, read_prompt
from .recipe.recipe import Intervention, Recipe
from .sampling import Sampling
from .scales import Index, Maxima, Resolved, maxima_of, resolve

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from ..engine.worker import Progress, Ticket

__all__ = ["Sweep", "sweep", "sweep_on_worker"]

# Logits of one forward, in numbers: 512 MB of float32.
_LOGITS = 2**27
_STEPS = 9


def sweep(
    engine: Engine,
    prompt: PromptInput,
    recipe: Recipe | Intervention | Sequence[Intervention],
    strengths: Sequence[float] | None = None,
    *,
    row: int = 0,
    target: Target | None = None,
    controls: int = 3,
    index: Index | None = None,
    n_tokens: int = 40,
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    repetition_penalty: float = 1.0,
    seed: int = 0,
    perplexity_factor: float = PERPLEXITY_FACTOR,
    max_repetition: float = REPETITION,
    on_progress: Progress | None = None,
) -> Sweep:
    """Continue `prompt` with the value of one intervention at several strengths, all in one batch with the same dice.

    See `Sweep` for what is measured, and `controls_for` for what the controls are.

    Args:
        recipe: the edit; its other interventions stay as they are, in the controls too.
        strengths: values of intervention `row`, in its unit; default: nine, from none to twice its value.
        target: a number for each text, instead of the mean activation of the edited feature.
        controls: how many other features, and how many random directions.
        index: where maximal activations and densities are looked up.
        n_tokens, temperature, top_p, top_k, repetition_penalty, seed: see `Sampling`; the seed draws the controls, too.
        perplexity_factor, max_repetition: what a text of the usable band may have at most: perplexity, as a multiple of the
            unedited text's, and share of repeated 4-grams (or that of the unedited text, if it has more).
        on_progress: called with (steps done, steps in all), on the worker thread.

    Raises:
        RecipeError: for an intervention that has no strength, or what the engine cannot do.

    Example:
        >>> sw.sweep(engine, "I went out and saw", sw.add(4720, 1, unit="max"), index=index).figure()
    """
    whole = recipe if isinstance(recipe, Recipe) else Recipe(recipe)
    maxima = maxima_of(engine, index)
    sampling = Sampling(n_tokens, temperature, top_p, top_k, repetition_penalty, seed)
    return engine.worker.run(
        lambda ticket: sweep_on_worker(
            engine,
            prompt,
            whole,
            sampling,
            maxima,
            ticket,
            strengths=strengths,
            row=row,
            target=target,
            controls=controls,
            index=index,
            perplexity_factor=perplexity_factor,
            max_repetition=max_repetition,
        ),
        on_progress,
    )


def sweep_on_worker(
    engine: Engine,
    prompt: PromptInput,
    recipe: Recipe,
    sampling: Sampling,
    maxima: Maxima,
    ticket: Ticket,
    *,
    strengths: Sequence[float] | None = None,
    row: int = 0,
    target: Target | None = None,
    controls: int = 3,
    index: Index | None = None,
    perplexity_factor: float = PERPLEXITY_FACTOR,
    max_repetition: float = REPETITION,
) -> Sweep:
    """`sweep`, inside a job. Of several samples only the first is run."""
    sampling = Sampling(**{**vars(sampling), "samples": 1})
    varied = _varied(recipe, row)
    doses = np.array(default_strengths(varied) if strengths is None else strengths, dtype=np.float64)
    if not len(doses) or not np.isfinite(doses).all():
        raise SaewidgetsError("Strengths must be finite numbers, at least one.")
    read = read_prompt(engine, prompt, sampling.n_tokens)
    whole = len(read) + sampling.n_tokens
    if whole > engine.context_size:  # by one token: the texts are read again, their last token too
        raise SaewidgetsError(
            f"Prompt and texts have {whole} tokens, more than the context of {engine.context_size}. Shorten the prompt, or "
            f"generate at most {engine.context_size - len(read)} tokens."
        )
    refuse_past_the_end(recipe, whole)
    edited = [recipe.with_value(row, float(dose)) for dose in doses]
    others, notes = controls_for(engine, recipe, row, doses, controls, index, maxima, read, sampling.seed, ticket)
    recipes = [*edited, *(r for control in others for r in control.recipes)]
    rows: list[Resolved | None] = [None, *(resolve(engine, r, read, maxima, ticket) for r in recipes)]
    texts, ran_out = _write(engine, read, rows, sampling, ticket)
    measurer = Measurer(engine, read, varied, target)
    found, again = measurer.measure(rows, texts, _LOGITS, ticket)
    notes += dict.fromkeys([*ran_out, *again])
    n = len(doses)
    base, curve = found.part(slice(0, 1)), found.part(slice(1, 1 + n))
    of_controls = [found.part(slice(1 + n * (c + 1), 1 + n * (c + 2))) for c in range(len(others))]
    band, rule = band_of(doses, base, curve, of_controls, perplexity_factor, max_repetition)
    return Sweep(
        strengths=doses,
        unit=varied.unit,
        intervention=varied,
        row=row,
        target_name=measurer.name,
        texts=tuple(texts[1 : 1 + n]),
        baseline=texts[0],
        base=base,
        curve=curve,
        controls=tuple((control.kind, control.name) for control in others),
        control_curves=tuple(of_controls),
        band=band,
        band_rule=rule,
        sampling=sampling,
        notes=(*notes_of(engine, read), *notes),
        provenance=engine.provenance(),
    )


def default_strengths(intervention: Intervention) -> list[float]:
    """Nine values: from nothing (for a cap, its lower bound if it has one) to twice the value of the intervention."""
    value = intervention.value
    assert value is not None
    nothing = 1.0 if intervention.kind in ("scale", "orthogonal") else intervention.low or 0.0
    reach = 2 * (value - nothing) or 2.0
    return [float(x) for x in np.linspace(nothing, nothing + reach, _STEPS)]


def _varied(recipe: Recipe, row: int) -> Intervention:
    if not 0 <= row < len(recipe):
        raise RecipeError(f"The recipe has no intervention {row}: it has {len(recipe)}.", "row")
    varied = recipe.interventions[row]
    if varied.value is None:
        raise RecipeError("ablate has no strength to vary: use scale, or clamp.", "kind")
    if not varied.on:
        raise RecipeError("The intervention to vary is switched off.", "on")
    return varied


def _write(
    engine: Engine, prompt: Prompt, rows: Sequence[Resolved | None], sampling: Sampling, ticket: Ticket
) -> tuple[list[Continuation], list[str]]:
    """All rows, in batches whose logits of the prompt fit; the dice are those of one sample in each. And notes."""

    def run(part: slice) -> Sequence[Continuation]:
        some = rows[part]
        dice = torch.zeros(len(some), dtype=torch.long)
        steps, _ = write(engine, prompt, some, dice, sampling, ticket, keep_partial=False)
        return continuations(engine, steps, len(some))

    return in_batches(len(rows), _LOGITS // (len(prompt) * int(engine.model.cfg.d_vocab)), run)


__all__ += ["Control", "Measurer", "default_strengths", "repetition"]

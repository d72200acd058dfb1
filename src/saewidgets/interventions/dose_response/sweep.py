"""Dose-response: what grows with the strength of an edit, what breaks, and what any push of that size would have done.

A strength is chosen by eye more often than not, and the eye sees the texts that came out well. So all strengths are run
at once with the same dice, several texts each, and beside them controls of the same size: other features, and random
directions. An effect that the controls have too is not the feature's, and one that the dice can make is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from ...engine.text.prompt import Prompt, PromptInput, read_prompt
from ...errors import SaewidgetsError
from ..generation.generate import notes_of
from ..generation.sampling import Sampling, SamplingOptions, sampling_from
from ..recipe.errors import RecipeError
from ..recipe.intervention import Intervention
from ..recipe.kinds import kind_of
from ..recipe.overlap import refuse_past_the_end
from ..recipe.recipe import Recipe
from ..recipe.units import Index, LookedUp, dictionary_of, maxima_of, resolve
from .controls import controls_for
from .curves import difference, mean_of
from .measures import Measurer, Target, repetition
from .on_prompt import Prompted, Written, gathered
from .promoted import PROMOTED, given_ids, promoted_by
from .result import Sweep
from .usable import (
    CONFIDENCE,
    PERPLEXITY_FACTOR,
    REPETITION,
    all_of,
    bands_of,
    directions_of,
    level_of,
    rule_of,
    usable_at,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...engine.arrays import Doubles
    from ...engine.engine import Engine
    from ...engine.ticket import Progress, Ticket

__all__ = ["SAMPLES", "Sweep", "default_strengths", "repetition", "sweep"]

Prompts: TypeAlias = "PromptInput | Sequence[PromptInput]"

SAMPLES = 4
_TOKENS = 40
_STEPS = 9
_DIRECTIONS = {"raises": 1, "suppresses": -1}


def sweep(
    engine: Engine,
    prompt: Prompts,
    recipe: Recipe | Intervention | Sequence[Intervention],
    strengths: Sequence[float] | None = None,
    *,
    row: int = 0,
    target: Target | None = None,
    direction: str | None = None,
    controls: int = 2,
    index: Index | LookedUp | None = None,
    text: str | Sequence[int] | None = None,
    n_promoted: int = PROMOTED,
    perplexity_factor: float = PERPLEXITY_FACTOR,
    max_repetition: float = REPETITION,
    confidence: float = CONFIDENCE,
    on_progress: Progress | None = None,
    **options: Unpack[SamplingOptions],
) -> Sweep:
    """Continue a prompt, or several, with the value of one intervention at several strengths, with the same dice at each.

    See `Sweep` for what is measured, `controls_for` for what the controls are, and `Sweep.band_rule` for what makes a
    strength usable.

    Args:
        prompt: as for `generate`; or several prompts. A list of strings is several prompts, and so is a list of token-id
            lists or of chats (lists of messages); a list of token ids, or of messages, is one.
        recipe: the edit; its other interventions stay as they are, in the controls too.
        strengths: values of intervention `row`, in its unit; default: nine, from none to twice its value.
        target: a number for each text, instead of the mean activation of the edited feature. It is taken to grow with the
            feature.
        direction: "raises" or "suppresses": what the edit should do to the target; default: what its formula says
            (`directions_of`).
        controls: how many other features, and how many random directions.
        index: where maximal activations and densities are looked up.
        text: what follows the prompt in the measures that need no sampling (a string, or token ids). For interventions at
            generated positions it is where they act.
        n_promoted: how many of the tokens that the feature promotes.
        perplexity_factor, max_repetition: what texts of a usable strength may have at most: perplexity (geometric mean), as
            a multiple of the unedited texts', and share of repeated 4-grams (mean; or that of the unedited texts, if they
            have more).
        confidence: of the intervals, see `level_of`.
        on_progress: called with (texts done, texts in all), on the worker thread.
        **options: see `Sampling`; the seed draws the controls, too. samples (4): texts a prompt and strength, each with dice of
            its own; at temperature 0 there is one. n_tokens: 40.

    Raises:
        RecipeError: for an intervention that has no strength, or what the engine cannot do. SaewidgetsError: for the same
            prompt twice, or what `generate` refuses.

    Example:
        >>> sw.sweep(engine, "I went out and saw", sw.add(4720, 1, unit="max"), index=index).figure()
        >>> sw.sweep(engine, ["I went out and saw", "My friend told me that"], sw.scale(7650, 0), samples=3).bands
    """
    whole = Recipe.of(recipe)
    maxima = maxima_of(engine, index)
    index = maxima.index
    sampling = sampling_from(options, n_tokens=_TOKENS, samples=SAMPLES)
    varied = _varied(whole, row)
    doses = np.array(default_strengths(varied) if strengths is None else strengths, dtype=np.float64)
    _check(doses, direction, n_promoted, confidence)
    said: list[str] = []
    if (sampling.temperature == 0 or sampling.top_k == 1) and sampling.samples > 1:
        sampling = replace(sampling, samples=1)
        said.append("Without dice every sample is the same text: one is written for each prompt.")

    def job(ticket: Ticket) -> Sweep:
        given = prompts_of(prompt)
        read = [_read(engine, one, sampling) for one in given]
        if len({one.ids for one in read}) < len(read):
            raise SaewidgetsError("The same prompt twice gives the same texts twice. Ask for more samples instead.")
        for one in read:
            refuse_past_the_end(whole, len(one) + sampling.n_tokens)
        resolve(engine, whole, read[0], maxima, ticket)  # what the engine cannot do is said before anything is drawn
        others, of_controls = controls_for(
            engine, whole, row, doses, controls, index, maxima, read, sampling.seed, ticket
        )
        promoted, why = promoted_by(engine, varied, n_promoted)
        notes = [*said, *of_controls, *([why] if why else [])]
        measurer = [Measurer(engine, one, varied, target) for one in read]
        written: list[Written] = []
        for number, one in enumerate(read):
            ids = given_ids(engine, given[number], one, text)
            ids_of = None if promoted is None else promoted.token_ids
            prompted = Prompted(engine, one, ids, varied, row, measurer[number], ids_of, sampling, maxima)
            edited = [whole.with_value(row, float(dose)) for dose in doses]
            rows = [None, *edited, *(r for control in others for r in control.of_prompt[number])]
            written.append(prompted.run(rows, ticket, number, len(read)))
        total = len(read) * written[-1].run
        # Again: a target of the user's may have asked the engine, and that counts for itself.
        ticket.progress(total, total)
        found = gathered(written, len(doses), len(others))
        notes += dict.fromkeys(note for one in written for note in one.notes)
        notes += _notes(engine, varied, written, text, index, len(read))
        in_activations = np.mean([w.in_activations[1 : 1 + len(doses)] for w in written], 0)
        unedited = mean_of("target", found.when_active if varied.only_active else found.activation)
        directions = directions_of(varied, doses, in_activations, float(unedited))
        if direction is not None:  # no edit stays no edit
            directions = np.where(directions == 0, 0, _DIRECTIONS[direction])
        level = level_of(confidence, len(doses), len(others))
        against_base = difference("target", found.curve.target, found.base.target, level)
        against = [difference("target", found.curve.target, c.target, level) for c in found.controls]
        limit = max(max_repetition, float(mean_of("repetition", found.base.repetition)))
        usable = usable_at(
            directions,
            against_base,
            all_of(against, len(doses)),
            mean_of("perplexity", found.curve.perplexity),
            perplexity_factor * float(mean_of("perplexity", found.base.perplexity)),
            mean_of("repetition", found.curve.repetition),
            limit,
        )
        n = len(read) * sampling.samples
        if n < 2:
            notes.append(
                "One text a strength has no interval, so no strength can be called usable: ask for more samples."
            )
        return Sweep(
            strengths=doses,
            unit=varied.unit,
            intervention=varied,
            row=row,
            target_name=measurer[0].name,
            prompts=tuple("".join(engine.tokenizer.display(one.ids).strings) for one in read),
            samples=sampling.samples,
            texts=tuple(tuple(t for w in written for t in w.texts[1 + i]) for i in range(len(doses))),
            baseline=tuple(t for w in written for t in w.texts[0]),
            base=found.base,
            curve=found.curve,
            controls=tuple((control.kind, control.name) for control in others),
            control_curves=tuple(found.controls),
            promoted=promoted,
            reading=found.reading,
            reading_base=found.reading_base,
            reading_controls=tuple(found.reading_controls),
            reading_tokens=np.array([w.counted for w in written], dtype=np.int64),
            directions=directions,
            usable=usable,
            bands=bands_of(doses, usable, directions),
            band_rule=rule_of(directions, n, level, len(others), perplexity_factor, limit),
            level=level,
            sampling=sampling,
            notes=tuple(dict.fromkeys([*(note for one in read for note in notes_of(engine, one)), *notes])),
            provenance=engine.provenance(),
        )

    return engine.worker.run(job, on_progress)


def prompts_of(prompt: Prompts) -> list[PromptInput]:
    """The prompts in what was given: several in a list of strings, of chats, or of token-id lists; otherwise one.

    Raises:
        SaewidgetsError: for strings among other things.
    """
    plain = cast("object", prompt.tolist() if hasattr(prompt, "tolist") else prompt)
    if isinstance(plain, str) or not isinstance(plain, Sequence) or not plain:
        return [cast("PromptInput", plain)]
    several = [isinstance(one, (str, list, tuple)) or hasattr(one, "tolist") for one in plain]
    if not any(several):
        return [cast("PromptInput", plain)]
    if not all(several) or any(isinstance(one, Mapping) for one in plain):
        raise SaewidgetsError(
            "A list of prompts holds prompts only: strings, or lists of token ids or messages. Token ids or messages beside a "
            "string are neither one prompt nor several."
        )
    return [cast("PromptInput", one.tolist() if hasattr(one, "tolist") else one) for one in plain]


def default_strengths(intervention: Intervention) -> list[float]:
    """Nine values: from nothing (for a cap, its lower bound if it has one) to twice the value of the intervention."""
    value = intervention.value
    assert value is not None
    nothing = kind_of(intervention).least(intervention)
    reach = 2 * (value - nothing) or 2.0
    return [float(x) for x in np.linspace(nothing, nothing + reach, _STEPS)]


def _check(doses: Doubles, direction: str | None, n_promoted: int, confidence: float) -> None:
    if not len(doses) or not np.isfinite(doses).all():
        raise SaewidgetsError("Strengths must be finite numbers, at least one.")
    if direction is not None and direction not in _DIRECTIONS:
        raise SaewidgetsError(f"`direction` is 'raises', 'suppresses' or None, not {direction!r}.")
    if n_promoted < 1:
        raise SaewidgetsError(f"`n_promoted` is a number of tokens, at least 1, not {n_promoted}.")
    if not 0 < confidence < 1:
        raise SaewidgetsError(f"`confidence` lies between 0 and 1, such as 0.95, not {confidence}.")


def _varied(recipe: Recipe, row: int) -> Intervention:
    if not 0 <= row < len(recipe):
        raise RecipeError(f"The recipe has no intervention {row}: it has {len(recipe)}.", "row")
    varied = recipe.interventions[row]
    if varied.value is None:
        raise RecipeError("ablate has no strength to vary: use scale, or clamp.", "kind")
    if not varied.on:
        raise RecipeError("The intervention to vary is switched off.", "on")
    return varied


def _read(engine: Engine, prompt: PromptInput, sampling: Sampling) -> Prompt:
    read = read_prompt(engine, prompt, sampling.n_tokens)
    whole = len(read) + sampling.n_tokens
    if whole > engine.context_size:  # by one token: the texts are read again, their last token too
        raise SaewidgetsError(
            f"Prompt and texts have {whole} tokens, more than the context of {engine.context_size}. Shorten the prompt, or "
            f"generate at most {engine.context_size - len(read)} tokens."
        )
    return read


def _notes(
    engine: Engine, varied: Intervention, written: Sequence[Written], text: object, index: Index | None, n_prompts: int
) -> list[str]:
    notes = []
    if dictionary_of(engine, varied).hook_name_out is not None:
        notes.append(
            "A transcoder writes elsewhere than it reads: what it wrote is not read again, so no activation is realised."
        )
    if varied.positions == "generated" and text is None:
        notes.append(
            "The edit acts on generated tokens, and the measures without sampling read the prompt, where there are none: "
            "their curves are flat. Give a text that follows."
        )
    if not all(one.counted for one in written):
        notes.append("A prompt has no counted token, so nothing is measured of it without sampling.")
    if n_prompts > 1 and (varied.unit == "resid" or (varied.unit == "max" and not (index or varied.max_activation))):
        notes.append(
            f"The unit {varied.unit!r} is measured in each prompt, so the same strength is another size in each."
        )
    return notes

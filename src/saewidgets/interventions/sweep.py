"""Dose-response: what grows with the strength of an edit, what breaks, and what any push of that size would have done.

A strength is chosen by eye more often than not, and the eye sees the texts that came out well. So all strengths are run
at once with the same dice, and beside them controls of the same size: other features, and random directions. An effect
that the controls have too is not the feature's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..engine.errors import SaewidgetsError
from ..engine.ranking import Ints
from ..engine.reading import flatten
from .checks import RecipeError, refuse_past_the_end
from .controls import Control, controls_for
from .dose import Measures, Sweep, band_of
from .edits import Edits
from .generation import Continuation, continuations, scope_of, write
from .logprobs import changes
from .prompts import Prompt, PromptInput, read_prompt
from .recipe import Intervention, Recipe
from .sampling import Sampling
from .scales import Index, Maxima, Resolved, dictionary_of, maxima_of, resolve

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from ..engine.worker import Progress, Ticket

    Target = Callable[[str], float]

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
    texts = _write(engine, read, rows, sampling, ticket)
    measure = _Measurer(engine, read, varied, target)
    found = measure.all(rows, texts, ticket)
    n = len(doses)
    base, curve = found.part(slice(0, 1)), found.part(slice(1, 1 + n))
    of_controls = [found.part(slice(1 + n * (c + 1), 1 + n * (c + 2))) for c in range(len(others))]
    band, rule = band_of(doses, base, curve, of_controls)
    return Sweep(
        strengths=doses,
        unit=varied.unit,
        intervention=varied,
        row=row,
        target_name=measure.name,
        texts=texts[1 : 1 + n],
        baseline=texts[0],
        base=base,
        curve=curve,
        controls=tuple((control.kind, control.name) for control in others),
        control_curves=tuple(of_controls),
        band=band,
        band_rule=rule,
        sampling=sampling,
        notes=tuple(notes),
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
) -> tuple[Continuation, ...]:
    """All rows, in batches whose logits of the prompt fit; the dice are those of one sample in each."""
    step = max(1, _LOGITS // (len(prompt) * int(engine.model.cfg.d_vocab)))
    made: list[Continuation] = []
    for at in range(0, len(rows), step):
        part = rows[at : at + step]
        steps, _ = write(
            engine, prompt, part, torch.zeros(len(part), dtype=torch.long), sampling, ticket, keep_partial=False
        )
        made += continuations(engine, steps, len(part))
    return tuple(made)


class _Measurer:
    """Reads texts again: by the model as it is, and by the edited one."""

    def __init__(self, engine: Engine, prompt: Prompt, varied: Intervention, target: Target | None) -> None:
        self._engine, self._prompt, self._target = engine, prompt, target
        self._dictionary = dictionary_of(engine, varied)
        self._feature = varied.features[0] if varied.features else 0
        kind = self._dictionary.activation_name
        what = "the direction" if varied.direction is not None else f"feature {self._feature}"
        self.name = (
            getattr(target, "__name__", "target")
            if target is not None
            else f"mean {kind} of {what} when the unedited model reads the text"
        )

    def all(self, rows: Sequence[Resolved | None], texts: Sequence[Continuation], ticket: Ticket) -> Measures:
        found: list[tuple[float, float, float, float]] = []
        longest = len(self._prompt) + max(map(len, texts), default=1)
        step = max(1, _LOGITS // (2 * longest * int(self._engine.model.cfg.d_vocab)))
        for at in range(0, len(rows), step):
            ticket.breathe()
            found += self._batch(rows[at : at + step], texts[at : at + step], ticket)
        numbers = np.array(found, dtype=np.float64).reshape(len(found), 4)
        return Measures(*(numbers[:, i] for i in range(4)))

    def _batch(
        self, rows: Sequence[Resolved | None], texts: Sequence[Continuation], ticket: Ticket
    ) -> list[tuple[float, float, float, float]]:
        engine, n = self._engine, len(self._prompt)
        longest = n + max(map(len, texts))
        filler = self._prompt.ids[-1]  # to the right, where a causal model does not see it
        ids = [[*self._prompt.ids, *text.token_ids.tolist()] for text in texts]
        tokens = torch.tensor([[*i, *[filler] * (longest - len(i))] for i in ids], device=engine.model.input_device)
        real = torch.tensor([[j < len(i) for j in range(longest)] for i in ids])
        hook = self._dictionary.hook_name
        seen: dict[str, torch.Tensor] = {}
        with engine.lock, torch.no_grad():
            clean = engine.model.logits(tokens, reads={hook: lambda x: seen.__setitem__(hook, x)}, ticket=ticket)
            edits = Edits(engine, rows, scope_of(engine, self._prompt, len(rows)))
            hooks = edits.hooks(tokens, real)
            edited = clean if edits.noop else engine.model.logits(tokens, hooks, ticket=ticket)
            x = flatten(seen[hook], self._dictionary, engine.model)
            return [
                self._one(
                    rows[b],
                    text,
                    clean[b, : len(ids[b])],
                    edited[b, : len(ids[b])],
                    tokens[b, : len(ids[b])],
                    x[b : b + 1, : len(ids[b])],
                )
                for b, text in enumerate(texts)
            ]

    def _one(
        self,
        row: Resolved | None,
        text: Continuation,
        clean: torch.Tensor,
        edited: torch.Tensor,
        ids: torch.Tensor,
        x: torch.Tensor,
    ) -> tuple[float, float, float, float]:
        n = len(self._prompt)
        if not len(text):
            return float("nan"), float("nan"), float("nan"), 0.0
        found = changes(clean, None if row is None else edited, ids, 0, 0)
        if self._target is not None:
            target = float(self._target(text.text))
        else:
            x = x if self._dictionary.device is None else x.to(self._dictionary.device)
            target = float(self._dictionary.encode(x, torch.tensor([self._feature]))[0, n:, 0].float().mean())
        perplexity = float((-found.clean[n:].mean()).exp())
        return target, float(found.kl[n:].mean()), perplexity, repetition(text.token_ids)


def repetition(ids: Ints | Sequence[int], n: int = 4) -> float:
    """Share of a text's n-grams that stood there before: 1 - distinct / all, 0 for a text shorter than n."""
    grams = [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


__all__ += ["Control", "default_strengths", "repetition"]

"""Baseline and edited text, generated together: one batch, one cache, the same dice.

The two differ in the edit alone. Rows that are the same computation (a recipe that does nothing) are run once, so an
empty recipe gives the very same text, and the comparison never shows a difference that is only rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ...engine.arrays import Bools
from ...engine.model.kv_cache import CachedForward
from ...engine.provenance import notes_of_dictionary
from ...engine.text.prompt import Prompt, PromptInput, read_prompt
from ...errors import CancelledError, NonFiniteError
from ..edit.hooks import Edits
from ..edit.positions import scope_of
from ..recipe.errors import RecipeError
from ..recipe.intervention import Intervention
from ..recipe.overlap import refuse_past_the_end
from ..recipe.recipe import Recipe
from ..recipe.units import Index, LookedUp, Maxima, Resolved, maxima_of, resolve
from .baseline import beside, steps_of, written_with
from .result import Continuation, Generation, Step, continuations
from .sampling import Dice, Sampling, SamplingOptions, sampling_from

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...engine.engine import Engine
    from ...engine.ticket import Progress, Ticket

__all__ = [
    "Continuation",
    "Generation",
    "Step",
    "continuations",
    "generate",
    "notes_of",
    "write",
]


def generate(
    engine: Engine,
    prompt: PromptInput,
    recipe: Recipe | Intervention | Sequence[Intervention] = (),
    *,
    index: Index | LookedUp | None = None,
    baseline: Generation | None = None,
    on_start: Callable[[Generation], None] | None = None,
    on_step: Callable[[Step], None] | None = None,
    keep_partial: bool = False,
    on_progress: Progress | None = None,
    **options: Unpack[SamplingOptions],
) -> Generation:
    """Continue `prompt` as the model is and with `recipe`, in one batch with the same dice.

    Args:
        engine: model and SAEs.
        prompt: a string, token ids, or chat messages [{"role": "user", "content": "..."}].
        recipe: what to change.
        index: where maximal activations are looked up, for the unit "max".
        baseline: an earlier run, whose baseline is taken where it would come out the same: only the edited texts are then
            written, in the time of one. That is so if prompt, settings, engine, model and weights are what they were, and
            no hooks of yours are on the model; otherwise both are written (`Generation.kept` says which). The
            log-probabilities are those of the run with both up to rounding.
        on_start: told the prompt, and where it is edited, before anything is written; on the worker thread.
        on_step: told each token as it is written, on the worker thread.
        keep_partial: a cancel ends the texts there, and what there is is returned; otherwise it raises `CancelledError`.
        on_progress: called with (tokens done, tokens in all), on the worker thread.
        **options: n_tokens, temperature, top_p, top_k, repetition_penalty, seed, samples, stop_at_eos: see `Sampling`.

    Raises:
        RecipeError: for what the engine cannot do. SaewidgetsError: for an empty or too long prompt, a chat without a
            template, settings out of range.

    Example:
        >>> made = sw.generate(engine, "My favourite day is", sw.add(2717, 2, unit="max"), temperature=0)
        >>> sw.generate(engine, "My favourite day is", sw.add(2717, 4, unit="max"), temperature=0, baseline=made)
    """
    sampling = sampling_from(options)
    whole = Recipe.of(recipe)
    maxima = maxima_of(engine, index)
    return engine.worker.run(
        lambda ticket: _generate(
            engine, prompt, whole, sampling, maxima, ticket, baseline, on_start, on_step, keep_partial
        ),
        on_progress,
    )


def _generate(
    engine: Engine,
    prompt: PromptInput,
    recipe: Recipe,
    sampling: Sampling,
    maxima: Maxima,
    ticket: Ticket,
    baseline: Generation | None,
    on_start: Callable[[Generation], None] | None,
    on_step: Callable[[Step], None] | None,
    keep_partial: bool,
) -> Generation:
    read = read_prompt(engine, prompt, sampling.n_tokens)
    refuse_past_the_end(recipe, len(read) + sampling.n_tokens)
    resolved = resolve(engine, recipe, read, maxima, ticket)
    n = sampling.samples
    known = written_with(engine, read, sampling)
    same = baseline is not None and known is not None and baseline.written_with == known
    kept = steps_of(baseline.baseline) if baseline is not None and same else None
    shown = engine.tokenizer.display(read.ids)
    made = Generation(
        prompt=read,
        prompt_tokens=tuple(shown.strings),
        prompt_parts=tuple(shown.parts),
        edited_at=np.zeros(len(read), bool),
        baseline=(),
        edited=(),
        resolved=resolved,
        sampling=sampling,
        notes=tuple(notes_of(engine, read)),
        provenance=engine.provenance(),
        kept=kept is not None,
    )

    def started(edited_at: Bools) -> None:
        nonlocal made
        made = replace(made, edited_at=edited_at[-1])
        if on_start is not None:
            on_start(made)

    steps: list[Step] = []

    def told(step: Step) -> None:
        steps.append(step)
        if on_step is not None:
            on_step(step)

    def go(rows: Sequence[Resolved | None], tell: Callable[[Step], None]) -> bool:
        sample = torch.arange(n).repeat(len(rows) // n)
        return write(engine, read, rows, sample, sampling, ticket, started, tell, keep_partial)[1]

    stopped = False
    if kept is None:
        # Samples of the baseline, then samples of the edit; where nothing is changed they are the same rows.
        stopped = go([row for row in ([None] if resolved.noop else [None, resolved]) for _ in range(n)], told)
    elif resolved.noop:
        started(made.edited_at[None])
        for step in kept:
            told(step)
    else:
        stopped = go([resolved] * n, lambda step: told(beside(kept, step, step.number, n)))
        for number in range(len(steps), 0 if stopped else len(kept)):
            told(beside(kept, None, number, n))
    if stopped or (kept is None and known is not None and known != written_with(engine, read, sampling)):
        known = None  # a baseline that was cut off, or during which the model became another
    texts = continuations(engine, steps, n if resolved.noop else 2 * n)
    return replace(made, baseline=texts[:n], edited=texts[-n:], stopped=stopped, written_with=known)


def write(
    engine: Engine,
    prompt: Prompt,
    rows: Sequence[Resolved | None],
    sample: Tensor,
    sampling: Sampling,
    ticket: Ticket,
    on_start: Callable[[Bools], None] | None = None,
    on_step: Callable[[Step], None] | None = None,
    keep_partial: bool = True,
) -> tuple[list[Step], bool]:
    """Continue the prompt once for every recipe in `rows`, all in one batch. Runs on the engine's worker.

    Args:
        sample: [rows] which dice each row has.
        on_start: told [rows, prompt tokens] where the prompt was edited.

    Returns:
        The tokens, step by step, and whether a cancel cut them off.
    """
    edits = Edits(engine, rows, scope_of(engine, prompt, len(rows)))
    _refuse_unlike_read(edits)
    forward = CachedForward(engine.model, len(rows))
    dice = Dice(sampling, sample)
    tokens = torch.tensor([prompt.ids] * len(rows), device=engine.model.input_device)
    texts = [list(prompt.ids) for _ in rows]
    alive = np.ones(len(rows), bool)
    ends = sorted(engine.tokenizer.end_ids) if sampling.stop_at_eos else []
    steps: list[Step] = []
    ticket.expect(sampling.n_tokens)
    try:
        for number in range(sampling.n_tokens):
            ticket.breathe()
            edits.keep = number == 0
            with engine.lock, torch.no_grad():
                logits = forward(tokens, edits.hooks(tokens), ticket, last_only=True)[:, -1].float()
                chosen = dice.choose(logits, texts)
                step = _step(number, logits, chosen, alive)
            if number == 0 and on_start is not None:
                on_start(edits.edited())
            steps.append(step)
            for text, token in zip(texts, step.ids.tolist(), strict=True):
                text.append(token)
            alive = alive & ~np.isin(step.ids, ends)
            if on_step is not None:
                on_step(step)
            ticket.progress(number + 1, sampling.n_tokens)
            if not alive.any():
                break
            tokens = chosen[:, None]
    except CancelledError:
        if not keep_partial:
            raise
        return steps, True
    return steps, False


def _step(number: int, logits: Tensor, chosen: Tensor, alive: Bools) -> Step:
    spread = logits.log_softmax(-1)
    if not torch.isfinite(spread.max(-1).values).all():
        raise NonFiniteError(
            "The model's logits are NaN or infinite. The strength is probably too large; in float16, load the model in bfloat16 "
            "or float32."
        )
    # Tokens that the model rules out (-inf) have no part in the entropy: 0 log 0 is 0.
    entropy = -(spread.exp() * spread.clamp_min(-1e30)).sum(-1)
    return Step(
        number,
        chosen.cpu().numpy(),
        spread.gather(1, chosen[:, None])[:, 0].cpu().numpy(),
        entropy.cpu().numpy(),
        alive,
    )


def _refuse_unlike_read(edits: Edits) -> None:
    """Some dictionaries in training share a top-k over the whole text: an activation then depends on later tokens."""
    for terms in edits.terms:
        if terms.reads and not terms.dictionary.causal:
            error = RecipeError(
                f"{terms.dictionary.name!r} shares its top-k over all tokens of a batch, so its activations change with every "
                "token that follows, and there is no edit to make while a text is written. Use the inference form "
                "(sae-lens saves it as a JumpReLU SAE), or an intervention that reads no activation (add).",
                "kind",
            )
            error.row = terms.row
            raise error


def notes_of(engine: Engine, prompt: Prompt) -> list[str]:
    """What a reader of any result on this prompt must know."""
    notes = [note for d in engine.dictionaries.values() for note in notes_of_dictionary(d, engine.model)]
    if engine.model.dropout_active():
        notes.append("The model is in training mode and its dropout is on: numbers are random. Call model.eval().")
    if prompt.chat:
        notes.append("The prompt went through the model's chat template.")
    return [*notes, *prompt.notes]

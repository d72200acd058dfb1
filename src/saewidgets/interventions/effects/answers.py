"""What becomes of an answer: its rank and probability after a prompt, as the model is, spliced, and edited.

The ablation section of SAELens' tutorial as a table. Its trap is the error term: with the reconstruction in place of the
value, most of the change may be the SAE's error and not the feature. So each edit stands there twice, and beside them
the SAE alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...engine.memory import in_batches
from ...engine.text.prompt import Prompt, PromptInput, read_with_answer
from ...errors import SaewidgetsError
from ..edit.hooks import Edits
from ..edit.positions import scope_of
from ..generation.generate import notes_of
from ..recipe.constructors import scale
from ..recipe.errors import RecipeError
from ..recipe.intervention import Intervention
from ..recipe.overlap import refuse_past_the_end
from ..recipe.recipe import Recipe
from ..recipe.units import Index, LookedUp, Maxima, maxima_of, resolve

if TYPE_CHECKING:
    import pandas as pd

    from ...engine.engine import Engine
    from ...engine.ticket import Progress, Ticket

__all__ = ["AnswerEffects", "AnswerRow", "answer_effects"]

# Logits of one forward, in numbers: 256 MB of float32.
_LOGITS = 2**26


@dataclass(frozen=True)
class AnswerRow:
    """The answer under one condition.

    Attributes:
        name: the condition, for people.
        kind: "clean", "spliced" (the SAEs' reconstruction in place, nothing changed), "all" (the whole recipe) or "one".
        error: "kept" or "dropped"; None for the clean model.
        feature: the feature of "one".
        rank: of the answer's first token among all next tokens, 0 the likeliest.
        probability, logit: of the answer's first token.
        logprob: of the whole answer, in nats: the sum over its tokens, each given those before it.
        top: the likeliest next tokens and their probabilities.
    """

    name: str
    kind: str
    error: str | None
    feature: int | None
    rank: int
    probability: float
    logit: float
    logprob: float
    top: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class AnswerEffects:
    """An answer's rank and probability under every condition; `to_pandas()` is the table.

    `prompt` is what stands before the answer's first token; `notes` say where that is not the whole prompt.
    """

    prompt: str
    answer_ids: tuple[int, ...]
    answer: tuple[str, ...]
    rows: tuple[AnswerRow, ...]
    notes: tuple[str, ...] = ()
    lines: tuple[str, ...] = field(default=())

    def to_pandas(self) -> pd.DataFrame:
        """One row a condition."""
        import pandas as pd

        made = [{**vars(row), "top": ", ".join(repr(token) for token, _ in row.top)} for row in self.rows]
        return pd.DataFrame(made).rename(columns={"name": "model"})

    def __repr__(self) -> str:
        said = "; ".join(f"{row.name}: rank {row.rank}, p {row.probability:.3g}" for row in self.rows)
        return f"AnswerEffects({''.join(self.answer)!r}: {said})"


def answer_effects(
    engine: Engine,
    prompt: PromptInput,
    answer: str | Sequence[int],
    recipe: Recipe | Intervention | Sequence[Intervention],
    *,
    index: Index | LookedUp | None = None,
    k: int = 5,
    on_progress: Progress | None = None,
) -> AnswerEffects:
    """Rank and probability of `answer` after `prompt`, with the recipe and its features one by one, error kept and dropped.

    The interventions stand at the positions of the recipe; the answer's tokens count as generated.

    Args:
        answer: a string as it follows the prompt (mind the space), tokenized together with it; or token ids.
        k: how many of the likeliest next tokens.

    Raises:
        RecipeError: for what the engine cannot do. SaewidgetsError: for an empty answer or prompt.

    Example:
        >>> sw.answer_effects(engine, "The capital of France is", " Paris", sw.ablate([12, 34])).to_pandas()
    """
    whole = Recipe.of(recipe)
    maxima = maxima_of(engine, index)
    return engine.worker.run(lambda ticket: _answers(engine, prompt, answer, whole, maxima, ticket, k), on_progress)


def _answers(
    engine: Engine,
    prompt: PromptInput,
    answer: str | Sequence[int],
    recipe: Recipe,
    maxima: Maxima,
    ticket: Ticket,
    k: int,
) -> AnswerEffects:
    tokenizer = engine.tokenizer
    read, after = read_with_answer(engine, prompt, answer)
    if not after:
        raise SaewidgetsError("The answer has no tokens: type what should follow the prompt.")
    if k < 0:
        raise SaewidgetsError("`k` is how many tokens to show: 0 or more.")
    n = len(read) + len(after)
    if n > engine.context_size:
        raise SaewidgetsError(f"Prompt and answer have {n} tokens, more than the context of {engine.context_size}.")
    refuse_past_the_end(recipe, n)
    resolved = resolve(engine, recipe, read, maxima, ticket)
    conditions, notes = _conditions(engine, read, recipe, maxima, ticket)
    ids = [*read.ids, *after]
    ticket.expect(len(conditions))

    def run(part: slice) -> list[AnswerRow]:
        some = conditions[part]
        ticket.breathe()
        resolved_rows = [None if c.recipe is None else resolve(engine, c.recipe, read, maxima, ticket) for c in some]
        tokens = torch.tensor([ids] * len(some), device=engine.model.input_device)
        with engine.lock, torch.no_grad():
            edits = Edits(engine, resolved_rows, scope_of(engine, read, len(some)))
            logits = engine.model.logits(tokens, edits.hooks(tokens), ticket=ticket)
            made = [_row(engine, c, logits[b, len(read) - 1 :], after, k) for b, c in enumerate(some)]
        ticket.progress(part.stop, len(conditions))
        return made

    rows, ran_out = in_batches(len(conditions), _LOGITS // (n * int(engine.model.cfg.d_vocab)), run)
    shown = tokenizer.display(after).strings
    text = "".join(tokenizer.display(read.ids).strings)
    said = (*notes_of(engine, read), *notes, *ran_out)
    return AnswerEffects(text, after, tuple(shown), tuple(rows), said, tuple(resolved.lines()))


@dataclass(frozen=True)
class _Condition:
    name: str
    kind: str
    error: str | None
    feature: int | None
    recipe: Recipe | None


def _conditions(
    engine: Engine, prompt: Prompt, recipe: Recipe, maxima: Maxima, ticket: Ticket
) -> tuple[list[_Condition], list[str]]:
    made, notes = [_Condition("the model as it is", "clean", None, None, None)], list[str]()
    active = recipe.active
    if not active:
        return made, ["The recipe is empty: nothing is changed."]
    errors = ["kept", "dropped"]
    try:
        resolve(engine, recipe.with_error(False), prompt, maxima, ticket)
    except RecipeError as refused:
        if refused.field != "keep_error":
            raise
        errors = ["kept"]
        notes.append(str(refused))
    if "dropped" in errors:
        # An intervention that changes nothing brings the splice and nothing else.
        # One a dictionary: None is another name of the first.
        one_each = {i.sae or engine.default: i for i in active}
        idle = [scale(i.features[0], 1.0, sae=name) for name, i in one_each.items()]
        made.append(_Condition("the SAE's reconstruction in place", "spliced", "dropped", None, Recipe(idle, False)))
    for error in errors:
        name = f"all of the recipe, error {error}"
        made.append(_Condition(name, "all", error, None, recipe.with_error(error == "kept")))
    singles = [(n, i, f) for n, i in enumerate(recipe.interventions) if i.on for f in (i.features or (None,))]
    several = len({i.sae or engine.default for i in active if i.features}) > 1
    said = [
        "the direction" if f is None else f"feature {f}{f' of {i.sae or engine.default}' if several else ''}"
        for _, i, f in singles
    ]
    for (n, i, f), what in zip(singles, said, strict=True) if len(singles) > 1 else ():
        alone = i if f is None else replace(i, features=(f,))
        which = f" (intervention {n + 1})" if said.count(what) > 1 else ""
        for error in errors:
            one = Recipe([alone], error == "kept", recipe.system, recipe.thinking)
            made.append(_Condition(f"{what}{which} alone, error {error}", "one", error, f, one))
    return made, notes


def _row(engine: Engine, condition: _Condition, logits: Tensor, answer: Sequence[int], k: int) -> AnswerRow:
    """From `logits` [1 + answer, d_vocab], of the last prompt token and the answer's tokens."""
    spread = logits.float().log_softmax(-1)
    first = logits[0].float()
    best = first.topk(min(k, len(first))).indices.tolist()
    chances = spread[0].exp()
    return AnswerRow(
        condition.name,
        condition.kind,
        condition.error,
        condition.feature,
        rank=int((first > first[answer[0]]).sum()),
        probability=float(chances[answer[0]]),
        logit=float(first[answer[0]]),
        logprob=float(sum(spread[n, token] for n, token in enumerate(answer))),
        top=tuple((engine.tokenizer.display([t]).strings[0], float(chances[t])) for t in best),
    )

"""What the model says next, with and without the SAE spliced in: the tutorial's `test_prompt`, as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...engine.dictionary.base import Dictionary
from ...engine.model.model import Model
from ...engine.model.site import Site
from ...engine.text.answer import Continued, with_answer
from ...engine.text.tokenizer import Tokenizer
from ...errors import SaewidgetsError

if TYPE_CHECKING:
    import pandas as pd

    from ...engine.engine import Engine
    from ...engine.ticket import Ticket


@dataclass(frozen=True)
class NextToken:
    """One candidate: its id, display string, logit, probability and rank (0 is the likeliest)."""

    token_id: int
    token: str
    logit: float
    probability: float
    rank: int


@dataclass(frozen=True)
class Prediction:
    """One model's view: the `top` candidates after the prompt, and each token of the answer, given those before it."""

    top: tuple[NextToken, ...]
    answer: tuple[NextToken, ...]


@dataclass(frozen=True)
class Predictions:
    """Next-token predictions of the model as it is (`clean`) and with the SAE's reconstruction spliced in (`spliced`).

    `spliced` is None for dictionaries that reconstruct nothing (directions, neurons). `prompt` is what stands before the
    answer's first token; `notes` say where that is not the whole prompt.
    """

    prompt: str
    clean: Prediction
    spliced: Prediction | None
    notes: tuple[str, ...] = ()

    def to_pandas(self) -> pd.DataFrame:
        """One row a candidate: model ("clean" or "spliced"), kind ("top" or "answer"), token, logit, probability, rank."""
        import pandas as pd

        rows = [
            {"model": model, "kind": kind, **vars(token)}
            for model, prediction in (("clean", self.clean), ("spliced", self.spliced))
            if prediction is not None
            for kind, tokens in (("top", prediction.top), ("answer", prediction.answer))
            for token in tokens
        ]
        return pd.DataFrame(rows)


def predictions(
    engine: Engine,
    prompt: str | Sequence[int],
    answer: str | Sequence[int] | None = None,
    *,
    k: int = 10,
    sae: str | None = None,
) -> Predictions:
    """Next-token predictions after `prompt`, and the rank and probability of `answer`, with and without the SAE.

    "With the SAE" is the model with the dictionary's reconstruction spliced in at every position (error dropped), as
    `run_with_saes` does it; None for directions and neurons. The tutorial's `test_prompt`, as numbers.

    The tokens of a string `answer` are those that it has after the prompt: the two are tokenized together. Where the
    prompt's own last tokens become others by that, the answer begins with the first that differs, and `notes` say so.

    Args:
        k: how many of the likeliest next tokens.
        sae: which dictionary of the engine; default: the first.

    Raises:
        SaewidgetsError: without a prompt, or beyond the model's context.

    Example:
        >>> sw.predictions(engine, "The capital of France is", " Paris").to_pandas()
    """
    read = with_answer(engine.tokenizer, prompt, "" if answer is None else answer)
    return engine.worker.run(lambda ticket: _predict(engine, read, k, engine.dictionary(sae), ticket))


def _predict(engine: Engine, read: Continued, k: int, dictionary: Dictionary, ticket: Ticket) -> Predictions:
    ids, answer = read.prompt, read.answer
    clean, logits = clean_and_spliced(engine, [*ids, *answer], dictionary, ticket, len(ids))
    spliced = None if logits is None else _view(engine.tokenizer, logits, len(ids), answer, k)
    made = _view(engine.tokenizer, clean, len(ids), answer, k)
    return Predictions("".join(engine.tokenizer.display(ids).strings), made, spliced, read.notes)


def clean_and_spliced(
    engine: Engine, ids: Sequence[int], dictionary: Dictionary, ticket: Ticket, n_prompt: int | None = None
) -> tuple[Tensor, Tensor | None]:
    """Logits [pos, d_vocab] of a text as the model is, and with the dictionary's reconstruction in place of what it read.

    None for a dictionary that reconstructs nothing. On the worker.

    Args:
        n_prompt: tokens of it that are prompt; default: all.

    Raises:
        SaewidgetsError: without a prompt, or beyond the model's context.
    """
    model = engine.model
    n_prompt = len(ids) if n_prompt is None else n_prompt
    if not n_prompt:
        raise SaewidgetsError("The prompt has no tokens: there is nothing to predict from.")
    if len(ids) > model.cfg.n_ctx:
        raise SaewidgetsError(
            f"Prompt and answer have {len(ids)} tokens, more than the model's context of {model.cfg.n_ctx}."
        )
    tokens = torch.tensor([list(ids)], device=model.input_device)
    with engine.lock, torch.no_grad():
        clean = model.logits(tokens, ticket=ticket)[0]
        logits = _spliced_logits(model, tokens, dictionary, ticket)
    return clean, None if logits is None else logits[0]


def _view(tokenizer: Tokenizer, logits: Tensor, n_prompt: int, answer: Sequence[int], k: int) -> Prediction:
    last = logits[n_prompt - 1].float()
    best = last.topk(min(k, last.numel())).indices.tolist()
    said = [_candidate(tokenizer, logits[n_prompt - 1 + i].float(), token) for i, token in enumerate(answer)]
    return Prediction(tuple(_candidate(tokenizer, last, token) for token in best), tuple(said))


def _candidate(tokenizer: Tokenizer, logits: Tensor, token: int) -> NextToken:
    return NextToken(
        token_id=token,
        token=tokenizer.display([token]).strings[0],
        logit=float(logits[token]),
        probability=float(logits.softmax(-1)[token]),
        rank=int((logits > logits[token]).sum()),
    )


def _spliced_logits(model: Model, tokens: Tensor, dictionary: Dictionary, ticket: Ticket) -> Tensor | None:
    """Logits with the reconstruction in place of the hook's value (a transcoder's goes to the hook it writes to)."""
    site = Site(model, dictionary)
    seen: dict[str, Tensor] = {}
    reconstructs = True

    def splice(value: Tensor) -> Tensor:
        nonlocal reconstructs
        made = site.with_reconstruction(value, None if site.source is None else seen[site.source])
        reconstructs = made is not None
        return value if made is None else made

    reads = {} if site.source is None else {site.source: partial(seen.__setitem__, site.source)}
    logits = model.logits(tokens, {site.write_hook: splice}, reads, ticket)
    return logits if reconstructs else None

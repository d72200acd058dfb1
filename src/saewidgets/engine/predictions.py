"""What the model says next, with and without the SAE spliced in: the tutorial's `test_prompt`, as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from threading import RLock
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import SaewidgetsError
from .dictionary.base import Dictionary
from .model.model import Model
from .model.site import Site
from .text.answer import Continued
from .text.tokenizer import Tokenizer

if TYPE_CHECKING:
    import pandas as pd

    from .ticket import Ticket


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


@dataclass(frozen=True)
class Predictor:
    """What predicting needs of an engine. Its methods run on the engine's worker."""

    model: Model
    tokenizer: Tokenizer
    lock: RLock

    def predict(self, read: Continued, k: int, dictionary: Dictionary, ticket: Ticket) -> Predictions:
        """Predictions after a prompt's tokens, and of the answer's tokens that follow them.

        Raises:
            SaewidgetsError: without a prompt, or beyond the model's context.
        """
        ids, answer = read.prompt, read.answer
        if not ids:
            raise SaewidgetsError("The prompt has no tokens: there is nothing to predict from.")
        if len(ids) + len(answer) > self.model.cfg.n_ctx:
            raise SaewidgetsError(
                f"Prompt and answer have {len(ids) + len(answer)} tokens, more than the model's context of "
                f"{self.model.cfg.n_ctx}."
            )
        tokens = torch.tensor([[*ids, *answer]], device=self.model.input_device)
        with self.lock, torch.no_grad():
            clean = self._view(self.model.logits(tokens, ticket=ticket)[0], len(ids), answer, k)
            logits = _spliced_logits(self.model, tokens, dictionary, ticket)
        spliced = None if logits is None else self._view(logits[0], len(ids), answer, k)
        return Predictions("".join(self.tokenizer.display(ids).strings), clean, spliced, read.notes)

    def _view(self, logits: Tensor, n_prompt: int, answer: Sequence[int], k: int) -> Prediction:
        last = logits[n_prompt - 1].float()
        best = last.topk(min(k, last.numel())).indices.tolist()
        said = [self._candidate(logits[n_prompt - 1 + i].float(), token) for i, token in enumerate(answer)]
        return Prediction(tuple(self._candidate(last, token) for token in best), tuple(said))

    def _candidate(self, logits: Tensor, token: int) -> NextToken:
        return NextToken(
            token_id=token,
            token=self.tokenizer.display([token]).strings[0],
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

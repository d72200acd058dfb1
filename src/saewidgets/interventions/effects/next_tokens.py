"""What the model says next after each of several texts, every candidate beside its chance after the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ...engine.arrays import Floats, Ints
from ...errors import NonFiniteError, SaewidgetsError

if TYPE_CHECKING:
    from ...engine.engine import Engine
    from ...engine.text.given import TextInput
    from ...engine.text.tokenizer import Tokenizer
    from ...engine.ticket import Ticket

__all__ = ["NextTokens", "candidates", "next_tokens", "why_not"]


@dataclass(frozen=True, eq=False)
class NextTokens:
    """The likeliest next tokens of several texts, of the model as it is.

    Attributes:
        token_ids: [m] the `k` likeliest of every text, each once.
        tokens: [m] their display strings.
        log_probs: [texts, m] natural logarithm of each one's probability after each text.
        top: [texts, k] the likeliest after a text, best first, as places in `token_ids`.
    """

    token_ids: Ints
    tokens: tuple[str, ...]
    log_probs: Floats
    top: Ints


def why_not(engine: Engine, texts: TextInput) -> str | None:
    """Why nothing is predicted after these texts; None if it is."""
    limit = int(engine.model.cfg.n_ctx)
    for one in engine.to_ids(texts):
        if not one:
            return "A text has no tokens: there is nothing to predict from."
        if len(one) > limit:
            return f"A text has {len(one)} tokens, more than the model's context of {limit}: nothing is predicted."
    return None


def next_tokens(engine: Engine, texts: TextInput, *, k: int = 10) -> NextTokens:
    """The `k` likeliest tokens after the last one of each text, one forward a text.

    Raises:
        SaewidgetsError: for a text without tokens, or one that is longer than the model's context.
        NonFiniteError: if the model's logits are NaN.

    Example:
        >>> next_tokens(engine, ["The capital of France is", "The capital of Spain is"]).tokens
    """
    if (why := why_not(engine, texts)) is not None:
        raise SaewidgetsError(why)
    ids = engine.to_ids(texts)
    return engine.worker.run(lambda ticket: _predict(engine, ids, k, ticket))


def _predict(engine: Engine, texts: Sequence[list[int]], k: int, ticket: Ticket) -> NextTokens:
    model = engine.model
    # Texts that are the same are predicted from once.
    known: dict[tuple[int, ...], Floats] = {}
    for ids in texts:
        if tuple(ids) not in known:
            with engine.lock, torch.no_grad():
                logits = model.logits(torch.tensor([ids], device=model.input_device), ticket=ticket)[0, -1]
            known[tuple(ids)] = logits.float().log_softmax(-1).cpu().numpy()
    return candidates(engine.tokenizer, np.stack([known[tuple(ids)] for ids in texts]), k)


def candidates(tokenizer: Tokenizer, every: Floats, k: int) -> NextTokens:
    """The `k` likeliest of each of several distributions, each beside its chance in the others.

    Args:
        every: [texts, d_vocab] natural logarithms of probabilities.

    Raises:
        NonFiniteError: if some are NaN.
    """
    if np.isnan(every).any():
        raise NonFiniteError(
            "Log-probabilities are NaN. If the model runs in float16, its values overflow: load it in bfloat16 or float32."
        )
    best = np.argsort(-every, axis=1, kind="stable")[:, :k]
    ids_of, places = np.unique(best, return_inverse=True)
    tokens = tuple(tokenizer.display([int(token)]).strings[0] for token in ids_of)
    return NextTokens(ids_of.astype(np.int64), tokens, every[:, ids_of], places.reshape(best.shape).astype(np.int64))

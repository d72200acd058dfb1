"""Two sets of logits of one text, compared token by token without a second array of their size."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import NonFiniteError

# Log-probabilities at once, in numbers: 32 MB of float32, of which three are alive.
_CHUNK = 2**23


@dataclass(frozen=True)
class Changes:
    """How log-probabilities of what stands, or could stand, at each position changed. On the CPU; NaN at position 0.

    Attributes:
        clean: [pos] log-probability of the actual token.
        delta: [pos] its change.
        kl: [pos] KL(before || after) of the distribution that predicts it.
        lowered_ids, lowered, raised_ids, raised: [pos, k] the tokens that changed most, and how much; -1 and 0 where
            nothing did.
    """

    clean: Tensor
    delta: Tensor
    kl: Tensor
    lowered_ids: Tensor
    lowered: Tensor
    raised_ids: Tensor
    raised: Tensor


def changes(clean: Tensor, ablated: Tensor | None, ids: Tensor, first: int, k: int) -> Changes:
    """Compare logits [pos, d_vocab] of the same text `ids` [pos], before and after.

    Args:
        clean: logits as they were.
        ablated: logits after the change; None if nothing was changed.
        ids: the text.
        first: the first position at which something was changed: predictions before it are taken to be the same.
        k: how many of the most changed tokens.

    Raises:
        NonFiniteError: if a log-probability of the text is NaN or infinite.
    """
    n, d_vocab = clean.shape
    k = min(k, d_vocab)
    found = Changes(
        *(torch.full((n,), float("nan")) for _ in range(3)),
        *(part for _ in range(2) for part in (torch.full((n, k), -1), torch.zeros(n, k))),
    )
    found.delta[1:] = found.kl[1:] = 0
    found.lowered[:1] = found.raised[:1] = float("nan")
    step = max(1, _CHUNK // d_vocab)
    for at in range(0, n - 1, step):
        end = min(at + step, n - 1)
        before = clean[at:end].float().log_softmax(-1)
        answers = ids[at + 1 : end + 1, None].to(before.device)
        found.clean[at + 1 : end + 1] = before.gather(1, answers)[:, 0].cpu()
        start = max(at, first)
        if ablated is None or start >= end:
            continue
        change = ablated[start:end].float().log_softmax(-1).sub_(before[start - at :])
        rows = slice(start + 1, end + 1)
        found.delta[rows] = change.gather(1, answers[start - at :])[:, 0].cpu()
        # A model may rule tokens out with -inf: they are as impossible after as before.
        change.nan_to_num_(nan=0.0)
        # Rounding can bring a divergence of nothing just below 0; and nothing is 0, not -0.
        found.kl[rows] = (before[start - at :].exp() * change).sum(-1).clamp(max=0).neg().add(0.0).cpu()
        for largest, ids_out, out in (
            (False, found.lowered_ids, found.lowered),
            (True, found.raised_ids, found.raised),
        ):
            values, tokens = change.topk(k, largest=largest)
            out[rows], ids_out[rows] = values.cpu(), tokens.cpu()
    if not (torch.isfinite(found.clean[1:]).all() and torch.isfinite(found.delta[1:]).all()):
        raise NonFiniteError(
            "Log-probabilities are NaN or infinite. If the model runs in float16, its values overflow: load it in "
            "bfloat16 or float32."
        )
    return found

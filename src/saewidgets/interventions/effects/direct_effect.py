"""The direct effect of a feature: what its part of the final residual stream does, with no layer in between reacting.

The total effect of an ablation goes through every later layer, some of which repair the damage; the direct one is the
feature's own vote. The difference between the two is worth seeing, so both are computed, on the same tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...engine.dictionary.base import Dictionary
from ...engine.model.model import Model
from ...engine.model.residual_path import path, residual_directions
from ...engine.model.unembedding import Unembedding
from ...errors import ReadoutError

# Logits at once, in numbers: 16 MB of float32, of which a few copies are alive.
_CHUNK = 2**22

_OTHERWISE = (
    "The model does something between its last block and its logits besides the final norm and the unembedding (a hook, or "
    "a scale of its own): there is no direct effect."
)


@dataclass(frozen=True)
class DirectPath:
    """A feature's way to the logits past all other layers: its row [d_model] in the residual stream, and what follows."""

    row: Tensor
    unembedding: Unembedding
    rough: bool

    def effect(self, resid: Tensor, amounts: Tensor, ids: Tensor, clean: Tensor) -> Tensor | str:
        """Change of the log-probability of each token of `ids` when `amounts` of the row are taken out just before it.

        Args:
            resid: [pos, d_model] the final residual stream of the clean run.
            amounts: [pos] how much of the row each position has.
            ids: [pos] the text.
            clean: [pos] log-probabilities of the clean run, to see that the path leads to the model's own logits.

        Returns:
            [pos] on the CPU, NaN at 0; or why there is none.
        """
        direct = torch.zeros(len(ids))
        direct[0] = float("nan")
        at = amounts[:-1].nonzero()[:, 0].cpu()
        device = self.unembedding.device
        rows = resid[at.to(resid.device)].to(device)
        steps = amounts[at.to(amounts.device)].to(device)[:, None] * self.row.to(device)
        answers = ids[at.to(ids.device) + 1].to(device)
        before, after = self._logprobs(rows, answers), self._logprobs(rows.float() - steps, answers)
        if not torch.allclose(before, clean[at + 1], atol=0.5 if self.rough else 0.01, rtol=0.02):
            return _OTHERWISE
        direct[at + 1] = after - before
        return direct

    def _logprobs(self, resid: Tensor, answers: Tensor) -> Tensor:
        step = max(1, _CHUNK // self.unembedding.d_vocab)
        found = torch.empty(len(answers))
        for i in range(0, len(answers), step):
            logprobs = self.unembedding.logits(resid[i : i + step]).float().log_softmax(-1)
            found[i : i + step] = logprobs.gather(1, answers[i : i + step, None])[:, 0].cpu()
        return found


def direct_path(model: Model, dictionary: Dictionary, row: Tensor) -> DirectPath | str:
    """The path of the decoder row [1, d_out]; or, if it has none that is exact, why."""
    try:
        if path(model, dictionary).note:
            return (
                f"What is written at {dictionary.hook_name_out or dictionary.hook_name!r} goes through a nonlinearity or a "
                "norm before it is added to the residual stream: there is no direct effect that is exact."
            )
        residual = residual_directions(model, dictionary, row)[0]
        return DirectPath(residual, Unembedding(model), model.dtype not in (torch.float32, torch.float64))
    except ReadoutError as error:
        return str(error)

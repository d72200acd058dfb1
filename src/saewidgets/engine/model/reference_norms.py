"""How long a residual vector of this model usually is, hook by hook: what norm outliers are measured against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from threading import RLock

import numpy as np
import torch

from ..text.counted import REFERENCE_TEXT, Counting
from ..text.tokenizer import Tokenizer
from ..ticket import Ticket
from .model import Model

__all__ = ["ReferenceNorms"]


class ReferenceNorms(Mapping[str, float]):
    """Hook name to the model's reference norm there: the lower median over a fixed text's tokens that are not special.

    Measured once for every hook, in the model as it is then. Ask `measure` on the engine's worker before reading.

    Args:
        model: the model; lock: its lock.
        tokenizer, counting: the engine's.
        context_size: tokens of the fixed text at most.
    """

    def __init__(self, model: Model, lock: RLock, tokenizer: Tokenizer, counting: Counting, context_size: int) -> None:
        self._model, self._lock = model, lock
        known = tokenizer.encode(REFERENCE_TEXT) if model.tokenizer is not None else []
        # Without a tokenizer any tokens will do: a median of norms says how long a vector usually is.
        known = known or [(i * 7919 + 13) % tokenizer.d_vocab for i in range(64)]
        self._ids = known[:context_size]
        special = counting.special(self._ids)
        self._usual = np.ones(len(self._ids), bool) if special.all() else ~special
        self._found: dict[str, float] = {}

    def measure(self, names: Sequence[str], ticket: Ticket | None = None) -> None:
        """Find the reference norms at the hooks `names`, in one forward, unless they are known."""
        missing = [name for name in dict.fromkeys(names) if name not in self._found]
        if not missing:
            return
        tokens = torch.tensor([self._ids], device=self._model.input_device)
        with self._lock, torch.no_grad():
            values = self._model.read(tokens, missing, ticket)
        for name in missing:
            norm = values[name][0].float().norm(dim=-1).cpu().numpy()[self._usual]
            # A model of zeros has no usual norm, and so nothing that is far from it.
            self._found[name] = float(np.quantile(norm, 0.5, method="lower")) or float("inf")

    def __getitem__(self, name: str) -> float:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

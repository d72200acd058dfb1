"""Which token is what: prompt or generated, special, template, system message, thinking, norm outlier.

Where an edit acts is most of what it does, and every one of these distinctions has been got wrong somewhere: positions
under a KV cache, left padding, BOS, chat templates. They are settled here, from token ids alone (and, for outliers,
from the clean prompt), the same way whether a text comes at once or token by token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ...engine.arrays import Bools, Floats
from ...engine.dictionary.base import Dictionary
from ...engine.text.counted import Counting
from ...engine.text.prompt import Prompt
from ..recipe.intervention import Intervention
from ..recipe.recipe import Recipe

if TYPE_CHECKING:
    from ...engine.engine import Engine

__all__ = ["Scope", "scope_of", "think_ids"]

_FAR = 2**62


@dataclass
class Scope:
    """What the tokens of a batch are, as far as it has come.

    Args:
        counting: the engine's rule of which tokens count.
        n_prompt: [batch] tokens of each row's prompt; what follows was generated.
        template: for each row a mask over its prompt: tokens of the chat template, which are as special as BOS.
        system: for each row a mask over its prompt: the system message.
        think: token ids that open and close thinking, if the model has them.
        outlier: for each row a mask over its prompt: the norm outliers of a dictionary, judged before any edit. Tokens that
            were generated are never outliers, so that a token is the same whether its text is generated or read again.

    Attributes:
        positions: [batch, pos] absolute positions of the tokens of the present forward, BOS 0; -1 at padding.
        real: [batch, pos] False at padding.
        real_before: the same of the forwards before.
    """

    counting: Counting
    n_prompt: Sequence[int]
    template: Sequence[Bools] | None = None
    system: Sequence[Bools] | None = None
    think: tuple[int, int] | None = None
    outlier: Callable[[Dictionary], Sequence[Bools]] | None = None
    positions: Tensor = field(init=False)
    real: Tensor = field(init=False)
    real_before: Tensor = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.n_prompt)
        self._count = torch.zeros(n, 1, dtype=torch.long)
        self._open = torch.zeros(n, 1, dtype=torch.bool)
        self.real = torch.zeros(n, 0, dtype=torch.bool)
        self.real_before = torch.zeros(n, 0, dtype=torch.bool)
        self._prompt = torch.tensor(list(self.n_prompt))[:, None]
        self._outliers: dict[str, Sequence[Bools]] = {}

    def advance(self, tokens: Tensor, real: Tensor | None = None) -> None:
        """Go on to the next forward, of `tokens` [batch, pos]."""
        tokens = tokens.cpu()
        self.real_before = torch.cat([self.real_before, self.real], 1)
        self.real = torch.ones_like(tokens, dtype=torch.bool) if real is None else real.cpu().bool()
        steps = self.real.long().cumsum(1)
        self.positions = torch.where(self.real, self._count + steps - 1, -1)
        self._count = self._count + steps[:, -1:]
        self.generated = self.positions >= self._prompt
        self._structural = torch.from_numpy(self.counting.special(tokens.numpy())) | self._masked(self.template)
        self._system = self._masked(self.system)
        self._thinking = self._within_thinking(tokens)

    def _masked(self, masks: Sequence[Bools] | None) -> Tensor:
        found = torch.zeros_like(self.real)
        for b, mask in enumerate(masks or ()):
            inside = (self.positions[b] >= 0) & (self.positions[b] < len(mask))
            at = self.positions[b][inside]
            found[b, inside] = torch.from_numpy(np.asarray(mask, bool))[at]
        return found

    def _within_thinking(self, tokens: Tensor) -> Tensor:
        if self.think is None:
            return torch.zeros_like(self.real)
        opened, closed = ((tokens == token) & self.real for token in self.think)
        # Thoughts do not nest: each token is after the opening or the closing token that came last.
        steps = torch.arange(tokens.shape[1]).expand_as(tokens)
        last = torch.where(opened | closed, steps, -1).cummax(1).values
        after = torch.where(last < 0, self._open, opened.gather(1, last.clamp(min=0)))
        before = torch.cat([self._open, after[:, :-1]], 1)
        self._open = after[:, -1:]
        # The closing token belongs to the thought, too.
        return after | (closed & before)

    def judge(self, key: str, dictionary: Dictionary) -> None:
        """Find the norm outliers of a dictionary, to be asked for by `key`: before the first edited forward."""
        if self.outlier is not None:
            self._outliers[key] = self.outlier(dictionary)

    def see(self, key: str, relative: Floats) -> None:
        """Judge the prompt's tokens of this forward by their relative norms [batch, pos], as it comes to them unedited."""
        found = self.counting.outliers(relative, self._structural.numpy()) & (self.real & ~self.generated).numpy()
        for b, mask in enumerate(self._outliers[key]):
            inside = self.real[b] & (self.positions[b] < len(mask))
            mask[self.positions[b][inside].numpy()] = found[b][inside.numpy()]

    def outliers(self, key: str) -> Tensor:
        """Norm outliers [batch, pos] among the prompt's tokens of this forward."""
        return self._masked(self._outliers.get(key))

    def where(self, intervention: Intervention, recipe: Recipe) -> Tensor:
        """[batch, pos] where `intervention` may act, as far as tokens tell (outliers and conditions come on top)."""
        allowed = self.real.clone()
        positions = intervention.positions
        if positions == "prompt":
            allowed &= ~self.generated
        elif positions == "generated":
            allowed &= self.generated
        elif not isinstance(positions, str):
            chosen = torch.zeros_like(allowed)
            for p in positions:
                start, stop = (p, p + 1) if isinstance(p, int) else (p[0] or 0, p[1])
                stop = _FAR if stop is None else min(stop, _FAR)
                chosen |= (self.positions >= min(start, _FAR)) & (self.positions < stop)
            allowed &= chosen
        if not intervention.special:
            allowed &= ~self._structural
        if not recipe.system:
            allowed &= ~self._system
        if not recipe.thinking:
            allowed &= ~self._thinking
        return allowed


def scope_of(engine: Engine, prompt: Prompt, n_rows: int) -> Scope:
    """The scope of rows that all start with `prompt`."""
    masks = [prompt.template] * n_rows, [prompt.system] * n_rows

    def outlier(dictionary: Dictionary) -> list[Bools]:
        return [prompt.roles(engine, dictionary).outlier] * n_rows

    return Scope(engine.counting, [len(prompt)] * n_rows, *masks, think_ids(engine), outlier)


def think_ids(engine: Engine) -> tuple[int, int] | None:
    """The tokens that open and close thinking, if the model has them."""
    opened, closed = (engine.tokenizer.token_id(token) for token in ("<think>", "</think>"))
    return None if opened is None or closed is None else (opened, closed)

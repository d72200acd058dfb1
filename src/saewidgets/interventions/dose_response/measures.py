"""What is measured of a generated text: the model as it is and the edited one both read it again.

The generator's own numbers are of the model that wrote, at the temperature it wrote with; these are of a text, whoever
wrote it, so that texts of different strengths can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from ...engine.arrays import Ints
from ...engine.memory import in_batches
from ...engine.text.counted import TokenRoles, predictions
from ...engine.text.prompt import Prompt
from ..edit.hooks import Edits
from ..edit.positions import scope_of
from ..effects.compare_logits import changes
from ..generation.generate import Continuation
from ..recipe.intervention import Intervention
from ..recipe.units import Resolved, dictionary_of
from .curves import Measures

if TYPE_CHECKING:
    from ...engine.arrays import Doubles
    from ...engine.engine import Engine
    from ...engine.ticket import Ticket

__all__ = ["Measured", "Measurer", "Numbers", "Target", "repetition"]

Target: TypeAlias = Callable[[str], float]
"""A number for a text."""

Numbers: TypeAlias = "tuple[float, ...]"
"""Activation, activation where active, KL, perplexity, repetition: of one text."""


@dataclass(frozen=True)
class Measured:
    """What was measured of texts.

    Attributes:
        measures: [texts] see `Sweep`.
        activation: [texts] mean activation of the edited feature over the text's tokens, whatever the target is.
        when_active: [texts] the same over the tokens where it is active; NaN where it nowhere is.
    """

    measures: Measures
    activation: Doubles
    when_active: Doubles

    def part(self, which: Ints) -> Measured:
        """Those of some texts."""
        return Measured(self.measures.part(which), self.activation[which], self.when_active[which])


class Measurer:
    """Measures texts that continue one prompt.

    Args:
        varied: the intervention whose (first) feature, or direction, is the target.
        target: a number for each text instead.

    Attributes:
        name: what the target is, for people.
    """

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

    def measure(
        self, rows: Sequence[Resolved | None], texts: Sequence[Continuation], limit: int, ticket: Ticket
    ) -> tuple[list[Numbers], list[str]]:
        """The numbers of each text, written by the recipe in its row, for `gather`; and notes.

        `limit`: logits of one batch, in numbers.
        """
        longest = len(self._prompt) + max(map(len, texts), default=1)
        step = limit // (2 * longest * int(self._engine.model.cfg.d_vocab))

        def run(part: slice) -> Sequence[Numbers]:
            ticket.breathe()
            return self._batch(rows[part], texts[part], ticket.share(part.start, part.stop, len(rows)))

        return in_batches(len(rows), step, run)

    def gather(self, texts: Sequence[Continuation], found: Sequence[Numbers], ticket: Ticket) -> Measured:
        """Numbers of `measure` as arrays, with the user's target in place where there is one."""
        numbers = np.array(found, dtype=np.float64).reshape(len(found), 5)
        activation, when_active, kl, perplexity, repeated = (numbers[:, i] for i in range(5))
        # A user's target may ask the engine, so it is not called while the engine is locked.
        target = activation if self._target is None else np.array([self._asked(t, ticket) for t in texts], np.float64)
        return Measured(Measures(target, kl, perplexity, repeated), activation, when_active)

    def _asked(self, text: Continuation, ticket: Ticket) -> float:
        assert self._target is not None
        ticket.check()
        return float(self._target(text.text)) if len(text) else float("nan")

    def _batch(self, rows: Sequence[Resolved | None], texts: Sequence[Continuation], ticket: Ticket) -> list[Numbers]:
        engine, n = self._engine, len(self._prompt)
        longest = n + max(map(len, texts))
        filler = self._prompt.ids[-1]  # to the right, where a causal model does not see it
        ids = [[*self._prompt.ids, *text.token_ids.tolist()] for text in texts]
        tokens = torch.tensor([[*i, *[filler] * (longest - len(i))] for i in ids], device=engine.model.input_device)
        real = torch.tensor([[j < len(i) for j in range(longest)] for i in ids])
        hook = self._dictionary.hook_name
        seen: dict[str, torch.Tensor] = {}
        with engine.lock, torch.no_grad():
            names = {hook, *engine.roles.streams(self._dictionary, ticket)}
            reads = {name: partial(seen.__setitem__, name) for name in names}
            clean = engine.model.logits(tokens, reads=reads, ticket=ticket)
            ticket.progress(1, 3)
            relative = engine.roles.relative_norm(self._dictionary, seen)
            edits = Edits(engine, rows, scope_of(engine, self._prompt, len(rows)))
            hooks = edits.hooks(tokens, real)
            edited = clean if edits.noop else engine.model.logits(tokens, hooks, ticket=ticket)
            ticket.progress(2, 3)
            x = engine.site(self._dictionary).flatten(seen[hook])
            found = []
            for b, text in enumerate(texts):
                ticket.beat()
                roles = engine.counting.roles(ids[b], None if relative is None else relative[b, : len(ids[b])])
                part = slice(0, len(ids[b]))
                x_of = x[b : b + 1, part]
                found.append(self._one(rows[b], text, clean[b, part], edited[b, part], tokens[b, part], x_of, roles))
            ticket.progress(3, 3)
            return found

    def _one(
        self,
        row: Resolved | None,
        text: Continuation,
        clean: torch.Tensor,
        edited: torch.Tensor,
        ids: torch.Tensor,
        x: torch.Tensor,
        roles: TokenRoles,
    ) -> Numbers:
        n = len(self._prompt)
        if not len(text):
            return float("nan"), float("nan"), float("nan"), float("nan"), 0.0
        found = changes(clean, None if row is None else edited, ids, 0, 0)
        x = x if self._dictionary.device is None else x.to(self._dictionary.device)
        acts = self._dictionary.encode(x, torch.tensor([self._feature]))[0, n:, 0].double().cpu()
        # An end-of-text token is part of what was written, a prediction at or of an attention sink is not.
        usual = predictions(~roles.outlier, roles.outlier)
        counted, predicted = (torch.from_numpy(mask[n:]) for mask in (roles.counted, usual))
        acts = acts[counted]
        return (
            float(acts.mean()),
            float(acts[acts != 0].mean()),
            float(found.kl[n:][predicted].mean()),
            float((-found.clean[n:][predicted].mean()).exp()),
            repetition(text.token_ids),
        )


def repetition(ids: Ints | Sequence[int], n: int = 4) -> float:
    """Share of a text's n-grams that stood there before: 1 - distinct / all, 0 for a text shorter than n."""
    grams = [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0

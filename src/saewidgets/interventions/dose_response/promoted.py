"""What an edit does to a text that is given, without sampling: the tokens that the feature promotes, and its activation.

Generated texts differ by their dice; a given text does not. Read again with the edit, it tells at once, and smoothly in
strength, whether the tokens that the feature writes towards become likelier, and what the SAE then reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ...engine.arrays import Bools, Ints
from ...engine.dictionary.base import Dictionary
from ...engine.memory import in_batches
from ...engine.model.residual_path import residual_directions, rows_label
from ...engine.model.unembedding import Unembedding
from ...engine.text.prompt import Prompt, PromptInput
from ...errors import NonFiniteError, ReadoutError, SaewidgetsError
from ..edit.hooks import Edits
from ..edit.positions import scope_of
from ..recipe.intervention import Intervention
from ..recipe.units import Resolved, dictionary_of

if TYPE_CHECKING:
    from ...engine.arrays import Doubles
    from ...engine.engine import Engine
    from ...engine.model.model import Edit
    from ...engine.ticket import Ticket

__all__ = ["PROMOTED", "Promoted", "Reader", "Readings", "given_ids", "promoted_by"]

PROMOTED = 10


@dataclass(frozen=True)
class Promoted:
    """The tokens that a feature, or direction, promotes most: those with the largest logit weights.

    Attributes:
        token_ids: [k] largest weight first, ties by the lower id; tokens: their strings; weights: [k].
        label: which product the weights are, such as "W_dec @ W_U (not folded)".
    """

    token_ids: Ints
    tokens: tuple[str, ...]
    weights: Doubles
    label: str


@dataclass(frozen=True)
class Readings:
    """Two numbers a text that is read, [..., texts]: means over its counted tokens.

    Attributes:
        promoted: log-probability, in nats, that the next token is one of the promoted ones (of their probabilities'
            sum), after each counted token; NaN where the feature has no direct path to the logits.
        activation: of the edited feature, as its dictionary reads the edited run; NaN for a transcoder, which does not
            read what it writes.
    """

    promoted: Doubles
    activation: Doubles

    def part(self, which: int | slice | Ints) -> Readings:
        """Those of some rows."""
        return Readings(self.promoted[which], self.activation[which])


def promoted_by(engine: Engine, intervention: Intervention, k: int) -> tuple[Promoted | None, str]:
    """The `k` most promoted tokens of the intervention's (first) feature or direction; or None, and why there are none."""
    dictionary = dictionary_of(engine, intervention)
    feature = torch.tensor([intervention.features[0] if intervention.features else 0])
    try:
        with torch.no_grad():
            unembedding = Unembedding(engine.model)
            rows = residual_directions(engine.model, dictionary, dictionary.decoder(feature))
            weights = unembedding.direct(rows)[0].cpu()
            label = unembedding.label(rows=rows_label(engine.model, dictionary))
    except ReadoutError as error:
        return None, f"No promoted tokens: {error}"
    order = weights.argsort(descending=True, stable=True)[:k]
    strings = tuple(engine.tokenizer.display([i]).strings[0] for i in order.tolist())
    return Promoted(order.numpy(), strings, weights[order].double().numpy(), label), ""


def given_ids(engine: Engine, prompt: PromptInput, read: Prompt, text: str | Sequence[int] | None) -> list[int]:
    """The tokens of `text` as it follows `prompt`: those of prompt and text together, where both are strings.

    Raises:
        SaewidgetsError: if the text changes the prompt's own tokens, or both are longer than the context.
    """
    if text is None:
        return []
    if not isinstance(text, str):
        ids = engine.tokenizer.check_ids(text)
    elif isinstance(prompt, str):
        joined = engine.tokenizer.encode(prompt + text)
        if tuple(joined[: len(read)]) != read.ids:
            raise SaewidgetsError(
                "`text` melts into the last token of the prompt. Let it begin where a token does (often with a space), or "
                "give its token ids."
            )
        ids = joined[len(read) :]
    elif engine.model.tokenizer is None:
        raise SaewidgetsError("The model has no tokenizer: give `text` as token ids.")
    else:
        ids = engine.tokenizer.encode_raw(text)[0]
    if len(read) + len(ids) > engine.context_size:
        raise SaewidgetsError(
            f"Prompt and `text` have {len(read) + len(ids)} tokens, more than the context of {engine.context_size}."
        )
    return ids


class Reader:
    """Reads one prompt, and what was given to follow it, under many recipes.

    Args:
        given: token ids after the prompt; for positions they are generated.
        varied: whose (first) feature, or direction, is read.
        promoted: ids of the tokens to sum, or None.

    Attributes:
        counted: [tokens] those that the means are over: no special or template tokens, no norm outliers.
    """

    def __init__(
        self,
        engine: Engine,
        prompt: Prompt,
        given: Sequence[int],
        varied: Intervention,
        promoted: Ints | None,
        ticket: Ticket,
    ) -> None:
        self._engine, self._prompt, self._ids = engine, prompt, [*prompt.ids, *given]
        self._dictionary: Dictionary = dictionary_of(engine, varied)
        self._feature = torch.tensor([varied.features[0] if varied.features else 0])
        self._promoted = None if promoted is None else torch.from_numpy(promoted)
        self.counted: Bools = self._counted(ticket)

    def _counted(self, ticket: Ticket) -> Bools:
        roles = self._engine.roles.of([self._ids], self._dictionary, ticket, [self._prompt.template])[0]
        return roles.counted

    def read(self, rows: Sequence[Resolved | None], limit: int, ticket: Ticket) -> tuple[Readings, list[str]]:
        """[rows] the numbers under each recipe, and notes. `limit`: logits of one batch, in numbers."""

        def run(part: slice) -> Sequence[tuple[float, float]]:
            ticket.breathe()
            return self._batch(rows[part], ticket)

        step = limit // (len(self._ids) * int(self._engine.model.cfg.d_vocab))
        found, notes = in_batches(len(rows), step, run)
        numbers = np.array(found, dtype=np.float64).reshape(len(found), 2)
        return Readings(numbers[:, 0], numbers[:, 1]), notes

    def _batch(self, rows: Sequence[Resolved | None], ticket: Ticket) -> list[tuple[float, float]]:
        engine, dictionary = self._engine, self._dictionary
        tokens = torch.tensor([self._ids] * len(rows), device=engine.model.input_device)
        seen: dict[str, Tensor] = {}
        with engine.lock, torch.no_grad():
            edits = Edits(engine, rows, scope_of(engine, self._prompt, len(rows)))
            hooks: dict[str, Edit] = dict(edits.hooks(tokens))
            place = engine.model.resolve(dictionary.hook_name)
            hooks[place] = partial(_kept, seen, hooks.get(place))  # after the edit: what flows on
            logits = engine.model.logits(tokens, hooks, ticket=ticket)
            return [(self._of_promoted(logits[b]), self._of_activation(seen["x"][b : b + 1])) for b in range(len(rows))]

    def _of_promoted(self, logits: Tensor) -> float:
        if self._promoted is None or not self.counted.any():
            return float("nan")
        at = torch.from_numpy(np.flatnonzero(self.counted)).to(logits.device)
        rows = logits[at].float()
        chosen = rows[:, self._promoted.to(rows.device)]
        found = float((chosen.logsumexp(-1) - rows.logsumexp(-1)).double().mean())
        if not np.isfinite(found):
            raise NonFiniteError(
                "Log-probabilities of the promoted tokens are NaN or infinite. Use smaller strengths; if the model runs in "
                "float16, load it in bfloat16 or float32."
            )
        return found

    def _of_activation(self, value: Tensor) -> float:
        dictionary = self._dictionary
        if dictionary.hook_name_out is not None or not self.counted.any():
            return float("nan")
        x = self._engine.site(dictionary).flatten(value)
        x = x if dictionary.device is None else x.to(dictionary.device)
        acts = dictionary.encode(x, self._feature)[0, :, 0].double().cpu()
        return float(acts[torch.from_numpy(self.counted)].mean())


def _kept(seen: dict[str, Tensor], edit: Edit | None, value: Tensor) -> Tensor:
    seen["x"] = value if edit is None else edit(value)
    return seen["x"]

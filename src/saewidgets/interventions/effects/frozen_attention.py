"""Attention patterns held at those of a clean run, so that an edit cannot change where tokens look.

The care is in whether it happens at all: some bridges compute attention in one fused step and make no patterns, and
others only show the patterns that were used, so that replacing them changes nothing. Either would give the effects of
an edit that is not frozen under the name of one that is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from torch import Tensor

from ...errors import HookDidNotFireError, HookNotFoundError, SaewidgetsError

if TYPE_CHECKING:
    from ...engine.model.model import Edit, Model

__all__ = ["Patterns"]

_ELSEWHERE = "load it as a HookedTransformer, with sae_lens.HookedSAETransformer.from_pretrained(name)"


class Patterns:
    """The attention patterns [batch, head, query, key] of every layer of one forward, to be put into others.

    Example:
        >>> patterns = Patterns(engine.model)
        >>> clean = engine.model.logits(tokens, reads=patterns.reads())
        >>> frozen = engine.model.logits(tokens, {**edits, **patterns.hooks()})
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._values: dict[str, Tensor] = {}
        self._late: list[str] = []

    def reads(self) -> dict[str, Callable[[Tensor], None]]:
        """What to read in the clean forward, to keep its patterns.

        Raises:
            SaewidgetsError: if the model has no such hooks.
        """
        found: dict[str, Callable[[Tensor], None]] = {}
        for n in range(int(self._model.raw.cfg.n_layers)):
            pattern = f"blocks.{n}.attn.hook_pattern"
            try:
                self._model.resolve(pattern)
            except HookNotFoundError as error:
                raise self.missing(error) from None
            found[pattern] = partial(self._values.__setitem__, pattern)
            if self._model.is_bridge:
                found[f"blocks.{n}.attn.hook_out"] = partial(self._attended, pattern)
        return found

    def hooks(self) -> dict[str, Edit]:
        """Edits that put the patterns back, by resolved hook name.

        Raises:
            SaewidgetsError: if the clean forward showed that this would change nothing.
        """
        if self._late:
            raise SaewidgetsError(
                f"Attention patterns of {self._model.name} cannot be frozen: the model shows them ({self._late[0]!r}) after "
                f"it used them, so putting others in their place changes nothing. To freeze them, {_ELSEWHERE}."
            )
        return {self._model.resolve(name): partial(_replaced, value) for name, value in self._values.items()}

    def missing(self, error: HookNotFoundError | HookDidNotFireError) -> SaewidgetsError:
        """What to raise where a pattern's hook is not there or was not reached."""
        return SaewidgetsError(
            f"{self._model.name} has no attention patterns to freeze: {error} A model with fused attention makes none: load "
            f"the Hugging Face model with attn_implementation='eager', or {_ELSEWHERE}."
        )

    def _attended(self, pattern: str, _: Tensor) -> None:
        # What a layer's attention gives is there before its pattern: then the pattern was not needed for it.
        if pattern not in self._values:
            self._late.append(pattern)


def _replaced(pattern: Tensor, value: Tensor) -> Tensor:
    return pattern.to(value.device, value.dtype)

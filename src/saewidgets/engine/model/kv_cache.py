"""The KV cache of both model classes behind one call: tokens in, logits out, and the past remembered."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ..ticket import Ticket
    from .model import Edit, Model

__all__ = ["CachedForward"]


class CachedForward:
    """Forward passes over a growing text, each given only the tokens that are new.

    All rows are of one length, without padding. Hooks see the new tokens only.

    Args:
        model: the model.
        batch: number of rows.

    Example:
        >>> forward = CachedForward(engine.model, 1)
        >>> logits = forward(prompt)                 # [1, pos, d_vocab]
        >>> logits = forward(logits[:, -1:].argmax(-1))
    """

    def __init__(self, model: Model, batch: int) -> None:
        self._model = model
        self.length = 0
        """Tokens that went through."""
        self._past: Any = None
        inner = cast("nn.Module", model.raw.original_model) if model.is_bridge else model.raw
        self._can_keep_last = "logits_to_keep" in signature(inner.forward).parameters
        if not model.is_bridge:
            from transformer_lens.cache.key_value_cache import TransformerLensKeyValueCache

            self._past = TransformerLensKeyValueCache.init_cache(model.raw.cfg, model.raw.cfg.device, batch)

    def __call__(
        self,
        tokens: Tensor,
        edits: Mapping[str, Edit] | None = None,
        ticket: Ticket | None = None,
        *,
        last_only: bool = False,
    ) -> Tensor:
        """Logits [batch, new tokens, d_vocab] of `tokens` [batch, new tokens].

        `last_only`: those of the last token suffice, which saves memory where the model can be told.
        """
        run = partial(self._bridge, last_only) if self._model.is_bridge else self._hooked
        logits = self._model.logits(tokens, edits, None, ticket, run)
        self.length += tokens.shape[1]
        return logits

    def _hooked(self, tokens: Tensor) -> Tensor:
        # Given, because TransformerLens would take a text's own end-of-text tokens for padding and hide them.
        every = torch.ones_like(tokens)
        return cast(
            Tensor, self._model.raw(tokens, return_type="logits", past_kv_cache=self._past, attention_mask=every)
        )

    def _bridge(self, last_only: bool, tokens: Tensor) -> Tensor:
        extra: dict[str, object] = {"logits_to_keep": 1} if last_only and self._can_keep_last else {}
        if self._past is not None:
            shape, device = (tokens.shape[0], tokens.shape[1]), tokens.device
            extra["past_key_values"] = self._past
            # Said and not left to be inferred, as Hugging Face's own generate() does.
            extra["attention_mask"] = torch.ones(shape[0], self.length + shape[1], dtype=torch.long, device=device)
            if self._model.raw._accepts_derived_position_ids():  # type: ignore[operator]
                at = torch.arange(self.length, self.length + shape[1], device=device)
                extra["position_ids"] = at[None].expand(shape)
        logits, self._past = self._model.raw(tokens, return_type="logits_and_cache", use_cache=True, **extra)
        if not _holds_something(self._past):
            raise NotImplementedError(
                f"{self._model.name} gives no KV cache, or an empty one, so text cannot be generated from it token by token."
            )
        return cast(Tensor, logits)


def _holds_something(cache: object) -> bool:
    """Whether a pass left something in Hugging Face's cache: where no layer did, a token would know none before it.

    transformer-lens leaves it empty where it does not know the name by which transformers gives it to attention.
    """
    if cache is None:
        return False
    layers = getattr(cache, "layers", None)
    return layers is None or any(getattr(layer, "is_initialized", True) for layer in layers)

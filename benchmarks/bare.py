"""What the budgets are measured against: a forward to the hook and `sae.encode`, as a user would write them for speed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from saewidgets.engine.activations.portion import TOKENS
from saewidgets.engine.activations.windows import Window, batches, to_tensor
from saewidgets.engine.dictionary.sae import SaeDictionary
from saewidgets.engine.engine import Engine
from saewidgets.index.corpus.documents import Chunk


class _Stop(BaseException):
    """Ends a forward at the hook."""


class Bare:
    """A hook that keeps the value and stops the forward, then `sae.encode`; no checks, nothing kept.

    Args:
        engine: whose model and first SAE to use.
    """

    def __init__(self, engine: Engine) -> None:
        dictionary = engine.dictionary()
        assert isinstance(dictionary, SaeDictionary)
        self._model, self._sae, self._device = engine.model, dictionary.sae, dictionary.device
        self._point = engine.model._module(engine.model.resolve(dictionary.hook_name))

    def read(self, tokens: Tensor) -> Tensor:
        """The hook's value [batch, pos, d_in] for token ids [batch, pos]."""
        seen: list[Tensor] = []

        def keep(_module: object, _inputs: object, output: Tensor) -> None:
            seen.append(output)
            raise _Stop

        handle = self._point.register_forward_hook(keep)
        try:
            with torch.no_grad():
                self._model.raw(tokens, return_type=None)
        except _Stop:
            pass
        finally:
            handle.remove()
        return seen[0]

    def encode(self, tokens: Tensor) -> Tensor:
        """Dense activations [batch, pos, features]."""
        with torch.no_grad():
            encoded: Tensor = self._sae.encode(self.read(tokens).to(self._device))
        if encoded.is_cuda:
            torch.cuda.synchronize()
        return encoded


def token_batches(engine: Engine, some: Sequence[Chunk]) -> list[Tensor]:
    """The token ids of chunks in the batches that `build_index` makes of them, padding included."""
    device, limit = engine.model.input_device, engine._reader.max_tokens
    return [
        to_tensor(batch, device)
        for block in _blocks(some)
        for batch in batches([Window(i, 0, chunk.ids) for i, chunk in enumerate(block)], lambda: limit, True)
    ]


def _blocks(some: Sequence[Chunk]) -> Iterator[list[Chunk]]:
    """Chunks in the blocks of a scan, inside which they are sorted by length."""
    block: list[Chunk] = []
    for chunk in some:
        block.append(chunk)
        if sum(len(c.ids) for c in block) >= TOKENS:
            yield block
            block = []
    if block:
        yield block

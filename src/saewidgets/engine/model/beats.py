"""How far a forward is, told from inside it: a batch takes seconds, and who waits must see that it goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import partial

from torch import nn
from torch.utils.hooks import RemovableHandle

from ..ticket import Ticket

__all__ = ["beats"]

# What has a smaller part of a block's weights is over at once.
_LEAST = 0.01


def beats(
    blocks: Sequence[nn.Module], depth: int | None, ticket: Ticket, *, in_parts: bool
) -> Iterator[RemovableHandle]:
    """Hooks that only count: they stop a forward that was cancelled, and say which part of it is done.

    Args:
        blocks: of the model. depth: how many of them the forward goes through; default: all.
        in_parts: tell also within a block, where each module that has weights ends, by how many they are: on a CPU a block
            of a large batch takes seconds. Else block by block.
    """
    me, whole = threading.get_ident(), max(depth or len(blocks), 1)
    within = 0.0

    def begins(number: int, *_: object) -> None:
        nonlocal within
        if threading.get_ident() == me:
            within = 0.0
            ticket.beat(number / whole)

    def ends(number: int, share: float, *_: object) -> None:
        nonlocal within
        if threading.get_ident() == me:
            within = min(within + share, 1.0)
            ticket.beat((number + within) / whole)

    for number, block in enumerate(blocks[:whole]):
        yield block.register_forward_pre_hook(partial(begins, number))
        for module, share in _parts(block) if in_parts else ():
            yield module.register_forward_hook(partial(ends, number, share))


def _parts(block: nn.Module) -> list[tuple[nn.Module, float]]:
    """The modules in which a block's weights are, and which part of them each has."""
    own = {module: sum(p.numel() for p in module._parameters.values() if p is not None) for module in block.modules()}
    whole = max(sum(own.values()), 1)
    return [(module, size / whole) for module, size in own.items() if size >= _LEAST * whole]

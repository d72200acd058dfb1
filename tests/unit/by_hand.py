"""Edits by the definitions, with plain PyTorch hooks: what `sw.applied` is measured against."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tiny
import torch
from sae_lens.analysis.hooked_sae_transformer import get_deep_attr
from torch import Tensor

HOOK = "blocks.1.hook_resid_pre"
FEATURE, STRENGTH = 5, 6.0
SHORT, LONG = "God", "In the beginning God created"

Change = Callable[[Tensor], Tensor]


def place(model: Any, hook: str = HOOK) -> Any:
    """What stands at a hook now: a hook point, or sae-lens's wrapper of an SAE."""
    return get_deep_attr(model, model._resolve_hook_name(hook) if hasattr(model, "_resolve_hook_name") else hook)


@contextmanager
def hooked(model: Any, change: Change, hook: str = HOOK) -> Iterator[None]:
    """Inside, the value at a hook is what `change` makes of it."""
    handle = place(model, hook).register_forward_hook(lambda _m, _i, value: change(value))
    try:
        yield
    finally:
        handle.remove()


def vector(feature: int = FEATURE, strength: float = STRENGTH, **sae: Any) -> Tensor:
    """strength · W_dec[feature]."""
    return strength * tiny.sae("jumprelu", **{"hook": HOOK, **sae}).W_dec[feature].detach()


def at(positions: Sequence[int], length: int) -> Tensor:
    """[1, length, 1]: 1 at `positions`."""
    found = torch.zeros(1, length, 1)
    found[0, [p for p in positions if p < length]] = 1
    return found


def logits(model: Any, ids: Sequence[int], positions: Sequence[int], added: Tensor | None = None) -> Tensor:
    """[pos, d_vocab] of one text alone, with a vector added at `positions`."""
    added = vector() if added is None else added
    with torch.no_grad(), hooked(model, lambda value: value + at(positions, len(ids)) * added):
        found: Tensor = model(torch.tensor([list(ids)]), return_type="logits")[0]
    return found


def written(model: Any, ids: Sequence[int], positions: Callable[[int], bool], n: int) -> list[int]:
    """The `n` tokens that follow greedily, the vector added at the positions for which `positions` says so."""
    whole = list(ids)
    for _ in range(n):
        where = [p for p in range(len(whole)) if positions(p)]
        whole.append(int(logits(model, whole, where)[-1].argmax()))
    return whole[len(ids) :]


def padded(rows: Sequence[Sequence[int]], side: str, pad: int = 1) -> tuple[Tensor, Tensor]:
    """Token ids [batch, pos] and their attention mask."""
    longest = max(map(len, rows))
    fill = [longest - len(ids) for ids in rows]
    if side == "left":
        tokens = [[pad] * n + list(ids) for ids, n in zip(rows, fill, strict=True)]
        mask = [[0] * n + [1] * len(ids) for ids, n in zip(rows, fill, strict=True)]
    else:
        tokens = [list(ids) + [pad] * n for ids, n in zip(rows, fill, strict=True)]
        mask = [[1] * len(ids) + [0] * n for ids, n in zip(rows, fill, strict=True)]
    return torch.tensor(tokens), torch.tensor(mask)


def n_hooks(model: Any) -> int:
    """PyTorch hooks on all of a model's modules."""
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())

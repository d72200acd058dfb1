"""Which weights a model has, as a hash: a fine-tune under the same name is another model.

What was computed with some weights (an index) must never be taken for, or mixed with, what others give, and neither a
name nor a shape tells them apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import TypeAlias
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ...errors import SaewidgetsError

# Buffers that are computed from the configuration: masks, tables of positions. Their length follows that of the context.
_COMPUTED = frozenset(
    "mask IGNORE masked_bias rotary_sin rotary_cos inv_freq original_inv_freq position_ids token_type_ids alibi".split()
)
# Elements of a tensor that are looked at to see whether it is still the same.
_SAMPLE = 64
# Bytes that are copied from a device at once.
_AT_ONCE = 2**26

Stamp: TypeAlias = tuple[tuple[object, ...], ...]

_known: WeakKeyDictionary[nn.Module, tuple[Stamp, str]] = WeakKeyDictionary()


def weights_hash(model: nn.Module, *, fresh: bool = True) -> str:
    """A hash of the values, shapes and dtypes of all weights of `model`: its parameters and the buffers that hold weights.

    The model's own: an SAE that is spliced into it is left out, and so are tables that are computed from its
    configuration. Names are left out as well, so that the hash does not change when a library renames its modules. It
    takes about 1 s a GB on a CPU core (and once the copy of weights that are on a GPU).

    Args:
        fresh: read every byte. Else the hash that was computed before is given again if no weight has changed since: the
            same tensors, the same in-place versions, the same values at 64 places of each. (What writes to single
            values through `.data`, which torch does not count, can be missed then.)

    Raises:
        SaewidgetsError: for weights that are not in memory (offloaded to disk).
    """
    tensors = list(_weights(model))
    stamps = stamp_of(tensors)
    if not fresh:
        known = _known.get(model)
        if known is not None and known[0] == stamps:
            return known[1]
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tuple(tensor.shape)} {tensor.dtype};".encode())
        for part in bytes_of(tensor):
            digest.update(part)
    _known[model] = (stamps, digest.hexdigest())
    return digest.hexdigest()


def bytes_of(tensor: Tensor) -> Iterator[memoryview]:
    """All bytes of a tensor, some at once."""
    flat = tensor.detach().contiguous().view(-1)
    step = max(1, _AT_ONCE // flat.element_size())
    for start in range(0, len(flat), step):
        yield flat[start : start + step].cpu().view(torch.uint8).numpy().data


def _weights(model: nn.Module) -> Iterator[Tensor]:
    """Parameters and buffers, each once, in the order of the modules."""
    # By hand: asked for in a panel's every request, torch's own walk would take longer than the look at the weights.
    seen: set[int] = set()
    todo: list[tuple[str, nn.Module]] = [("", model)]
    while todo:
        path, module = todo.pop()
        if id(module) in seen or "hook_sae_input" in module._modules:
            continue
        seen.add(id(module))
        buffers = {n: b for n, b in module._buffers.items() if b is not None and not _is_computed(n, b)}
        for name, tensor in (*module._parameters.items(), *buffers.items()):
            if tensor is not None and id(tensor) not in seen:
                seen.add(id(tensor))
                yield _here(f"{path}{name}", tensor)
        todo += [(f"{path}{name}.", child) for name, child in reversed(module._modules.items()) if child is not None]


def _is_computed(name: str, buffer: Tensor) -> bool:
    return buffer.dtype == torch.bool or name in _COMPUTED


def _here(name: str, tensor: Tensor) -> Tensor:
    if tensor.device.type == "meta":
        raise SaewidgetsError(
            f"The weights {name!r} of the model are not in memory (offloaded?), so nobody can tell which model it is. Load "
            "the model without offloading, or in a smaller dtype."
        )
    return tensor


def looks(tensors: Iterable[Tensor]) -> tuple[object, ...]:
    """Shapes, dtypes and the values at 64 places of each: other weights have others, wherever they are kept."""
    return tuple(_look(tensor) for tensor in tensors)


def _look(tensor: Tensor) -> tuple[object, ...]:
    flat = _flat(tensor.detach())
    sample = flat[:: max(1, len(flat) // _SAMPLE)].contiguous().view(torch.uint8).cpu().numpy().tobytes()
    return tuple(tensor.shape), tensor.dtype, hash(sample)


def stamp_of(tensors: Iterable[Tensor]) -> Stamp:
    """Changes if one of the tensors does (see `weights_hash`, `fresh`): cheap to ask again and again."""
    return tuple(map(stamp, tensors))


def stamp(tensor: Tensor) -> tuple[object, ...]:
    """Changes if the tensor does: cheap to ask again and again."""
    return (tensor.data_ptr(), tensor._version, tensor.device, _look(tensor))


def _flat(tensor: Tensor) -> Tensor:
    """All elements in any order, if possible without a copy."""
    if not tensor.is_contiguous() and tensor.ndim == 2 and tensor.T.is_contiguous():
        tensor = tensor.T
    return tensor.reshape(-1)

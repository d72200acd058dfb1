"""What a model is right now, looked at and not assumed: so that what it wrote before need not be written again.

Whatever a forward depends on is looked at: weights and buffers, the modules and their settings, the configuration. Hooks
of the user's are another matter. What they do cannot be seen, and they are to fire each time: with one of them on the
model nothing is said, and nobody can take what was for what is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module
from transformer_lens.hook_points import HookPoint

from .model import Model
from .weights import stamp

__all__ = ["as_it_is"]

# Who hooks a model, or gives it another forward, as a part of what it is.
_LIBRARIES = frozenset({"accelerate", "sae_lens", "torch", "transformer_lens", "transformers"})
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_PLAIN = frozenset({bool, int, float, str, type(None), torch.dtype, torch.device})


def as_it_is(model: Model) -> str | None:
    """A digest that changes when a forward of `model` could; some milliseconds. None where that cannot be told.

    It cannot with the user's own hooks on the model, or an SAE spliced into it, with dropout, or with weights that are not
    in memory. What `weights_hash(fresh=False)` can miss is missed here, too.
    """
    if model.dropout_active() or _everywhere():
        return None
    digest = hashlib.sha256()
    tensors: dict[int, Tensor] = {}
    for module in _modules(model.raw):
        if "hook_sae_input" in module._modules or any(map(_is_users, _called(module))):
            return None
        # Names that begin with _ are a library's book-keeping: which hook has fired yet.
        plain = [(name, value) for name, value in module.__dict__.items() if type(value) in _PLAIN and name[0] != "_"]
        digest.update(repr((id(module), plain)).encode())
        tensors |= {id(tensor): tensor for tensor in _own(module)}
    if any(tensor.is_meta for tensor in tensors.values()):
        return None
    for config in (model.raw.cfg, getattr(getattr(model.raw, "original_model", None), "config", None)):
        digest.update(repr(None if config is None else vars(config)).encode())
    digest.update(repr([stamp(tensor) for tensor in tensors.values()]).encode())
    digest.update(torch.get_float32_matmul_precision().encode())
    return digest.hexdigest()


def _modules(model: nn.Module) -> Iterator[nn.Module]:
    """Each once, quicker than torch's own walk, which names them: this is asked before every run."""
    seen: set[int] = set()
    todo = [model]
    while todo:
        module = todo.pop()
        if id(module) not in seen:
            seen.add(id(module))
            yield module
            todo += [child for child in module._modules.values() if child is not None]


def _own(module: nn.Module) -> Iterator[Tensor]:
    return (t for t in (*module._parameters.values(), *module._buffers.values()) if t is not None)


def _everywhere() -> bool:
    """Hooks on all modules there are."""
    return any(getattr(torch_module, f"_global{name}", None) for name in _HOOKS)


def _called(module: nn.Module) -> list[object]:
    """What is called beside, or in place of, the module's own forward."""
    own = module.__dict__
    found = [fn for name in _HOOKS if own.get(name) for fn in own[name].values()]
    # Whoever hooks a hook point is the user, though it is the library that wraps it.
    wrapped = [None] * len(found) if found and isinstance(module, HookPoint) else found
    return wrapped + [own[name] for name in ("forward", "__call__") if name in own]


def _is_users(fn: object) -> bool:
    while isinstance(fn, partial):
        fn = fn.func
    return (getattr(fn, "__module__", None) or "").partition(".")[0] not in _LIBRARIES

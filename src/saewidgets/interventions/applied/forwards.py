"""Forwards of the user's own, watched by plain hooks: where one begins, what it was given, which hooks it reached.

There are many doors: `model(...)`, `model.forward(...)`, which PyTorch's hooks do not see, a bridge's inner Hugging Face
model, `generate` of HookedTransformer, which embeds outside its forwards. And what stands at a hook changes from forward to
forward, because sae-lens puts SAEs in the place of hook points. So all that is known is known per forward: it begins
at the outermost door, or where nothing else was seen at the block it starts with, and nothing of it outlives it.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ...errors import HookDidNotFireError, SaewidgetsError
from ..recipe.errors import RecipeError
from .attended import real_tokens
from .texts import Texts

if TYPE_CHECKING:
    from ...engine.model.model import Model
    from ..edit.hooks import Edits

__all__ = ["Forwards"]

# Where positions are not known yet: the mask and the cache come with the first block.
_EARLY = {"embed", "hook_embed", "hook_pos_embed", "hook_tokens", "pos_embed", "rotary_emb"}


@dataclass
class _Forward:
    """What is known of one forward.

    Attributes:
        open: the doors it came through that it has not left again, from the outermost.
        ids: what was embedded; mask: as the model was told; limits: `start_at_layer` and `stop_at_layer`, where given.
        block: the last block that it came to; -1 before.
        edits: from the first block on.
        fired: the edited hooks that it reached; streams: values of the residual stream, for norm outliers.
    """

    open: list[int] = field(default_factory=list)
    ids: Tensor | None = None
    mask: object = None
    limits: dict[str, object] = field(default_factory=dict)
    block: int = -1
    edits: Edits | None = None
    fired: set[str] = field(default_factory=set)
    streams: dict[str, Tensor] = field(default_factory=dict)


class Forwards:
    """Watches the forwards of this thread, and edits them.

    Args:
        model: the model.
        texts: knows the texts, and has the edits.

    Attributes:
        here, elsewhere: forwards that ran in this thread, and in others (but for engines, whose numbers are never edited).

    Raises:
        RecipeError: for a hook before the first block.
    """

    def __init__(self, model: Model, texts: Texts) -> None:
        self._model, self._texts = model, texts
        self._thread = threading.get_ident()
        self._now: _Forward | None = None
        self._embedded: Tensor | None = None
        self._unreached: HookDidNotFireError | None = None
        self._at: dict[str, tuple[nn.Module, RemovableHandle]] = {}
        self.here = self.elsewhere = 0
        early = next((name for name in texts.names if name.split(".")[0] in _EARLY), None)
        if early is not None:
            raise self._too_early(early)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Inside, hooks are on the model; after it, none is left."""
        raw = self._model.raw
        doors: list[nn.Module] = [raw]
        if self._model.is_bridge:
            inner = cast(nn.Module, raw.original_model)
            doors += [inner, getattr(inner, "base_model", inner)]
        handles: list[RemovableHandle] = []
        try:
            for n, door in enumerate(dict.fromkeys(doors)):
                handles.append(door.register_forward_pre_hook(partial(self._on_enter, n), with_kwargs=True))
                handles.append(door.register_forward_hook(partial(self._on_leave, n)))
                handles.append(door.register_forward_hook(partial(self._on_failed, n), always_call=True))
            embed = cast(nn.Module, raw.embed)
            handles.append(embed.register_forward_pre_hook(self._on_embed, with_kwargs=True))
            for n, block in enumerate(cast("nn.ModuleList", raw.blocks)):
                handles.append(block.register_forward_pre_hook(partial(self._on_block, n), with_kwargs=True))
                handles.append(block.register_forward_hook(self._on_block_left, always_call=True))
            self._install()
            yield
        finally:
            for handle in (*handles, *(handle for _, handle in self._at.values())):
                handle.remove()
            self._at.clear()

    def settle(self) -> None:
        """What is still to be said of forwards whose end could not be seen.

        Raises:
            HookDidNotFireError: if one of them did not reach an edited hook.
        """
        before, self._now = self._now, None
        error, self._unreached = self._unreached, None
        if before is not None and before.open:  # interrupted: nothing tells when
            self._texts.forget()
        elif before is not None:
            error = error or self._missing(before)
        if error is not None:
            raise error

    def _install(self) -> None:
        """Hook what stands in the edited places now: a hook point, or an SAE in its place."""
        # What tells norm outliers first: of a hook that is also edited it must be seen before.
        wanted = [
            *((f"stream {name}", name) for name in self._texts.streams),
            *((name, name) for name in self._texts.names),
        ]
        for key, name in wanted:
            module = self._model._module(self._model.resolve(name))
            if key in self._at and self._at[key][0] is module:
                continue
            if key in self._at:
                self._at[key][1].remove()
            if key == name:
                handle = module.register_forward_hook(partial(self._on_hook, name))
            elif hasattr(module, "hook_sae_input"):  # a spliced SAE: what goes into it is the stream
                handle = module.register_forward_pre_hook(partial(self._on_stream, name))
            else:
                handle = module.register_forward_hook(partial(self._on_stream, name))
            self._at[key] = (module, handle)

    def _begin(self) -> _Forward:
        self.settle()
        self.here += 1
        self._install()
        self._now = _Forward()
        return self._now

    def _elsewhere(self) -> bool:
        return threading.get_ident() != self._thread

    # Hooks get whatever the model's modules are called with.
    def _on_enter(self, door: int, module: nn.Module, inputs: tuple[Any, ...], given: dict[str, Any]) -> None:
        if self._elsewhere():
            return
        now = self._now
        if now is None or not now.open or door <= now.open[-1]:
            now = self._begin()
            self._embedded = None
        now.open.append(door)
        said = _arguments(module, inputs, given)
        now.limits |= {name: said[name] for name in ("start_at_layer", "stop_at_layer") if said.get(name) is not None}
        if "start_at_layer" in now.limits and isinstance(said.get("tokens"), Tensor):
            now.ids = said["tokens"]
        if now.mask is None and door:
            now.mask = said.get("attention_mask")

    def _on_leave(self, door: int, _module: nn.Module, _inputs: object, _output: object) -> None:
        now = self._now
        if self._elsewhere() or now is None or door not in now.open:
            return
        del now.open[now.open.index(door) :]
        if not now.open:
            self.settle()

    def _on_failed(self, door: int, _module: nn.Module, _inputs: object, _output: object) -> None:
        """After `_on_leave`, which has nothing left for it to do, or instead of it."""
        now = self._now
        if self._elsewhere() or now is None or door not in now.open:
            return
        del now.open[now.open.index(door) :]
        if now.open:
            return
        self._now = None
        if type(sys.exc_info()[1]).__name__ == "StopAtLayerException":  # a bridge's way of obeying stop_at_layer
            now.limits.setdefault("stop_at_layer", now.block)
            self._unreached = self._missing(now)
        else:
            self._texts.forget()

    def _on_embed(self, _module: nn.Module, inputs: tuple[Any, ...], given: dict[str, Any]) -> None:
        if self._elsewhere():
            return
        ids = next((value for value in (*inputs, *given.values()) if isinstance(value, Tensor)), None)
        if self._now is not None and self._now.open and self._now.block < 0:
            self._now.ids = ids
            return
        self.settle()
        self._install()
        self._embedded = ids

    def _on_block(self, n: int, _module: nn.Module, inputs: tuple[Any, ...], given: dict[str, Any]) -> None:
        if self._elsewhere():
            self.elsewhere += n == 0 and not threading.current_thread().name.startswith("saewidgets-")
            return
        now = self._now
        value = next(value for value in (*inputs, *given.values()) if isinstance(value, Tensor))
        if now is None or not (now.open or _goes_on(now, n, value)):
            now = self._begin()
            now.ids, self._embedded = (self._embedded if n == 0 else None), None
        if now.edits is None:
            mask = given.get(
                "attention_mask", next((x for x in inputs[1:] if isinstance(x, Tensor) and x.ndim == 4), None)
            )
            now.edits = self._step(now, value, mask, [*inputs, *given.values()])
        now.block = n

    def _on_block_left(self, _module: nn.Module, _inputs: object, output: object) -> None:
        """Without an output it failed; no door tells, where the forward came through none."""
        now = self._now
        if output is None and now is not None and not now.open and not self._elsewhere():
            self._now = None
            self._texts.forget()

    def _step(self, now: _Forward, value: Tensor, mask: object, given: Sequence[object]) -> Edits:
        batch, length = value.shape[:2]
        cached, cache = _cache(given)
        if self._model.is_bridge and now.open:  # what the blocks get says more than what is padding
            mask = now.mask
        ids = now.ids
        if ids is None or ids.ndim != 2 or ids.is_floating_point():
            ids = self._texts.unknown(batch, length)
        elif ids.shape[1] != length:
            ids = self._texts.embedded(ids, length)
        real = real_tokens(mask, length, cached)
        real = None if real is None else real.expand(batch, length)
        spliced = list(getattr(self._model.raw, "acts_to_saes", {}).values())
        return self._texts.step(ids, real, cached, cache, spliced)

    def _on_stream(self, name: str, _module: nn.Module, inputs: tuple[Any, ...], output: Tensor | None = None) -> None:
        now = self._now
        value = inputs[0] if output is None else output
        if self._elsewhere() or now is None or now.edits is None or value.shape[:2] != now.edits.scope.real.shape:
            return
        now.streams[name] = value.detach()
        self._texts.see(now.edits, now.streams)

    def _on_hook(self, name: str, _module: nn.Module, _inputs: object, output: Tensor) -> Tensor | None:
        now = self._now
        if self._elsewhere() or now is None:
            return None
        if now.edits is None:
            raise self._too_early(name)
        if output.shape[:2] != now.edits.scope.real.shape:
            raise SaewidgetsError(
                f"The value at {name!r} has {output.shape[1]} positions, where the forward has {now.edits.scope.real.shape[1]} "
                "tokens: applied() cannot tell which they are. Edit at an earlier hook, or call the model without "
                "logits_to_keep."
            )
        now.fired.add(name)
        return now.edits.functions[name](output)

    def _missing(self, now: _Forward) -> HookDidNotFireError | None:
        """What to say of a forward that is over, if it did not reach every edited hook."""
        silent = [name for name in self._texts.names if name not in now.fired]
        if not silent:
            return None
        if now.limits:
            asked = ", ".join(f"{name}={value}" for name, value in now.limits.items())
            return HookDidNotFireError(
                f"A forward inside applied() ({asked}) ended without reaching the edited hook {silent[0]!r}, so it was not "
                "edited. Run it outside, or let it go through that hook."
            )
        try:
            self._model._assert_fired(silent)
        except HookDidNotFireError as error:
            return error
        return None

    @staticmethod
    def _too_early(name: str) -> RecipeError:
        return RecipeError(
            f"{name!r} comes before the first block, where it is not known yet what is padding and what a cache holds: "
            "sw.generate() can edit there, applied() cannot.",
            "features",
        )


def _goes_on(now: _Forward, n: int, value: Tensor) -> bool:
    """Whether block `n` is the next of a forward whose end would not have been seen."""
    return n == now.block + 1 and now.edits is not None and value.shape[:2] == now.edits.scope.real.shape


def _arguments(module: nn.Module, inputs: tuple[Any, ...], given: dict[str, Any]) -> dict[str, Any]:
    """What `forward` is called with, by name; calls that do not fit it are left to fail by themselves."""
    try:
        found = inspect.signature(module.forward).bind_partial(*inputs, **given).arguments
    except (TypeError, ValueError):
        return given
    return {**found, **given}


def _cache(given: Sequence[object]) -> tuple[int, object | None]:
    """How many tokens the KV cache among a block's arguments holds, and the cache itself."""
    for value in given:
        if hasattr(value, "get_seq_length"):
            return int(value.get_seq_length()), value
        past = getattr(value, "past_keys", None)
        if isinstance(past, Tensor):
            return int(past.shape[1]), value
    return 0, None

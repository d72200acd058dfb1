"""Where a dictionary reads and writes in a model: hooks, shapes, heads, and the residual stream around it.

A transcoder writes elsewhere than it reads; an SAE of one head is a part of a hook; a bridge's `hook_resid_mid` is only a
copy of the stream; and whether a token is an attention sink shows in the residual stream and not at `hook_z`. Everybody who
reads or edits needs the same answers, so they are given once, here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from ...errors import HookNotFoundError, SaeMismatchError
from ..dictionary.base import Dictionary
from .heads import heads_at
from .model import Model

__all__ = ["Site"]

_BLOCK = re.compile(r"blocks\.(\d+)\.")
# Ends of hook names, legacy and of a bridge, that are the residual stream themselves.
_STREAM = ("hook_resid_pre", "hook_resid_mid", "hook_resid_post")
# What a block's MLP makes: a sink that begins in this MLP shows only after it. What it reads is as the block's input is.
_MLP = ("mlp.", "hook_mlp_out")
_MLP_INPUT = ("mlp.hook_in",)


class Site:
    """The place of one dictionary in one model.

    Args:
        model: the model.
        dictionary: what reads there.

    Attributes:
        read_hook: where it reads.
        write_hook: where a change must be made for the residual stream, or what reads there, to feel it. `hook_name_out` of
            a transcoder, `hook_name` of others, with one exception: on a TransformerBridge `hook_resid_mid` is only the
            input of the MLP's norm, and an edit there passes the residual stream by. The same change made to
            `hook_attn_out`, which is added to the stream just before, does what it does on a HookedTransformer.
        source: another hook whose value is needed to know what is read where `write_hook` is written; None if there is none.
        later: whether what is read is the sum of `source` and what is written (a bridge's `hook_resid_mid`).

    Example:
        >>> site = Site(engine.model, engine.dictionary())
        >>> x = site.flatten(engine.model.read(tokens, [site.read_hook])[site.read_hook])
    """

    def __init__(self, model: Model, dictionary: Dictionary) -> None:
        self.model, self.dictionary = model, dictionary

    # -- hooks

    @property
    def read_hook(self) -> str:
        return self.dictionary.hook_name

    @property
    def _written(self) -> str:
        return self.dictionary.hook_name_out or self.dictionary.hook_name

    @cached_property
    def write_hook(self) -> str:
        block = _BLOCK.match(self._written)
        if self.model.is_bridge and block and self._is(self._written, f"{block[0]}hook_resid_mid"):
            return f"{block[0]}hook_attn_out"
        return self._written

    @cached_property
    def source(self) -> str | None:
        if self.dictionary.hook_name_out is not None:
            return self.dictionary.hook_name
        if self.write_hook != self.dictionary.hook_name:
            return f"{self.write_hook.rsplit('.', 1)[0]}.hook_resid_pre"
        return None

    @property
    def later(self) -> bool:
        return self.dictionary.hook_name_out is None and self.write_hook != self.dictionary.hook_name

    @cached_property
    def streams(self) -> tuple[str, ...]:
        """Hooks of the residual stream in which an attention sink shows, around what is read; () if the model has none.

        The hook itself where it is the stream; the block's input for what its attention reads and makes and its MLP reads;
        its input and its output for what its MLP makes, in which most sinks begin and end. Outside the blocks: the nearest end.
        """
        name = self.read_hook
        block = _BLOCK.match(name)
        if block is None:
            last = int(self.model.raw.cfg.n_layers) - 1
            after = any(part in name for part in ("ln_final", "unembed"))
            wanted = [f"blocks.{last}.hook_resid_post" if after else "blocks.0.hook_resid_pre"]
        else:
            own = next((end for end in _STREAM if self._is(name, f"{block[0]}{end}")), None)
            rest = name[block.end() :]
            if own is not None:
                wanted = [name]
            elif rest.startswith(_MLP) and not rest.startswith(_MLP_INPUT):
                wanted = [f"{block[0]}hook_resid_pre", f"{block[0]}hook_resid_post"]
            else:
                wanted = [f"{block[0]}hook_resid_pre"]
        return tuple(hook for hook in wanted if self._resolved(hook) is not None)

    def judged_before(self, written: Sequence[str], *, same: bool = True) -> bool:
        """Whether a forward comes to `streams` before the hooks `written` change anything: then they are clean there.

        Args:
            same: whether a stream that is itself written is seen before it is.
        """

        def place(name: str) -> tuple[int, int]:
            block = _BLOCK.match(name)
            if block is None:
                return (-1, 0) if not any(part in name for part in ("ln_final", "unembed")) else (2**31, 0)
            ends = {"hook_resid_pre": 0, "hook_resid_mid": 2, "hook_resid_post": 3}
            return int(block[1]), next((n for end, n in ends.items() if self._is(name, f"{block[0]}{end}")), 1)

        first = min(map(place, written))
        return all(
            place(name) < first or (same and any(self._is(name, other) for other in written if place(other) == first))
            for name in self.streams
        )

    @property
    def is_stream(self) -> bool:
        """Whether what is read is the residual stream."""
        return self.streams == (self.read_hook,)

    def _is(self, name: str, other: str) -> bool:
        return name == other or (self._resolved(other) is not None and self._resolved(other) == self._resolved(name))

    def _resolved(self, name: str) -> str | None:
        try:
            return self.model.resolve(name)
        except HookNotFoundError:
            return None

    # -- shapes

    @property
    def n_heads(self) -> int:
        """Heads of the hook: fewer than the query heads at keys and values, where the model groups its queries."""
        return heads_at(self.model, self.read_hook)

    def flatten(self, x: Tensor) -> Tensor:
        """The value at `read_hook` as [batch, pos, d_in]: heads joined, or the one head that the dictionary reads.

        Raises:
            SaeMismatchError: if the width is not the dictionary's.
        """
        dictionary = self.dictionary
        if dictionary.head is not None:
            heads = x if x.ndim == 4 else x.reshape(*x.shape[:-1], self.n_heads, -1)
            if not dictionary.head < heads.shape[2]:
                raise SaeMismatchError(
                    f"{dictionary.name!r} reads head {dictionary.head}, but {dictionary.hook_name!r} of {self.model.name} has "
                    f"{heads.shape[2]} heads. This SAE belongs to another model or another hook."
                )
            x = heads[:, :, dictionary.head]
        elif x.ndim == 4:
            x = x.flatten(2)
        if x.shape[-1] != dictionary.d_in:
            raise SaeMismatchError(
                f"{dictionary.name!r} reads vectors of width {dictionary.d_in}, but {dictionary.hook_name!r} of "
                f"{self.model.name} has width {x.shape[-1]}. This SAE belongs to another model or another hook."
            )
        return x

    def read(self, value: Tensor, source: Tensor | None) -> Tensor:
        """What the dictionary reads [batch, pos, d_in], where `write_hook` has `value` and the hook `source` has `source`."""
        if self.source is None:
            return self.flatten(value)
        assert source is not None
        # resid_mid of a bridge: what was there, and what is being added.
        return source + value if self.later else self.flatten(source)

    def target(self, value: Tensor) -> Tensor:
        """The part [batch, pos, d_out] of the value at a transcoder's `hook_name_out` that it predicts."""
        return value.flatten(2)

    def add(self, value: Tensor, change: Tensor) -> Tensor:
        """`value` at `write_hook`, [batch, pos, d] or [batch, pos, head, d_head], plus `change` [batch, pos, d_out].

        Added in float32; given back in the dtype of `value`.

        Raises:
            SaeMismatchError: if the dictionary writes vectors of another width.
        """
        head = self.dictionary.head
        change = change.to(value.device)
        if head is not None and value.ndim == 4:
            change = torch.nn.functional.pad(change[:, :, None], (0, 0, head, value.shape[2] - head - 1))
        elif head is not None:  # a bridge's heads are joined
            after = value.shape[-1] - (head + 1) * change.shape[-1]
            change = torch.nn.functional.pad(change, (head * change.shape[-1], after))
        if change.shape[2:].numel() != value.shape[2:].numel():
            raise SaeMismatchError(
                f"{self.dictionary.name!r} writes vectors of width {change.shape[2:].numel()}, but "
                f"{self._written!r} has width {value.shape[2:].numel()}."
            )
        return (value.float() + change.reshape(value.shape)).to(value.dtype)

    def with_reconstruction(self, value: Tensor, source: Tensor | None) -> Tensor | None:
        """`value` at `write_hook` with what the dictionary reconstructs in its place; None if it reconstructs nothing."""
        dictionary = self.dictionary
        x = self.read(value, source)
        # What it stands for there: its own head of several, or all of the value.
        before = self.target(value) if dictionary.hook_name_out is not None else x
        _, rebuilt = dictionary.autoencode(x if dictionary.device is None else x.to(dictionary.device))
        if rebuilt is None:
            return None
        if dictionary.head is None and not self.later:  # exactly what it makes, without a sum's rounding
            return rebuilt.reshape(value.shape).to(value.device, value.dtype)
        return self.add(value, rebuilt.to(before.device).reshape(before.shape).float() - before.float())

    def relative_norm(self, values: Mapping[str, Tensor], references: Mapping[str, float]) -> Tensor:
        """[batch, pos] norm in the residual stream, in reference norms of the model there: the largest over `streams`.

        Args:
            values: hook name to value, with all of `streams`.
            references: hook name to reference norm.
        """
        found = [values[name].float().norm(dim=-1) / references[name] for name in self.streams]
        return torch.stack([norm.to(found[0].device) for norm in found]).amax(0)

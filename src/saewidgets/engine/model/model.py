"""HookedTransformer and TransformerBridge behind one small interface.

The model is the user's: nothing here changes it. Hooks are plain PyTorch forward hooks on the resolved hook point,
removed in a `finally`, and they act only in the thread that installed them, so a cell that runs the same model at
the same moment neither sees them nor is stopped by them. A hook that does not fire is an error, never zeros.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ...errors import HookDidNotFireError, HookNotFoundError
from ..ticket import Ticket
from .beats import beats
from .hook_names import bridge_names
from .processing import processing_of

if TYPE_CHECKING:
    from transformer_lens import HookedTransformer
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedTokenizerBase

    AnyModel: TypeAlias = HookedTransformer | TransformerBridge

Edit = Callable[[Tensor], Tensor]

# A forward of fewer tokens ends sooner than a check at every block would pay for itself.
_CHECK_BLOCKS_FROM_TOKENS = 512

_GATES = {
    "attn.hook_result": "set_use_attn_result",
    "hook_q_input": "set_use_split_qkv_input",
    "hook_k_input": "set_use_split_qkv_input",
    "hook_v_input": "set_use_split_qkv_input",
    "hook_mlp_in": "set_use_hook_mlp_in",
    "hook_attn_in": "set_use_attn_in",
}


# One lock a model, however many engines are on it: forwards of one model in two threads share its inner state.
_locks: WeakKeyDictionary[nn.Module, threading.RLock] = WeakKeyDictionary()
_locks_guard = threading.Lock()


def lock_of(model: nn.Module) -> threading.RLock:
    """The lock that all engines on `model` share."""
    with _locks_guard:
        return _locks.setdefault(model, threading.RLock())


class _Config(Protocol):
    d_model: int
    n_ctx: int
    n_layers: int
    d_vocab: int
    device: str | torch.device
    dtype: torch.dtype


class _StopForward(BaseException):
    """Ends a forward after the last hook needed. A BaseException, so that no `except Exception` on the way eats it."""


class Model:
    """The few things the engine asks of a language model.

    Args:
        model: a `HookedTransformer` (also `HookedSAETransformer`) or a `TransformerBridge` (also `SAETransformerBridge`).

    Raises:
        TypeError: for anything else, naming the loaders.
    """

    def __init__(self, model: AnyModel) -> None:
        from transformer_lens import HookedTransformer
        from transformer_lens.model_bridge import TransformerBridge

        if not isinstance(model, (HookedTransformer, TransformerBridge)):
            raise TypeError(
                f"Engine needs a HookedTransformer or a TransformerBridge, not {type(model).__name__}. Load one with "
                "sae_lens.SAETransformerBridge.boot_transformers(name) or "
                "sae_lens.HookedSAETransformer.from_pretrained(name), or wrap a Hugging Face model: "
                "SAETransformerBridge.boot_transformers(name, hf_model=model, tokenizer=tokenizer)."
            )
        self.raw = model
        self.is_bridge = isinstance(model, TransformerBridge)
        self._resolved: dict[str, str] = {}

    # -- facts

    @property
    def cfg(self) -> _Config:
        return cast(_Config, self.raw.cfg)

    @property
    def name(self) -> str:
        """The model's name as its loader knows it."""
        return str(getattr(self.raw.cfg, "model_name", None) or "custom model")

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase | None:
        return cast("PreTrainedTokenizerBase | None", self.raw.tokenizer)

    @property
    def dtype(self) -> torch.dtype:
        parameter = next(iter(self.raw.parameters()), None)
        return parameter.dtype if parameter is not None else self.cfg.dtype

    @property
    def input_device(self) -> torch.device:
        return torch.device(self.cfg.device)

    @property
    def causal(self) -> bool:
        """False for encoders that look both ways: those texts are never padded."""
        return getattr(self.raw.cfg, "attention_dir", "causal") == "causal"

    @property
    def processing(self) -> str:
        """What was done to the weights: decides whether numbers can be compared with other tools."""
        return str(processing_of(self.raw))

    def dropout_active(self) -> bool:
        """True if the model is in training mode with a dropout that would make every number random."""
        return self.raw.training and any(
            isinstance(m, nn.Dropout) and m.training and m.p > 0 for m in self.raw.modules()
        )

    # -- hooks

    def hook_names(self) -> list[str]:
        """Every hook name the model answers to, aliases included."""
        names = list(self.raw.hook_dict)
        return names + [name for name in self._aliases() if name not in self.raw.hook_dict]

    def resolve(self, name: str) -> str:
        """The canonical name of a hook point; legacy names work on a bridge, a bridge's on a HookedTransformer.

        Raises:
            HookNotFoundError: naming the nearest valid names.
        """
        if name not in self._resolved:
            canonical = self._aliases().get(name, name)
            try:
                self._module(canonical)
            except (AttributeError, IndexError, KeyError, ValueError):
                raise HookNotFoundError(name, self.hook_names()) from None
            self._resolved[name] = canonical
        return self._resolved[name]

    def _aliases(self) -> dict[str, str]:
        if not self.is_bridge:
            return bridge_names(cast("HookedTransformer", self.raw))
        # TransformerBridge ignores legacy names silently unless it is in compatibility mode, so they are resolved here.
        bridge = cast("TransformerBridge", self.raw)
        found = {**bridge.hook_aliases, **bridge._collect_hook_aliases_from_registry()}  # type: ignore[no-untyped-call]
        aliases: dict[str, str] = {}
        for alias, target in found.items():
            candidates = [target] if isinstance(target, str) else list(target)
            aliases[alias] = next((c for c in candidates if c in bridge._hook_registry), candidates[0])
        return aliases

    def _module(self, canonical: str) -> nn.Module:
        """The hook point, or whatever the user has put in its place (a spliced SAE)."""
        found: object = self.raw
        for part in canonical.split("."):
            found = cast("nn.ModuleList", found)[int(part)] if part.isdigit() else getattr(found, part)
        from transformer_lens.hook_points import HookPoint

        if not isinstance(found, HookPoint) and not hasattr(found, "hook_sae_input"):
            raise AttributeError(canonical)
        return cast(nn.Module, found)

    # -- forward passes

    def depth(self, names: Iterable[str]) -> int:
        """How many blocks a forward to the last of these hooks goes through."""
        found = [re.match(r"blocks\.(\d+)\.", name) for name in names]
        n = int(self.cfg.n_layers)
        return max((n if match is None else int(match[1]) + 1 for match in found), default=n)

    def read(self, tokens: Tensor, names: Sequence[str], ticket: Ticket | None = None) -> dict[str, Tensor]:
        """The values at the hooks `names` for `tokens` [batch, pos]; the forward stops at the last one needed.

        Each value is what flows on from the hook: the user's own hooks there have already acted. Where the user has
        spliced in an SAE, it is what goes into it.

        Raises:
            HookDidNotFireError: if the forward ended without reaching one of them.
        """
        missing = dict.fromkeys(names)
        values: dict[str, Tensor] = {}
        me = threading.get_ident()

        def keep(name: str) -> Callable[..., None]:
            def hook(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor | None = None) -> None:
                if threading.get_ident() != me or name in values:
                    return
                values[name] = (inputs[0] if output is None else output).detach()
                if len(values) == len(missing):
                    raise _StopForward

            return hook

        # Without an answer to give, a HookedTransformer does not unembed.
        wanted = "logits" if any(self.resolve(name).startswith("unembed") for name in missing) else None
        with self._hooks(ticket, tokens, self.depth(missing)) as handles:
            for name in missing:
                module = self._module(self.resolve(name))
                spliced = hasattr(module, "hook_sae_input")
                register = module.register_forward_pre_hook if spliced else module.register_forward_hook
                handles.append(register(keep(name)))
            with suppress(_StopForward):
                self.raw(tokens, return_type=wanted, **self._all_text(tokens))
        self._assert_fired([name for name in missing if name not in values])
        return values

    def logits(
        self,
        tokens: Tensor,
        edits: Mapping[str, Edit] | None = None,
        reads: Mapping[str, Callable[[Tensor], None]] | None = None,
        ticket: Ticket | None = None,
        run: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Logits [batch, pos, d_vocab] of a whole forward, with `edits` replacing the values at their hooks.

        `reads` see values on the way (a transcoder's input). An edit or read that did not happen is an error. `run`
        calls the model in another way than on the tokens alone (with a KV cache).
        """
        fired: set[str] = set()
        me = threading.get_ident()

        def act(name: str, fn: Callable[[Tensor], Tensor | None]) -> Callable[..., Tensor | None]:
            def hook(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
                if threading.get_ident() != me:
                    return None
                fired.add(name)
                return fn(output)

            return hook

        wanted = [*(reads or {}).items(), *(edits or {}).items()]
        with self._hooks(ticket, tokens) as handles:
            for name, fn in wanted:
                handles.append(self._module(self.resolve(name)).register_forward_hook(act(name, fn)))
            logits = (
                run(tokens) if run is not None else self.raw(tokens, return_type="logits", **self._all_text(tokens))
            )
        self._assert_fired([name for name, _ in wanted if name not in fired])
        return cast(Tensor, logits)

    def _all_text(self, tokens: Tensor) -> dict[str, Tensor]:
        """What tells the model that every token is text.

        With a tokenizer that pads on the left, a HookedTransformer takes a text's own first BOS or EOS for padding and
        hides them, where they are the pad token, too. Only then is a mask given: it costs a little in each layer.
        """
        if self.is_bridge or getattr(self.tokenizer, "padding_side", "right") != "left":
            return {}
        return {"attention_mask": torch.ones_like(tokens)}

    @contextmanager
    def _hooks(
        self, ticket: Ticket | None, tokens: Tensor, depth: int | None = None
    ) -> Iterator[list[torch.utils.hooks.RemovableHandle]]:
        handles: list[torch.utils.hooks.RemovableHandle] = []
        try:
            if ticket is not None and tokens.numel() >= _CHECK_BLOCKS_FROM_TOKENS:
                handles += beats(
                    list(getattr(self.raw, "blocks", ())), depth, ticket, in_parts=tokens.device.type == "cpu"
                )
            yield handles
        finally:
            for handle in handles:
                handle.remove()

    def _assert_fired(self, silent: list[str]) -> None:
        for name in silent:
            setter = next((setter for end, setter in _GATES.items() if name.endswith(end)), None)
            remedy = (
                f"It is switched off: call model.{setter}(True)."
                if setter is not None
                else "Choose another hook from `engine.hook_names`, or check the model's configuration."
            )
            raise HookDidNotFireError(f"The hook {name!r} exists, but the forward pass never reached it. {remedy}")


def resolve_device(device: str | torch.device) -> torch.device:
    """A usable `torch.device`, or a clear error: CUDA asked for and absent is never replaced by the CPU silently."""
    from ...errors import DeviceError

    try:
        wanted = torch.device(device)
    except RuntimeError as error:
        raise DeviceError(f"torch knows no device {device!r}: use 'cpu', 'cuda', 'cuda:1' or 'mps'.") from error
    if wanted.type == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            "CUDA was asked for, but torch finds no CUDA device. Pass device='cpu', or install a CUDA build."
        )
    if wanted.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("MPS was asked for, but torch finds no Metal device. Pass device='cpu'.")
    return wanted

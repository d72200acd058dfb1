"""What is held fixed while a gradient is taken, so that it says what a part does and not how steep a nonlinearity is there.

A gradient through a normalisation, a softmax or a saturated activation function is a poor guide to what is lost without a
feature. Each freeze holds one of them at what it was on this text, in the backward only: the forward, and so every value, is
the model's own to the bit. Whatever cannot be frozen is an error, for a gradient that is not linearised under the name of one
that is would be a wrong number.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias, cast

import torch
from torch import Tensor, nn

from ..engine.model.model import Edit, Model
from ..engine.model.site import Site
from ..engine.model.unembedding import Norm
from ..errors import HookNotFoundError
from ..interventions.effects.frozen_attention import Patterns
from .errors import GradientError

__all__ = ["FREEZES", "PRESETS", "Freezes", "Linearised", "freezes_of"]

Linearised: TypeAlias = "str | Sequence[str] | None"

FREEZES: dict[str, str] = {
    "norm": "the scale by which each normalisation divides",
    "attention": "the attention patterns",
    "activation": "the ratio of output to input of each MLP's activation function",
    "half": "one half of each gated MLP's product, in turn (each factor gets half of the gradient)",
    "mlp": "what each MLP writes (only the features of transcoders, and their skips, pass a gradient on)",
}
"""What can be frozen, in words."""

PRESETS: dict[str, tuple[str, ...]] = {
    "relp": ("norm", "activation", "half"),
    "circuit-tracer": ("norm", "attention", "mlp"),
}
"""RelP (Jafari et al. 2025): layer norm, activation functions and gates by the rules of layer-wise relevance propagation;
circuit-tracer (Ameisen et al. 2025): the local replacement model, in which only features pass a gradient on."""


def freezes_of(linearised: Linearised) -> tuple[str, ...]:
    """The freezes that are meant: of a preset, or as they are named; in the order of `FREEZES`.

    Raises:
        ValueError: for another name.
    """
    named = [linearised] if isinstance(linearised, str) else list(linearised or ())
    found = [freeze for name in named for freeze in PRESETS.get(name, (name,))]
    wrong = next((name for name in found if name not in FREEZES), None)
    if wrong is not None:
        raise ValueError(
            f"linearised= takes {', '.join(map(repr, PRESETS))}, or some of {', '.join(map(repr, FREEZES))}; not {wrong!r}."
        )
    return tuple(name for name in FREEZES if name in found)


@dataclass
class Freezes:
    """The freezes of one forward.

    Args:
        model: the model.
        names: some of `FREEZES`.
        sites: where dictionaries read and write: a transcoder's skip goes on passing a gradient where its MLP is frozen.

    Attributes:
        applied: those of `names` that do something in this model ("half" is about gated MLPs only).

    Example:
        >>> freezes = Freezes(engine.model, ("norm", "attention"), [])
        >>> with freezes.norms():
        ...     logits = engine.model.logits(tokens, freezes.edits(), freezes.reads())
        >>> freezes.check()
    """

    model: Model
    names: tuple[str, ...]
    sites: Sequence[Site]
    applied: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._seen: dict[str, Tensor] = {}
        self._patterns = Patterns(self.model) if "attention" in self.names else None
        self._layers = int(self.model.raw.cfg.n_layers) if {"activation", "half", "mlp"} & set(self.names) else 0
        self._gated = [self._has(f"blocks.{n}.mlp.hook_pre_linear") and self._is_gated(n) for n in range(self._layers)]
        for n in range(self._layers):
            if {"activation", "half"} & set(self.names) and not self._has(f"blocks.{n}.mlp.hook_post"):
                raise GradientError(
                    f"The MLP of block {n} of {self.model.name} does not show its activations (a mixture of experts, or an "
                    "MLP that the wrapper does not take apart), so they cannot be frozen. Leave out 'activation' and 'half', "
                    "or freeze 'mlp' as a whole."
                )
        self.applied = tuple(name for name in self.names if name != "half" or any(self._gated))

    def reads(self) -> dict[str, Callable[[Tensor], None]]:
        """Values to read in the forward, by hook name."""
        found: dict[str, Callable[[Tensor], None]] = dict(self._patterns.reads()) if self._patterns else {}
        wanted = [f"blocks.{n}.mlp.hook_{end}" for n in range(self._layers) for end in self._needed(n)]
        if "mlp" in self.names:
            wanted += [site.read_hook for site in self.sites if site.dictionary.has_skip]
        return {**found, **{name: partial(self._seen.__setitem__, name) for name in wanted}}

    def edits(self) -> dict[str, Edit]:
        """Edits that leave every value as it is and change its gradient, by resolved hook name."""
        found: dict[str, Edit] = {}
        for n in range(self._layers):
            if {"activation", "half"} & set(self.names):
                found[self.model.resolve(f"blocks.{n}.mlp.hook_post")] = partial(self._activated, n)
            if "mlp" in self.names:
                name = f"blocks.{n}.hook_mlp_out"
                if not self._has(name):
                    raise GradientError(
                        f"{self.model.name} has no hook {name!r}: what its MLPs write cannot be frozen."
                    )
                found[self.model.resolve(name)] = partial(self._skipped, self.model.resolve(name))
        if self._patterns is not None:
            for name in self._patterns.reads():
                if name.endswith("hook_pattern"):
                    found[self.model.resolve(name)] = _held
        return found

    def check(self) -> None:
        """After the forward: whether what was asked for was frozen.

        Raises:
            SaewidgetsError: if attention patterns were shown after they had been used.
        """
        if self._patterns is not None:
            self._patterns.hooks()

    @contextmanager
    def norms(self) -> Iterator[None]:
        """Inside, what every normalisation divides by is held fixed in the backward, if that is asked for."""
        handles: list[torch.utils.hooks.RemovableHandle] = []
        me, known = threading.get_ident(), cast("dict[int, Norm]", {})

        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
            if threading.get_ident() != me:
                return None
            x = inputs[0]
            norm = known.get(id(module))
            if norm is None:
                norm = known[id(module)] = Norm(module, self.model, width=x.shape[-1])
            return _divided(norm, x, output, self.model.name)

        try:
            if "norm" in self.names:
                found = [
                    m for m in self.model.raw.modules() if hasattr(m, "hook_scale") and hasattr(m, "hook_normalized")
                ]
                handles += [module.register_forward_hook(hook) for module in found]
            yield
        finally:
            for handle in handles:
                handle.remove()

    # -- the MLP

    def _needed(self, n: int) -> list[str]:
        if "activation" not in self.names:
            return []
        return ["pre", "pre_linear"] if self._gated[n] else ["pre"]

    def _activated(self, n: int, post: Tensor) -> Tensor:
        pre = self._seen.pop(f"blocks.{n}.mlp.hook_pre", None)
        passes = post
        if pre is not None:
            if self._gated[n]:
                linear = self._seen.pop(f"blocks.{n}.mlp.hook_pre_linear")
                passes = pre * _ratio(pre, self._gate(n, pre, linear, post)) * linear
            else:
                passes = pre * _ratio(pre, post)
        share = 0.5 if self._gated[n] and "half" in self.names else 1.0
        return _with_gradient_of(post, passes * share)

    def _gate(self, n: int, pre: Tensor, linear: Tensor, post: Tensor) -> Tensor:
        """act(pre) of a gated MLP, which no hook shows: by the MLP's own function, checked against what came of it."""
        mlp = cast(nn.Module, cast("nn.ModuleList", self.model.raw.blocks)[n].mlp)
        inner = getattr(mlp, "original_component", None)
        homes = [mlp, *([] if inner is None else [inner])]
        for function in (getattr(home, name, None) for home in homes for name in ("act_fn", "activation_fn", "act")):
            if not callable(function):
                continue
            with torch.no_grad():
                made = cast(Tensor, function(pre))
                bias = cast("Tensor | float", 0.0 if self.model.is_bridge else mlp.b_in)
                if torch.allclose(made * linear + bias, post, rtol=1e-2, atol=1e-3):
                    return made
        raise GradientError(
            f"The activation function of the gated MLP of block {n} of {self.model.name} could not be told from its values, so "
            "it cannot be frozen. Leave out 'activation' (linearised=('norm', 'attention'))."
        )

    def _skipped(self, resolved: str, value: Tensor) -> Tensor:
        held = value.detach()
        for site in self.sites:
            if site.dictionary.has_skip and self.model.resolve(site.write_hook) == resolved:
                x = site.flatten(self._seen[site.read_hook])
                passed = site.dictionary.skip(x if site.dictionary.device is None else x.to(site.dictionary.device))
                held = _with_gradient_of(held, passed.to(held.device, held.dtype).reshape(held.shape))
        return held

    def _is_gated(self, n: int) -> bool:
        # On a HookedTransformer the hook's name is an alias of nothing unless the MLP is gated.
        return self.model.is_bridge or bool(getattr(self.model.raw.cfg, "gated_mlp", False))

    def _has(self, name: str) -> bool:
        try:
            self.model.resolve(name)
        except HookNotFoundError:
            return False
        return True


def merged(*edits: Mapping[str, Edit]) -> dict[str, Edit]:
    """Edits by hook name, one after the other where several are at one hook."""
    found: dict[str, Edit] = {}
    for some in edits:
        for name, edit in some.items():
            found[name] = edit if name not in found else partial(_both, found[name], edit)
    return found


def _both(first: Edit, second: Edit, value: Tensor) -> Tensor:
    return second(first(value))


def _held(value: Tensor) -> Tensor:
    return value.detach()


def _with_gradient_of(value: Tensor, other: Tensor) -> Tensor:
    """`value`, bit for bit, whose gradient goes to `other`."""
    return value.detach() + (other - other.detach())


def _ratio(pre: Tensor, post: Tensor) -> Tensor:
    """What the activation function multiplied by, held: f(x) / x, and its limit f'(0) = 1/2 at 0 for GELU and SiLU, 0 for ReLU.

    At exactly 0 the value has no part in what is attributed, as 0 times anything; 0 it is.
    """
    pre, post = pre.detach(), post.detach()
    return torch.where(pre == 0, torch.zeros_like(post), post / torch.where(pre == 0, torch.ones_like(pre), pre))


def _divided(norm: Norm, x: Tensor, output: Tensor, model: str) -> Tensor:
    """The output of a norm as a linear function of its input: the scale that it divided by is told from its values."""
    with torch.no_grad():
        weighted = norm.linearised(x.float())
        made = output.float() - norm.bias
        across = (weighted * made).sum(-1, keepdim=True)
        inverse = across / weighted.square().sum(-1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
        close = 3e-2 if output.dtype in (torch.bfloat16, torch.float16) else 1e-3
        if not torch.allclose(weighted * inverse, made, rtol=close, atol=close * float(made.abs().max() + 1e-6)):
            raise GradientError(
                f"A normalisation of {model} is no layer or RMS norm by what it does, so its scale cannot be frozen: leave out "
                "'norm'."
            )
    passes = norm.linearised(x.float()) * inverse
    return _with_gradient_of(output, passes.to(output.dtype))

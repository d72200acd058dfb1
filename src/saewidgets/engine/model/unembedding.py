"""The final norm and the unembedding, as a function of their own: the way from the residual stream to the logits.

Logit weights, direct effects and the logit lens need it on vectors that no forward pass ever had, without firing the
user's hooks, on both wrappers, with LayerNorm folded or not. The model's own modules are used, so there is no second
implementation that could disagree with it.
"""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn

from ...errors import ReadoutError
from .model import Model

FOLDED = "W_dec @ W_U, LayerNorm folded into W_U"
NOT_FOLDED = "W_dec @ W_U (not folded)"
NO_NORM = "W_dec @ W_U (the model has no final norm)"
THROUGH_NORM = "W_dec @ W_U through the final norm (linearised)"

# Numbers of W_U that are converted to float32 at once, where the model is not in float32: 256 MB.
_CONVERT = 2**26


class Unembedding:
    """The model's final norm and unembedding, on its own weights (no copy), with the user's hooks left out.

    Args:
        model: the engine's model.

    Raises:
        ReadoutError: if the model has no unembedding.

    Example:
        >>> Unembedding(engine.model).direct(directions).topk(10)
    """

    def __init__(self, model: Model) -> None:
        unembed = getattr(model.raw, "unembed", None)
        if not isinstance(unembed, nn.Module) or getattr(unembed, "W_U", None) is None:
            raise ReadoutError(f"{model.name} has no unembedding: its features have no logits.")
        self._model = model
        self._source = unembed
        self._unembed = _hookless(unembed)
        final = getattr(model.raw, "ln_final", None)
        without = not model.is_bridge and model.raw.cfg.normalization_type is None
        self._norm = Norm(final, model) if isinstance(final, nn.Module) and not without else None

    @property
    def weights(self) -> Tensor:
        """W_U [d_model, d_vocab] in float32: a copy only where the model is in another dtype."""
        return self._stored.float()

    @property
    def d_vocab(self) -> int:
        """Columns of W_U. May be more than the tokenizer has tokens: some models pad their vocabulary."""
        return int(self._stored.shape[1])

    @property
    def device(self) -> torch.device:
        """Where W_U is."""
        return self._stored.device

    @property
    def folded(self) -> bool:
        """Whether the weight of the final norm has been folded into W_U."""
        if self._norm is None:
            return False
        if not self._model.is_bridge:
            return str(self._model.raw.cfg.normalization_type or "").endswith("Pre")
        # A bridge keeps its norm with the weight 1 after folding; it is the processing that tells it from a real 1.
        processed = bool(getattr(self._model.raw, "_weights_processed", False))
        return processed and bool((self._norm.weight - 1).abs().max() < 1e-5)

    def label(self, final_norm: bool = False, rows: str = "W_dec") -> str:
        """What the numbers of `direct` (or, with `final_norm`, of `through_norm`) are, in words.

        Args:
            rows: what was multiplied by W_U (see `readout.rows_label`).
        """
        if self._norm is None:
            label = NO_NORM
        elif final_norm:
            label = THROUGH_NORM
        else:
            label = FOLDED if self.folded else NOT_FOLDED
        return label.replace("W_dec", rows, 1)

    def direct(self, directions: Tensor) -> Tensor:
        """`directions` [n, d_model] @ W_U: [n, d_vocab] float32. The logit lens of a direction, without a norm.

        What Neuronpedia and SAEDashboard show. No bias and no soft cap: these are weights, not logits.
        """
        stored = self._stored
        rows = directions.to(stored.device, torch.float32)
        if stored.dtype == torch.float32:
            return rows @ stored
        result = torch.empty(len(rows), stored.shape[1], device=stored.device)
        step = max(1, _CONVERT // stored.shape[0])
        for at in range(0, stored.shape[1], step):
            result[:, at : at + step] = rows @ stored[:, at : at + step].float()
        return result

    def through_norm(self, directions: Tensor) -> Tensor:
        """`directions` [n, d_model] through the final norm, linearised, then @ W_U: [n, d_vocab] float32.

        LayerNorm: minus their mean over d_model; then, RMSNorm too, times the norm's weight if it is not folded into
        W_U. The division by the token's own standard deviation is left out, so the numbers are up to one positive
        factor per token what the direction does to the logits.
        """
        return self.direct(directions if self._norm is None else self._norm.linearised(directions.float()))

    def logits(self, resid: Tensor) -> Tensor:
        """The logits [..., d_vocab] of a final residual stream [..., d_model]: unembed(norm(resid)), bias, soft cap.

        Computed with the model's own modules, so in its dtype; its parameters are shared and its hooks do not fire.
        A model that does something more after its unembedding (Cohere's logit_scale) gives other logits itself.
        """
        from transformer_lens.utilities.activation_functions import apply_softcap

        # Two leading dimensions, whatever came: modules of TransformerLens expect [batch, pos, d_model].
        rows = resid.detach().to(self.device, self._model.dtype).reshape(1, -1, resid.shape[-1])
        with torch.no_grad():
            rows = rows if self._norm is None else self._norm.module(rows)
            logits = apply_softcap(self._unembed(rows), getattr(self._model.raw.cfg, "output_logits_soft_cap", None))
        return logits.reshape(*resid.shape[:-1], -1)

    @property
    def _stored(self) -> Tensor:
        return cast(Tensor, self._source.W_U).detach()


class Norm:
    """A LayerNorm or RMSNorm, asked by example what it does.

    Six classes of two libraries keep their weight under different names, folded or not, as an offset from 1 or not.
    What they do to a vector with mean 0 tells the weight; whether a constant changes it tells LayerNorm from RMSNorm.

    Args:
        module: the norm. width: of what it normalises; default: the residual stream's.
    """

    def __init__(self, module: nn.Module, model: Model, width: int | None = None) -> None:
        self.module = _hookless(module)
        place = next(iter(module.parameters()), None)
        device = model.input_device if place is None else place.device
        dtype = model.dtype if place is None else place.dtype
        d = int(model.cfg.d_model) if width is None else width
        # Large, so that eps is nothing beside it; powers of two, so that bfloat16 holds it exactly.
        probe = torch.full((1, 1, d), 64.0)
        probe[..., ::2] = -64.0
        if d % 2:
            probe[..., -3:] = torch.tensor([-64.0, -64.0, 128.0])
        normed = probe / probe.pow(2).mean().sqrt()

        def answer(x: Tensor) -> Tensor:
            with torch.no_grad():
                return cast(Tensor, self.module(x.to(device, dtype))).float()[0, 0]

        plus, minus = answer(probe), answer(-probe)
        self.weight = (plus - minus) / (2 * normed[0, 0].to(device))  # the norm's bias cancels
        self.bias = (plus + minus) / 2
        self.centres = bool(torch.allclose(answer(probe + 64.0), plus, rtol=1e-2, atol=1e-3))

    def linearised(self, directions: Tensor) -> Tensor:
        rows = directions.to(self.weight.device)
        return (rows - rows.mean(-1, keepdim=True) if self.centres else rows) * self.weight


def _hookless(module: nn.Module) -> nn.Module:
    """The same module on the same parameters, without anybody's hooks. The user's module is not touched."""
    twin = copy.copy(module)
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    flags = ("_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs", "_forward_hooks_always_called")
    for name in (*hooks, *flags, "fwd_hooks", "bwd_hooks"):
        if name in twin.__dict__:
            twin.__dict__[name] = type(twin.__dict__[name])()
    twin.__dict__["_modules"] = {
        name: None if child is None else _hookless(child) for name, child in module._modules.items()
    }
    return twin

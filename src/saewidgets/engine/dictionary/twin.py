"""Twins: how an SAE of sae-lens is used without being written to.

A twin is a shallow copy that shares the weights and hook points and has its own attributes. sae-lens keeps per-call state
on the SAE (layer-norm statistics, the head size of hook_z); the twin takes it, so the user's object is never written to and
two threads never meet there. Training goes on being visible, because the weights are the same tensors.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor

from .base import Selection

if TYPE_CHECKING:
    from sae_lens import SAE

    AnySae: TypeAlias = SAE[Any]

__all__ = ["BY_TOKEN", "divides_by_norm", "is_alone", "ranked_of", "selection_of", "twin_of"]

BY_TOKEN = ("layer_norm", "constant_norm_rescale")
"""Normalisations that divide each token's vector by its own size."""
# Classes in which an activation depends on its own column only, and those that keep the k largest of all.
_ALONE = (
    "StandardSAE StandardTrainingSAE GatedSAE GatedTrainingSAE JumpReLUSAE JumpReLUTrainingSAE Transcoder SkipTranscoder "
    "JumpReLUTranscoder JumpReLUSkipTranscoder"
)
_LARGEST = "TopKSAE TopKTrainingSAE AbsTopKSAE AbsTopKTrainingSAE"


def twin_of(
    sae: AnySae, columns: Tensor | slice | None = None, move: Callable[[Tensor], Tensor] | None = None
) -> AnySae:
    """A twin on the same weights, or on those of some features, which `move` may bring to another device."""
    twin = copy.copy(sae)
    # These closures of sae-lens write to the object that made them: make the twin's own.
    if sae.cfg.normalize_activations in BY_TOKEN:
        twin._setup_activation_normalization()
    if sae.hook_z_reshaping_mode:
        twin.turn_off_forward_pass_hook_z_reshaping()  # heads are flattened before they get here
    if columns is not None:
        sliced = {
            name: parameter[..., columns]
            for name, parameter in sae._parameters.items()
            if parameter is not None and name not in ("W_dec", "b_dec", "W_skip")
        }
        if divides_by_norm(sae):  # and ranks by it
            sliced["W_dec"] = sae.W_dec[columns]
        if move is not None:
            sliced = {name: move(weight) for name, weight in {**sliced, "b_dec": sae.b_dec}.items()}
        twin.__dict__["_parameters"] = {**sae._parameters, **sliced}
    return twin


def ranked_of(sae: AnySae, features: slice, move: Callable[[Tensor], Tensor]) -> AnySae:
    """A twin of some features whose `encode` stops before the k largest are chosen."""
    twin = twin_of(sae, features, move)
    twin.__dict__["_modules"] = {**sae._modules, "activation_fn": torch.nn.Identity()}
    return twin


def is_alone(sae: AnySae) -> bool:
    """Whether an activation depends on its own column only."""
    return _is_a(sae, _ALONE)


def selection_of(sae: AnySae) -> Selection | None:
    """How its features can be encoded block by block."""
    if is_alone(sae):
        return Selection()
    activation = sae.activation_fn
    if not _is_a(sae, _LARGEST) or type(activation) is not type(sae.get_activation_fn()):
        return None  # or what the user has put there
    return Selection(int(activation.k), magnitude=sae.cfg.architecture() == "abstopk")


def divides_by_norm(sae: AnySae) -> bool:
    """Whether decoding divides by the norms of the decoder's rows."""
    from sae_lens.saes import TopKSAE, TopKTrainingSAE

    # By class: others have no such setting, or keep it without heeding it in decode().
    return isinstance(sae, (TopKSAE, TopKTrainingSAE)) and bool(getattr(sae.cfg, "rescale_acts_by_decoder_norm", False))


def _is_a(sae: AnySae, names: str) -> bool:
    """Exact types: a subclass may do anything."""
    import sae_lens

    return type(sae) in {getattr(sae_lens, name, None) or getattr(sae_lens.saes, name, None) for name in names.split()}

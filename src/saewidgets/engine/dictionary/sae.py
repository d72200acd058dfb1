"""SAEs and transcoders of sae-lens, of any architecture, trained or in training.

An SAE of sae-lens is used through a *twin*: a shallow copy that shares the weights and hook points and has its own
attributes. sae-lens keeps per-call state on the SAE (layer-norm statistics, the head size of hook_z); the twin takes
it, so the user's object is never written to and two threads never meet there. Training goes on being visible, because
the weights are the same tensors.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import torch
from torch import Tensor

from ..errors import NonFiniteError, SaeMismatchError
from ..labels import Labels, labels_from
from .base import Dictionary

if TYPE_CHECKING:
    from sae_lens import SAE

    from ..labels import LabelsLike

    AnySae: TypeAlias = SAE[Any]


class SaeDictionary(Dictionary):
    """An SAE or transcoder of sae-lens, of any architecture, trained or in training.

    Args:
        sae: the SAE. Never modified.
        name: how to call it; default: its hook name.
        labels: feature index to label, in any form that `labels_from` takes.

    Raises:
        SaeMismatchError: if the SAE does not say where it reads.
        NonFiniteError: if a weight is NaN or infinite.
    """

    def __init__(self, sae: AnySae, name: str | None = None, labels: LabelsLike | None = None) -> None:
        metadata = sae.cfg.metadata
        if not metadata.hook_name:
            raise SaeMismatchError(
                "The SAE does not say which hook it reads: set sae.cfg.metadata.hook_name, for example "
                "'blocks.7.hook_resid_pre'."
            )
        self.sae = sae
        self.hook_name = str(metadata.hook_name)
        out = metadata.hook_name_out
        self.hook_name_out = str(out) if out and out != self.hook_name else None
        self.name = name or self.hook_name
        self.d_in = int(sae.cfg.d_in)
        self.n_features = int(sae.cfg.d_sae)
        self.labels = Labels(labels_from(labels, self.n_features, self.name))
        self.architecture = str(sae.cfg.architecture())
        self.signed = self.architecture == "abstopk"
        self.head = cast("int | None", metadata.hook_head_index)
        for parameter_name, parameter in sae.named_parameters():
            if not torch.isfinite(parameter).all():
                raise NonFiniteError(
                    f"The weights of {self.name!r} are not finite: {parameter_name} holds NaN or infinity. "
                    "The training run probably diverged; load an earlier checkpoint."
                )

    @property
    def kind(self) -> str:
        return "transcoder" if self.hook_name_out else "SAE"

    @property
    def device(self) -> torch.device | None:
        return cast(torch.device, self.sae.W_dec.device)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weights."""
        return cast(torch.dtype, self.sae.W_dec.dtype)

    @property
    def per_text(self) -> bool:
        # Temporal SAEs attend over the text; BatchTopK in training shares one top-k over the batch; and hooks that the
        # user put on the SAE expect to see a text as [batch, pos, feature].
        from sae_lens import BatchTopKTrainingSAE

        return self.architecture == "temporal" or isinstance(self.sae, BatchTopKTrainingSAE) or self._user_hooks()

    @property
    def causal(self) -> bool:
        from sae_lens import BatchTopKTrainingSAE

        return not isinstance(self.sae, BatchTopKTrainingSAE)

    def _user_hooks(self) -> bool:
        return any(point._forward_hooks or point._forward_pre_hooks for point in self.sae.hook_dict.values())

    def encode(self, x: Tensor, columns: Tensor | None = None) -> Tensor:
        if columns is not None and self._sliceable() and not self._user_hooks():
            return _dense(self._twin(columns.to(self.sae.W_dec.device)).encode(x))
        activations = _dense(self._twin().encode(x))
        return activations if columns is None else activations[..., columns.to(activations.device)]

    def autoencode(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        twin = self._twin()
        activations = twin.encode(x)
        if self.architecture == "temporal":
            # Its decode() gives only the novel part; the predicted part needs the whole forward.
            return _dense(activations), cast(Tensor, self._twin()(x))
        reconstruction = cast(
            Tensor, twin.decode(activations)
        )  # undoes the normalisation that encode() left on the twin
        skip = getattr(self.sae, "W_skip", None)
        if skip is not None:
            reconstruction = reconstruction + x.to(skip.dtype) @ skip.T
        return _dense(activations), reconstruction

    def facts(self) -> dict[str, str]:
        facts = super().facts()
        if self.hook_name_out:
            facts["writes to"] = self.hook_name_out
        facts["SAE dtype"] = str(self.dtype).removeprefix("torch.")
        if self.sae.cfg.normalize_activations != "none":
            facts["input normalisation"] = str(self.sae.cfg.normalize_activations)
        return facts

    def _sliceable(self) -> bool:
        """Whether an activation depends on its own column only. Exact types: a subclass may do anything."""
        import sae_lens

        names = (
            "StandardSAE StandardTrainingSAE GatedSAE GatedTrainingSAE JumpReLUSAE JumpReLUTrainingSAE Transcoder "
            "SkipTranscoder JumpReLUTranscoder JumpReLUSkipTranscoder"
        ).split()
        return type(self.sae) in {getattr(sae_lens, name, None) or getattr(sae_lens.saes, name, None) for name in names}

    def _twin(self, columns: Tensor | None = None) -> AnySae:
        twin = copy.copy(self.sae)
        # These closures of sae-lens write to the object that made them: make the twin's own.
        if self.sae.cfg.normalize_activations in ("layer_norm", "constant_norm_rescale"):
            twin._setup_activation_normalization()
        if self.sae.hook_z_reshaping_mode:
            twin.turn_off_forward_pass_hook_z_reshaping()  # heads are flattened before they get here
        if columns is not None:
            sliced = {
                name: parameter[..., columns]
                for name, parameter in self.sae._parameters.items()
                if parameter is not None and name not in ("W_dec", "b_dec", "W_skip")
            }
            twin.__dict__["_parameters"] = {**self.sae._parameters, **sliced}
        return twin


def _dense(activations: Tensor) -> Tensor:
    """sae-lens can give sparse tensors (TopK with use_sparse_activations)."""
    return activations if activations.layout == torch.strided else activations.to_dense()

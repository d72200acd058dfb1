"""Everything that gives features, behind one interface: SAEs, transcoders, raw directions, the neuron basis.

An SAE of sae-lens is used through a *twin*: a shallow copy that shares the weights and hook points and has its own
attributes. sae-lens keeps per-call state on the SAE (layer-norm statistics, the head size of hook_z); the twin takes
it, so the user's object is never written to and two threads never meet there. Training goes on being visible, because
the weights are the same tensors.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import torch
from torch import Tensor

from .errors import FeatureIndexError, NonFiniteError, SaeMismatchError

if TYPE_CHECKING:
    from sae_lens import SAE

    AnySae: TypeAlias = SAE[Any]


class Dictionary(ABC):
    """A named set of features read at one hook.

    Attributes:
        name: how the user calls it.
        hook_name: where it reads, as the user wrote it.
        hook_name_out: where a transcoder writes; None if it is the same place.
        d_in: width of what it reads.
        n_features: number of features.
        activation_name: what the numbers are, for labels.
        labels: feature index to label.
        per_text: True if texts must be encoded one by one (the result depends on what else is in the batch).
    """

    name: str
    hook_name: str
    hook_name_out: str | None = None
    d_in: int
    n_features: int
    activation_name: str = "activation"
    labels: Mapping[int, str]
    architecture: str
    signed: bool = False

    @property
    def per_text(self) -> bool:
        """Whether each text must be encoded alone, as [1, pos, d_in]."""
        return False

    @property
    def causal(self) -> bool:
        """Whether a token's activations depend on no later token."""
        return True

    @property
    def device(self) -> torch.device | None:
        """Where the weights are; None if there are none."""
        return None

    @abstractmethod
    def encode(self, x: Tensor, columns: Tensor | None = None) -> Tensor:
        """Activations [..., n_features], or [..., len(columns)] of the wanted features, of `x` [..., d_in]."""

    def autoencode(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """All activations of `x`, and what the dictionary makes of `x` (None if it is no autoencoder)."""
        return self.encode(x), None

    def facts(self) -> dict[str, str]:
        """Provenance: what a reader must know to compare the numbers."""
        return {self.kind: self.name, "architecture": self.architecture, "hook": self.hook_name}

    @property
    def kind(self) -> str:
        """ "SAE", "transcoder", "directions" or "neurons": the label of the name."""
        return "SAE"

    def check_features(self, features: Sequence[int]) -> list[int]:
        """`features` as plain integers inside the dictionary.

        Raises:
            FeatureIndexError: for an index outside 0 .. n_features-1.
        """
        plain = [int(f) for f in features]
        wrong = next((f for f in plain if not 0 <= f < self.n_features), None)
        if wrong is not None:
            raise FeatureIndexError(
                f"Feature {wrong} is outside {self.name!r}, which has {self.n_features} features (0 to {self.n_features - 1})."
            )
        return plain


class SaeDictionary(Dictionary):
    """An SAE or transcoder of sae-lens, of any architecture, trained or in training.

    Args:
        sae: the SAE. Never modified.
        name: how to call it; default: its hook name.
        labels: feature index to label.

    Raises:
        SaeMismatchError: if the SAE does not say where it reads.
        NonFiniteError: if a weight is NaN or infinite.
    """

    def __init__(self, sae: AnySae, name: str | None = None, labels: Mapping[int, str] | None = None) -> None:
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
        self.labels = dict(labels or {})
        self.d_in = int(sae.cfg.d_in)
        self.n_features = int(sae.cfg.d_sae)
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


class Directions(Dictionary):
    """Raw directions as features: the activation is the dot product with the value at the hook.

    Probes, steering vectors, decoder rows of something that is no SAE. No threshold, so every token is active.

    Args:
        vectors: [n, d_in], used as given (not normalised).
        hook_name: where to read.
        names: a label for each direction.
        name: how to call the set.

    Example:
        >>> probe = sw.Directions(weight, "blocks.7.hook_resid_post", names=["sentiment"])
        >>> engine = sw.Engine(model, probe)
    """

    architecture = "directions"
    activation_name = "dot product"
    signed = True

    def __init__(
        self, vectors: Tensor, hook_name: str, names: Sequence[str] | None = None, name: str = "directions"
    ) -> None:
        vectors = torch.as_tensor(vectors).detach()
        vectors = vectors[None] if vectors.ndim == 1 else vectors
        if vectors.ndim != 2:
            raise SaeMismatchError(f"Directions must be [n, d_in], not {tuple(vectors.shape)}.")
        if names is not None and len(names) != len(vectors):
            raise SaeMismatchError(f"{len(names)} names were given for {len(vectors)} directions.")
        if not torch.isfinite(vectors).all():
            raise NonFiniteError(f"The directions {name!r} hold NaN or infinity.")
        self.vectors = vectors
        self.name, self.hook_name = name, hook_name
        self.n_features, self.d_in = vectors.shape
        self.labels = dict(enumerate(names or ()))

    @property
    def kind(self) -> str:
        return "directions"

    @property
    def device(self) -> torch.device | None:
        return self.vectors.device

    def encode(self, x: Tensor, columns: Tensor | None = None) -> Tensor:
        vectors = self.vectors if columns is None else self.vectors[columns.to(self.vectors.device)]
        return x.to(vectors.dtype) @ vectors.T


class Neurons(Dictionary):
    """The neuron basis of a hook as a dictionary, for a fair comparison: feature i is the i-th coordinate.

    Args:
        hook_name: for example "blocks.3.mlp.hook_post".
        n_features: width of the hook; found out on first use if not given.

    Example:
        >>> engine = sw.Engine(model, sw.Neurons("blocks.3.mlp.hook_post"))
    """

    architecture = "neurons"
    activation_name = "neuron value"
    signed = True

    def __init__(self, hook_name: str, n_features: int | None = None, name: str | None = None) -> None:
        self.hook_name = hook_name
        self.name = name or f"neurons of {hook_name}"
        self.n_features = self.d_in = n_features or 0
        self.labels = {}

    @property
    def kind(self) -> str:
        return "neurons"

    def encode(self, x: Tensor, columns: Tensor | None = None) -> Tensor:
        return x if columns is None else x[..., columns.to(x.device)]


def _dense(activations: Tensor) -> Tensor:
    """sae-lens can give sparse tensors (TopK with use_sparse_activations)."""
    return activations if activations.layout == torch.strided else activations.to_dense()

"""SAEs and transcoders of sae-lens, of any architecture, trained or in training. They are used through twins (twin.py)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from ...errors import NonFiniteError, SaeMismatchError
from ..given_labels import labels_from
from ..labels import Labels
from .base import Dictionary, Selection, rows_of
from .settings import encoding_settings
from .twin import BY_TOKEN, divides_by_norm, is_alone, ranked_of, selection_of, twin_of
from .variants import turned

if TYPE_CHECKING:
    from ..given_labels import LabelsLike
    from .twin import AnySae as AnySae

# Applied by sae-lens's trainer to what it gives the SAE, and by nothing else until it is folded into the weights: how to.
_NOT_AT_INFERENCE = {
    "expected_average_only_in": "fold_activation_norm_scaling_factor({0}.scaling_factor)",
    "covariance_whitening": (
        "fold_activation_whitening({0}.whitening.mean, {0}.whitening.matrix, {0}.whitening.inverse_matrix)"
    ),
}


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
            if not _finite(parameter.detach()):
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

    @property
    def affine(self) -> bool:
        normalises = self.sae.cfg.normalize_activations in BY_TOKEN
        return not (normalises or self.architecture == "temporal" or self._user_hooks())

    def _user_hooks(self) -> bool:
        return any(point._forward_hooks or point._forward_pre_hooks for point in self.sae.hook_dict.values())

    def beside(self, spliced: Sequence[object]) -> Dictionary:
        if not any(sae is self.sae for sae in spliced):
            return self
        from transformer_lens.hook_points import HookPoint

        made = copy.copy(self)
        made.sae = copy.copy(self.sae)
        fresh = {name: HookPoint() for name in self.sae.hook_dict}  # type: ignore[no-untyped-call]
        made.sae.__dict__["_modules"] = {**self.sae._modules, **fresh}
        made.sae.hook_dict = fresh
        return made

    def encode(self, x: Tensor, columns: Tensor | None = None) -> Tensor:
        if columns is not None and self.alone:
            return _dense(twin_of(self.sae, columns.to(self.sae.W_dec.device)).encode(x))
        activations = _dense(twin_of(self.sae).encode(x))
        return activations if columns is None else activations[..., columns.to(activations.device)]

    @property
    def alone(self) -> bool:
        return is_alone(self.sae) and not self._user_hooks()

    @property
    def selection(self) -> Selection | None:
        return None if self._user_hooks() else selection_of(self.sae)

    def block(self, x: Tensor, features: slice, move: Callable[[Tensor], Tensor]) -> Tensor:
        selection = self.selection
        if selection is None:
            return super().block(x, features, move)
        make = twin_of if selection.k is None else ranked_of
        return cast(Tensor, make(self.sae, features, move).encode(x))

    def autoencode(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        twin = twin_of(self.sae)
        activations = twin.encode(x)
        if self.architecture == "temporal":
            # Its decode() gives only the novel part; the predicted part needs the whole forward.
            return _dense(activations), cast(Tensor, twin_of(self.sae)(x))
        reconstruction = cast(
            Tensor, twin.decode(activations)
        )  # undoes the normalisation that encode() left on the twin
        return _dense(activations), reconstruction + self.skip(x) if self.has_skip else reconstruction

    @property
    def has_skip(self) -> bool:
        return getattr(self.sae, "W_skip", None) is not None

    def skip(self, x: Tensor) -> Tensor:
        weight = cast(Tensor, self.sae.W_skip)
        return x.to(weight.dtype) @ weight.T

    # -- what it writes

    @property
    def direction_name(self) -> str:  # type: ignore[override]
        return "W_dec/|W_dec|" if divides_by_norm(self.sae) else "W_dec"

    def decoder(self, columns: Tensor | None = None) -> Tensor:
        rows = rows_of(self.sae.W_dec, columns)
        return rows / rows.norm(dim=-1, keepdim=True) if divides_by_norm(self.sae) else rows

    def decoder_scale(self, x: Tensor) -> Tensor:
        """By what decoding multiplies the rows of `decoder` at each token: [..., 1] float32 for `x` [..., d_in].

        `layer_norm` multiplies by the standard deviation of the token's vector, `constant_norm_rescale` by its norm over
        sqrt(d_in); 1 for others. Transcoders do not undo the normalisation, because what they write is not what they read.
        """
        from sae_lens.saes import Transcoder

        one = super().decoder_scale(x)
        kind = self.sae.cfg.normalize_activations
        if isinstance(self.sae, Transcoder) or kind in ("none", "expected_average_only_in"):
            return one
        # sae-lens's own functions, on a copy (they keep the token statistics on the SAE). Undoing the normalisation is
        # affine; the difference of two points leaves its slope.
        x = x.to(self.dtype).float()
        twin = twin_of(self.sae)
        ends = []
        for end in (torch.zeros_like(one), one):
            twin.run_time_activation_norm_fn_in(x)
            ends.append(twin.run_time_activation_norm_fn_out(end))
        return cast(Tensor, ends[1] - ends[0])

    def stored(self, columns: Tensor) -> Tensor:
        return rows_of(self.sae.W_dec, columns)

    # -- the same as plain code

    def code_vectors(self) -> list[str]:
        divides = "D = W / W.norm(dim=-1, keepdim=True)  # as its decode() does"
        lines = [
            f"sae = saes[{self.name!r}]",
            "W = sae.W_dec.detach().float()",
            divides if divides_by_norm(self.sae) else "D = W",
        ]
        kind = "" if self.hook_name_out else self.sae.cfg.normalize_activations
        by_token = {
            "layer_norm": "x.float().std(dim=-1)",
            "constant_norm_rescale": f"x.float().norm(dim=-1) / {self.d_in**0.5!r}",
        }
        constant = (
            float(self.decoder_scale(torch.zeros(1, 1, self.d_in, device=self.device))) if kind not in by_token else 1.0
        )
        return [*lines, f"size = {by_token.get(kind, f'torch.full(x.shape[:2], {constant!r}, device=x.device)')}"]

    def code_encoding(self, rebuild: bool, past: str) -> list[str]:
        lines = []
        if self.sae.hook_z_reshaping_mode:
            lines.append("sae.turn_off_forward_pass_hook_z_reshaping()  # x is flat already")
        if self.architecture == "temporal":  # it looks back at the whole text
            lines.append(f"past = {past} = torch.cat([{past}, x], 1) if at[0] > 0 else x")
            lines.append("a = sae.encode(past)[:, -len(at):]")
            lines += ["rebuilt = sae(past)[:, -len(at):]"] if rebuild else []
        else:
            lines.append("a = sae.encode(x)")
            skip = " + x @ sae.W_skip.T" if getattr(self.sae, "W_skip", None) is not None else ""
            lines += [f"rebuilt = sae.decode(a){skip}"] if rebuild else []
        if self.sae.hook_z_reshaping_mode:
            lines.append("sae.turn_on_forward_pass_hook_z_reshaping()")
        return [*lines, "a = (a if a.layout == torch.strided else a.to_dense()).float()"]

    # -- what it is

    def weights(self) -> dict[str, Tensor]:
        return {**dict(self.sae.named_parameters()), **dict(self.sae.named_buffers())}

    def encoding(self) -> dict[str, object]:
        return encoding_settings(self.sae)

    def metadata(self, name: str) -> object:
        # sae-lens' metadata answers None for whatever it does not know.
        return getattr(self.sae.cfg.metadata, name)

    def facts(self) -> dict[str, str]:
        facts = super().facts()
        if self.hook_name_out:
            facts["writes to"] = self.hook_name_out
        facts["SAE dtype"] = str(self.dtype).removeprefix("torch.")
        named = str(self.sae.cfg.normalize_activations)
        if named in _NOT_AT_INFERENCE:
            facts["input normalisation"] = f"{named}: not applied (sae-lens applies none at inference)"
        elif named != "none":
            facts["input normalisation"] = named
        elif folded := self.sae.cfg.metadata.input_normalisation_folded:
            facts["input normalisation"] = str(folded)
        return facts

    @property
    def unfolded(self) -> str | None:
        """What to know where a normalisation is named that only the training applies, outside the SAE; else None."""
        named = str(self.sae.cfg.normalize_activations)
        fold = _NOT_AT_INFERENCE.get(named)
        if fold is None:
            return None
        from sae_lens import TrainingSAE

        if isinstance(self.sae, TrainingSAE):
            how = f"It is in training, so fold a copy: c = copy.deepcopy(sae); c.{fold.format('trainer.activation_scaler')}."
        else:
            how = (
                f"Fold it: sae.{fold.format('scaler')}, with the sae_lens.training.activation_scaler.ActivationScaler of the "
                "training run (activation_scaler.json of its checkpoint)."
            )
        return (
            f"{self.name!r} names the input normalisation {named!r}, which its training applied outside the SAE and which is "
            "not folded into its weights: sae-lens applies none at inference, and neither is any applied here, so these are "
            f"not the activations of its training. {how}"
        )

    def variants(self) -> dict[str, Callable[[], Dictionary]]:
        return {what: (lambda make=make: SaeDictionary(make(), self.name)) for what, make in turned(self.sae).items()}  # type: ignore[misc]

    def in_dtype(self, dtype: torch.dtype) -> Dictionary | None:
        return None if dtype == self.dtype else SaeDictionary(copy.deepcopy(self.sae).to(dtype), self.name)


def _finite(weights: Tensor) -> bool:
    """Whether all are finite, without a copy of them: NaN and infinity are seen at the ends."""
    return weights.numel() == 0 or bool(torch.isfinite(torch.stack(weights.aminmax())).all())


def _dense(activations: Tensor) -> Tensor:
    """sae-lens can give sparse tensors (TopK with use_sparse_activations)."""
    return activations if activations.layout == torch.strided else activations.to_dense()

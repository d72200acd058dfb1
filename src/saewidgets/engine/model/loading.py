"""Published SAEs and their models, loaded the way the SAE was trained."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from ...errors import SaeMismatchError, SaewidgetsError
from .model import resolve_device

if TYPE_CHECKING:
    from ..dictionary.sae import AnySae
    from .model import AnyModel


def best_device() -> torch.device:
    """CUDA if there is a device, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def resolve_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """A floating point `torch.dtype` from its name."""
    found = getattr(torch, dtype.removeprefix("torch."), None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise SaewidgetsError(f"{dtype!r} is no floating point dtype; use 'float32', 'bfloat16' or 'float16'.")
    return found


def load_sae(release: str, sae_id: str, device: str | torch.device | None, dtype: str | torch.dtype) -> AnySae:
    """`SAE.from_pretrained`, on a checked device."""
    from sae_lens import SAE

    where = best_device() if device is None else resolve_device(device)
    name = str(resolve_dtype(dtype)).removeprefix("torch.")
    return cast("AnySae", SAE.from_pretrained(release, sae_id, device=str(where), dtype=name))


def load_sae_folder(path: str | Path, device: str | torch.device | None, dtype: str | torch.dtype) -> AnySae:
    """An SAE that was saved with `save_model`; also a checkpoint of a training run.

    A checkpoint's weights are for inputs that the trainer normalises. What it normalises by lies beside them, and is
    folded into what is loaded, as sae-lens does it when a training ends.

    Raises:
        SaewidgetsError: if there is none.
    """
    from sae_lens import SAE

    if not (Path(path) / "cfg.json").is_file():
        raise SaewidgetsError(f"There is no SAE at {path}: name the folder that holds cfg.json and the weights.")
    where = best_device() if device is None else resolve_device(device)
    name = str(resolve_dtype(dtype)).removeprefix("torch.")
    sae = cast("AnySae", SAE.load_from_disk(path, device=str(where), dtype=name))
    _fold_input_normalisation(sae, Path(path))
    return sae


def _fold_input_normalisation(sae: AnySae, folder: Path) -> None:
    from sae_lens.constants import ACTIVATION_SCALER_CFG_FILENAME
    from sae_lens.training.activation_scaler import ActivationScaler

    named, file = sae.cfg.normalize_activations, folder / ACTIVATION_SCALER_CFG_FILENAME
    if not file.is_file():
        return
    scaler = ActivationScaler()
    scaler.load(file)
    white = getattr(scaler, "whitening", None)
    if named == "expected_average_only_in" and scaler.scaling_factor is not None:
        sae.fold_activation_norm_scaling_factor(scaler.scaling_factor)
        by = f"scale {scaler.scaling_factor:.6g}"
    elif named == "covariance_whitening" and white is not None:
        sae.fold_activation_whitening(white.mean, white.matrix, white.inverse_matrix)
        by = "whitening"
    else:
        return
    sae.cfg.metadata.input_normalisation_folded = f"{named}, folded into the weights ({by} of {file.name})"


def load_model(
    model_name: str | None, sae: AnySae, device: str | torch.device | None, dtype: str | torch.dtype
) -> AnyModel:
    """The model of `sae`, unprocessed and with the keyword arguments that its metadata asks for.

    SAEs are trained on unprocessed weights (`from_pretrained_no_processing`), so that is what is loaded. Models that
    HookedTransformer does not know, and SAEs trained on a bridge, get a `SAETransformerBridge`.

    Where those keyword arguments name a device or a dtype (they are the training's), `device` and `dtype` win;
    provenance says if another dtype was asked for.

    Raises:
        SaeMismatchError: if the metadata names no model, or asks for what the engine cannot load.
    """
    metadata = sae.cfg.metadata
    name = model_name or metadata.model_name
    if not name:
        raise SaeMismatchError("The SAE does not say which model it was trained on: pass model_name.")
    where = best_device() if device is None else resolve_device(device)
    asked = dict(metadata.model_from_pretrained_kwargs or {})
    kwargs: dict[str, Any] = {
        key: value for key, value in asked.items() if key not in ("device", "dtype", "torch_dtype")
    }
    kind = metadata.model_class_name or "HookedTransformer"
    if kind not in ("HookedTransformer", "HookedSAETransformer", "TransformerBridge", "SAETransformerBridge"):
        raise SaeMismatchError(
            f"The SAE was trained on a {kind}, which the engine cannot load. Load the model yourself and pass it: "
            "Engine(model, sae)."
        )
    if "Bridge" in kind or not _hooked_transformer_knows(name):
        return _load_bridge(name, where, resolve_dtype(dtype), kwargs)
    from sae_lens import HookedSAETransformer

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # HookedTransformer: deprecated, and what SAEs are trained on
        return cast(
            "AnyModel",
            HookedSAETransformer.from_pretrained_no_processing(
                name, device=str(where), dtype=resolve_dtype(dtype), **kwargs
            ),
        )


# Options of HookedTransformer.from_pretrained_no_processing: a bridge processes its weights in a call of its own.
_PROCESSING = (
    "fold_ln",
    "center_writing_weights",
    "center_unembed",
    "fold_value_biases",
    "refactor_factored_attn_matrices",
)
# The engine makes tokens and pads itself, and a bridge is eager anyway.
_WITHOUT_EFFECT = {"default_prepend_bos", "default_padding_side", "move_to_device"}


def _load_bridge(name: str, device: torch.device, dtype: torch.dtype, kwargs: dict[str, Any]) -> AnyModel:
    from sae_lens import SAETransformerBridge
    from transformer_lens.model_bridge import TransformerBridge

    process = {option: bool(kwargs.pop(option, False)) for option in _PROCESSING}
    kwargs = {key: value for key, value in kwargs.items() if key not in _WITHOUT_EFFECT}
    if kwargs.get("attn_implementation") == "eager":
        del kwargs["attn_implementation"]
    known = inspect.signature(TransformerBridge.boot_transformers).parameters
    if unknown := [key for key in kwargs if key not in known]:
        raise SaeMismatchError(
            f"The SAE's model_from_pretrained_kwargs ask for {', '.join(f'{key}={kwargs[key]!r}' for key in unknown)}, which "
            f"a TransformerBridge of {name!r} does not know. Load the model yourself and pass it: Engine(model, sae)."
        )
    bridge = SAETransformerBridge.boot_transformers(name, device=device, dtype=dtype, **kwargs)
    if any(process.values()):
        bridge.enable_compatibility_mode(disable_warnings=True, **process)
    return cast("AnyModel", bridge)


def _hooked_transformer_knows(name: str) -> bool:
    from transformer_lens.loading_from_pretrained import get_official_model_name

    try:
        get_official_model_name(name)
    except ValueError:
        return False
    return True

"""Published SAEs and their models, loaded the way the SAE was trained."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from .errors import SaeMismatchError, SaewidgetsError
from .model.model import resolve_device

if TYPE_CHECKING:
    from .dictionary.sae import AnySae
    from .model.model import AnyModel


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
    """An SAE that was saved with `save_model`.

    Raises:
        SaewidgetsError: if there is none.
    """
    from sae_lens import SAE

    if not (Path(path) / "cfg.json").is_file():
        raise SaewidgetsError(f"There is no SAE at {path}: name the folder that holds cfg.json and the weights.")
    where = best_device() if device is None else resolve_device(device)
    name = str(resolve_dtype(dtype)).removeprefix("torch.")
    return cast("AnySae", SAE.load_from_disk(path, device=str(where), dtype=name))


def load_model(
    model_name: str | None, sae: AnySae, device: str | torch.device | None, dtype: str | torch.dtype
) -> AnyModel:
    """The model of `sae`, unprocessed and with the keyword arguments that its metadata asks for.

    SAEs are trained on unprocessed weights (`from_pretrained_no_processing`), so that is what is loaded. Models that
    HookedTransformer does not know, and SAEs trained on a bridge, get a `SAETransformerBridge`.
    """
    metadata = sae.cfg.metadata
    name = model_name or metadata.model_name
    if not name:
        raise SaeMismatchError("The SAE does not say which model it was trained on: pass model_name.")
    where = best_device() if device is None else resolve_device(device)
    kwargs: dict[str, Any] = dict(metadata.model_from_pretrained_kwargs or {})
    kind = metadata.model_class_name or "HookedTransformer"
    if kind not in ("HookedTransformer", "HookedSAETransformer", "TransformerBridge", "SAETransformerBridge"):
        raise SaeMismatchError(
            f"The SAE was trained on a {kind}, which the engine cannot load. Load the model yourself and pass it: "
            "Engine(model, sae)."
        )
    if "Bridge" in kind or not _hooked_transformer_knows(name):
        from sae_lens import SAETransformerBridge

        bridge = SAETransformerBridge.boot_transformers(name, device=where, dtype=resolve_dtype(dtype), **kwargs)
        return cast("AnyModel", bridge)
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


def _hooked_transformer_knows(name: str) -> bool:
    from transformer_lens.loading_from_pretrained import get_official_model_name

    try:
        get_official_model_name(name)
    except ValueError:
        return False
    return True

"""An SAE's loading as Python, to copy: the engine in one call, and the same with sae-lens alone."""

from __future__ import annotations

__all__ = ["engine_code", "sae_lens_code"]


def engine_code(release: str, sae_id: str, device: str, dtype: str, own_model: bool) -> str:
    """What `SAEBrowser.load` does. The SAE names its model, so the code does not."""
    names = f"release={release!r}, sae_id={sae_id!r}"
    options = _options(device, dtype)
    if own_model:
        return "\n".join(
            [
                "import saewidgets as sw",
                "from sae_lens import SAE",
                "",
                f"sae = SAE.from_pretrained({names}{options or _default_device()})",
                "engine = sw.Engine(model, sae)  # your model",
            ]
        )
    return f"import saewidgets as sw\n\nengine = sw.Engine.from_pretrained({names}{options})"


def sae_lens_code(release: str, sae_id: str, device: str, dtype: str, own_model: bool) -> str:
    """The SAE, and its model as it was trained on, without this package."""
    where = device or "cpu"
    sae = f"sae = SAE.from_pretrained({release!r}, {sae_id!r}, device={where!r}{_dtype(dtype)})"
    if own_model:
        return f"from sae_lens import SAE\n\n{sae}"
    return "\n".join(
        [
            "from sae_lens import SAE, HookedSAETransformer",
            "",
            sae,
            "model = HookedSAETransformer.from_pretrained_no_processing(",
            f"    sae.cfg.metadata.model_name, device={where!r}{_dtype(dtype)},",
            "    **(sae.cfg.metadata.model_from_pretrained_kwargs or {}),",
            ")",
        ]
    )


def _options(device: str, dtype: str) -> str:
    return (f", device={device!r}" if device else "") + _dtype(dtype)


def _default_device() -> str:
    return ", device=str(model.cfg.device)"


def _dtype(dtype: str) -> str:
    return "" if dtype == "float32" else f", dtype={dtype!r}"

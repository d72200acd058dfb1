"""An SAE's loading as Python, to copy: the engine in one call, and the same with sae-lens alone."""

from __future__ import annotations

import json
from collections.abc import Iterator

__all__ = ["engine_code", "sae_lens_code"]


def engine_code(release: str, sae_id: str, device: str, dtype: str, own_model: bool) -> str:
    """What `SAEBrowser.load` does. The SAE names its model, so the code does not."""
    names = [f"release={_text(release)}", f"sae_id={_text(sae_id)}"]
    options = [*([f"device={_text(device)}"] if device else []), *_dtype(dtype)]
    if not own_model:
        return f"import saewidgets as sw\n\nengine = {_call('sw.Engine.from_pretrained', [*names, *options])}"
    of_model = [] if device else ["device=str(model.cfg.device)"]
    sae = _call("SAE.from_pretrained", [*names, *of_model, *options])
    return f"import saewidgets as sw\nfrom sae_lens import SAE\n\nsae = {sae}\nengine = sw.Engine(model, sae)  # your model"


def sae_lens_code(release: str, sae_id: str, device: str, dtype: str, own_model: bool) -> str:
    """The SAE, and its model as it was trained on, without this package."""
    options = [f"device={_text(device or 'cpu')}", *_dtype(dtype)]
    sae = _call("SAE.from_pretrained", [f"release={_text(release)}", f"sae_id={_text(sae_id)}", *options])
    if own_model:
        return f"from sae_lens import SAE\n\nsae = {sae}"
    asked = [
        "sae.cfg.metadata.model_name",
        *options,
        "**(sae.cfg.metadata.model_from_pretrained_kwargs or {})",
    ]
    model = _call("HookedSAETransformer.from_pretrained_no_processing", asked)
    return f"from sae_lens import SAE, HookedSAETransformer\n\nsae = {sae}\nmodel = {model}"


def _call(name: str, arguments: list[str]) -> str:
    return "\n".join([f"{name}(", *(f"    {one}," for one in arguments), ")"])


def _dtype(dtype: str) -> Iterator[str]:
    if dtype != "float32":
        yield f"dtype={_text(dtype)}"


def _text(text: str) -> str:
    return json.dumps(text)

"""The facts beside the numbers: without them two tools' activations cannot be compared.

BOS, folding, dtype and weight processing are the usual reasons why "my activations do not match".
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from .dictionary.base import Dictionary
from .model.model import Model
from .tokens import Tokenizer


def describe(model: Model, dictionary: Dictionary, tokenizer: Tokenizer) -> dict[str, str]:
    """Model, dictionary, hook and everything that was done to text and weights, in the order to show it."""
    return {
        "model": model.name,
        **dictionary.facts(),
        "features": str(dictionary.n_features),
        "BOS": "prepended" if tokenizer.prepend_bos else "not prepended",
        "dtype": str(model.dtype).removeprefix("torch."),
        "weight processing": model.processing,
        "versions": ", ".join(f"{p} {_version(p)}" for p in ("saewidgets", "sae-lens", "transformer-lens", "torch")),
    }


@lru_cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def prepend_bos_of(dictionaries: Iterable[Dictionary], model: Model) -> bool:
    """What the SAEs were trained with; the model's own default if they do not say.

    Warns if the SAEs of one engine disagree: they are read in one forward, on the same tokens.
    """
    said = {d.name: bool(s) for d in dictionaries if (s := d.metadata("prepend_bos")) is not None}
    if len(set(said.values())) > 1:
        warnings.warn(
            f"The SAEs were trained with different BOS policies ({said}); the first one's is used for all. "
            "Make one engine for each, or pass prepend_bos=.",
            stacklevel=3,
        )
    if said:
        return next(iter(said.values()))
    return bool(getattr(model.raw.cfg, "default_prepend_bos", True))


def special_of(dictionaries: Iterable[Dictionary]) -> list[int]:
    """Token ids that the SAEs' training left out, besides the tokenizer's structural ones."""
    found: list[int] = []
    for dictionary in dictionaries:
        excluded = dictionary.metadata("exclude_special_tokens")
        if isinstance(excluded, (list, tuple)):
            found += [int(i) for i in excluded]
    return found


def context_of(dictionary: Dictionary) -> int | None:
    """Context size the SAE was trained with, if it says."""
    size = dictionary.metadata("context_size")
    return int(size) if isinstance(size, int) and size > 0 else None


def same_model(dictionary: Dictionary, model: Model) -> None:
    """Warn if the SAE says that it was trained on another model. (A wrong width or hook is an error elsewhere.)"""
    trained_on = dictionary.metadata("model_name")
    if not isinstance(trained_on, str) or model.name in ("custom", "custom model", ""):
        return
    if official_name(trained_on) != official_name(model.name):
        warnings.warn(
            f"{dictionary.name!r} was trained on {trained_on!r}, but the model is {model.name!r}. "
            "If they differ in more than name, the activations mean nothing.",
            stacklevel=4,
        )


def official_name(name: str) -> str:
    """A model's name however its loader spells it."""
    try:
        from transformer_lens.loading_from_pretrained import get_official_model_name

        name = get_official_model_name(name)
    except (ImportError, ValueError):
        pass
    return name.rsplit("/", 1)[-1].lower()

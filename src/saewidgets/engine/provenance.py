"""The facts beside the numbers: without them two tools' activations cannot be compared.

BOS, folding, dtype and weight processing are the usual reasons why "my activations do not match".
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from .arrays import Bools
from .dictionary.base import Dictionary
from .model.model import Model
from .model.processing import felt_at, has_layer_norm, processing_of
from .text.tokenizer import Tokenizer


def describe(model: Model, dictionary: Dictionary, tokenizer: Tokenizer) -> dict[str, str]:
    """Model, dictionary, hook and everything that was done to text and weights, in the order to show it."""
    facts = {
        "model": model.name,
        **dictionary.facts(),
        "features": str(dictionary.n_features),
        "BOS": "prepended" if tokenizer.prepend_bos else "not prepended",
        "dtype": str(model.dtype).removeprefix("torch."),
        "weight processing": model.processing,
        "versions": ", ".join(f"{p} {_version(p)}" for p in ("saewidgets", "sae-lens", "transformer-lens", "torch")),
    }
    bos, dtype = dictionary.metadata("prepend_bos"), (asked_of_model(dictionary) or {}).get("dtype")
    if bos is not None and bool(bos) != tokenizer.prepend_bos:
        facts["BOS"] += f" (the SAE was trained {'with' if bos else 'without'} it)"
    of_model, of_dictionary = facts["dtype"], facts.get("SAE dtype", facts["dtype"])
    if of_model != of_dictionary:
        facts["dtype"] = f"model in {of_model}, dictionary in {of_dictionary}"
    if dtype is not None and (asked := str(dtype).removeprefix("torch.")) != of_model:
        facts["dtype"] += f" (the SAE's metadata asks for {asked})"
    if trained := trained_positions(dictionary):
        facts["trained positions"] = trained
    return facts


@lru_cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return _version_of_sources() if package == "saewidgets" else "unknown"


def _version_of_sources() -> str:
    # Run from a checkout that is not installed: its pyproject.toml is what an installation would tell.
    project = Path(__file__).parents[3] / "pyproject.toml"
    text = project.read_text(encoding="utf-8") if project.is_file() else ""
    found = re.search(r'^name = "saewidgets"\nversion = "([^"]+)"', text, re.MULTILINE)
    return f"{found[1]} (sources)" if found else "unknown"


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


def untrained_positions(dictionary: Dictionary, length: int) -> Bools:
    """[length] positions of a text that the SAE was not trained on: outside its `seqpos_slice`, or past its context."""
    context, cut = context_of(dictionary), _slice_of(dictionary)
    if context is None:
        # Counted from the end of a context that nobody told: nothing can be said of that side.
        start, stop = (n if n is None or n >= 0 else None for n in (cut.start, cut.stop))
        cut = slice(start, stop, cut.step)
    trained = np.arange(length if context is None else context)[cut]
    untrained = np.ones(length, bool)
    untrained[trained[trained < length]] = False
    return untrained


def trained_positions(dictionary: Dictionary) -> str:
    """The positions that the SAE was trained on, if not all of its context: "3 to 127 of 128"; else ""."""
    context, cut = context_of(dictionary), _slice_of(dictionary)
    if cut == slice(None):
        return ""
    if context is None:
        return (
            "[" + ":".join("" if n is None else str(n) for n in (cut.start, cut.stop, cut.step)).removesuffix(":") + "]"
        )
    trained = range(context)[cut]
    if len(trained) in (0, context):
        return "" if len(trained) else "none"
    step = f" in steps of {trained.step}" if trained.step > 1 else ""
    return f"{trained[0]} to {trained[-1]}{step} of {context}"


def _slice_of(dictionary: Dictionary) -> slice:
    # JSON gives a list; (None,), sae-lens's default, means all.
    said = dictionary.metadata("seqpos_slice")
    if not isinstance(said, (list, tuple)) or not 1 <= len(said) <= 3 or not any(n is not None for n in said):
        return slice(None)
    return slice(*(None if n is None else int(n) for n in said))


def notes_of_dictionary(dictionary: Dictionary, model: Model) -> list[str]:
    """What a reader of any number of `dictionary` on `model` must know: where it is not what its training saw."""
    notes = numbers_are_others(dictionary, model)
    if trained := trained_positions(dictionary):
        notes.append(
            f"{dictionary.name!r} was trained on the positions {trained} alone (seqpos_slice). The others are computed and "
            "counted here: what its features do there, its training did not see."
        )
    return notes


def noted(dictionary: Dictionary, model: Model) -> dict[str, str]:
    """`notes_of_dictionary` as an entry of a provenance: for an index, which is opened without its engine."""
    notes = notes_of_dictionary(dictionary, model)
    return {"notes": " ".join(notes)} if notes else {}


def numbers_are_others(dictionary: Dictionary, model: Model) -> list[str]:
    """Why activations of `dictionary` on `model` are other numbers than in its training; [] if nothing is known."""
    unfolded = dictionary.unfolded
    return [*processed_otherwise(dictionary, model), *([unfolded] if unfolded else [])]


# Of each processing: sae-lens's option, and how to say whether it is so.
_PROCESSING = {
    "centred": ("center_writing_weights", "the writing weights {} centred"),
    "folded": ("fold_ln", "the norms' weights {} folded into the layers after them"),
    "value_biases": ("fold_value_biases", "the value biases {} folded into the output's"),
}


def processed_otherwise(dictionary: Dictionary, model: Model) -> list[str]:
    """Where the weights of `model` were processed otherwise than the SAE's metadata says, if its hooks feel it.

    sae-lens trains on `from_pretrained_no_processing(**model_from_pretrained_kwargs)`, so what these do not name was
    not done. An SAE with neither these nor a `model_class_name` says nothing of it.
    """
    asked = asked_of_model(dictionary)
    if asked is None:
        return []
    found, notes = processing_of(model.raw), []
    for field, (option, told) in _PROCESSING.items():
        hooks = dict.fromkeys(h for h in (dictionary.hook_name, dictionary.hook_name_out) if h)
        felt = [hook for hook in hooks if field in felt_at(hook) | felt_at(model.resolve(hook))]
        wanted, is_so = bool(asked.get(option, False)), getattr(found, field)
        # Neither centring nor folding of value biases is done to a model without LayerNorm, whoever asks for it.
        if not felt or wanted == is_so or (wanted and field != "folded" and not has_layer_norm(model.raw)):
            continue
        notes.append(
            f"{dictionary.name!r} was trained with {option}={wanted}, but in this model {told.format('are' if is_so else 'are not')}: "
            f"the values at {' and '.join(felt)} are others than in its training, and so are the activations. "
            f"Load the model as the SAE asks: {_loading(model, asked)}."
        )
    return notes


def _loading(model: Model, asked: Mapping[str, object]) -> str:
    if not model.is_bridge:
        options = "".join(f", {key}={value!r}" for key, value in asked.items())
        return f"HookedSAETransformer.from_pretrained_no_processing({model.name!r}{options})"
    options = ", ".join(f"{option}={bool(asked.get(option, False))}" for option, _ in _PROCESSING.values())
    process = "True" in options
    after = f", then enable_compatibility_mode({options})" if process else ", without enable_compatibility_mode()"
    return f"SAETransformerBridge.boot_transformers({model.name!r}){after}"


def asked_of_model(dictionary: Dictionary) -> Mapping[str, object] | None:
    """Keyword arguments with which the SAE's training loaded its model; None if its metadata does not say."""
    said = dictionary.metadata("model_from_pretrained_kwargs")
    if isinstance(said, Mapping):
        return said
    return {} if dictionary.metadata("model_class_name") else None


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

"""What is shown of one SAE: each field of its configuration, with a sentence that says what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from .. import wire

if TYPE_CHECKING:
    from ...engine.dictionary.sae import AnySae
    from ...engine.engine import Engine

__all__ = ["FIELDS", "LATER", "config_of", "shown"]

FIELDS: dict[str, tuple[str, str]] = {
    "model": ("model", "The language model whose activations the SAE was trained on."),
    "hook_name": ("hook", "Where in the model the SAE reads its activations, as a TransformerLens hook name."),
    "layer": ("layer", "The block of that hook, counted from 0."),
    "width": ("width (d_sae)", "How many features the SAE has."),
    "l0": ("expected L0", "How many features are active on a token on average, as its authors measured."),
    "variance_explained": (
        "variance explained",
        "Share of the activations' variance that the reconstruction keeps, as its authors measured: 1 is all of it.",
    ),
    "architecture": ("architecture", "How activations are computed: what sets the small ones to zero."),
    "neuronpedia_id": ("Neuronpedia", "Its page on neuronpedia.org, with dashboards and explanations made by others."),
    "repo_id": ("repository", "The repository on the Hugging Face hub that holds the weights."),
}
"""Known from the directory, or from the names in it."""

LATER: dict[str, tuple[str, str]] = {
    "d_in": ("d_in", "The length of the vectors that the SAE reads."),
    "hook_name_out": ("output hook", "Where its output belongs: a transcoder predicts another place than it reads."),
    "hook_head_index": ("head", "The attention head that the SAE reads, if it reads one alone."),
    "dtype": ("dtype", "The number format of its weights, as loaded."),
    "context_size": ("context size", "Tokens in each text of its training; later positions it has not seen."),
    "prepend_bos": ("prepend BOS", "Whether the texts of its training began with the beginning-of-sequence token."),
    "normalize_activations": (
        "normalize activations",
        "How activations are scaled before the SAE reads them; none: as they are.",
    ),
    "apply_b_dec_to_input": (
        "apply b_dec to input",
        "Whether the decoder's bias is subtracted from the activations before they are encoded.",
    ),
    "dataset_path": ("dataset", "The texts that it was trained on."),
    "model_from_pretrained_kwargs": (
        "model options",
        "Options with which its training loaded the model; the engine loads it with the same.",
    ),
    "model_class_name": ("model class", "The class that its training loaded the model with."),
    "sae_lens_training_version": ("trained with", "The version of sae-lens that trained it."),
}
"""Known once it is loaded."""


def config_of(engine: Engine) -> dict[str, Any]:
    """What the configuration of a loaded SAE says, by the names above; None where it says nothing."""
    sae: AnySae = cast(Any, engine.dictionary()).sae
    cfg, metadata = sae.cfg, sae.cfg.metadata
    own = {
        name: getattr(cfg, name, None) for name in ("d_in", "dtype", "normalize_activations", "apply_b_dec_to_input")
    }
    told = {name: getattr(metadata, name) for name in LATER if name not in own}
    return {
        **told,
        **own,
        "model": metadata.model_name,
        "hook_name": metadata.hook_name,
        "width": int(cfg.d_sae),
        "architecture": str(cfg.architecture()),
    }


def shown(row: Mapping[str, wire.Json], config: Mapping[str, Any] | None) -> list[dict[str, wire.Json]]:
    """The fields in their order; what a loaded SAE says of itself counts more than the directory. None: unknown."""
    said = {**row, **{name: value for name, value in (config or {}).items() if value is not None}}
    fields = FIELDS if config is None else {**FIELDS, **LATER}
    # Of what only the SAE says there is nothing to show where it does not.
    names = [name for name in fields if name in FIELDS or said.get(name) not in (None, {})]
    return [
        {"name": name, "title": fields[name][0], "value": _text(name, said.get(name)), "says": fields[name][1]}
        for name in names
    ]


def _text(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if name == "neuronpedia_id":
        return f"neuronpedia.org/{value}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "width":
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}".replace("-", "\u2212")
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={item!r}" for key, item in value.items())
    return str(value)

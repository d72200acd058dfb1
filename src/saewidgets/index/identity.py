"""Which SAE, model and settings an index was made with: what must agree before it is used or goes on growing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

import torch

from ..engine.dictionary.base import Dictionary
from ..engine.dictionary.directions import Directions
from ..engine.dictionary.sae import SaeDictionary
from ..engine.engine import Engine
from ..engine.model.weights import weights_hash as model_weights_hash
from ..engine.provenance import official_name
from .errors import IndexMismatchError

# What a reader calls the entries of an identity, in the order in which a difference is told.
_NAMES = {
    "model": "the model",
    "hook": "the hook",
    "head": "the head",
    "n_features": "the number of features",
    "dictionary": "the SAE (or its dtype)",
    "encoding": "how the SAE encodes",
    "d_vocab": "the vocabulary",
    "processing": "the weight processing",
    "dtype": "the model's dtype",
    "weights": "the model (its weights, not its name)",
    "prepend_bos": "the BOS policy (prepend_bos)",
    "special": "the special tokens",
    "context_size": "the context size (context_size)",
}
# Hashes and long lists: that they differ says it all.
_UNTOLD = frozenset({"dictionary", "weights", "special"})
# Settings of an SAE that are about its training or its place in memory, or that are in the identity already.
_NOT_ENCODING = frozenset(
    "metadata device dtype architecture d_in d_sae decoder_init_norm aux_loss_coefficient use_matryoshka_aux_loss "
    "topk_threshold_lr use_sparse_activations".split()
)


def identity(engine: Engine, dictionary: Dictionary, context_size: int, *, fresh: bool = True) -> dict[str, Any]:
    """What an index says of its making; JSON. Whatever changes a number stands here, or in the corpus.

    Args:
        fresh: read all weights of the model (about 1 s a GB); else only look whether they changed (weights.py).
    """
    return {
        "model": official_name(engine.model.name),
        "weights": model_weights_hash(engine.model.raw, fresh=fresh),
        "dtype": str(engine.model.dtype).removeprefix("torch."),
        "processing": engine.model.processing,
        "d_vocab": int(engine.model.cfg.d_vocab),
        "dictionary": weights_hash(dictionary),
        "encoding": encoding_of(dictionary),
        "hook": dictionary.hook_name,
        "head": cast("int | None", getattr(dictionary, "head", None)),
        "n_features": dictionary.n_features,
        "prepend_bos": engine.tokenizer.prepend_bos,
        "special": sorted(engine.tokenizer.special_ids),
        "context_size": context_size,
    }


def encoding_of(dictionary: Dictionary) -> dict[str, Any]:
    """The settings of an SAE that change its activations though its weights stay the same, such as the k of a TopK."""
    if not isinstance(dictionary, SaeDictionary):
        return {}
    settings = dictionary.sae.cfg.to_dict()
    # An SAE in training and the same one loaded for use must agree: only what the latter has.
    wanted = _settings_in_use(dictionary.architecture) or settings.keys()
    kept = {name: value for name, value in settings.items() if name in wanted and name not in _NOT_ENCODING}
    return cast("dict[str, Any]", json.loads(json.dumps(kept, default=str, sort_keys=True)))


def _settings_in_use(architecture: str) -> frozenset[str]:
    """Names of the settings of an architecture's SAEs that are not in training; none if there are only trained ones."""
    from sae_lens import registry

    known = registry.SAE_CLASS_REGISTRY.get(architecture)
    return frozenset(field.name for field in fields(known[1])) if known else frozenset()


def weights_hash(dictionary: Dictionary) -> str:
    """A hash of a dictionary's weights and hook. Loading the same SAE in another dtype changes it, as it changes numbers."""
    digest = hashlib.sha256(f"{dictionary.hook_name} {dictionary.hook_name_out} {dictionary.architecture}".encode())
    tensors: dict[str, torch.Tensor] = {}
    if isinstance(dictionary, SaeDictionary):
        tensors = {**dict(dictionary.sae.named_parameters()), **dict(dictionary.sae.named_buffers())}
    elif isinstance(dictionary, Directions):
        tensors = {"vectors": dictionary.vectors}
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def must_agree(
    stored: Mapping[str, Any], now: Mapping[str, Any], where: object, *, but: frozenset[str] = frozenset()
) -> None:
    """Raise unless `now` is what the index was made with.

    Args:
        but: entries that need not agree.

    Raises:
        IndexMismatchError: naming what differs.
    """
    for key, called in _NAMES.items():
        if key not in but and stored.get(key) != now.get(key):
            told = "" if key in _UNTOLD else f": {stored.get(key)!r} there, {now.get(key)!r} here"
            raise IndexMismatchError(
                f"The index at {where} was made with something else: {called} differs{told}. "
                "Use the engine that it was made with, or build another index at another path."
            )

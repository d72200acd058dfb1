"""Which SAE, model and settings an index was made with: what must agree before it is used or goes on growing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch

from ..engine.dictionary.base import Dictionary
from ..engine.dictionary.directions import Directions
from ..engine.dictionary.sae import SaeDictionary
from ..engine.engine import Engine
from ..engine.provenance import official_name
from .errors import IndexMismatchError

# What a reader calls the entries of an identity.
_NAMES = {
    "model": "the model",
    "dictionary": "the SAE (or its dtype)",
    "hook": "the hook",
    "n_features": "the number of features",
    "d_vocab": "the vocabulary",
    "processing": "the weight processing",
    "prepend_bos": "the BOS policy (prepend_bos)",
    "special": "the special tokens",
    "context_size": "the context size (context_size)",
}


def identity(engine: Engine, dictionary: Dictionary, context_size: int) -> dict[str, Any]:
    """What an index says of its making; JSON."""
    return {
        "model": official_name(engine.model.name),
        "dictionary": weights_hash(dictionary),
        "hook": dictionary.hook_name,
        "n_features": dictionary.n_features,
        "d_vocab": int(engine.model.cfg.d_vocab),
        "processing": engine.model.processing,
        "prepend_bos": engine.tokenizer.prepend_bos,
        "special": sorted(engine.tokenizer.special_ids),
        "context_size": context_size,
    }


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


def must_agree(stored: Mapping[str, Any], now: Mapping[str, Any], where: object) -> None:
    """Raise unless `now` is what the index was made with.

    Raises:
        IndexMismatchError: naming what differs.
    """
    for key, called in _NAMES.items():
        if key in now and stored.get(key) != now[key]:
            told = "" if key in ("dictionary", "special") else f": {stored.get(key)!r} there, {now[key]!r} here"
            raise IndexMismatchError(
                f"The index at {where} was made with something else: {called} differs{told}. "
                "Use the engine that it was made with, or build another index at another path."
            )

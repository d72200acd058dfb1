"""Which SAE, model and settings an index was made with: what must agree before it is used or goes on growing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine.dictionary.base import Dictionary
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
    "outlier_factor": "the rule for norm outliers (outlier_factor)",
    "context_size": "the context size (context_size)",
}


def identity(engine: Engine, dictionary: Dictionary, context_size: int) -> dict[str, Any]:
    """What an index says of its making; JSON."""
    return {
        "model": official_name(engine.model.name),
        "dictionary": dictionary.weights_hash(),
        "hook": dictionary.hook_name,
        "n_features": dictionary.n_features,
        "d_vocab": int(engine.model.cfg.d_vocab),
        "processing": engine.model.processing,
        "prepend_bos": engine.tokenizer.prepend_bos,
        "special": sorted(engine.counting.special_ids),
        "outlier_factor": engine.counting.factor,
        "context_size": context_size,
    }


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

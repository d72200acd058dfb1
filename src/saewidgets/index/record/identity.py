"""Which SAE, model and settings an index was made with: what must agree before it is used or goes on growing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import IndexMismatchError

if TYPE_CHECKING:
    from ...engine.dictionary.base import Dictionary
    from ...engine.engine import Engine

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
    "outlier_factor": "the rule for norm outliers (outlier_factor)",
    "context_size": "the context size (context_size)",
}
# Hashes and long lists: that they differ says it all.
_UNTOLD = frozenset({"dictionary", "weights", "special"})


def identity(engine: Engine, dictionary: Dictionary, context_size: int, *, fresh: bool = True) -> dict[str, Any]:
    """What an index says of its making; JSON. Whatever changes a number stands here, or in the corpus.

    Args:
        fresh: read all weights of model and dictionary (about 1 s a GB); else only look whether they changed (weights.py).
    """
    # Not above: opening an index needs no torch.
    from ...engine.model.weights import weights_hash as model_weights_hash
    from ...engine.provenance import official_name

    return {
        "model": official_name(engine.model.name),
        "weights": model_weights_hash(engine.model.raw, fresh=fresh),
        "dtype": str(engine.model.dtype).removeprefix("torch."),
        "processing": engine.model.processing,
        "d_vocab": int(engine.model.cfg.d_vocab),
        "dictionary": dictionary.weights_hash(fresh=fresh),
        "encoding": dictionary.encoding(),
        "hook": dictionary.hook_name,
        "head": dictionary.head,
        "n_features": dictionary.n_features,
        "prepend_bos": engine.tokenizer.prepend_bos,
        "special": sorted(engine.counting.special_ids),
        "outlier_factor": engine.counting.factor,
        "context_size": context_size,
    }


def must_agree(
    stored: Mapping[str, Any], now: Mapping[str, Any], where: object, *, but: frozenset[str] = frozenset()
) -> None:
    """Raise unless `now` is what the index was made with.

    Args:
        but: entries that need not agree.

    Raises:
        IndexMismatchError: naming what differs.
    """
    for key, told in differing(stored, now).items():
        if key not in but:
            raise IndexMismatchError(
                f"The index at {where} was made with something else: {told}. "
                "Use the engine that it was made with, or build another index at another path."
            )


def differing(stored: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    """Which entries differ, in words: what weighs most first."""
    found = {}
    for key, called in _NAMES.items():
        if stored.get(key) != now.get(key):
            told = "" if key in _UNTOLD else f": {stored.get(key)!r} there, {now.get(key)!r} here"
            found[key] = f"{called} differs{told}"
    return found

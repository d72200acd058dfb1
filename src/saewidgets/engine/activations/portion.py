"""How many tokens are read before their activations are dealt with and let go of, by whoever reads many texts."""

from __future__ import annotations

from ..dictionary.base import Dictionary

__all__ = ["tokens_at_once"]

# Of a sparse dictionary; where nearly every feature is active on every token (neurons, directions), so many activations.
TOKENS, ENTRIES = 32_768, 2**24


def tokens_at_once(dictionary: Dictionary, width: int | None = None, *, least: int = 1) -> int:
    """Tokens of a portion.

    Args:
        width: features that are encoded; None for all.
        least: tokens that cannot be parted (a window of the model).

    Example:
        >>> tokens_at_once(engine.dictionary())
        32768
    """
    if not dictionary.dense:
        return TOKENS
    return max(least, min(TOKENS, ENTRIES // max(1, dictionary.n_features if width is None else width)))

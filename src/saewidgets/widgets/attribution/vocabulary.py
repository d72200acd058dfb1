"""The vocabulary, searched as somebody types a target."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from ...errors import SaewidgetsError
from ..wire import Json

if TYPE_CHECKING:
    from ...engine.text.tokenizer import Tokenizer

__all__ = ["Vocabulary", "is_typed"]

_FOUND = 12


class Vocabulary:
    """Tokens by how they begin; read once, when it is first asked.

    Example:
        >>> Vocabulary(engine.tokenizer).found(" ear")
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._strings: list[tuple[str, int]] | None = None

    def found(self, query: str) -> list[Json]:
        """Up to 12 tokens {id, str} that begin with `query`, with or without a space before it: the shortest first.

        Only those that are read again from their string: no pieces of characters, nor special tokens that read as text.
        """
        if self._strings is None:
            pieces = self._tokenizer.vocabulary() or []
            self._strings = [(text, i) for i, piece in enumerate(pieces) if (text := _text(piece))]
        wanted = query.lower()
        if not wanted.strip():
            return []
        starts = (wanted, f" {wanted}") if not wanted.startswith(" ") else (wanted,)
        hits = [(text, i) for text, i in self._strings if text.lower().startswith(starts)]
        # What was typed, letter for letter; then the shortest; of two alike the one that begins a word.
        hits.sort(
            key=lambda hit: (query.strip() not in hit[0], len(hit[0].strip()), not hit[0].startswith(" "), hit[1])
        )
        meant = islice(((text, i) for text, i in hits if is_typed(self._tokenizer, i, text)), _FOUND)
        return [{"id": i, "str": text} for text, i in meant]


def is_typed(tokenizer: Tokenizer, token: int, text: str) -> bool:
    """Whether `text`, the string of a token, is read as this token again: a piece of a character is not, for one."""
    try:
        return tokenizer.answer_ids(text) == [token]
    except SaewidgetsError:  # without a tokenizer
        return False


def _text(piece: bytes) -> str:
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return ""

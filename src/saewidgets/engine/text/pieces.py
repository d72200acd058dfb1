"""What a token id stands for, in bytes: every tokenizer has its own way to write spaces and single bytes.

Byte-level vocabularies spell bytes as printable letters, SentencePiece's write a space as U+2581 and a byte as <0x0A>,
WordPiece marks what does not begin a word. A special token stands for its own name and is never read that way; any
other added token is matched by the tokenizer as text, and where it is a piece too (Gemma's runs of spaces), it is read
as the piece.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["byte_reader"]

METASPACE = "\u2581"
_BYTE = re.compile("<0x([0-9A-Fa-f]{2})>")


def byte_reader(tokenizer: PreTrainedTokenizerBase) -> Callable[[int], bytes]:
    """A function from token id to the bytes that the token stands for; ids that the tokenizer lacks are `<id>`."""
    steps = _decoder_steps(tokenizer)
    added = {i: (str(token), bool(token.special)) for i, token in tokenizer.added_tokens_decoder.items()}
    byte_level = any(step["type"] == "ByteLevel" for step in steps)
    cache: dict[int, bytes] = {}

    def read(token_id: int) -> bytes:
        name, special = added.get(token_id, ("", False))
        if special or (name and byte_level):  # a byte-level vocabulary spells added tokens as plain text
            return name.encode()
        piece = name or _piece(tokenizer, token_id)
        if piece is None:
            return f"<{token_id}>".encode()  # the model's vocabulary is larger than the tokenizer's
        if not steps:
            return str(tokenizer.decode([token_id], clean_up_tokenization_spaces=False)).encode()
        return _bytes_of(piece, steps)

    def cached(token_id: int) -> bytes:
        if token_id not in cache:
            cache[token_id] = read(token_id)
        return cache[token_id]

    return cached


def _piece(tokenizer: PreTrainedTokenizerBase, token_id: int) -> str | None:
    try:
        found = tokenizer.convert_ids_to_tokens(token_id)
    except (IndexError, OverflowError):  # slow tokenizers
        return None
    return found if isinstance(found, str) else None


def _decoder_steps(tokenizer: PreTrainedTokenizerBase) -> list[Mapping[str, object]]:
    """The tokenizer's decoder as a list of its steps, as the library `tokenizers` writes them down."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        # A slow one: with a SentencePiece model the pieces are SentencePiece's, otherwise only it knows how to read them.
        sentences = [{"type": "Metaspace", "replacement": METASPACE}, {"type": "ByteFallback"}]
        return [*sentences] if hasattr(tokenizer, "sp_model") else []
    falls_back = [{"type": "ByteFallback"}] if getattr(backend.model, "byte_fallback", False) else []
    if backend.decoder is None:
        return [*falls_back]
    # The decoder alone: the whole tokenizer has its vocabulary in it.
    decoder = json.loads(backend.decoder.__getstate__())
    steps = decoder["decoders"] if decoder["type"] == "Sequence" else [decoder]
    return [*falls_back, *cast("list[Mapping[str, object]]", steps)]


def _bytes_of(piece: str, steps: Sequence[Mapping[str, object]]) -> bytes:
    """What one piece becomes in the middle of a text, where nothing is stripped."""
    for step in steps:
        kind = step["type"]
        if kind == "ByteLevel":
            table = _byte_of_character()
            return bytes(table[c] for c in piece) if all(c in table for c in piece) else piece.encode()
        if kind == "ByteFallback" and (found := _BYTE.fullmatch(piece)):
            return bytes([int(found[1], 16)])
        if kind == "Metaspace":
            piece = piece.replace(str(step["replacement"]), " ")
        elif kind == "Replace":
            pattern = cast("Mapping[str, str]", step["pattern"])
            content = str(step["content"])
            if "String" in pattern:
                piece = piece.replace(pattern["String"], content)
        elif kind == "WordPiece":
            prefix = str(step["prefix"])
            piece = piece.removeprefix(prefix) if piece.startswith(prefix) else f" {piece}"
        elif kind == "BPEDecoder":
            piece = piece.replace(str(step["suffix"]), " ")
    return piece.encode()


@lru_cache(maxsize=1)
def _byte_of_character() -> dict[str, int]:
    """The inverse of GPT-2's byte alphabet: printable bytes stand for themselves, the others for U+0100 and on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(b): b for b in printable}
    others = [b for b in range(256) if b not in set(printable)]
    table.update({chr(0x100 + n): b for n, b in enumerate(others)})
    return table

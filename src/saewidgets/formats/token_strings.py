"""Token strings of exports as the bytes that the tokens stand for.

Exports write tokens as their tokenizer spells them. A byte-level one spells bytes as letters: of "ケ" it makes "ãĤ±".
SAEDashboard turns the spelling of spaces and line breaks back and leaves that of everything else, so a file may hold plain
text, spelled bytes, and both in one token. Nothing says which. A string is read as bytes only where all of it can be and
what comes out, alone or with its neighbours, is valid UTF-8 with a character beyond ASCII; else it is what it says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["pieces", "spell", "stands_alone"]

_PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_OTHERS = [byte for byte in range(256) if byte not in set(_PRINTABLE)]
_LETTER = {byte: chr(byte) for byte in _PRINTABLE} | {byte: chr(0x100 + n) for n, byte in enumerate(_OTHERS)}
_BYTE = {letter: byte for byte, letter in _LETTER.items()}
# Written plainly by SAEDashboard; no byte is spelled with them, so nothing else can be meant.
_BYTE |= {plain: ord(plain) for plain in " \n\t\r"}

_SPACE, _LINE, _METASPACE = _LETTER[0x20], _LETTER[0x0A], "\u2581"
_HEX = re.compile("<0x([0-9A-Fa-f]{2})>")
_LONGEST_CHARACTER = 4


def pieces(tokens: Sequence[str]) -> list[bytes]:
    """The bytes of tokens that follow each other; joined and decoded they are the text.

    Args:
        tokens: as an export writes them: in plain text, in the byte alphabet of GPT-2, or with SentencePiece's "▁" and
            "<0x0A>". A character that is spread over several tokens is put together again.
    """
    found = [_plain(token) for token in tokens]
    spelled = [None if token.isascii() else _spelled(token) for token in tokens]
    at = 0
    while at < len(tokens):
        end = _group(spelled, at)
        for i in range(at, end):
            found[i] = spelled[i] or b""
        at = max(end, at + 1)
    return found


def stands_alone(token: str) -> bool:
    """Whether a token's bytes are the same beside any other: whether it spells no bytes beyond ASCII."""
    return token.isascii() or _spelled(token) is None


def spell(piece: bytes) -> str:
    """A token's bytes as SAEDashboard would write them: as text, and in the byte alphabet if they are only parts of
    characters."""
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "".join(" " if byte == 0x20 else "\n" if byte == 0x0A else _LETTER[byte] for byte in piece)


def _plain(token: str) -> bytes:
    """A token that is no part of a character spelled in bytes."""
    if (found := _HEX.fullmatch(token)) is not None:
        return bytes([int(found[1], 16)])
    if token.startswith(_SPACE) and all(letter in _BYTE for letter in token):  # GPT-2's own spelling
        rest = token.lstrip(_SPACE)
        return b" " * (len(token) - len(rest)) + _plain(rest)
    if token and not token.strip(_LINE):
        return b"\n" * len(token)
    text = token.replace(_METASPACE, " ")
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def _spelled(token: str) -> bytes | None:
    """The bytes that a token spells; None if it cannot be a spelling of anything beyond ASCII."""
    if not all(letter in _BYTE for letter in token):
        return None
    found = bytes(_BYTE[letter] for letter in token)
    return None if found.isascii() else found


def _group(spelled: Sequence[bytes | None], at: int) -> int:
    """The end of the shortest run from `at` of spelled bytes that is valid; `at` if there is none."""
    joined = b""
    for end in range(at, min(len(spelled), at + _LONGEST_CHARACTER)):
        piece = spelled[end]
        if piece is None:
            return at
        joined += piece
        try:
            joined.decode()
        except UnicodeDecodeError as error:
            # Broken in the middle, not just unfinished: no later byte can mend it.
            if error.end < len(joined) or error.reason != "unexpected end of data":
                return at
        else:
            return end + 1
    return at

"""Token ids without their padding: a pad that goes through the model is attended to, shifts positions, and is counted.

What is padding an attention mask says. Without one it follows from the text alone, whatever stands beside it:

- a pad token that is nothing else is padding at both ends, and cannot stand between other tokens;
- one that begins or ends texts, too, is padding before a BOS, and where more than one ends a text; a single one at either end
  is the text's own; more than one at the beginning of a text without BOS may be either, so it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np

from ...errors import TokenIdError

if TYPE_CHECKING:
    from .tokenizer import Tokenizer

__all__ = ["REMEDY", "is_doubtful", "unmasked", "unpadded"]

REMEDY = (
    "Pass {'input_ids': ids, 'attention_mask': mask} (what the tokenizer returns), with 1 for what is text and 0 for padding; "
    "all ones keep every token."
)


def unmasked(ids: Sequence[int], mask: object, position_ids: object = None) -> list[int]:
    """The ids where `mask` is 1.

    Raises:
        TokenIdError: for a mask that is not one of padding on the left and right, or positions that do not count from 0.
    """
    where = np.asarray(mask)
    if where.shape != (len(ids),) or where.dtype.kind not in "biuf" or not np.isin(where, (0, 1)).all():
        raise TokenIdError(
            f"The attention_mask must be {len(ids)} zeros and ones, one for each token, not {_said(where)}."
        )
    kept = np.flatnonzero(where)
    if len(kept) and kept[-1] - kept[0] + 1 != len(kept):
        raise TokenIdError(
            "The attention_mask has zeros between ones: a text is one stretch of tokens. Split it there."
        )
    _check_positions(position_ids, kept)
    return [ids[i] for i in kept.tolist()]


def unpadded(ids: Sequence[int], tokenizer: Tokenizer, position_ids: object = None) -> list[int]:
    """The ids without the pad tokens that are no text.

    Raises:
        TokenIdError: where nobody can tell padding from text; positions that do not count from 0.
    """
    start, stop = _text(ids, tokenizer)
    _check_positions(position_ids, np.arange(start, stop))
    return list(ids[start:stop])


def is_doubtful(ids: Sequence[int], tokenizer: Tokenizer) -> bool:
    """Whether the unpadded text begins with a token that pads and ends texts: it was read as the text's own."""
    pad = tokenizer.pad_id
    return pad is not None and pad in _of_texts(tokenizer) and pad != tokenizer.bos_id and list(ids[:1]) == [pad]


def _text(ids: Sequence[int], tokenizer: Tokenizer) -> tuple[int, int]:
    """Where the text begins and ends."""
    pad, n = tokenizer.pad_id, len(ids)
    before = sum(1 for _ in takewhile(lambda i: i == pad, ids))
    after = sum(1 for _ in takewhile(lambda i: i == pad, reversed(ids[before:])))
    start, stop = before, n - after
    if pad not in _of_texts(tokenizer):
        if pad in ids[start:stop]:
            raise TokenIdError(
                f"There are pad tokens ({_name(pad, tokenizer)}) between others: is that padding? {REMEDY}"
            )
        return start, stop
    if before == n:
        return (0, n) if n == 1 else (n, n)
    if pad == tokenizer.bos_id or ids[before] != tokenizer.bos_id:  # they cannot be before a BOS
        if before > 1:
            raise TokenIdError(
                f"It begins with {before} pad tokens ({_name(pad, tokenizer)}), which also begin or end texts: is that padding? "
                f"{REMEDY}"
            )
        start = 0
    return start, n if after == 1 else stop


def _of_texts(tokenizer: Tokenizer) -> frozenset[int | None]:
    """Tokens that texts have, too."""
    return frozenset(tokenizer.end_ids) | {tokenizer.bos_id, tokenizer.unk_id}


def _check_positions(position_ids: object, kept: np.ndarray[tuple[int, ...], np.dtype[np.intp]]) -> None:
    if position_ids is None:
        return
    given = np.asarray(position_ids).reshape(-1)
    if len(kept) and (len(given) <= kept[-1] or given[kept].tolist() != list(range(len(kept)))):
        raise TokenIdError(
            "The position_ids do not count from 0 over the text: texts that are packed into one row would see each other. "
            "Pass them one a row."
        )


def _name(token_id: int | None, tokenizer: Tokenizer) -> str:
    return "no token" if token_id is None else f"{tokenizer.display([token_id]).strings[0]!r}, id {token_id}"


def _said(mask: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> str:
    return f"{mask.dtype} {list(mask.shape)}" if mask.ndim != 1 else f"{len(mask)} of {sorted(set(mask.tolist()))[:5]}"

"""Token ids without their padding: a pad that goes through the model is attended to, shifts positions, and is counted.

What is padding is said by an attention mask; without one, by the tokenizer's pad token, where it is nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .errors import CorpusError

_REMEDY = (
    "Pass rows with 'input_ids' and 'attention_mask', as a tokenizer gives them (1 for what is text; all ones keep every "
    "token)."
)


def unmasked(ids: Sequence[int], mask: object, position_ids: object = None) -> list[int]:
    """The ids where `mask` is 1.

    Raises:
        CorpusError: for a mask that is not one of padding on the left and right, or positions that do not count from 0.
    """
    where = np.asarray(mask)
    if where.shape != (len(ids),) or where.dtype.kind not in "biuf" or not np.isin(where, (0, 1)).all():
        raise CorpusError(
            f"The attention_mask must be {len(ids)} zeros and ones, one for each token, not {_said(where)}."
        )
    kept = np.flatnonzero(where)
    if len(kept) and kept[-1] - kept[0] + 1 != len(kept):
        raise CorpusError(
            "The attention_mask has zeros between ones: a document is one stretch of text. Split it there."
        )
    if position_ids is not None and np.asarray(position_ids)[kept].tolist() != list(range(len(kept))):
        raise CorpusError(
            "The position_ids do not count from 0: documents that are packed into one row would see each other. Pass them "
            "one a row."
        )
    return [ids[i] for i in kept.tolist()]


def unpadded(ids: Sequence[int], pad: int | None, bos: int | None, eos: int | None) -> list[int]:
    """The ids without the pad tokens at their ends.

    Pad tokens that also end or begin a text stay at the end of a row, where a causal model does not see them and nothing
    counts them; before a BOS they are padding.

    Raises:
        CorpusError: where nobody can tell padding from text.
    """
    if pad is None:
        return list(ids)
    start, stop = 0, len(ids)
    while start < stop and ids[start] == pad:
        start += 1
    if pad in (bos, eos):
        if start == stop or start == 0 or (start == 1 and (bos is None or pad == bos or ids[1] != bos)):
            return list(ids)
        if pad != bos and ids[start] == bos:
            return list(ids[start:])
        raise CorpusError(
            f"It begins with {start} pad tokens (id {pad}), which also begin or end texts: is that padding? {_REMEDY}"
        )
    while stop > start and ids[stop - 1] == pad:
        stop -= 1
    if pad in ids[start:stop]:
        raise CorpusError(f"There are pad tokens (id {pad}) between others: is that padding? {_REMEDY}")
    return list(ids[start:stop])


def _said(mask: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> str:
    return f"{mask.dtype} {list(mask.shape)}" if mask.ndim != 1 else f"{len(mask)} of {sorted(set(mask.tolist()))[:5]}"

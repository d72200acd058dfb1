"""Texts of any length to forward passes of a bounded size, and back.

A text longer than the model's context is cut into windows, each starting afresh (with BOS, where texts have one).
Windows of similar length share a batch; padding goes to the right, where a causal model cannot see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Window:
    """A stretch of one text for one forward.

    Attributes:
        text: index of the text.
        start: position in the text of the first token that counts.
        ids: token ids to run, `lead` of them only context (a repeated BOS).
        lead: leading tokens that are not part of the text there.
    """

    text: int
    start: int
    ids: tuple[int, ...]
    lead: int = 0

    def __len__(self) -> int:
        return len(self.ids)


def windows(text: int, ids: Sequence[int], limit: int, bos_id: int | None) -> list[Window]:
    """Cut `ids` into windows of at most `limit` tokens; later ones start with `bos_id`, if the text does."""
    if len(ids) <= limit:
        return [Window(text, 0, tuple(ids))] if ids else []
    lead = 1 if bos_id is not None and limit > 1 and ids[0] == bos_id else 0
    cut = [Window(text, 0, tuple(ids[:limit]))]
    for start in range(limit, len(ids), limit - lead):
        piece = tuple(ids[start : start + limit - lead])
        cut.append(Window(text, start, ((ids[0],) if lead else ()) + piece, lead))
    return cut


def batches(items: Sequence[Window], max_tokens: Callable[[], int], pad: bool) -> Iterator[list[Window]]:
    """Group windows of similar length so that a padded batch has at most `max_tokens()` (but at least one window).

    The limit is asked for anew for each batch: it shrinks when memory runs out on the way.
    """
    batch: list[Window] = []
    for window in sorted(items, key=len, reverse=True):
        if batch and (len(batch[0]) * (len(batch) + 1) > max_tokens() or (not pad and len(window) != len(batch[0]))):
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


def to_tensor(batch: Sequence[Window], device: torch.device) -> Tensor:
    """Token ids [batch, longest], padded on the right by repeating each window's last token.

    Repeating a real token, not a pad token: TransformerLens builds attention masks from special tokens for some
    tokenizers, and a causal model never sees what is to the right.
    """
    longest = max(len(window) for window in batch)
    rows = [window.ids + (window.ids[-1],) * (longest - len(window)) for window in batch]
    return torch.tensor(rows, dtype=torch.long, device=device)

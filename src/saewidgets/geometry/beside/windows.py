"""Stretches of a corpus around a token, with the activations of both features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...engine.arrays import Floats, Ints

if TYPE_CHECKING:
    from ...index.feature_index import FeatureIndex

__all__ = ["Window", "cut"]


@dataclass(frozen=True, eq=False)
class Window:
    """A token of the corpus in its text.

    Attributes:
        position: of the token in the corpus. document: name of its document; at: position in the document's tokens.
        start: position in the corpus of the first token shown; focus: index of the token among those shown.
        token_ids, tokens, parts: what is shown (see engine/text/tokenizer.py for parts).
        values: [n, 2] activations of A and B; NaN on tokens that not both sides count.
        flags: [n, 2] for each side 0 where the token counts, 1 special, 2 norm outlier.
        repeats: further tokens of the same list with a window of the same tokens.
        before, after: whether the text goes on.
    """

    position: int
    document: str
    at: int
    start: int
    focus: int
    token_ids: tuple[int, ...]
    tokens: tuple[str, ...]
    parts: tuple[int, ...]
    values: Floats
    flags: Ints
    repeats: int
    before: bool
    after: bool

    @property
    def text(self) -> str:
        """The tokens joined."""
        return "".join(self.tokens)

    def __repr__(self) -> str:
        a, b = self.values[self.focus].tolist()
        return f"Window({self.document} {self.at}: {self.tokens[self.focus]!r}, A {a:.4g}, B {b:.4g})"


def cut(
    indexes: tuple[FeatureIndex, FeatureIndex],
    position: Ints,
    values: Floats,
    wanted: Sequence[int],
    window: int,
    k: int | None = None,
) -> tuple[Window, ...]:
    """Windows around the `wanted` tokens, in their order.

    Args:
        position, values: where at least one of the two fires, ascending, and their activations [n, 2].
        window: tokens before and after, clipped at the text's edges.
        k: at most so many, those inside an earlier one and of the same tokens as an earlier one passed over; None: all.
    """
    found: list[_Span] = []
    by_tokens: dict[tuple[int, ...], _Span] = {}
    for one in wanted:
        if k is not None and len(found) >= k:
            break
        span = _span(indexes[0], one, window)
        if k is not None:
            if any(other.start <= one < other.stop for other in found):
                continue
            before = by_tokens.get(span.ids)
            if before is not None:
                before.repeats += 1
                continue
            by_tokens[span.ids] = span
        found.append(span)
    return tuple(_window(indexes, position, values, span) for span in found)


@dataclass
class _Span:
    position: int
    start: int
    stop: int
    chunk: int
    ids: tuple[int, ...]
    repeats: int = 0


def _span(index: FeatureIndex, position: int, window: int) -> _Span:
    texts = index.texts
    chunk = int(texts.chunk(np.array([position]))[0])
    first, last = int(texts.chunk_ptr[chunk]), int(texts.chunk_ptr[chunk + 1])
    start, stop = max(first, position - window), min(last, position + window + 1)
    return _Span(position, start, stop, chunk, texts.ids(start, stop))


def _window(indexes: tuple[FeatureIndex, FeatureIndex], position: Ints, values: Floats, span: _Span) -> Window:
    texts = indexes[0].texts
    start, stop = span.start, span.stop
    row = texts.row(span.chunk)
    first, offset = int(texts.chunk_ptr[span.chunk]), texts.offset(span.chunk)
    length = int(texts.documents["tokens"][row].as_py())
    display = texts.display(start, stop)
    flags = np.stack([index.texts.flags(start, stop).astype(np.int64) for index in indexes], 1)
    low, high = np.searchsorted(position, [start, stop])
    shown = np.zeros((stop - start, 2), np.float32)
    shown[position[low:high] - start] = values[low:high]
    shown[(flags != 0).any(1)] = np.nan
    return Window(
        position=span.position,
        document=str(texts.documents["name"][row].as_py()),
        at=span.position - first + offset,
        start=start,
        focus=span.position - start,
        token_ids=span.ids,
        tokens=tuple(display.strings),
        parts=tuple(display.parts),
        values=shown,
        flags=flags,
        repeats=span.repeats,
        before=start > first or offset > 0,
        after=stop - first + offset < length,
    )

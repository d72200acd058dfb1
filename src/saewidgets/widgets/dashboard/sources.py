"""An example's token as its sources are asked for: on its own chunk, exactly as the index read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...index.scan.shards import OUTLIER, SPECIAL
from ..feature.sources import Place
from ..flags import flags

if TYPE_CHECKING:
    from ...index.feature_index import FeatureIndex

__all__ = ["place_in_corpus"]


def place_in_corpus(index: FeatureIndex, feature: int, position: int) -> Place:
    """The token at a position of the corpus, with the activation that the index has of it.

    Raises:
        ValueError: for a position that the corpus does not have.
    """
    if not 0 <= position < len(index.texts):
        raise ValueError(f"There is no token {position} in the texts of the index, which have {len(index.texts)}.")
    texts = index.texts
    chunk = int(texts.chunk(np.array([position]))[0])
    first, last = (int(p) for p in texts.chunk_ptr[chunk : chunk + 2])
    display, why = texts.display(first, last), texts.flags(first, last)
    return Place(
        ids=texts.ids(first, last),
        strings=display.strings,
        bits=flags(display.parts, why == SPECIAL, why == OUTLIER),
        at=position - first,
        first=texts.offset(chunk),
        lead=texts.lead(chunk),
        shown=_stored(index, feature, position),
        source="The index",
    )


def _stored(index: FeatureIndex, feature: int, position: int) -> float | None:
    """The activation that the index has; None where it kept only some, and this is none of them."""
    positions, values = index.activations(feature)
    found = np.flatnonzero(positions == position)
    if len(found):
        return float(values[found[0]])
    return 0.0 if index.feature(feature).complete and not index.texts.flags(position, position + 1)[0] else None

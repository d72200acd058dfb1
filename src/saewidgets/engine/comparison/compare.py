"""Texts in, a comparison out: the tutorial's "Comparing features across related prompts", of any two texts or more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import ComparisonError
from ..arrays import Ints
from .alignment import align, shared_beginning
from .places import places
from .result import Comparison

if TYPE_CHECKING:
    from ..activations.result import FeatureActivations
    from ..engine import Engine
    from ..text.given import TextInput
    from ..ticket import Progress
    from .places import At

__all__ = ["compare"]

_ONE = "Give two texts or more to compare, such as sw.compare(engine, [text, another]); this is one."


def compare(
    engine: Engine, texts: TextInput, *, at: At = -1, sae: str | None = None, on_progress: Progress | None = None
) -> Comparison:
    """The features of several texts beside each other: at a position of each, or by max or sum over their counted tokens.

    Where texts begin alike, a causal model computes alike: what was computed for the first of them counts for all, so a
    difference is never a rounding.

    Args:
        texts: two or more, in any form that `Engine.activations` takes.
        at: a position, the same in every text (-1: the last token of each), or one for each text, as a list or as
            {text: position} (of the others the last token); or "max" (the activation largest in magnitude, with its sign)
            or "sum" over the counted tokens.
        sae: which dictionary of the engine; default: the first.
        on_progress: called with (tokens done, tokens in all), on the worker thread.

    Raises:
        ComparisonError: for a single text, or a position that a text does not have. And as `Engine.activations`.

    Example:
        >>> start = "In the beginning, God created the "
        >>> found = sw.compare(engine, [f"{start}heavens and the", f"{start}cat and the"])
        >>> found.differences(k=5)          # at the last token of each, by |difference|
        >>> found.active(all_of=[0], none_of=[1], at="max")
    """
    if isinstance(texts, str):
        raise ComparisonError(_ONE)
    acts = engine.activations(texts, sae=sae, on_progress=on_progress)
    if acts.n_texts < 2:
        raise ComparisonError(_ONE)
    ids = [acts.token_ids[start:end].tolist() for start, end in zip(acts.text_ptr[:-1], acts.text_ptr[1:], strict=True)]
    return Comparison(
        activations=acts,
        alignment=align(ids),
        at=places(at, [*map(len, ids)]),
        computed_as=_computed_as(acts, ids, causal=engine.model.causal),
    )


def _computed_as(acts: FeatureActivations, ids: list[list[int]], *, causal: bool) -> Ints:
    """[n] for each token the one of the same beginning (or, if the model looks ahead, of the same text) that comes first."""
    found = np.arange(len(acts), dtype=np.int64)
    for i, mine in enumerate(ids[1:], 1):
        alike = [shared_beginning(other, mine) for other in ids[:i]]
        if not causal:
            alike = [n if n == len(mine) == len(other) else 0 for n, other in zip(alike, ids[:i], strict=True)]
        # Texts that begin like this one begin like each other, and what counts for them is settled.
        n, start, source = max(alike), acts.text_ptr[i], acts.text_ptr[int(np.argmax(alike))]
        found[start : start + n] = found[source : source + n]
    return found

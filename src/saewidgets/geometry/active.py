"""The activations of a few features, exactly, on the tokens of a corpus, or of some texts, where any of them fires.

An index keeps all activations of rare features and a part of frequent ones; where it has not all, whether a feature fires on
another one's token is not known to it. So what is shown of several features together comes, in this order, from the scan on
disk, from features that are kept whole, or from the model, which reads the texts of kept examples again (`read_again`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..engine.arrays import Floats, Ints
from ..index.errors import IndexMismatchError
from .same_corpus import refusal

if TYPE_CHECKING:
    from ..engine.activations.result import FeatureActivations
    from ..engine.engine import Engine
    from ..engine.text.given import TextInput
    from ..engine.ticket import Progress
    from ..index.feature_index import FeatureIndex

__all__ = ["Active", "active_in_texts", "drawn", "is_stored", "must_be_ours", "stored"]


@dataclass(frozen=True, eq=False)
class Active:
    """The activations of some features on the counted tokens where any of them fires.

    Attributes:
        features: [k], in the order in which they were asked for.
        position: [n] the tokens, counted in the corpus, ascending.
        values: [n, k] activations, 0 where a feature is silent.
        tokens: counted tokens that these were looked for on: all of the corpus, or those that were read again.
        all: whether these are all such tokens of the corpus; else they are all of the texts that the index keeps as examples,
            where the features' largest activations are, so they are no uniform sample of those of the corpus.
        note: where they come from, if that is not all of the corpus.
    """

    features: Ints
    position: Ints
    values: Floats
    tokens: int
    all: bool
    note: str = ""

    def __len__(self) -> int:
        return len(self.position)


def stored(index: FeatureIndex, features: Sequence[int]) -> Active | None:
    """The activations of `features` without a model: of the scan, or of features that are kept whole; None where the index has
    neither.

    Raises:
        FeatureIndexError: for a feature outside the index. IndexMismatchError: for one of another tool's files.
    """
    wanted = [index.check_feature(f) for f in features]
    must_be_ours(index)
    every = index.every
    if every is not None:
        return _joined(index, wanted, [every.of(f) for f in wanted])
    if not is_stored(index, wanted):
        return None
    return _joined(index, wanted, [index.activations(f) for f in wanted])


def is_stored(index: FeatureIndex, features: Sequence[int]) -> bool:
    """Whether nothing need be read again for `stored`: the index has all their activations, or is one that it refuses."""
    return index.imported is not None or index.every is not None or all(_whole(index, f) for f in features)


def must_be_ours(index: FeatureIndex) -> None:
    """Raise `IndexMismatchError` for an index of another tool's files, which says nothing of several features together."""
    why = refusal(index)
    if why:
        raise IndexMismatchError(why)


def _whole(index: FeatureIndex, feature: int) -> bool:
    return len(index.activations(feature)[0]) == int(index.column("count")[feature])


def active_in_texts(
    engine: Engine, texts: TextInput, features: Sequence[int], sae: str, on_progress: Progress | None = None
) -> tuple[Active, FeatureActivations]:
    """The activations of `features` on the counted tokens of `texts` where any of them fires, and what was read.

    Args:
        texts: anything that `engine.activations` reads. sae: name of the dictionary.
    """
    acts = engine.activations(texts, sae=sae, features=list(features), on_progress=on_progress)
    dense = acts[:, np.array(features, np.int64)]
    position = np.flatnonzero(acts.counted & (dense != 0).any(1)).astype(np.int64)
    found = Active(np.array(features, np.int64), position, dense[position], int(acts.counted.sum()), True)
    return found, acts


def drawn(found: Active, n: int, seed: int) -> tuple[Active, str]:
    """At most `n` of the tokens, drawn uniformly with `seed`, in their order; and what to say of it, "" if all are there."""
    if len(found) <= n:
        return found, ""
    chosen = np.sort(np.random.default_rng(seed).choice(len(found), n, replace=False))
    note = f"{n:,} of {len(found):,} tokens where any of these features fires were drawn (seed {seed})."
    return replace(found, position=found.position[chosen], values=found.values[chosen]), note


def _joined(index: FeatureIndex, features: Sequence[int], found: Sequence[tuple[Ints, Floats]]) -> Active:
    position = np.unique(np.concatenate([np.zeros(0, np.int64), *(at for at, _ in found)]))
    values = np.zeros((len(position), len(features)), np.float32)
    for column, (at, value) in enumerate(found):
        values[np.searchsorted(position, at), column] = value
    return Active(np.array(features, np.int64), position, values, index.counted, True)

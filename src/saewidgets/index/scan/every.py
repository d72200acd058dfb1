"""Every activation that a scan found, read from its shards: exact, where an index itself keeps only a part of frequent features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...engine.arrays import Floats, Ints
from .shards import Shard

__all__ = ["Every"]


class Every:
    """All activations on counted tokens of a corpus.

    Attributes:
        shards: where they are. n_features: of the dictionary.

    Example:
        >>> position, value = index.every.of(2717)       # all tokens of the corpus on which it fires
    """

    def __init__(self, shards: Sequence[Shard], n_features: int) -> None:
        self.shards, self.n_features = tuple(shards), n_features

    def __len__(self) -> int:
        """Tokens of the corpus, those that are not counted among them."""
        return sum(map(len, self.shards))

    def of(self, feature: int) -> tuple[Ints, Floats]:
        """Positions in the corpus, ascending, and values of one feature's activations."""
        positions, values = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
        for shard in self.shards:
            _, position, value = shard.entries(feature, feature + 1)
            positions.append(position.astype(np.int64) + shard.first)
            values.append(value.astype(np.float32))
        return np.concatenate(positions), np.concatenate(values)

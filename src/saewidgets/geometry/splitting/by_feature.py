"""The activations of one index on some of its tokens, by feature and by token, in files that are read as they are needed.

A scan lies in shards, each by feature and cut where it happened to be cut. What goes over all pairs of features reads each
feature's activations in one piece, and each token's: so they are laid out once, 8 bytes an activation by feature and 12 by token.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import sparse

from ...engine.arrays import Bools, Doubles, Floats, Ints
from ...index.scan.every import Every
from ...index.scan.shards import Shard

__all__ = ["ByFeature"]

# Activations in memory at once where sums are made.
_AT_ONCE = 2**22


class ByFeature:
    """Activations by feature and, of each, by position in the corpus.

    Args:
        every: of an index.
        counted: [tokens] which tokens; activations elsewhere are left out.
        folder: where the files go: an existing one, which is the caller's to remove.
        breathe: called between shards.

    Attributes:
        ptr: [F + 1] where each feature's activations begin.
        position: [S] int32 and value: [S] float32, mapped files.
        count: [F] activations of each. total, squares: [F] their sum, and of their squares, in float64 and in the order of the
            corpus: however the scan was cut.
        tokens: of the corpus.
    """

    def __init__(self, every: Every, counted: Bools, folder: Path, breathe: Callable[[], None]) -> None:
        self.tokens, self.n_features = len(counted), every.n_features
        self._every, self._counted, self._folder = every, counted, folder
        counts: Ints = np.zeros(self.n_features, np.int64)
        for shard in every.shards:
            breathe()
            counts += np.bincount(self._kept(shard)[0], minlength=self.n_features)
        self.count = counts
        self.ptr: Ints = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.position = _file(folder / "position", np.int32, int(self.ptr[-1]))
        self.value = _file(folder / "value", np.float32, int(self.ptr[-1]))
        filled = self.ptr[:-1].copy()
        for shard in every.shards:
            breathe()
            feature, position, value = self._kept(shard)
            here = np.bincount(feature, minlength=self.n_features)
            at = np.repeat(filled - (np.cumsum(here) - here), here) + np.arange(len(feature))
            self.position[at] = position + shard.first
            self.value[at] = value
            filled += here
        self.total, self.squares = self._sums()

    def __len__(self) -> int:
        """Activations."""
        return int(self.ptr[-1])

    def of(self, low: int, high: int) -> tuple[Ints, Ints, Floats]:
        """Of features low .. high-1: pointers [high - low + 1], positions and values."""
        start, stop = int(self.ptr[low]), int(self.ptr[high])
        return (
            self.ptr[low : high + 1] - start,
            np.asarray(self.position[start:stop]),
            np.asarray(self.value[start:stop]),
        )

    def by_token(self, breathe: Callable[[], None]) -> sparse.csr_array:
        """All of them as a matrix [tokens, F] of float64, by token, in files of its own."""
        n = len(self)
        # What a sparse product takes as it is: both of one type.
        index = np.int32 if n < 2**31 else np.int64
        data, indices = _file(self._folder / "data", np.float64, n), _file(self._folder / "indices", index, n)
        indptr = np.zeros(self.tokens + 1, index)
        done = 0
        for shard in self._every.shards:
            breathe()
            feature, position, value = self._kept(shard)
            order = np.argsort(position, kind="stable")
            stop = done + len(order)
            data[done:stop], indices[done:stop] = value[order], feature[order]
            per_token = np.bincount(position, minlength=len(shard))
            indptr[shard.first + 1 : shard.first + len(shard) + 1] = done + np.cumsum(per_token)
            done = stop
        return sparse.csr_array((data, indices, indptr), (self.tokens, self.n_features), copy=False)

    def _kept(self, shard: Shard) -> tuple[Ints, Ints, Floats]:
        """Features, positions in the shard and values of its activations on the counted tokens, by feature and position."""
        ptr, position, value = shard.entries(0, self.n_features)
        keep = self._counted[shard.first : shard.first + len(shard)][position]
        feature = np.repeat(np.arange(self.n_features), np.diff(ptr))
        return feature[keep], position[keep].astype(np.int64), value[keep]

    def _sums(self) -> tuple[Doubles, Doubles]:
        total, squares = np.zeros(self.n_features), np.zeros(self.n_features)
        low = 0
        while low < self.n_features:
            high = int(np.searchsorted(self.ptr, self.ptr[low] + _AT_ONCE, side="right")) - 1
            high = min(max(high, low + 1), self.n_features)
            ptr, _, value = self.of(low, high)
            exact, alive = value.astype(np.float64), np.flatnonzero(np.diff(ptr))
            if len(alive):
                total[low + alive] = np.add.reduceat(exact, ptr[alive])
                squares[low + alive] = np.add.reduceat(exact**2, ptr[alive])
            low = high
        return total, squares


def _file(path: Path, dtype: type[np.generic], n: int) -> np.ndarray:
    """A file of `n` numbers to be written and read; nothing can be mapped of an empty one."""
    if not n:
        return np.zeros(0, dtype)
    with path.open("wb") as file:
        size = n * np.dtype(dtype).itemsize
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)  # a full disk is an error now, and no crash at a write
        else:
            file.truncate(size)
    return np.asarray(
        np.memmap(path, dtype, "r+", shape=(n,))
    )  # a plain array: slices of a memmap cost ten times as much

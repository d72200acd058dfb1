"""The chunks that a bounded scan has drawn: what silent examples come from, and which features fire together."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ....engine.arrays import Ints
from ....storage.array_folder import Array, FolderWriter
from ...statistics.activation_statistics import Entries
from ...statistics.kept_examples import Silence
from ..state import Chunks, StateFolder

__all__ = ["Sample"]


class Sample:
    """The chunks that were drawn, and all activations on them."""

    def __init__(self, state: StateFolder) -> None:
        read = state.folder.read
        drawn = read("chunk_sampled") != 0
        whole = state.chunks
        self.chunks: Chunks = whole[drawn]
        # Of each token of the sample, which token of the state it is.
        begins = whole.ptr[:-1][drawn] - self.chunks.ptr[:-1]
        self.where = np.repeat(begins, self.chunks.length) + np.arange(int(self.chunks.ptr[-1]))
        self.tokens, self.flags = (
            _at(state, name, whole.ptr[:-1][drawn], self.chunks.length) for name in ("tokens", "flags")
        )
        self.feature = read("sample_feature").astype(np.int64)
        self.at = np.searchsorted(self.where, read("sample_at"))
        self.value = read("sample_value")
        counted = np.flatnonzero(self.flags == 0)
        order = np.argsort(self.tokens[counted], kind="stable")
        occurrences = np.bincount(self.tokens[counted], minlength=state.folder.length("occurrences"))
        token_ptr = np.concatenate([[0], np.cumsum(occurrences)])
        self.silence = Silence(self.flags, self.chunks.ptr, token_ptr, counted[order])

    def entries(self, low: int, high: int) -> Entries:
        """All activations of features low .. high-1 on the sample."""
        start, stop = np.searchsorted(self.feature, [low, high])
        part = slice(int(start), int(stop))
        ptr = np.searchsorted(self.feature[part], np.arange(low, high + 1))
        return Entries(low, ptr, self.at[part], self.value[part])

    def write(self, path: Path, n_features: int) -> None:
        """As a shard of its own, which the products of features with each other are computed from."""
        with FolderWriter(path) as writer:
            writer.put("tokens", self.tokens)
            writer.put("flags", self.flags)
            writer.put("chunk_length", self.chunks.length.astype(np.uint32))
            writer.put("chunk_document", self.chunks.document.astype(np.uint32))
            writer.put("chunk_start", self.chunks.start.astype(np.uint32))
            writer.put("chunk_lead", self.chunks.lead.astype(np.uint8))
            writer.put("block_ptr", np.array([0, len(self.tokens)], np.uint64))
            writer.put("feature_ptr", np.searchsorted(self.feature, np.arange(n_features + 1)).astype(np.uint64))
            writer.put("position", self.at.astype(np.uint32))
            writer.put("value", self.value)
            writer.commit({"chunks": len(self.chunks), "tokens": len(self.tokens)})


def _at(state: StateFolder, name: str, begins: Ints, length: Ints) -> Array:
    """Tokens, or flags, of some chunks of a state."""
    parts = [
        state.folder.read(name, start, start + n) for start, n in zip(begins.tolist(), length.tolist(), strict=True)
    ]
    return np.concatenate([state.folder.read(name, 0, 0), *parts])

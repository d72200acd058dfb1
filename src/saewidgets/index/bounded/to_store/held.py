"""The activations that a store keeps of features: those of the state, and what stands beside silent examples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ....engine.arrays import Bools, Ints
from ....storage.array_folder import Array
from ...record.settings import Settings
from ...statistics.activation_statistics import Entries, TokenStatistics, token_statistics
from ...statistics.write_store import TOKENS
from ..chosen import CONTEXT, SAMPLED
from .sample import Sample

__all__ = ["Held", "entries_of", "with_silence"]


@dataclass(frozen=True)
class Held:
    """The activations that are kept of some features that follow each other, by feature and token.

    Attributes:
        count: [features] activations of each in the corpus.
        of, at, value, why: [entries] see `Rows`; `of` counts from the first of the features.
    """

    count: Ints
    of: Ints
    at: Ints
    value: Array
    why: Array

    @cached_property
    def many(self) -> Bools:
        """[features] which have more activations than are kept."""
        found: Bools = self.count > np.bincount(self.of, minlength=len(self.count))
        return found

    @property
    def drawn(self) -> Bools:
        """[entries] all activations of a feature, or a uniform sample of them."""
        found: Bools = ~self.many[self.of] | ((self.why & SAMPLED) != 0)
        return found

    def beside(self, silent: Ints, sample: Sample, on_sample: Entries) -> Held:
        """With all activations of the chunks that silent examples are in: a token beside one must not look silent."""
        chunks = len(sample.chunks)
        rows, columns = np.nonzero((silent >= 0) & self.many[:, None])
        shown = rows * chunks + sample.chunks.of(silent[rows, columns])
        wanted = np.isin(on_sample.of * chunks + sample.chunks.of(on_sample.position), shown)
        of = np.concatenate([self.of, on_sample.of[wanted]])
        at = np.concatenate([self.at, sample.where[on_sample.position[wanted]]])
        value = np.concatenate([self.value, on_sample.value[wanted]])
        why = np.concatenate([self.why, np.full(int(wanted.sum()), CONTEXT, self.why.dtype)])
        # Of those that were kept already the first, which knows what for.
        _, order = np.unique(of * (int(at.max(initial=0)) + 1) + at, return_index=True)
        return Held(self.count, of[order], at[order], value[order], why[order])


def with_silence(
    held: Held, first: int, tokens: Array, sample: Sample, settings: Settings
) -> tuple[Held, TokenStatistics, Ints, Ints]:
    """What is kept of features from `first` on with what stands beside silent examples; the tokens that they fire on, and these
    examples (tokens of the sample)."""
    n = len(held.count)
    on_sample = sample.entries(first, first + n)

    def look(some: Held) -> tuple[TokenStatistics, Ints, Ints]:
        fires = entries_of(first, n, some.of[some.drawn], some.at[some.drawn], some.value[some.drawn])
        said = token_statistics(fires, tokens[fires.position], TOKENS)
        return said, *sample.silence.examples(settings.seed, on_sample, said)

    said, near, silent = look(held)
    found = held.beside(np.concatenate([near, silent], 1), sample, on_sample)
    if (found.many != held.many).any():  # nothing is missing of a feature any more: its tokens are no estimates
        said, near, silent = look(found)
    return found, said, near, silent


def entries_of(first: int, n: int, of: Ints, at: Ints, value: Array) -> Entries:
    return Entries(first, np.concatenate([[0], np.cumsum(np.bincount(of, minlength=n))]), at, value)

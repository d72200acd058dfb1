"""Texts of a corpus, read again by the model: for what an index does not keep of its frequent features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from ..engine.arrays import Floats, Ints
from .active import Active, stored

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from ..engine.ticket import Progress, Ticket
    from ..index.feature_index import FeatureIndex

__all__ = ["Reread", "active", "chunks_of_examples", "drawn_chunks", "read_again", "read_chunks", "read_draw"]

# Tokens that are read at once, between two looks at whether to go on.
_AT_ONCE = 4096


def active(
    index: FeatureIndex,
    features: Sequence[int],
    *,
    read: int = 20_000,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Active:
    """The activations of `features` on the counted tokens of the corpus where any of them fires (activation != 0).

    Args:
        index: with its scan on disk, or else opened with its engine unless all of the features are kept whole.
        read: tokens that the model reads again at most, where it has to: whole texts, drawn with `seed` among those that the
            index keeps as examples of the features.

    Raises:
        FeatureIndexError: for a feature outside the index. IndexMismatchError: where the activations are neither on disk nor can
            be read again, with the remedy.
    """
    found = stored(index, features)
    if found is not None:
        return found
    engine = index.must_have_engine("all activations of these features")
    return engine.worker.run(lambda ticket: read_again(index, features, read, seed, ticket), on_progress)


def read_again(index: FeatureIndex, features: Sequence[int], read: int, seed: int, ticket: Ticket) -> Active:
    """On the engine's worker: texts that the index keeps as examples of the features, read again."""
    wanted = [index.check_feature(f) for f in features]
    chunks = chunks_of_examples(index, [index.activations(f)[0] for f in wanted])
    some = drawn_chunks(index, chunks, read, seed)
    position, values, counted = _where_any_fires(index, wanted, some, ticket)
    note = (
        f"The index does not keep all activations of these features: {len(some):,} of the {len(chunks):,} texts that it keeps as "
        f"examples of them ({counted:,} counted tokens) were read again. Large activations are over-represented there."
    )
    return Active(np.array(wanted, np.int64), position, values.toarray(), counted, False, note)


def chunks_of_examples(index: FeatureIndex, positions: Sequence[Ints]) -> Ints:
    """The chunks in which these activations are, ascending: of each feature those that its index keeps."""
    return np.unique(index.texts.chunk(np.concatenate([np.zeros(0, np.int64), *positions])))


def drawn_chunks(index: FeatureIndex, chunks: Ints, read: int, seed: int) -> Ints:
    """Some of these chunks, in a random order that `seed` fixes, with at most `read` tokens in all but at least one chunk."""
    order = np.random.default_rng(seed).permutation(chunks)
    length = index.texts.chunk_ptr[order + 1] - index.texts.chunk_ptr[order]
    taken = max(1, int(np.searchsorted(np.cumsum(length), read, side="right")))
    return order[:taken]


def read_draw(index: FeatureIndex, features: Ints, read: int, seed: int, ticket: Ticket) -> Reread:
    """On the engine's worker: texts drawn uniformly from the whole corpus, read again for many features at once."""
    chunks = np.arange(len(index.texts.chunk_ptr) - 1)
    some = drawn_chunks(index, chunks, read, seed)
    missing = index.texts.missing
    whose = "the corpus'" if not missing else f"the index' own (it keeps {missing}: where its features fire)"
    note = f"of {len(some):,} of {whose} {len(chunks):,} texts, drawn uniformly (seed {seed}) and read again"
    return Reread(features, *_where_any_fires(index, features.tolist(), some, ticket), note)


@dataclass(frozen=True, eq=False)
class Reread:
    """Activations of many features on texts that were read again.

    Attributes:
        features: [F]. position: [n] tokens where any of them fires, counted in the corpus. values: [n, F]. tokens: counted ones.
        note: which texts.
    """

    features: Ints
    position: Ints
    values: sparse.csr_array
    tokens: int
    note: str

    def of(self, features: Ints) -> Active:
        """Of a few of them, on the tokens where any of these fires."""
        order = np.argsort(self.features)
        dense = self.values[:, order[np.searchsorted(self.features[order], features)]].toarray()
        fires = (dense != 0).any(1)
        return Active(features, self.position[fires], dense[fires], self.tokens, False, self.note)


def read_chunks(
    index: FeatureIndex, engine: Engine, sae: str | None, features: Sequence[int], chunks: Ints, ticket: Ticket
) -> Iterator[tuple[Ints, Floats]]:
    """Chunks of the corpus as a model reads them, some thousand tokens at a time, counted or not.

    Args:
        engine, sae: what reads; of the same tokens as the index.
        ticket: of the job that it is part of, or of its share of one: it counts these tokens.

    Yields:
        Positions in the corpus [n], and activations [n, k] there.
    """
    texts = index.texts
    starts, stops = texts.chunk_ptr[chunks], texts.chunk_ptr[chunks + 1]
    ends, columns, done = np.cumsum(stops - starts), list(dict.fromkeys(features)), 0
    while done < len(chunks):
        ticket.breathe()
        so_far, total = int(ends[done - 1]) if done else 0, int(ends[-1])
        last = max(done + 1, int(np.searchsorted(ends, so_far + _AT_ONCE, side="right")))
        stretches = [(int(a), int(b)) for a, b in zip(starts[done:last], stops[done:last], strict=True)]
        heard = ticket.share(so_far, int(ends[last - 1]), total).heard
        acts = engine.activations(
            [list(texts.ids(*s)) for s in stretches], sae=sae, features=columns, on_progress=heard
        )
        yield np.concatenate([np.arange(*s) for s in stretches]), acts[:, np.array(features)]
        done = last
        ticket.progress(int(ends[last - 1]), total)


def _where_any_fires(
    index: FeatureIndex, features: Sequence[int], chunks: Ints, ticket: Ticket
) -> tuple[Ints, sparse.csr_array, int]:
    """Of chunks that are read: positions where any of the features fires, ascending, activations [n, k]; counted tokens."""
    engine, flags = index.must_have_engine("all activations of these features"), index.folder.read("flags")
    position, counted = [np.zeros(0, np.int64)], 0
    values = [sparse.csr_array((0, len(features)), dtype=np.float32)]
    for at, dense in read_chunks(index, engine, index.sae, features, chunks, ticket):
        counts = flags[at] == 0
        fires = counts & (dense != 0).any(1)
        position.append(at[fires])
        values.append(sparse.csr_array(dense[fires]))
        counted += int(counts.sum())
    where = np.concatenate(position)
    sorting = np.argsort(where, kind="stable")
    return where[sorting], sparse.vstack(values).tocsr()[sorting], counted

"""The activations of a few features, exactly, on the tokens of a corpus, or of some texts, where any of them fires.

An index keeps all activations of rare features and a part of frequent ones; where it has not all, whether a feature fires on
another one's token is not known to it. So what is shown of several features together comes, in this order, from the scan on
disk, from features that are kept whole, or from the model, which reads the texts of kept examples again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from ..engine.arrays import Floats, Ints
from ..engine.ticket import Progress, Ticket
from ..index.errors import IndexMismatchError

if TYPE_CHECKING:
    from ..engine.activations.result import FeatureActivations
    from ..engine.engine import Engine
    from ..engine.text.given import TextInput
    from ..index.feature_index import FeatureIndex

__all__ = ["Active", "Reread", "active", "active_in_texts", "drawn", "is_stored", "read_again", "read_draw", "stored"]

# Tokens that are read at once, between two looks at whether to go on.
_AT_ONCE = 4096


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


def stored(index: FeatureIndex, features: Sequence[int]) -> Active | None:
    """The same without a model: of the scan, or of features that are kept whole; None where the index has neither.

    Raises:
        FeatureIndexError, IndexMismatchError: as `active`.
    """
    wanted = [index.check_feature(f) for f in features]
    if index.imported is not None:
        raise IndexMismatchError(
            f"The index at {index.path} was made of {index.imported.format}'s files, which hold some windows of each feature and "
            "not what others do on their tokens. Build an index of your own (sw.build_index), or pass an engine and texts."
        )
    every = index.every
    if every is not None:
        return _joined(index, wanted, [every.of(f) for f in wanted])
    if not is_stored(index, wanted):
        return None
    return _joined(index, wanted, [index.activations(f) for f in wanted])


def is_stored(index: FeatureIndex, features: Sequence[int]) -> bool:
    """Whether nothing need be read again for `stored`: the index has all their activations, or is one that it refuses."""
    return index.imported is not None or index.every is not None or all(_whole(index, f) for f in features)


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


def read_again(index: FeatureIndex, features: Sequence[int], read: int, seed: int, ticket: Ticket) -> Active:
    """On the engine's worker: texts that the index keeps as examples of the features, read again."""
    texts, wanted = index.texts, [index.check_feature(f) for f in features]
    chunks = np.unique(texts.chunk(np.concatenate([np.zeros(0, np.int64), *(index.activations(f)[0] for f in wanted)])))
    some = drawn_chunks(index, chunks, read, seed)
    position, values, counted = _read(index, wanted, some, ticket)
    note = (
        f"The index does not keep all activations of these features: {len(some):,} of the {len(chunks):,} texts that it keeps as "
        f"examples of them ({counted:,} counted tokens) were read again. Large activations are over-represented there."
    )
    return Active(np.array(wanted, np.int64), position, values.toarray(), counted, False, note)


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
    note = f"of {len(some):,} of the corpus' {len(chunks):,} texts, drawn uniformly (seed {seed}) and read again"
    return Reread(features, *_read(index, features.tolist(), some, ticket), note)


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


def _read(
    index: FeatureIndex, features: Sequence[int], chunks: Ints, ticket: Ticket
) -> tuple[Ints, sparse.csr_array, int]:
    """Read chunks with the model: positions where any of the features fires, ascending, activations [n, k]; counted tokens."""
    texts, engine = index.texts, index.must_have_engine("all activations of these features")
    starts, stops = texts.chunk_ptr[chunks], texts.chunk_ptr[chunks + 1]
    total, columns = int((stops - starts).sum()), list(dict.fromkeys(features))
    position, counted, done = [np.zeros(0, np.int64)], 0, 0
    values = [sparse.csr_array((0, len(features)), dtype=np.float32)]
    while done < len(chunks):
        ticket.breathe()
        so_far = int((stops - starts)[:done].sum())
        many = max(1, int(np.searchsorted(np.cumsum((stops - starts)[done:]), _AT_ONCE, side="right")))
        here = slice(done, done + many)
        ids = [list(texts.ids(int(a), int(b))) for a, b in zip(starts[here], stops[here], strict=True)]
        at = np.concatenate([np.arange(a, b) for a, b in zip(starts[here], stops[here], strict=True)])
        flags = np.concatenate([texts.flags(int(a), int(b)) for a, b in zip(starts[here], stops[here], strict=True)])
        told = ticket.share(so_far, so_far + len(at), total).progress
        dense = engine.activations(ids, sae=index.sae, features=columns, on_progress=told)[:, np.array(features)]
        fires = (flags == 0) & (dense != 0).any(1)
        position.append(at[fires])
        values.append(sparse.csr_array(dense[fires]))
        counted += int((flags == 0).sum())
        done += many
        ticket.progress(so_far + len(at), total)
    where = np.concatenate(position)
    sorting = np.argsort(where, kind="stable")
    return where[sorting], sparse.vstack(values).tocsr()[sorting], counted

"""Reads two features on one corpus: exactly, if the indexes have all activations, else on texts that are read again.

What is compared are the tokens that both indexes count (`same_corpus`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...engine.arrays import Floats, Ints
from ...engine.ticket import Ticket
from ..active import is_stored, stored
from ..errors import GeometryError
from ..read_again import chunks_of_examples, drawn_chunks, read_chunks
from ..same_corpus import SharedTokens, shared_tokens, why_not_one_corpus
from .corpus import BesideCorpus
from .side import Side, Which, called

if TYPE_CHECKING:
    from ...index.feature_index import FeatureIndex

__all__ = ["is_exact", "on_corpus", "shared_corpus"]


def shared_corpus(a: Side, b: Side) -> str:
    """Why two sides have no corpus in common; "" if they have one."""
    for side, which in ((a, "A"), (b, "B")):
        if side.index is None:
            return (
                f"Side {which} ({side.name!r}) has no index, so there is no corpus to compare on: build one of the same texts "
                "(sw.build_index(engine, texts, path)) and pass it, sw.Side(engine=engine, index=index, feature=...)."
            )
    assert a.index is not None
    assert b.index is not None
    return why_not_one_corpus(a.index, b.index, (called(a, "A"), called(b, "B")))


def is_exact(a: Side, b: Side) -> bool:
    """Whether the indexes have all activations of the two features, or there is no corpus: then nothing is read again."""
    return bool(shared_corpus(a, b)) or (_whole(a) and _whole(b))


def on_corpus(a: Side, b: Side, *, read: int = 20_000, seed: int = 0, ticket: Ticket | None = None) -> BesideCorpus:
    """The features of two (whole) sides on the corpus of both.

    Args:
        read: tokens that the models read again at most, where an index has not all activations of its feature: whole texts,
            drawn with `seed` among those that the indexes keep as examples of the two features.
        ticket: of the job that it is part of.

    Raises:
        GeometryError: if the sides have no corpus in common, naming both. IndexMismatchError: where activations are neither in an
            index nor can be read again.
    """
    reason = shared_corpus(a, b)
    if reason:
        raise GeometryError(reason)
    ticket = ticket or Ticket()
    assert a.index is not None
    assert b.index is not None
    shared, tokens = shared_tokens(a.index, b.index), None
    if _whole(a) and _whole(b):
        where: Ints | None = None
        columns = [_all_of(a), _all_of(b)]
        note = ""
        if a.index.kept is not None:  # its texts are a part of the corpus, but neither feature fires anywhere else
            tokens = a.index.counted
    else:
        chunks, note = _texts_to_read((a, b), shared, read, seed)
        where = _positions(a.index, chunks)
        columns = _read_again((a, b), chunks, where, ticket)
        shared = shared.at(where)
    position = np.unique(np.concatenate([at for at, _ in columns]))
    values = np.zeros((len(position), 2), np.float32)
    for k, (at, value) in enumerate(columns):
        values[np.searchsorted(position, at), k] = value
    at = position if where is None else np.searchsorted(where, position)
    kept = shared.counted[at] & (values != 0).any(1)
    left_out = shared.only_a + shared.only_b
    aside = (
        f"{left_out:,} tokens are counted by one side only (norm outliers or special tokens of the other) and are left out."
        if left_out
        else ""
    )
    return BesideCorpus(
        a,
        b,
        position[kept],
        values[kept],
        shared.n if tokens is None else tokens,
        left_out,
        where,
        tuple(filter(None, (note, aside))),
    )


def _whole(side: Side) -> bool:
    """Whether the index has every activation of the feature; one of another tool's files is left to `stored`, which refuses it."""
    assert side.index is not None
    return is_stored(side.index, [side.feature])


def _all_of(side: Side) -> tuple[Ints, Floats]:
    assert side.index is not None
    found = stored(side.index, [side.feature])
    assert found is not None
    return found.position, found.values[:, 0]


def _texts_to_read(sides: Sequence[Side], shared: SharedTokens, read: int, seed: int) -> tuple[Ints, str]:
    """The chunks that are read again, ascending, and what they are."""
    indexes = [side.index for side in sides if side.index is not None]
    kept = [index.activations(side.feature)[0] for index, side in zip(indexes, sides, strict=True)]
    chunks = chunks_of_examples(indexes[0], kept)
    chosen = np.sort(drawn_chunks(indexes[0], chunks, read, seed))
    names: tuple[Which, Which] = ("A", "B")
    which = " and ".join(called(side, name) for side, name in zip(sides, names, strict=True) if not _whole(side))
    note = (
        f"A biased sample: the index of {which} does not keep all activations of its feature, so {len(chosen):,} of the "
        f"{len(chunks):,} texts that the indexes keep as examples of the two features "
        f"({shared.at(_positions(indexes[0], chosen)).n:,} tokens counted by both) were compared. Large activations are "
        "over-represented there: counts and correlations are of these texts, not of the corpus."
    )
    return chosen, note


def _positions(index: FeatureIndex, chunks: Ints) -> Ints:
    """Of all tokens of some chunks."""
    ptr = index.texts.chunk_ptr
    return np.concatenate([np.zeros(0, np.int64), *(np.arange(ptr[c], ptr[c + 1]) for c in chunks.tolist())])


def _read_again(sides: Sequence[Side], chunks: Ints, where: Ints, ticket: Ticket) -> list[tuple[Ints, Floats]]:
    """The activations of each side on chunks, whose tokens are `where`: of its index if that has them all, else read by its model."""
    again = [side for side in sides if not _whole(side)]
    a, b = sides
    if len(again) == 2 and a.engine is b.engine and a.sae == b.sae:
        values = _dense(a, [a.feature, b.feature], chunks, ticket)
        return [(where, values[:, 0]), (where, values[:, 1])]
    found: list[tuple[Ints, Floats]] = []
    done = 0
    for side in sides:
        if _whole(side):
            position, value = _all_of(side)
            inside = np.isin(position, where)
            found.append((position[inside], value[inside]))
        else:
            part = ticket.share(done, done + len(where), len(where) * len(again))
            found.append((where, _dense(side, [side.feature], chunks, part)[:, 0]))
            done += len(where)
    return found


def _dense(side: Side, features: list[int], chunks: Ints, ticket: Ticket) -> Floats:
    """[tokens of the chunks, len(features)] activations, read again."""
    index = side.index
    assert index is not None
    engine = side.engine
    if engine is None or engine is index.engine:
        engine = index.must_have_engine("all activations of this feature")
    read = read_chunks(index, engine, side.sae, features, chunks, ticket)
    return np.concatenate([np.zeros((0, len(features)), np.float32), *(values for _, values in read)])

"""Reads two features on one corpus: exactly, if the indexes have all activations, else on texts that are read again.

Two indexes are of one corpus if they hold the same token ids, chunk by chunk; then a position of one is the same token of the
other. Each leaves out its own norm outliers, so what is compared are the tokens that both count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...engine.arrays import Bools, Floats, Ints
from ...engine.ticket import Ticket
from ..active import active
from ..errors import GeometryError
from .corpus import BesideCorpus
from .side import Side, Which, called

if TYPE_CHECKING:
    from ...index.feature_index import FeatureIndex

__all__ = ["is_exact", "on_corpus", "shared_corpus"]

# Tokens that are read at once, between two looks at whether to go on.
_AT_ONCE = 4096


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
    if a.index.corpus_hash != b.index.corpus_hash:
        return (
            f"The two indexes are of different corpora: {called(a, 'A')} at {a.index.path} of {_corpus(a.index)}, "
            f"{called(b, 'B')} at {b.index.path} of {_corpus(b.index)}. Their tokens, cut into the same stretches, must be the "
            "same: build both of the same texts, with one context size and one BOS policy."
        )
    return ""


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
    flags = [index.texts.flags(0, index.tokens) for index in (a.index, b.index)]
    counts = (flags[0] == 0) & (flags[1] == 0)
    lonely = (flags[0] == 0) != (flags[1] == 0)
    if _whole(a) and _whole(b):
        where: Ints | None = None
        columns = [_all_of(a), _all_of(b)]
        note = ""
    else:
        where, note = _texts_to_read((a, b), counts, read, seed)
        columns = _read_again((a, b), where, ticket)
        counts, lonely = counts[where], lonely[where]
    position = np.unique(np.concatenate([at for at, _ in columns]))
    values = np.zeros((len(position), 2), np.float32)
    for k, (at, value) in enumerate(columns):
        values[np.searchsorted(position, at), k] = value
    at = position if where is None else np.searchsorted(where, position)
    kept = counts[at] & (values != 0).any(1)
    left_out = int(lonely.sum())
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
        int(counts.sum()),
        left_out,
        where,
        tuple(filter(None, (note, aside))),
    )


def _corpus(index: FeatureIndex) -> str:
    facts = index.provenance
    told = [facts[key] for key in ("corpus", "context") if key in facts]
    return f"{'; context '.join(told) or f'{index.tokens:,} tokens'} (hash {index.corpus_hash[:8]})"


def _whole(side: Side) -> bool:
    """Whether the index has every activation of the feature; one of another tool's files is left to `active`, which refuses it."""
    index = side.index
    assert index is not None
    if index.imported is not None or index.every is not None:
        return True
    return len(index.activations(side.feature)[0]) == int(index.column("count")[side.feature])


def _all_of(side: Side) -> tuple[Ints, Floats]:
    assert side.index is not None
    found = active(side.index, [side.feature])
    return found.position, found.values[:, 0]


def _texts_to_read(sides: Sequence[Side], counts: Bools, read: int, seed: int) -> tuple[Ints, str]:
    """Positions of the texts that are read again, ascending, and what they are."""
    texts = sides[0].index.texts  # type: ignore[union-attr]
    kept = [side.index.activations(side.feature)[0] for side in sides]  # type: ignore[union-attr]
    chunks = np.unique(texts.chunk(np.concatenate(kept)))
    order = np.random.default_rng(seed).permutation(chunks)
    lengths = texts.chunk_ptr[order + 1] - texts.chunk_ptr[order]
    taken = max(1, int(np.searchsorted(np.cumsum(lengths), read, side="right")))
    chosen = np.sort(order[:taken])
    stretches = [np.arange(texts.chunk_ptr[c], texts.chunk_ptr[c + 1]) for c in chosen.tolist()]
    where = np.concatenate([np.zeros(0, np.int64), *stretches])
    names: tuple[Which, Which] = ("A", "B")
    which = " and ".join(called(side, name) for side, name in zip(sides, names, strict=True) if not _whole(side))
    note = (
        f"A biased sample: the index of {which} does not keep all activations of its feature, so {len(chosen):,} of the "
        f"{len(chunks):,} texts that the indexes keep as examples of the two features ({int(counts[where].sum()):,} tokens counted "
        "by both) were compared. Large activations are over-represented there: counts and correlations are of these texts, not "
        "of the corpus."
    )
    return where, note


def _read_again(sides: Sequence[Side], where: Ints, ticket: Ticket) -> list[tuple[Ints, Floats]]:
    """The activations of each side on the tokens `where`: of its index if that has them all, else read by its model."""
    again = [side for side in sides if not _whole(side)]
    a, b = sides
    if len(again) == 2 and a.engine is b.engine and a.sae == b.sae:
        values = _dense(a, [a.feature, b.feature], where, ticket, 0, len(where))
        return [(where, values[:, 0]), (where, values[:, 1])]
    found: list[tuple[Ints, Floats]] = []
    done, total = 0, len(where) * len(again)
    for side in sides:
        if _whole(side):
            position, value = _all_of(side)
            inside = np.isin(position, where)
            found.append((position[inside], value[inside]))
        else:
            found.append((where, _dense(side, [side.feature], where, ticket, done, total)[:, 0]))
            done += len(where)
    return found


def _dense(side: Side, features: list[int], where: Ints, ticket: Ticket, done: int, total: int) -> Floats:
    """[len(where), len(features)] activations, read text by text; `done` of `total` tokens are read already."""
    index = side.index
    assert index is not None
    engine = side.engine or index.must_have_engine("all activations of this feature")
    texts = index.texts
    chunks = np.unique(texts.chunk(where))
    values: list[Floats] = [np.zeros((0, len(features)), np.float32)]
    at = 0

    def heard(_done: int, _total: int) -> None:
        ticket.check()  # what nobody waits for any more is not read to its end

    while at < len(chunks):
        ticket.breathe()
        batch: list[list[int]] = []
        size = 0
        while at < len(chunks) and (not batch or size < _AT_ONCE):
            start, stop = (int(p) for p in texts.chunk_ptr[chunks[at] : chunks[at] + 2])
            batch.append(list(texts.ids(start, stop)))
            size += stop - start
            at += 1
        acts = engine.activations(batch, sae=side.sae, features=sorted({*features}), on_progress=heard)
        values.append(acts[:, features].astype(np.float32))
        done += size
        ticket.progress(done, total)
    return np.concatenate(values)

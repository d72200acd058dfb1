"""Examples of an index as they were stored, ready to be computed again: token ids of this model, and the activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ...engine.arrays import Bools, Floats, Ints
from ..store.groups import Examples
from ..store.texts import Texts

if TYPE_CHECKING:
    from ...engine.text.tokenizer import Tokenizer
    from ...storage.array_folder import Folder

__all__ = ["Stored", "Verifiable", "as_written", "counted_only", "ids_of", "stored_examples"]


class Verifiable(Protocol):
    """What is asked of an index."""

    texts: Texts

    @property
    def folder(self) -> Folder: ...
    def examples(self, feature: int, *, window: int | None, top: int, per_interval: int) -> Examples: ...
    def activations(self, feature: int) -> tuple[Ints, Floats]: ...


@dataclass(frozen=True)
class Stored:
    """An example.

    Attributes:
        feature: whose; position: which (`Example.position`).
        ids: token ids of its whole chunk; None where a token is not in the model's vocabulary (`unknown` is it).
        values: [n] activations as they were stored; NaN where none was (tokens that are not counted). Of a file a 0 at a token
            that is not counted says nothing: SAEDashboard and `to_neuronpedia` put it there whatever the activation is.
        rounded: the last digit of the stored values: how far they may be off by being written down.
    """

    feature: int
    position: int
    ids: tuple[int, ...] | None
    values: Floats
    rounded: float
    unknown: str = ""

    @property
    def maximum(self) -> float:
        """The largest |activation| that is stored."""
        return float(np.nanmax(np.abs(self.values), initial=0.0)) if len(self.values) else 0.0


def stored_examples(
    index: Verifiable, feature: int, n: int, id_of: Callable[[bytes], int | None] | None
) -> Iterator[Stored]:
    """Up to n examples of a feature: of the largest, and of each interval.

    Args:
        id_of: from the bytes of a token to its id; None: the index has ids of the model.
    """
    position, value = index.activations(feature)
    per_interval = max(1, n // 10)
    found = index.examples(feature, window=None, top=n, per_interval=per_interval)
    groups = {group.key: group.examples for group in found.groups if group.key not in ("near", "silent")}
    # The largest first, then one of each interval from the top: the first n say most.
    chosen = [e for examples in groups.values() for e in examples[: n if len(groups) == 1 else max(1, n - n // 2)]]
    by_chunk: dict[int, int] = {}
    for example in chosen:
        chunk = int(index.texts.chunk(np.array([example.position]))[0])
        by_chunk.setdefault(chunk, example.position)
    for chunk, at in [*by_chunk.items()][:n]:
        start, stop = index.texts.chunk_ptr[chunk : chunk + 2].tolist()
        values = np.zeros(stop - start, np.float32)
        low, high = np.searchsorted(position, [start, stop])
        values[position[low:high] - start] = value[low:high]
        values[index.texts.flags(start, stop) != 0] = np.nan
        ids: tuple[int, ...] | None = index.texts.ids(start, stop)
        unknown = ""
        if id_of is not None and ids is not None:
            pieces = [index.texts.piece(i) for i in ids]
            mapped = [id_of(piece) for piece in pieces]
            missing = next((p for p, i in zip(pieces, mapped, strict=True) if i is None), None)
            unknown = "" if missing is None else repr(missing.decode(errors="replace"))
            ids = None if missing is not None else tuple(i for i in mapped if i is not None)
        yield Stored(feature, at, ids, values, 0.0, unknown)


def as_written(stored: Sequence[Stored]) -> list[Stored]:
    """Examples of a file, with how far its digits let their values be off.

    Of all of them together: 2.500 in one example need not be rounded to one digit.
    """
    numbers = [v for one in stored for v in one.values[np.isfinite(one.values) & (one.values != 0)]]
    places = (len(np.format_float_positional(v, unique=True, trim="-").partition(".")[2]) for v in numbers)
    digits = max(places, default=0)
    if len(numbers) < _TELLING:
        digits = max(digits, _USUAL)
    rounded = 0.5 * 10.0**-digits if digits <= _MOST else 0.0
    return [replace(one, rounded=rounded) for one in stored]


# Numbers that tell with how many digits a file is written; fewer can end in 0 by chance. What SAEDashboard writes. Beyond
# _MOST a float32 is written in full.
_TELLING, _USUAL, _MOST = 5, 3, 5


def counted_only(stored: Stored, counted: Bools) -> Stored:
    """An example of a file without the zeros at tokens [n] that are not counted."""
    values = np.where((stored.values == 0) & ~counted, np.float32(np.nan), stored.values)
    return replace(stored, values=values.astype(np.float32))


def ids_of(tokenizer: Tokenizer) -> Callable[[bytes], int | None]:
    """A function from the bytes of a token to its id in the model's vocabulary."""
    words = tokenizer.vocabulary() or []
    several: dict[bytes, list[int]] = {}
    for i, word in enumerate(words):
        several.setdefault(word, []).append(i)

    def id_of(piece: bytes) -> int | None:
        ids = several.get(piece, [])
        if len(ids) < 2:
            return ids[0] if ids else None
        # Of equal ones (a vocabulary's bytes beside its letters) the one that the tokenizer itself uses.
        own = tokenizer.encode_raw(piece.decode(errors="replace"))[0]
        return own[0] if len(own) == 1 and own[0] in ids else ids[-1]

    return id_of

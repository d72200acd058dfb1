"""Examples of an index as they were stored, ready to be computed again: token ids of this model, and the activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ...engine.arrays import Floats, Ints
from ..store.groups import Examples
from ..store.stated import is_imported
from ..store.texts import Texts

if TYPE_CHECKING:
    from ...engine.text.tokenizer import Tokenizer
    from ...storage.array_folder import Folder

__all__ = ["Stored", "Verifiable", "ids_of", "stored_examples"]


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
        values: [n] activations as they were stored; NaN where none was (tokens that are not counted).
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
        yield Stored(feature, at, ids, values, _rounded(values) if is_imported(index.folder) else 0.0, unknown)


def _rounded(values: Floats) -> float:
    """Half of the last digit, if numbers were written with few digits; else 0."""
    numbers = values[np.isfinite(values) & (values != 0)]
    for digits in range(6):
        if len(numbers) and all(len(str(v).partition(".")[2]) <= digits for v in numbers):
            return float(0.5 * 10.0**-digits)
    return 0.0


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

"""What a state holds of features: made of activations, merged, and written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...engine.arrays import Floats, Ints
from ...storage.array_folder import Array, ArrayWriter, FolderWriter
from .chosen import Candidates, choose
from .exact_sum import Limbs, carried, squares_of, totals_of
from .facts import Bounds
from .grid import Grids, exponents, gridded, merged
from .state import Chunks, StateFolder

__all__ = ["Rows", "RowsWriter", "merged_rows", "read_rows", "rows_of"]


@dataclass(frozen=True)
class Rows:
    """Features that fire, ascending.

    Attributes:
        feature: [A] which; count: tokens where each is not 0; low, high: [A] its smallest and largest activation.
        totals, squares: [A, limbs] sums (exact_sum.py).
        grids: fine histograms, of the features with more activations than are sampled; of the others nothing.
        ptr: [A + 1] where the entries of each begin.
        at, value, why: [entries] the token of each (in the chunks that the state keeps), its activation, and why it is kept
            (chosen.py).
    """

    feature: Ints
    count: Ints
    low: Floats
    high: Floats
    totals: Limbs
    squares: Limbs
    grids: Grids
    ptr: Ints
    at: Ints
    value: Floats
    why: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.feature)


def rows_of(feature: Ints, at: Ints, value: Floats, chunks: Chunks, bounds: Bounds) -> Rows:
    """The rows of all activations of a stretch of the corpus.

    Args:
        feature, at, value: [entries], by feature and token.
    """
    begins = np.flatnonzero(np.concatenate([[True], feature[1:] != feature[:-1]])) if len(feature) else _NONE
    count = np.diff(np.append(begins, len(feature)))
    of = np.repeat(np.arange(len(begins)), count)
    low, high = (_reduced(f, value, begins) for f in (np.minimum, np.maximum))
    chunk = chunks.of(at)
    candidates = Candidates(of, value, chunk, chunks.drawn(bounds.seed, at, chunk), None)
    stays, why = choose(candidates, len(begins), bounds.sample, bounds.extreme)
    many = count > bounds.sample
    grids = gridded(of[many[of]], value[many[of]], exponents(low, high))
    ptr = np.concatenate([[0], np.cumsum(np.bincount(of[stays], minlength=len(begins)))])
    return Rows(
        feature[begins].astype(np.int64),
        count,
        low,
        high,
        totals_of(of, value, len(begins)),
        squares_of(of, value, len(begins)),
        grids,
        ptr,
        at[stays],
        value[stays],
        why[stays],
    )


_NONE = np.zeros(0, np.int64)
_AT_ONCE = 2**22


def _reduced(how: np.ufunc, value: Floats, begins: Ints) -> Floats:
    found: Floats = how.reduceat(value, begins) if len(begins) else value[:0]
    return found


def read_rows(state: StateFolder, low: int, high: int) -> Rows:
    """The rows of features low .. high-1 of a state."""
    start, stop = state.rows(low, high)
    read = state.folder.read
    grid_ptr, (bins, counts) = state.ragged("grid_ptr", start, stop, "grid_bin", "grid_count")
    ptr, (at, value, why) = state.ragged("entry_ptr", start, stop, "entry_at", "entry_value", "entry_why")
    return Rows(
        state.alive[start:stop],
        read("count", start, stop).astype(np.int64),
        read("low", start, stop),
        read("high", start, stop),
        read("totals", start, stop),
        read("squares", start, stop),
        Grids(grid_ptr, bins.astype(np.int64), counts.astype(np.int64)),
        ptr,
        at.astype(np.int64),
        value,
        why,
    )


def merged_rows(parts: list[Rows], chunks: Chunks, bounds: Bounds) -> Rows:
    """The rows of several parts of the corpus together.

    Args:
        parts: of the same features; their tokens are counted in `chunks`, those of all parts.
    """
    features = np.unique(np.concatenate([part.feature for part in parts]))
    n = len(features)
    where = [np.searchsorted(features, part.feature) for part in parts]
    count = np.zeros(n, np.int64)
    low, high = np.full(n, np.inf, np.float32), np.full(n, -np.inf, np.float32)
    for part, rows in zip(parts, where, strict=True):
        count[rows] += part.count
        low[rows] = np.minimum(low[rows], part.low)
        high[rows] = np.maximum(high[rows], part.high)
    exponent = exponents(low, high)
    many = count > bounds.sample

    grids = []
    for part, rows in zip(parts, where, strict=True):
        had, former = part.count > bounds.sample, exponents(part.low, part.high)
        of = np.repeat(np.arange(len(part)), np.diff(part.grids.ptr))
        grids.append((rows[of], part.grids.bin, part.grids.count, former[of]))
        # Of a feature with few activations there, all are at hand.
        mine = np.repeat(np.arange(len(part)), np.diff(part.ptr))
        few = (~had & many[rows])[mine]
        made = gridded(mine[few], part.value[few], former)
        of = np.repeat(np.arange(len(part)), np.diff(made.ptr))
        grids.append((rows[of], made.bin, made.count, former[of]))

    of = np.concatenate([np.repeat(rows, np.diff(part.ptr)) for part, rows in zip(parts, where, strict=True)])
    at, value, why = (np.concatenate([getattr(part, name) for part in parts]) for name in ("at", "value", "why"))
    # By feature and token; those of each part are in this order, and a stable sort makes use of it.
    order = np.argsort(of * int(chunks.ptr[-1]) + at, kind="stable")
    of, at, value, why = of[order], at[order], value[order], why[order]
    chunk = chunks.of(at)
    some = Candidates(of, value, chunk, chunks.drawn(bounds.seed, at, chunk), why)
    stays, why = choose(some, n, bounds.sample, bounds.extreme)
    ptr = np.concatenate([[0], np.cumsum(np.bincount(of[stays], minlength=n))])
    return Rows(
        features,
        count,
        low,
        high,
        _added([part.totals for part in parts], where, n),
        _added([part.squares for part in parts], where, n),
        merged(grids, exponent),
        ptr,
        at[stays],
        value[stays],
        why[stays],
    )


def _added(sums: list[Limbs], where: list[Ints], n: int) -> Limbs:
    found = np.zeros((n, sums[0].shape[1]), np.int64)
    for part, rows in zip(sums, where, strict=True):
        found[rows] += part
    return carried(found)


class RowsWriter:
    """Writes rows, features after features. Where their entries are is told at the end: until then it is not known which
    chunks are kept."""

    def __init__(self, writer: FolderWriter, stack: ExitStack) -> None:
        self._writer, self._stack = writer, stack
        self._open: dict[str, ArrayWriter] = {}
        self._lengths: dict[str, list[Ints]] = {"grid_ptr": [], "entry_ptr": []}
        self._waiting = writer.temporary / ".at"
        self._file = stack.enter_context(self._waiting.open("wb"))

    def append(self, rows: Rows) -> None:
        self._put("feature", rows.feature.astype(np.uint32))
        self._put("count", rows.count.astype(np.uint64))
        self._put("low", rows.low)
        self._put("high", rows.high)
        self._put("totals", rows.totals)
        self._put("squares", rows.squares)
        self._put("grid_bin", rows.grids.bin.astype(np.int16))
        self._put("grid_count", rows.grids.count.astype(np.uint64))
        self._put("entry_value", rows.value.astype(np.float32))
        self._put("entry_why", rows.why)
        rows.at.astype(np.int64).tofile(self._file)
        self._lengths["grid_ptr"].append(np.diff(rows.grids.ptr))
        self._lengths["entry_ptr"].append(np.diff(rows.ptr))

    def close(self, moved: Callable[[Ints], Ints]) -> None:
        """Write the rest; `moved` says where tokens are in the chunks that are kept."""
        self._file.close()
        for start in range(0, self._waiting.stat().st_size, _AT_ONCE * 8):
            at = np.fromfile(self._waiting, np.int64, _AT_ONCE, offset=start)
            self._put("entry_at", moved(at).astype(np.uint32))
        if "entry_at" not in self._open:
            self._put("entry_at", np.zeros(0, np.uint32))
        self._waiting.unlink()
        for name, lengths in self._lengths.items():
            self._writer.put(name, np.cumsum(np.concatenate([[0], *lengths])).astype(np.uint64))

    def _put(self, name: str, rows: Array) -> None:
        if name not in self._open:
            self._open[name] = self._stack.enter_context(self._writer.appending(name, rows.dtype, rows.shape[1:]))
        self._open[name].append(rows)

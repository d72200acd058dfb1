"""Activations of very many features, a block of them at a time: never more than one block is dense.

Exact, because either a feature's activation depends on nothing but itself, or the k largest of all are found among those
of the blocks seen so far and the next one's. What `torch.topk` leaves open is settled here: of features with the same
value at the k-th place, the lowest come first.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..dictionary.base import Dictionary, Selection
from .extract import Sparse, counts_of


def encode_blocks(
    dictionary: Dictionary,
    x: Tensor,
    size: int,
    move: Callable[[Tensor], Tensor],
    beat: Callable[[float], None],
) -> Sparse:
    """Activations on `x` [tokens, d_in], encoding `size` features at once.

    Args:
        dictionary: one with a `selection`.
        move: brings weights to the device of `x`.
        beat: told before each block which part of all was done; what it raises ends the encoding.
    """
    selection = dictionary.selection
    assert selection is not None
    found: _Each | _Largest = _Each() if selection.k is None else _Largest(selection)
    for start in range(0, dictionary.n_features, size):
        beat(start / dictionary.n_features)
        found.add(dictionary.block(x, slice(start, start + size), move), start)
    return found.sparse(len(x))


class _Each:
    """Features that stand alone: what is not 0 of each block."""

    def __init__(self) -> None:
        self._parts: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, acts: Tensor, start: int) -> None:
        rows, columns = acts.nonzero(as_tuple=True)
        self._parts.append((rows, columns + start, acts[rows, columns].float()))

    def sparse(self, n: int) -> Sparse:
        rows, features, values = (torch.cat(parts) for parts in zip(*self._parts, strict=True))
        rows, order = rows.sort(stable=True)  # blocks come by feature, so a token's features stay in order
        return Sparse(counts_of(rows, n), features[order], values[order])


class _Largest:
    """The k largest features of each token so far: [tokens, up to k], the largest first, the lower feature before its equal."""

    def __init__(self, selection: Selection) -> None:
        assert selection.k is not None
        self._k, self._magnitude = selection.k, selection.magnitude
        self._rank: Tensor | None = None
        self._value = self._feature = torch.empty(0)

    def add(self, values: Tensor, start: int) -> None:
        rank = values.abs() if self._magnitude else values
        rows, columns = self._candidates(rank).nonzero(as_tuple=True)
        if len(rows) == 0:
            return
        # Candidates of the tokens that have any, side by side: [tokens, most of a token], filled up with what is never taken.
        who, of = torch.unique_consecutive(rows, return_inverse=True)
        counts = counts_of(of, len(who))
        at = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[of]
        shape = (len(who), int(counts.max()))

        def beside(found: Tensor, fill: float) -> Tensor:
            return found.new_full(shape, fill).index_put_((of, at), found)

        new = (
            beside(rank[rows, columns], -torch.inf),
            beside(values[rows, columns], 0),
            beside(columns + start, 0),
        )
        if self._rank is None:
            self._rank, self._value, self._feature = self._first(new)
        else:
            state = (self._rank, self._value, self._feature)
            merged = self._first(tuple(torch.cat([old[who], more], 1) for old, more in zip(state, new, strict=True)))
            if merged[0].shape[1] == self._rank.shape[1]:
                for old, now in zip(state, merged, strict=True):
                    old[who] = now
            else:  # places were free, so every token had candidates
                self._rank, self._value, self._feature = merged

    def _candidates(self, rank: Tensor) -> Tensor:
        """[tokens, block], which could be among the k largest. A NaN always is: it must be seen."""
        if self._rank is not None and self._rank.shape[1] >= self._k:
            return (rank <= self._rank[:, -1:]).logical_not_()
        return (rank < rank.topk(min(self._k, rank.shape[1])).values[:, -1:]).logical_not_()

    def _first(self, some: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
        rank, value, feature = some
        rank, order = rank.sort(dim=1, descending=True, stable=True)
        k = min(self._k, rank.shape[1])
        return rank[:, :k], value.gather(1, order[:, :k]), feature.gather(1, order[:, :k])

    def sparse(self, n: int) -> Sparse:
        assert self._rank is not None
        feature, order = self._feature.sort(dim=1)
        value = self._value.gather(1, order)
        value = value if self._magnitude else value.relu()
        rows, places = value.nonzero(as_tuple=True)
        return Sparse(counts_of(rows, n), feature[rows, places], value[rows, places].float())

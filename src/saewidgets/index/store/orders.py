"""The orders that features can be stepped through in: each made once, for a view that steps asks for one with every feature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np

from ...engine.arrays import Ints
from ...engine.labels import Labels
from ...storage.array_folder import Array, Folder
from .stated import density_of, maximum_of

__all__ = ["ORDERS", "Order", "Orders"]

Order: TypeAlias = Literal["index", "density", "max", "mean", "label"]
ORDERS: tuple[Order, ...] = ("index", "density", "max", "mean", "label")


class Orders:
    """The orders of the features of a store, of which the numbers that features are ordered by do not change."""

    def __init__(self, folder: Folder, labels: Labels) -> None:
        self._folder, self._labels = folder, labels
        self._known: dict[Order, Ints] = {}
        self._named: Mapping[int, str] | None = None

    def of(self, by: Order) -> Ints:
        """All features in an order (see `FeatureIndex.order`): the same array, which cannot be written, as long as the order is
        the same."""
        if by == "label" and self._named is not self._labels.now:
            self._named = self._labels.now
            self._known.pop("label", None)
        if by not in self._known:
            order = self._made(by)
            order.setflags(write=False)
            self._known[by] = order
        return self._known[by]

    def _made(self, by: Order) -> Ints:
        n = self._folder.length("count")
        if by == "index":
            return np.arange(n)
        if by == "label":
            return _by_label(self._named or {}, n)
        if by not in ORDERS:
            raise ValueError(f"There is no order {by!r}: choose one of {', '.join(ORDERS)}.")
        return np.argsort(-self._key(by), kind="stable")

    def _key(self, by: Order) -> Array:
        if by == "density":
            return density_of(self._folder)
        if by == "max":
            return np.nan_to_num(maximum_of(self._folder), nan=-np.inf)
        count = self._folder.read("count").astype(np.int64)
        mean = np.where(count > 0, self._folder.read("total") / np.maximum(count, 1), -np.inf)
        return np.nan_to_num(mean, nan=-np.inf)


def _by_label(names: Mapping[int, str], n: int) -> Ints:
    """Those with a name first, by it; of one name, and of those without, by their number, as `names` are."""
    named = np.fromiter(sorted(names, key=names.__getitem__), np.int64, len(names))
    named = named[named < n]
    return np.concatenate([named, np.delete(np.arange(n), named)])

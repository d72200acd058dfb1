"""A few results, kept for who asks again: tokens, ranking, fallback and further views are of one computation."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["Kept"]

T = TypeVar("T")

_SIZE = 4


class Kept(Generic[T]):
    """The last results by their key. May be asked on any thread.

    Example:
        >>> results = Kept[FeatureActivations]()
        >>> results.of(text, lambda: engine.activations(text))
    """

    def __init__(self, size: int = _SIZE) -> None:
        self._size = size
        self._results: OrderedDict[str, T] = OrderedDict()
        self._guard = Lock()
        self._era = 0

    def of(self, key: str, make: Callable[[], T]) -> T:
        """The result of `key`; made, where there is none. What was being made when all was forgotten is not kept."""
        with self._guard:
            if key in self._results:
                self._results.move_to_end(key)
                return self._results[key]
            era = self._era
        made = make()
        with self._guard:
            if era == self._era:
                self._results[key] = made
            while len(self._results) > self._size:
                self._results.popitem(last=False)
        return made

    def get(self, key: str) -> T | None:
        """The result of `key`, if there is one."""
        with self._guard:
            return self._results.get(key)

    def forget(self) -> None:
        """All were of other weights."""
        with self._guard:
            self._era += 1
            self._results.clear()

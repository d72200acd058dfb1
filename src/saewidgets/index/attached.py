"""The engine that an open index was checked with: what an index does not hold itself, such as decoder rows, is asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine.arrays import Floats
from .errors import IndexMismatchError

if TYPE_CHECKING:
    from ..engine.dictionary.base import Dictionary
    from ..engine.engine import Engine

__all__ = ["Attached"]


class Attached:
    """The base of `FeatureIndex` that knows the engine which the index belongs to, once it was checked with one."""

    path: Path
    _engine: Engine | None = None
    _sae = ""
    _weights = ""

    def attach(self, engine: Engine, dictionary: Dictionary) -> None:
        """Remember an engine that this index was found to belong to (`FeatureIndex.check`)."""
        self._engine, self._sae, self._weights = engine, dictionary.name, dictionary.weights_hash(fresh=False)

    def detach(self) -> None:
        """Forget the engine: its weights are others now."""
        self._engine = None

    @property
    def engine(self) -> Engine | None:
        """The engine that the index was last checked with; None if it was opened without one, or the engine was closed."""
        return None if self._engine is None or self._engine.worker.closed else self._engine

    @property
    def sae(self) -> str:
        """What that engine calls the dictionary that the index is of; "" without an engine."""
        return self._sae

    def dictionary(self) -> Dictionary:
        """The dictionary that the index is of.

        Raises:
            IndexMismatchError: if the index was opened without an engine, or the weights were changed since.
        """
        return self.must_have_engine("what its features are made of").dictionary(self._sae)

    def decoder(self, features: Sequence[int] | None = None) -> Floats:
        """What one unit of each feature's activation adds to the hook that the dictionary writes to: [n, d_out] float32.

        `Dictionary.written`: of SAEs and transcoders the rows of W_dec.

        Args:
            features: which; default: all.

        Raises:
            IndexMismatchError: if the index was opened without an engine, or the weights were changed since.
        """
        return self.dictionary().written(features)

    def must_have_engine(self, what: str) -> Engine:
        """The engine, for `what` is not in the index.

        Raises:
            IndexMismatchError: if there is none, with the way to give one; or if its weights are others by now.
        """
        engine = self.engine
        if engine is None:
            raise IndexMismatchError(
                f"The index at {self.path} does not hold {what}: open it with its engine, "
                f"FeatureIndex.open({str(self.path)!r}, engine=engine), or call index.check(engine)."
            )
        self.must_be_unchanged(engine)
        return engine

    def must_be_unchanged(self, engine: Engine, *, fresh: bool = False) -> None:
        """Raise if the weights are not those that the index was checked with: what the corpus did with these is no fact of others.

        Args:
            fresh: read every byte of them; else they are looked at (`Dictionary.weights_hash`).

        Raises:
            IndexMismatchError: with the remedy.
        """
        if engine.dictionary(self._sae).weights_hash(fresh=fresh) != self._weights:
            raise IndexMismatchError(
                f"The weights of {self._sae!r} were changed since the index at {self.path} was opened with it: load them again, "
                "or build an index of them as they are now."
            )

"""What an open index does not have yet: said, waited for, and computed at once for the feature that is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ...storage.array_folder import Array, Folder
from ..errors import IndexMismatchError
from ..scan.progress import Bar, watch
from .background import running, start

if TYPE_CHECKING:
    from ...engine.dictionary.base import Dictionary
    from ...engine.engine import Engine
    from ..record.manifest import Manifest
    from .compute import Remaining

# Features whose computed rows are kept.
_KEPT = 256


class Pending:
    """What a store does not have yet.

    Args:
        path: of the index; folder: its store.
    """

    def __init__(self, path: Path, folder: Folder) -> None:
        self._path, self._folder = path, folder
        self._remaining: Remaining | None = None
        self._rows: dict[int, Mapping[str, Array]] = {}

    def refresh(self) -> bool:
        """See what was added to the store since, and whether something remains."""
        if self._folder.facts.get("remaining"):
            self._folder.refresh()
        if self._folder.facts.get("remaining"):
            return True
        self._remaining = None
        self._rows.clear()
        return False

    def attach(self, engine: Engine, dictionary: Dictionary, manifest: Manifest) -> None:
        """Compute with this engine, to which the index belongs."""
        if self.refresh():
            from .compute import Remaining

            store = self._path / manifest.store
            self._remaining = Remaining(engine, dictionary, self._path, store, manifest.settings, manifest.growable)

    def begin(self) -> None:
        """Compute all of it in the background, if there is an engine."""
        if self.refresh() and self._remaining is not None:
            start(self._remaining)

    @property
    def said(self) -> str:
        """What remains and how far it is; "" if nothing does."""
        if not self.refresh():
            return ""
        who = running(self._path)
        far = "" if who is None else f": {who.doing[1]:,} of {who.doing[2]:,} features, in the background"
        return f"Logit weights, neighbours and correlations of all features are not there yet{far}."

    def must_have(self, name: str) -> None:
        """Raise if an array is not there because it remains to be computed."""
        if self.refresh() and name not in self._folder:
            raise IndexMismatchError(f"There is no {name!r} yet. {self.said} index.wait() waits for it.")

    def wait(self, bar: Bar) -> None:
        """Until nothing remains."""
        if not self.refresh():
            return
        remaining = self._remaining
        if remaining is None:
            raise IndexMismatchError(
                f"{self.said} They need the model: FeatureIndex.open({str(self._path)!r}, engine=engine).wait()."
            )
        if remaining.engine.worker.is_current_thread:
            remaining.engine.worker.run(remaining.run)
        else:
            who, job = start(remaining)
            watch(job, who, bar)
        self.refresh()

    def rows_of(self, feature: int) -> Mapping[str, Array]:
        """Rows [1, ...] of the arrays that remain, computed now; none without an engine."""
        remaining = self._remaining if self.refresh() else None
        if remaining is None or remaining.engine.worker.closed:
            return {}
        if feature not in self._rows:
            rows = remaining.engine.worker.run(lambda ticket: remaining.of(feature, ticket))
            while len(self._rows) >= _KEPT:
                self._rows.pop(next(iter(self._rows)))
            self._rows[feature] = rows
        return self._rows[feature]

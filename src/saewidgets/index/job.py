"""One build or extension on the engine's worker: what there is to do, the scan, the store, and the manifest that names it."""

from __future__ import annotations

import shutil
from typing import Any

from ..engine.engine import Engine
from ..engine.provenance import noted
from ..engine.ticket import Ticket
from ..storage.array_folder import Folder
from .corpus.compare import compare
from .corpus.passage import Passage
from .errors import IndexMismatchError, writing
from .record.manifest import MANIFEST, Manifest
from .record.settings import Settings
from .record.state import State
from .scan.costs import CHECK, SCAN, STATISTICS
from .scan.scan import Plan, RepeatedCorpus, Scan, load_sums
from .scan.shards import shards_in
from .statistics.write_store import write_store


class Job:
    """What runs on the worker, and what it says of itself to the thread that waits."""

    def __init__(
        self,
        engine: Engine,
        plan: Plan,
        settings: Settings,
        state: State,
        keep_activations: bool,
        grow: bool,
        ahead: Passage | None = None,
    ) -> None:
        self.engine, self.plan, self.settings, self.state = engine, plan, settings, state
        self.keep_activations = keep_activations
        self.ahead = ahead  # a pass over the corpus that is past all that was scanned, and goes on
        self.doing = (SCAN, 0, 0)
        self.scan: Scan | None = None
        self.repeated = False
        self._grow = grow
        self._as_it_is = False
        self._manifest = Manifest.load(plan.path) if (plan.path / MANIFEST).exists() else None
        parts = state.parts
        self.scans = not parts or not parts[-1]["done"]
        if self._manifest and not self._manifest.has_scan(plan.path):
            self._manifest.must_hold(plan.path, settings, more=grow or self._wants_more(parts[0]))
            self.scans, self._as_it_is = False, True
        elif not grow and len(parts) > 1 and self._manifest and len(self._manifest.parts) < len(parts):
            # An extension that did not end waits for extend_index; until then the index is what it was.
            self.scans, self._as_it_is = False, True
        elif parts and parts[-1]["done"]:
            if grow and not (self._manifest and len(self._manifest.parts) < len(parts)):
                self._add_part()
            elif not grow and self._wants_more(parts[0]):
                self._go_on()
        elif not parts:
            self._add_part()

    @property
    def documents_done(self) -> int:
        """Documents of the corpus that were read in this run."""
        return 0 if self.scan is None else self.scan.documents_done

    @property
    def told(self) -> list[str]:
        """Lines for people."""
        return [] if self.scan is None else self.scan.told

    def _wants_more(self, part: dict[str, Any]) -> bool:
        if not part["done"]:
            return False
        tokens = self.plan.tokens
        more = self.ahead is not None or (not part["exhausted"] and (tokens is None or tokens > part["tokens"]))
        if more and len(self.state.parts) > 1:
            raise IndexMismatchError(
                f"The index at {self.plan.path} was extended by another corpus: the first one cannot go on any more. Choose "
                "another path."
            )
        return more

    def _go_on(self) -> None:
        self.state.parts[-1]["done"] = False
        self.scans = True

    def _add_part(self) -> None:
        documents = sum(int(part["documents"]) - int(part["first_document"]) for part in self.state.parts)
        shards = len(shards_in(self.plan.path))
        self.state.parts.append({"first_shard": shards, "first_document": documents, "done": False})
        self.scans = True

    def check(self, ticket: Ticket) -> None:
        """Compare all of the corpus with what was scanned of it; where it goes on after that, so does the scan."""
        self.doing = (CHECK, 0, 0)
        number, opened = len(self.state.parts) - 1 if self._grow else 0, not self.needed()
        self.ahead = compare(self.plan, self.state, self._manifest, number, opened, self._as_it_is, ticket)
        if self.ahead is not None:
            self._go_on()

    def needed(self) -> bool:
        """Whether there is anything to do."""
        if self._as_it_is:
            return False
        if self.scans or self._manifest is None or len(self._manifest.parts) < len(self.state.parts):
            return True
        return self._store_is_old(self._manifest) or self._manifest.settings != self.settings

    def _store_is_old(self, manifest: Manifest) -> bool:
        """Whether more was scanned than the store tells of: killed between the two."""
        stored = int(Folder(self.plan.path / manifest.store).facts["tokens"])
        return stored != sum(map(len, shards_in(self.plan.path)))

    def run(self, ticket: Ticket) -> None:
        path, dictionary = self.plan.path, self.plan.dictionary
        if not self.scans:
            self.check(ticket)
        if self.scans:
            self.doing = (SCAN, 0, 0)
            with writing(path):
                self.state.save(path)
            self.scan = Scan(self.engine, self.plan, self.state, self.ahead)
            try:
                self.scan.run(ticket)
            except RepeatedCorpus as found:
                self.state.parts.pop()
                with writing(path):
                    self.state.save(path)
                if str(found):
                    raise IndexMismatchError(str(found)) from None
                self.repeated = True
                return

        def say(_doing: str, done: int, total: int) -> None:
            self.doing = (STATISTICS, done, total)
            ticket.breathe()

        shards = shards_in(path)
        sums = load_sums(path, self.state, dictionary, self.engine.counting)
        before = self._manifest
        name = f"store-{(before.number if before else 0) + 1:06d}"
        with writing(path):
            write_store(path / name, self.engine, dictionary, shards, sums, self.settings, say)
        facts = Folder(path / name).facts
        made = Manifest(
            number=(before.number if before else 0) + 1,
            identity=self.state.identity,
            settings=self.settings,
            provenance={**self.engine.provenance(dictionary.name), **noted(dictionary, self.engine.model)},
            corpus={**facts["corpus"], "tokens": facts["tokens"], "counted": facts["counted"]},
            parts=self.state.parts,
            growable=self.keep_activations,
        )
        with writing(path):
            made.save(path)
        # Only now: until the manifest names the new store, the old one is the index.
        for old in path.glob("store-*"):
            if old.name != name:
                shutil.rmtree(old, ignore_errors=True)
        for old in path.glob(".remaining-*"):
            shutil.rmtree(old, ignore_errors=True)

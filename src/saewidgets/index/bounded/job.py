"""One bounded build: the drive over its shards, the store, and the manifest that names it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ...engine.engine import Engine
from ...engine.provenance import noted
from ...engine.ticket import Ticket
from ...storage.array_folder import Folder
from ...storage.shelf import Shelf, shelf_at
from ..corpus.passage import Source
from ..errors import CorpusError, IndexMismatchError, writing
from ..record.manifest import ESTIMATES, MANIFEST, Manifest
from ..record.settings import Settings
from ..record.state import State
from ..scan.costs import CHECK, SCAN, STATISTICS
from ..scan.needs import told_bounded
from ..scan.scan import Plan
from .drive import Course, Drive
from .facts import Bounds, ShardFacts, StateFacts, must_count
from .hands import Hands, Here, Ranges
from .shard import Reading
from .state import StateFolder
from .to_store.write_store import SAID, write_bounded_store

__all__ = ["BoundedJob", "MakeHands", "bounds_of"]

# Documents whose length says how many are a shard; drawn chunks, in tokens; entries of the drawn chunks of a dense dictionary.
_LOOKED_AT, _DRAWN_TOKENS, _DRAWN_ENTRIES = 64, 2**16, 2**24
_MOST_DOCUMENTS = 2**20

MakeHands = Callable[[Reading, Ranges, Ticket], Hands]


def bounds_of(settings: Settings, n_features: int, dense: bool, context_size: int) -> Bounds:
    """What is kept of each feature, and how many chunks are drawn."""
    tokens = min(_DRAWN_TOKENS, _DRAWN_ENTRIES // max(n_features, 1)) if dense else _DRAWN_TOKENS
    return Bounds(settings.seed, settings.keep.complete, settings.keep.top, max(8, tokens // context_size))


class BoundedJob:
    """What runs on the worker, and what it says of itself to the thread that waits.

    Args:
        plan: `keep` and `shard_tokens` of it are those of this scan.
        hands: makes whoever does the work; None: this process.
    """

    def __init__(
        self,
        engine: Engine,
        plan: Plan,
        settings: Settings,
        state: State,
        shelf: Shelf | None = None,
        hands: MakeHands | None = None,
    ) -> None:
        self.engine, self.plan, self.settings, self.state = engine, plan, settings, state
        self.shelf = shelf or shelf_at(plan.path)
        self._make_hands = hands
        self.doing = (SCAN, 0, 0)
        self.documents_done = 0
        self.told: list[str] = []
        self._manifest = Manifest.load(plan.path) if (plan.path / MANIFEST).exists() else None
        if self._manifest is not None:
            self._must_be_the_same(self._manifest)

    def _must_be_the_same(self, manifest: Manifest) -> None:
        path, asked = self.plan.path, self.plan.tokens
        if manifest.bounded is None:
            raise IndexMismatchError(
                f"{path} is a finished index of all activations: keep_activations=False has nothing to do there. Open it with "
                "FeatureIndex.open, or choose another path."
            )
        part = manifest.parts[0]
        more = not part["exhausted"] and (asked is None or asked > part["tokens"])
        manifest.must_hold(path, self.settings, more=more)

    def needed(self) -> bool:
        """Whether there is anything to do."""
        return self._manifest is None

    # -- a finished index

    def check(self, ticket: Ticket) -> None:
        """Compare all of the corpus with what was scanned of it.

        Raises:
            IndexMismatchError: if it is another one.
        """
        if self._manifest is None or self._manifest.bounded is None:
            return
        self.doing = (CHECK, 0, 0)
        for left in self.shelf.names("state-"):  # of a build that was killed at its very end
            self.shelf.remove(left)
        shards = [ShardFacts.of_json(shard) for shard in self._manifest.bounded["shards"]]
        reading, ranges = self._reading(), self._ranges()
        ranges.per_shard = int(self._manifest.bounded["documents"])
        hands = Here(self.engine, self.plan.dictionary, reading, ranges, self.shelf, ticket)
        done = 0
        for shard in shards:
            found = hands.check(shard.number, shard.tokens if shard.cut else None)
            if not found.same_corpus(shard) or found.tokens != shard.tokens:
                raise IndexMismatchError(
                    f"The finished index at {self.plan.path} is of another corpus: it differs in the documents from "
                    f"{shard.number * ranges.per_shard:,} on. Open it with FeatureIndex.open, or choose another path."
                )
            done += shard.tokens
            ticket.progress(done, int(self._manifest.corpus["tokens"]))
            ticket.breathe()
        if not self._manifest.parts[0]["exhausted"] or shards[-1].cut:
            return
        if next(iter(ranges.of(len(shards))), None) is not None:
            raise IndexMismatchError(
                f"The corpus goes on after the {done:,} tokens of it that are in the index at {self.plan.path}: it has no scan "
                "and cannot be extended. Open it as it is with FeatureIndex.open, or choose another path."
            )

    # -- a build

    def run(self, ticket: Ticket) -> None:
        path, dictionary = self.plan.path, self.plan.dictionary
        self.shelf.tidy("state-")
        ranges = self._ranges()
        course = self._course(ranges)
        ranges.per_shard = course.documents
        reading = Reading(self.plan.context_size, course.bounds)
        kept = course.bounds.sample + course.bounds.extreme
        self.told.append(told_bounded(dictionary, kept, self.plan.context_size, course.tokens))
        made = self._make_hands
        hands: Hands = (
            Here(self.engine, dictionary, reading, ranges, self.shelf, ticket)
            if made is None
            else made(reading, ranges, ticket)
        )
        drive = Drive(
            course,
            hands,
            self.shelf,
            path,
            lambda tokens, documents: self._scanned(tokens, documents, ticket),
            self.told.append,
        )
        if isinstance(hands, Here):
            hands.on_tokens = drive.tell
        try:
            whole = drive.run(ticket.breathe)
            shards = StateFacts.of(self.shelf.facts(whole)).shards
            corpus = must_count(shards)
        except CorpusError:
            self._forget()
            raise

        def say(_doing: str, done: int, total: int) -> None:
            self.doing = (STATISTICS, done, total)
            ticket.breathe()

        name = "store-000001"
        with writing(path), self.shelf.opened(whole) as state:
            write_bounded_store(path / name, self.engine, dictionary, StateFolder(state), self.settings, say)
        facts = Folder(path / name).facts
        part = {
            "first_shard": 0,
            "first_document": 0,
            "done": True,
            "tokens": corpus["tokens"],
            "chunks": sum(shard.chunks for shard in shards),
            "exhausted": not drive.enough,
            "documents": corpus["documents"],
        }
        manifest = Manifest(
            number=1,
            identity=self.state.identity,
            settings=self.settings,
            provenance={**self.engine.provenance(dictionary.name), **noted(dictionary, self.engine.model)},
            corpus={**facts["corpus"], "tokens": facts["tokens"], "counted": facts["counted"]},
            parts=[part],
            growable=False,
            bounded={**_plain(course), **SAID, "estimates": ESTIMATES, "shards": [shard.to_json() for shard in shards]},
        )
        with writing(path):
            manifest.save(path)
        for left in self.shelf.names("state-"):
            self.shelf.remove(left)
        for old in path.glob(".remaining-*"):
            shutil.rmtree(old, ignore_errors=True)

    def _forget(self) -> None:
        """Of a corpus that is none nothing is kept: the right one, given afterwards, begins afresh."""
        if not any(StateFacts.of(self.shelf.facts(name)).counted for name in self.shelf.names("state-")):
            for name in self.shelf.names("state-"):
                self.shelf.remove(name)
            self.state.bounded = None
            self.state.save(self.plan.path)

    @property
    def _shards(self) -> str | None:
        """Where the states are, if that is not the folder of the index (which may be moved)."""
        return None if self.shelf.where == str(self.plan.path.absolute()) else self.shelf.where

    def _scanned(self, tokens: int, documents: int, ticket: Ticket) -> None:
        self.documents_done = documents
        ticket.progress(tokens, self.plan.tokens or 0)

    def _ranges(self) -> Ranges:
        source: Source = self.plan.source
        return Ranges(source.documents, source.read_once)

    def _reading(self) -> Reading:
        return Reading(self.plan.context_size, self._bounds())

    def _bounds(self) -> Bounds:
        dictionary = self.plan.dictionary
        return bounds_of(self.settings, dictionary.n_features, dictionary.dense, self.plan.context_size)

    def _course(self, ranges: Ranges) -> Course:
        """How the scan goes: as it was begun, if it was."""
        known = self.state.bounded
        if known is not None:
            begun = Course(known["tokens"], known["documents"], Bounds(**known["bounds"]))
            asked = Course(self.plan.tokens, begun.documents, self._bounds())
            if begun != asked:
                raise IndexMismatchError(
                    f"The scan at {self.plan.path} was begun with {_said(begun)}, and cannot change to {_said(asked)}: make "
                    "the same call to go on, or choose another path."
                )
            if known.get("shards") != self._shards:
                where = known.get("shards") or "the folder of the index"
                raise IndexMismatchError(
                    f"The parts of the scan at {self.plan.path} are in {where}: pass the same shards= to go on, or choose another path."
                )
            return begun
        mean = ranges.mean_tokens(_LOOKED_AT)
        documents = int(min(max(self.plan.shard_tokens // max(mean, 1), 1), _MOST_DOCUMENTS))
        course = Course(self.plan.tokens, documents, self._bounds())
        self.state.bounded = {**_plain(course), "shards": self._shards}
        with writing(self.plan.path):
            self.state.save(self.plan.path)
        return course


def _plain(course: Course) -> dict[str, Any]:
    return asdict(course)


def _said(course: Course) -> str:
    bounds = course.bounds
    return (
        f"tokens={course.tokens}, Keeping(complete={bounds.sample}, top={bounds.extreme}), seed={bounds.seed} and "
        f"{bounds.chunks} drawn chunks"
    )

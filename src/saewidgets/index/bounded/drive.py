"""A bounded scan from its first shard to the one state of all: what is done next, by whoever does it.

What is done is known from the states that lie on the shelf, and from nothing else: so a scan that was killed anywhere goes on,
here or on a cluster. A shard that was done before is compared with the corpus first: it may be another one by now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...storage.shelf import Shelf
from ..errors import CorpusError, IndexCorruptError, IndexMismatchError
from .facts import Bounds, ShardFacts, StateFacts
from .hands import Done, Hands, Task
from .on_shelf import is_whole
from .state import state_name

__all__ = ["Course", "Drive"]

# So many states become one.
_FAN = 16
# While others merge so many may wait; then no other shard is begun.
_WAITING = _FAN // 4
# All that wait are merged, up to so many: those that are left out would be the large ones, of which there would be ever more.
_MOST = 2 * _FAN
# Shards that may be done, for each task under way, before one that comes before them is.
_AHEAD = 8


@dataclass(frozen=True)
class Course:
    """What a bounded scan is of; it stands in the index from its beginning (`scan.json`).

    Attributes:
        tokens: stop once so many were read; None: all of the corpus.
        documents: of a shard.
        bounds: what is kept.
    """

    tokens: int | None
    documents: int
    bounds: Bounds


class Drive:
    """Gives out tasks until there is one state.

    Args:
        say: told how many tokens and documents are done. told: what people should know.
        where: names the index in errors.
    """

    def __init__(
        self,
        course: Course,
        hands: Hands,
        shelf: Shelf,
        where: object,
        say: Callable[[int, int], None],
        told: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._course, self._hands, self._shelf, self._where, self._say, self._told = (
            *(course, hands, shelf),
            *(where, say, told),
        )
        self._states: dict[str, frozenset[int]] = {}
        self._before: dict[int, ShardFacts] = {}
        self._facts: dict[int, ShardFacts] = {}
        self._under_way: set[Task] = set()
        self._busy: set[str] = set()  # states that are being merged
        self._lost: list[int] = []  # shards whose states were damaged
        self._limited: set[int] = set()
        self._next = 0
        self._end: int | None = None
        self._settled = self._settled_tokens = 0
        self._enough = False

    def run(self, breathe: Callable[[], None]) -> str:
        """The name of the state of all shards.

        Raises:
            IndexMismatchError: if what was scanned before is of another corpus. CorpusError: for an empty one.
        """
        try:
            self._look()
            while True:
                breathe()
                self._begin()
                if not self._under_way:
                    if self._whole():
                        break
                    continue
                done = self._hands.done()
                if done is not None:
                    self._under_way.discard(done.task)
                    self._took(done)
                self.tell()
        finally:
            self._hands.close()
        if not self._states or not self._settled:
            raise CorpusError("The corpus is empty: it has no text with a token in it.")
        return next(iter(self._states))

    def tell(self) -> None:
        """Say how far it is."""
        tokens = sum(facts.tokens for facts in self._facts.values()) + self._hands.tokens_under_way()
        self._say(tokens, sum(facts.documents for facts in self._facts.values()))

    @property
    def enough(self) -> bool:
        """Whether it ended because so many tokens were read as were asked for, and not with the corpus."""
        return self._enough

    # -- what is there

    def _look(self) -> None:
        """Find the states of earlier runs; one that another one has in it is left of a run that was killed while merging."""
        for name in self._shelf.names("state-"):
            try:
                facts = StateFacts.of(self._shelf.facts(name))
            except IndexCorruptError:
                self._told(_damaged([name]))
                self._shelf.remove(name)  # then its shards are done again
                continue
            if facts.bounds != self._course.bounds:
                raise IndexCorruptError(f"{name} at {self._where} is of another scan: build the index again.")
            self._states[name] = facts.numbers
            self._before |= {shard.number: shard for shard in facts.shards}
        for name, numbers in list(self._states.items()):
            if any(numbers < others for others in self._states.values()):
                self._drop(name)

    def _drop(self, name: str) -> None:
        del self._states[name]
        self._shelf.remove(name)

    # -- what is next

    def _begin(self) -> None:
        while len(self._under_way) < self._hands.at_once:
            task = self._merge() or self._again() or self._shard() or self._last_merge()
            if task is None:
                return
            self._under_way.add(task)
            self._hands.begin(task)

    def _shard(self) -> Task | None:
        if self._enough or (self._end is not None and self._next >= self._end):
            return None
        number = self._next
        if number - self._settled >= _AHEAD * self._hands.at_once:
            return None
        if not self._may_merge() and len(self._free()) >= _WAITING:
            return None
        limit = self._course.tokens
        rest = None if limit is None or number > self._settled else limit - self._settled_tokens
        self._next += 1
        former = self._before.get(number)
        if former is not None:
            return Task("check", number=number, limit=former.tokens if former.cut else None)
        if rest is not None:
            self._limited.add(number)
        return Task("scan", state_name(frozenset({number})), number, rest)

    def _again(self) -> Task | None:
        """A shard whose state was lost."""
        if not self._lost:
            return None
        number = self._lost.pop(0)
        facts = self._facts[number]
        return Task("scan", state_name(frozenset({number})), number, facts.tokens if facts.cut else None)

    def _lose(self, names: Sequence[str]) -> None:
        """Do the shards of damaged states again."""
        self._told(_damaged(names))
        for name in names:
            self._lost = sorted({*self._lost, *self._states[name]})
            self._drop(name)

    def _whole(self) -> bool:
        """Whether the one state that is left is as it was written; else its shards are done again."""
        if not self._states:
            return True
        name = next(iter(self._states))
        if is_whole(self._shelf, name):
            return True
        self._lose([name])
        return False

    def _free(self) -> list[str]:
        """States whose shards are all settled, and which are not being merged; those of few shards first."""
        free = [
            name for name, numbers in self._states.items() if name not in self._busy and max(numbers) < self._settled
        ]
        return sorted(free, key=lambda name: (len(self._states[name]), min(self._states[name])))

    def _merge(self) -> Task | None:
        free = self._free()
        return self._merging(free[:_MOST]) if len(free) >= _FAN and self._may_merge() else None

    def _may_merge(self) -> bool:
        """Half of the hands may merge: each leaves a state that is as large as one can be, and these make up the disk it takes."""
        merges = sum(task.kind == "merge" for task in self._under_way)
        return merges < max(self._hands.at_once // 2, 1)

    def _last_merge(self) -> Task | None:
        over = self._enough or (self._end is not None and self._settled >= self._end)
        if not over or any(task.kind != "merge" for task in self._under_way):
            return None
        free = self._free()
        return self._merging(free[:_MOST]) if len(free) > 1 and not self._busy and not self._lost else None

    def _merging(self, names: list[str]) -> Task:
        self._busy |= set(names)
        return Task("merge", state_name(frozenset().union(*(self._states[name] for name in names))), names=tuple(names))

    # -- what was done

    def _took(self, done: Done) -> None:
        task, facts = done.task, done.facts
        if facts is None:
            self._busy -= set(task.names)
            if done.damaged:
                self._lose(done.damaged)
                return
            self._states[task.name] = frozenset().union(*(self._states[name] for name in task.names))
            for name in task.names:
                self._drop(name)
            return
        if self._enough and task.number >= self._settled:
            if task.kind == "scan" and facts.documents:
                self._shelf.remove(task.name)
            return
        former = self._before.get(task.number) if task.kind == "check" else self._facts.get(task.number)
        if former is not None and not facts.same_corpus(former):
            raise IndexMismatchError(
                f"The index at {self._where} was begun with another corpus (or another order of its texts): what was scanned "
                f"of its documents {task.number * self._course.documents:,} to "
                f"{(task.number + 1) * self._course.documents - 1:,} differs. Pass the same corpus to go on, or choose another path."
            )
        number = task.number
        if facts.documents < self._course.documents and not facts.cut:
            last = number + 1 if facts.documents else number
            self._end = last if self._end is None else min(self._end, last)
        if facts.documents:
            self._facts[number] = self._before[number] if task.kind == "check" else facts
            if task.kind == "scan":
                self._states[task.name] = frozenset({number})
        self._settle()

    def _settle(self) -> None:
        """See how far all shards are done, and where enough was read."""
        limit = self._course.tokens
        while not self._enough and self._settled in self._facts:
            facts = self._facts[self._settled]
            if limit is not None:
                rest = limit - self._settled_tokens
                if facts.tokens >= rest and self._settled not in self._limited and not facts.cut:
                    # It was read to its end, before it was known how much of it is wanted: again, and no further.
                    del self._facts[self._settled]
                    self._before.pop(self._settled, None)
                    self._next, self._end = self._settled, self._settled + 1
                    return
                self._enough = facts.tokens >= rest
            self._settled += 1
            self._settled_tokens += facts.tokens
        if self._enough:
            for number in [number for number in self._facts if number >= self._settled]:
                del self._facts[number]
            for name, numbers in list(self._states.items()):
                if min(numbers) >= self._settled:
                    self._drop(name)


def _damaged(names: Sequence[str]) -> str:
    return f"{', '.join(names)}: damaged since it was written; what it is of is done again"

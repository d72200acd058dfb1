"""`FeatureIndex.search`: features by what is said of them, by words or by meaning; the two rankings are never mixed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from ...engine.descriptions import Description
from ...engine.labels import Labels
from ...engine.text.tokenizer import clean
from ...storage.places import cache_dir
from .automatic import Automatic
from .by_meaning import ByMeaning, Embed, default_embedding, fingerprint
from .by_words import HOW, SOME, ByWords, Hit
from .corpus import KeptSaid, Said, labels_said, others_said
from .sets import ExplanationSets

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["By", "Found", "Search", "to_frame"]

Made = TypeVar("Made")

By: TypeAlias = Literal["words", "meaning"]

_NUMBER = re.compile("#?[0-9]{1,9}")
# Sentences that are asked for to have so many features: several may be of one.
_MORE = 4


@dataclass(frozen=True)
class Found:
    """A feature that was found.

    Attributes:
        feature: its index; said: what is said of it, the sentence that matched.
        how: by words, what was needed (`HOW`, or "number"); by meaning "meaning".
        score: by words 1 for the words themselves, 0.8 for beginnings, 0.6 for typos, 0.4 for one of several words, 0.2 for
            characters; by meaning the cosine of the sentence's vector with the query's.
    """

    feature: int
    said: Description
    how: str
    score: float


class Search:
    """Searches what is said of the features of an index.

    Args:
        key: the same for copies of the index; path: its folder, where what is needed for searching is kept if it can be.
    """

    def __init__(self, path: Path, key: str, labels: Labels, sets: ExplanationSets, automatic: Automatic) -> None:
        self._path, self._key = path, key
        self._labels, self._sets, self._automatic = labels, sets, automatic
        self._lock = RLock()
        self._said: tuple[str, KeptSaid] | None = None
        self._words: tuple[str, ByWords] | None = None
        self._own_words: ByWords | None = None
        self._meanings: dict[str, tuple[str, ByMeaning]] = {}
        self._own_meanings: dict[str, ByMeaning] = {}
        labels.watch(self._renamed)

    def _renamed(self) -> None:
        with self._lock:
            self._own_words = None
            self._own_meanings.clear()

    # -- asking

    def by_words(self, query: str, n: int) -> list[Found]:
        """The first `n` features whose sentences have the query's words, and before them the one whose number it is."""
        query = clean(query).strip()
        with self._lock:
            indexes = [self._labels_by_words(), self._others_by_words()]
        found: dict[int, Found] = {}
        if _NUMBER.fullmatch(query) and int(query.removeprefix("#")) < self._automatic.n_features:
            feature = int(query.removeprefix("#"))
            found[feature] = Found(
                feature, self._labels.describe(feature) or Description("", "automatic"), "number", 1.0
            )

        def hits(most: int) -> Iterable[Hit]:
            return sorted((hit for one in indexes for hit in one.find(query, most)), key=_rank)

        most = n * _MORE
        while True:
            every = [*hits(most)]
            # Behind these may stand sentences that one of the two did not tell.
            for hit in _alike(every[:most]):
                found.setdefault(hit.said.feature, _found(hit.said, HOW[hit.how], 1 - hit.how / len(HOW)))
            if len(found) >= n or len(every) < most:
                return [*found.values()][:n]
            most *= 4

    def by_meaning(self, query: str, n: int, embed: Embed | None) -> list[Found]:
        """The `n` features of whose sentences one is nearest to the query."""
        query = clean(query).strip()
        embed = embed or default_embedding
        with self._lock:
            sentences = [self._labels_by_meaning(embed), self._others_by_meaning(embed)]
        best: dict[int, tuple[Said, float]]
        most = n * _MORE
        while True:
            several = [one.find(query, most) for one in sentences]
            # Below it may lie sentences that one of the two did not tell.
            known = max((pairs[-1][1] for pairs in several if len(pairs) == most), default=-2.0)
            best = {}
            for said, cosine in (pair for pairs in several for pair in pairs if pair[1] >= known):
                if said.feature not in best or cosine > best[said.feature][1]:
                    best[said.feature] = (said, cosine)
            if len(best) >= n or known == -2.0:
                ordered = sorted(best.values(), key=lambda pair: (-pair[1], pair[0].feature))[:n]
                return [_found(said, "meaning", cosine) for said, cosine in ordered]
            most *= 4

    # -- what is searched

    def _labels_by_words(self) -> ByWords:
        if self._own_words is None:
            self._own_words = ByWords(labels_said(self._labels))
        return self._own_words

    def _others_by_words(self) -> ByWords:
        stamp = self._stamp()
        if self._words is None or self._words[0] != stamp:
            made = self._kept(f"words-{stamp}.sqlite", lambda file: ByWords(self._each(stamp), file))
            self._words = (stamp, made)
        return self._words[1]

    def _labels_by_meaning(self, embed: Embed) -> ByMeaning:
        name = fingerprint(embed)
        if name not in self._own_meanings:
            self._own_meanings[name] = ByMeaning(labels_said(self._labels), embed)
        return self._own_meanings[name]

    def _others_by_meaning(self, embed: Embed) -> ByMeaning:
        name, stamp = fingerprint(embed), self._stamp()
        if self._meanings.get(name, ("",))[0] != stamp:
            said = self._others(stamp)
            made = self._kept(f"meaning-{name}-{stamp}.npy", lambda file: ByMeaning(said, embed, file))
            self._meanings[name] = (stamp, made)
        return self._meanings[name][1]

    def _others(self, stamp: str) -> KeptSaid:
        """What others say, in words."""
        if self._said is None or self._said[0] != stamp:
            about = self._automatic.n_features
            made = self._kept(
                f"said-{stamp}.arrow", lambda file: KeptSaid(others_said(self._sets, self._automatic), file, about)
            )
            self._said = (stamp, made)
        return self._said[1]

    def _each(self, stamp: str) -> Iterator[Said]:
        yield from self._others(stamp)  # not before it is asked for

    def _stamp(self) -> str:
        return f"{self._key[:8]}-{self._sets.stamp}-{self._automatic.stamp}"

    def _kept(self, name: str, make: Callable[[Path], Made]) -> Made:
        """Made with a file beside the index, or where that cannot be written in the user's cache."""
        try:
            return _in(self._path / "search", name, make)
        except OSError:
            return _in(cache_dir() / "search" / self._key, name, make)


def _in(folder: Path, name: str, make: Callable[[Path], Made]) -> Made:
    folder.mkdir(parents=True, exist_ok=True)
    new = not (folder / name).exists()
    made = make(folder / name)
    if new:  # what it was made of before is of no use any more
        kind = name.split("-")[0]
        for old in folder.glob(f"{kind}-*"):
            if old.name != name and (kind in ("said", "words") or old.name.split("-")[1] == name.split("-")[1]):
                with suppress(OSError):
                    old.unlink()
    return made


def _alike(hits: Sequence[Hit]) -> list[Hit]:
    """Of hits, the best first, those that have some of the words or characters only where none has all: of one index it is so
    already, and labels and what others say are two."""
    return [hit for hit in hits if hit.how < SOME or hit.how == hits[0].how]


def _rank(hit: Hit) -> tuple[object, ...]:
    return hit.how, hit.said.kind != "label", *hit.rank[1:]


def _found(said: Said, how: str, score: float) -> Found:
    return Found(said.feature, Description(said.text, said.kind, said.source), how, score)


def to_frame(found: Sequence[Found]) -> pd.DataFrame:
    """One row a feature, best first: description, kind, source, how, score."""
    import pandas as pd

    rows = [(one.feature, one.said.text, one.said.kind, one.said.source, one.how, one.score) for one in found]
    frame = pd.DataFrame(rows, columns=["feature", "description", "kind", "source", "how", "score"])
    return frame.astype({"feature": "int64", "score": "float64"}).set_index("feature")

"""Finding features by the words that are said of them: whole words first, then beginnings of words, then typos.

SQLite's full-text index (FTS5) knows which sentence has which word; rapidfuzz finds the words that a typo meant. What
is found comes in the order of a plain rule, so that it can be checked: by the worst that one of the query's words
needed (the sentence has the word itself; a word that begins so; a word with a letter or two otherwise), then shorter
sentences first, then by feature. Only where no sentence has all the words, those that have one of them are told.
"""

from __future__ import annotations

import os
import re
import sqlite3
import unicodedata
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from ...engine.arrays import Ints
from ...errors import SaewidgetsError
from .corpus import Said, shown

__all__ = ["HOW", "SOME", "ByWords", "Hit", "SearchError", "words_of"]

EXACT, PREFIX, TYPO, SOME, INSIDE = range(5)
HOW = ("word", "beginning of a word", "nearly the word", "one of the words", "these characters")

_WORD = re.compile(r"\w+")
# A typo leaves too little of a short word.
_TYPO_FROM, _TWO_TYPOS_FROM = 4, 8
_MOST_WORDS = 12
_HAS_WORDS = "SELECT rowid FROM words WHERE words MATCH ? LIMIT ?"
# Sentences that are fetched at once: SQLite takes so many numbers in one question, whatever its version.
_AT_ONCE = 900
# Stands between two sentences, and in none.
_BETWEEN = "\0"
_MOST_MEANT = 200
# So often a pair of bytes may be there that is looked for first.
_RARE = 2**15
_PAIRS_AT_ONCE = 2**22


class SearchError(SaewidgetsError, RuntimeError):
    """Searching is not possible here; the message says what is missing."""


@dataclass(frozen=True)
class Hit:
    """A sentence that was found, and the worst that a word of the query needed (an index into `HOW`)."""

    said: Said
    how: int

    @property
    def rank(self) -> tuple[int, int, int]:
        """What it is sorted by."""
        return self.how, len(self.said.text), self.said.feature


def words_of(text: str) -> list[str]:
    """The words of a text as they are searched: letters, digits and underscores; without case and accents."""
    plain = text.casefold()
    if not plain.isascii():  # of which nothing is to be taken apart; of a million sentences it would take a minute
        plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
    return _WORD.findall(plain)


class ByWords:
    """An index of sentences by their words.

    Args:
        sentences: what is searched; not looked at if `file` is there.
        file: where the index is kept; None: in memory. It is written beside and renamed, so one that is there is whole.
    """

    def __init__(self, sentences: Iterable[Said], file: Path | None = None) -> None:
        self._lock = Lock()
        self._db = _built(":memory:", sentences) if file is None else _kept(file, sentences)
        # Searches end when nobody has them any more, and a database that is left open keeps its file.
        self._finalizer = weakref.finalize(self, self._db.close)

    def __len__(self) -> int:
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM sentence").fetchone()[0])

    def close(self) -> None:
        self._finalizer()

    @cached_property
    def _terms(self) -> list[str]:
        """Every word that a sentence has."""
        with self._lock:
            self._db.execute("CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab('main', 'words', 'row')")
            return [term for (term,) in self._db.execute("SELECT term FROM temp.vocabulary")]

    def find(self, query: str, n: int) -> list[Hit]:
        """The first `n` sentences that have all words of the query, by the rule of this module.

        A query without a word (`"`, `->`) finds the sentences that have these characters, as does one whose words are found
        nowhere. At most twelve words are looked at.
        """
        words = list(dict.fromkeys(words_of(query)))[:_MOST_WORDS]
        found: dict[int, int] = {}
        if words:
            for how in (EXACT, PREFIX, TYPO):
                match = " AND ".join(self._any_of(word, how) for word in words)
                for row in self._rows(match, n + len(found)):
                    found.setdefault(row, how)
                if len(found) >= n:
                    break
            if not found:
                match = " OR ".join(self._any_of(word, TYPO) for word in words)
                found = dict.fromkeys(self._rows(match, n), SOME)
        if not found and query.strip():
            found = dict.fromkeys(self._characters.having(query.strip().casefold(), n), INSIDE)
        ordered = sorted(found, key=lambda row: (found[row], row))[:n]
        said = self._said(ordered)
        return [Hit(said[row], found[row]) for row in ordered]

    def _rows(self, match: str, n: int) -> list[int]:
        with self._lock:
            return [row for (row,) in self._db.execute(_HAS_WORDS, (match, n))]

    def _said(self, rows: Sequence[int]) -> dict[int, Said]:
        """Sentences by row, many at once: one by one thousands would take a tenth of a second."""
        found: dict[int, Said] = {}
        for at in range(0, len(rows), _AT_ONCE):
            some = rows[at : at + _AT_ONCE]
            asked = f"SELECT id, feature, text, kind, source FROM sentence WHERE id IN ({','.join('?' * len(some))})"
            with self._lock:
                found |= {row: Said(*one) for row, *one in self._db.execute(asked, some)}
        return found

    @cached_property
    def _characters(self) -> _Characters:
        with self._lock:
            return _Characters(text for (text,) in self._db.execute("SELECT text FROM sentence ORDER BY id"))

    def _any_of(self, word: str, how: int) -> str:
        """What FTS5 is to look for: the word, what begins so, and what it may have been meant for."""
        told = [f'"{word}"' + ("*" if how >= PREFIX else "")]
        if how >= TYPO:
            told += [f'"{other}"' for other in self._meant(word)]
        return f"({' OR '.join(told)})"

    def _meant(self, word: str) -> list[str]:
        """Words that differ by one letter, or two in a long word (a letter more, less, other, or two exchanged)."""
        if len(word) < _TYPO_FROM:
            return []
        try:
            from rapidfuzz import process
            from rapidfuzz.distance import OSA
        except ImportError as error:
            raise SearchError("Finding what a typo meant needs rapidfuzz: pip install 'saewidgets[search]'.") from error
        most = 2 if len(word) >= _TWO_TYPOS_FROM else 1
        near = process.extract(word, self._terms, scorer=OSA.distance, score_cutoff=most, limit=_MOST_MEANT)
        return [term for term, _, _ in near]


class _Characters:
    """All sentences as one text, to be searched for characters at once; made when characters are first looked for.

    Args:
        texts: of the sentences 1, 2, 3 ...
    """

    def __init__(self, texts: Iterable[str]) -> None:
        # As bytes: one sentence with an emoji would make every character of a string four of them.
        folded = [text.casefold().replace(_BETWEEN, "\ufffd").encode() for text in texts]
        self._text = _BETWEEN.encode().join(folded)
        self._ends = np.cumsum(np.fromiter(map(len, folded), np.int64, len(folded)) + 1)
        # Two bytes as one number, from the even ones and from the odd ones on, and how often each such pair is there.
        each = np.frombuffer(self._text, np.uint8)
        self._pairs = [each[odd:][: (len(each) - odd) // 2 * 2].view(np.uint16) for odd in (0, 1)]
        self._count = _counts(self._pairs[0]) + _counts(self._pairs[1])

    def having(self, part: str, n: int) -> list[int]:
        """The first `n` sentences that have these characters."""
        sought = part.encode()
        if _BETWEEN in part:
            return []
        if len(sought) > 1:
            pairs = np.frombuffer(b"".join(sought[i : i + 2] for i in range(len(sought) - 1)), np.uint16)
            rarest = int(self._count[pairs].argmin())
            if self._count[pairs[rarest]] <= _RARE:
                return self._beside(pairs[rarest], rarest, sought)[:n]
        rows: list[int] = []
        at = self._text.find(sought)
        while at >= 0 and len(rows) < n:
            row = int(np.searchsorted(self._ends, at, side="right"))
            rows.append(row + 1)
            at = self._text.find(sought, int(self._ends[row]))
        return rows

    def _beside(self, pair: np.uint16, behind: int, sought: bytes) -> list[int]:
        """Sentences with what is sought, by a rare pair of bytes in it: several times as fast as reading all of the text."""
        if not self._count[pair]:
            return []
        some = np.sort(np.concatenate([2 * np.flatnonzero(p == pair) + odd for odd, p in enumerate(self._pairs)]))
        found = [at for at in (some - behind).tolist() if at >= 0 and self._text.startswith(sought, at)]
        return [int(row) + 1 for row in np.unique(np.searchsorted(self._ends, found, side="right"))]


def _counts(pairs: npt.NDArray[np.uint16]) -> Ints:
    """[65536] how often each number is there."""
    found = np.zeros(2**16, np.int64)
    for at in range(0, len(pairs), _PAIRS_AT_ONCE):
        found += np.bincount(pairs[at : at + _PAIRS_AT_ONCE], minlength=2**16)
    return found


def _whole(file: Path) -> bool:
    """Whether an index that can be read is there; of one that is damaged another is made."""
    if not file.exists():
        return False
    db = sqlite3.connect(file)
    try:
        db.execute("SELECT max(id) FROM sentence").fetchone()
        return str(db.execute("PRAGMA quick_check").fetchone()[0]) == "ok"
    except sqlite3.DatabaseError:
        return False
    finally:
        db.close()


def _kept(file: Path, sentences: Iterable[Said]) -> sqlite3.Connection:
    if not _whole(file):
        temporary = file.with_name(f".{file.name}.{uuid4().hex}.tmp")
        temporary.touch()  # where nothing can be written the system says so, and SQLite something else
        _built(str(temporary), sentences).close()
        os.replace(temporary, file)
    return sqlite3.connect(file, check_same_thread=False)


def _built(place: str, sentences: Iterable[Said]) -> sqlite3.Connection:
    # Rows in the order in which they are told: the first that match are the best, and the others need not be looked at.
    ordered = sorted(sentences, key=lambda said: (len(said.text), said.feature, said.kind, said.source, said.text))
    db = sqlite3.connect(place, check_same_thread=False)
    try:
        with db:
            db.execute(
                "CREATE VIRTUAL TABLE words USING fts5(text, content='', prefix='2 3', detail=none, "
                "tokenize=\"unicode61 remove_diacritics 0 tokenchars '_'\")"
            )
            db.execute("CREATE TABLE sentence (id INTEGER PRIMARY KEY, feature INTEGER, text, kind, source)")
            numbered = [*enumerate(ordered, 1)]
            told = shown(numbered, len(numbered), "sorting by words what is said of features")
            words = ((i, " ".join(words_of(one.text))) for i, one in told)
            db.executemany("INSERT INTO words(rowid, text) VALUES (?, ?)", words)
            rows = ((i, one.feature, one.text, one.kind, one.source) for i, one in numbered)
            db.executemany("INSERT INTO sentence VALUES (?, ?, ?, ?, ?)", rows)
    except sqlite3.OperationalError as error:
        db.close()
        raise SearchError(
            f"This Python's SQLite cannot search text ({error}); one with FTS5 can, as python.org's and conda's have."
        ) from error
    return db

"""Filters of examples: on which token, in which documents.

What is asked for is matched by what it means (a date is a date, whether Python, NumPy or pandas made it), and what is
nowhere in the corpus is refused by name: an empty list must mean that the feature has no such example.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from typing import Any, cast

import numpy as np

from ...engine.arrays import Bools, Ints
from ...errors import nearest
from ..corpus.columns import plain
from ..errors import FilterError
from .texts import Texts

_NAMED = 8
"""Values named in an error."""


class Filter:
    """Which tokens of the corpus may be an example.

    Args:
        token: the token's text without the spaces around it; or words that are several tokens, of which the last is meant.
            Nothing but spaces and line breaks: exactly that token. None or "": any.
        where: values of columns of the documents; a list means any of its values, None (or NaN, NaT) a missing one.

    Raises:
        KeyError: for a column that the corpus does not have.
        FilterError: for a value that no document has, and for a token that is neither in the vocabulary nor in the corpus.
    """

    def __init__(self, texts: Texts, token: str | None, where: Mapping[str, object]) -> None:
        self._texts = texts
        self._token = token or None
        self._ids = None if self._token is None else texts.ids_called(self._token)
        if self._token is not None and self._ids is not None and not len(self._ids):
            self._ids = None  # no token: words, then
            if not texts.holds(self._token):
                raise FilterError(_no_token(texts, self._token) + _only(texts))
        self._documents = None
        for name, wanted in where.items():
            here = rows_with(texts, name, wanted)
            self._documents = here if self._documents is None else self._documents & here

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return self._token is not None or self._documents is not None

    def passing(self, position: Ints) -> Bools:
        """Which of these positions pass."""
        passing = np.ones(len(position), bool)
        if self._documents is not None:
            passing &= self._documents[self._texts.rows(self._texts.chunk(position))]
        if self._ids is not None:
            passing &= np.isin(self._texts.tokens(position), self._ids)
        elif self._token is not None:
            passing[passing] = self._texts.ends(self._token, position[passing])
        return passing


def rows_with(texts: Texts, name: str, wanted: object) -> Bools:
    """Which documents have a value in a column.

    Raises:
        KeyError: for a column that the corpus does not have. FilterError: for a value that no document has.
    """
    values, codes = texts.values(name)
    found = np.zeros(len(values), bool)
    for one in _alternatives(wanted, values):
        same = np.array([same_value(value, one) for value in values], bool)
        if not same.any():
            raise FilterError(_no_value(name, one, values) + _only(texts))
        found |= same
    return cast(Bools, found[codes])


def _only(texts: Texts) -> str:
    """What an error says of a corpus that is not all there."""
    return f" (That is in the texts that are kept: {texts.missing}.)" if texts.missing else ""


def _alternatives(wanted: object, values: Iterable[object]) -> list[object]:
    """What is asked for, one by one. A list is one value where the column holds lists and this is one of them."""
    if isinstance(wanted, (str, bytes, Mapping)) or not isinstance(wanted, Iterable):
        return [plain(wanted)]
    if isinstance(wanted, np.ndarray) and wanted.ndim == 0:
        return [plain(wanted[()])]
    several = [plain(one) for one in wanted]
    if several in [value for value in values if isinstance(value, list)]:
        return [several]
    if not several:
        raise FilterError("An empty list of values asks for no document: pass the values, or leave the column out.")
    return several


def shown(value: object) -> str:
    """A value of a column as text, which is what a front-end filters by."""
    return str(value)


def same_value(value: object, wanted: object) -> bool:
    """Whether a document's value is the one that is meant (`wanted` is plain).

    Numbers by value; a text also by how a value is written; a date without a time is the whole day; times without a zone
    are those of the documents' own clock.
    """
    value = plain(value)
    if value is None or wanted is None:
        return value is wanted
    if isinstance(wanted, str):
        return _written(value, wanted)
    if isinstance(value, str):
        return value in (str(wanted), wanted.isoformat() if isinstance(wanted, date) else "")
    if isinstance(value, date) and isinstance(wanted, date):
        return _same_date(value, wanted)
    return bool(value == wanted)


def _written(value: object, text: str) -> bool:
    if shown(value) == text:
        return True
    try:
        if isinstance(value, date):
            return _same_date(value, date.fromisoformat(text) if len(text) <= 10 else datetime.fromisoformat(text))
        return isinstance(value, (int, float)) and not isinstance(value, bool) and float(text) == value
    except ValueError:
        return False


def _same_date(value: date, wanted: date) -> bool:
    if not isinstance(value, datetime):
        return wanted == (datetime.combine(value, time()) if isinstance(wanted, datetime) else value)
    if not isinstance(wanted, datetime):
        return value.date() == wanted
    return value == wanted if wanted.tzinfo is not None else value.replace(tzinfo=None) == wanted


def _no_value(name: str, wanted: object, values: list[Any]) -> str:
    if wanted is None:
        return f"Every document has a value in the column {name!r}: none is missing."
    there = [value for value in values if plain(value) is not None]
    near = _nearest(wanted, there)
    some = near or there[:_NAMED]
    more = ", ..." if len(some) < len(there) and not near else ""
    return (
        f"No document has {wanted!r} in the column {name!r}: it has {len(there):,} value{'' if len(there) == 1 else 's'}, "
        f"{'the nearest ' if near else ''}{', '.join(map(repr, some))}{more}."
    )


def _nearest(wanted: object, there: list[Any]) -> list[Any]:
    """Of numbers the closest, of everything else what is written most alike."""
    if isinstance(wanted, (int, float)) and all(isinstance(value, (int, float)) for value in there):
        return sorted(there, key=lambda value: abs(value - wanted))[:_NAMED]
    close = nearest(shown(wanted), map(shown, there), _NAMED)
    return sorted((value for value in there if shown(value) in close), key=lambda value: close.index(shown(value)))


def _no_token(texts: Texts, token: str) -> str:
    wanted = token.strip()
    # Spelling is compared with a few thousand words, not with a whole vocabulary.
    like = [word for word in texts.words if word[:1] == wanted[:1] and abs(len(word) - len(wanted)) <= 2]
    near = nearest(wanted, dict.fromkeys(like)) if wanted else []
    hint = f" Nearest tokens: {', '.join(map(repr, near))}." if near else ""
    return f"{token!r} is no token of the vocabulary, and the corpus has it nowhere as tokens that follow each other.{hint}"

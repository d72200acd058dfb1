"""Which tokens and positions a metric means, and what to say where that is not clear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from ...engine.text.answer import after_text
from ..errors import MetricError

if TYPE_CHECKING:
    from ...engine.engine import Engine

__all__ = ["Target", "between", "ids_after", "one_of", "place", "shown", "single"]

Target: TypeAlias = "str | int | Sequence[str | int]"
"""A token, as its string or its id; or one for each text."""


def place(position: int, length: int, text: int) -> int:
    """`position` of a text of `length` tokens, from its beginning.

    Raises:
        MetricError: if there is no such token.
    """
    if not -length <= position < length:
        raise MetricError(f"Text {text} has {length} tokens: there is no position {position} in it.")
    return position % length


def one_of(target: Target, i: int, n: int) -> str | int:
    """The target of text `i` of `n`."""
    if isinstance(target, (str, int)):
        return target
    if len(target) != n:
        raise MetricError(f"{len(target)} tokens were given for {n} texts: give one for all, or one for each.")
    return target[i]


def ids_after(engine: Engine, token: str | int, text: str | None, ids: Sequence[int]) -> list[int]:
    """The token ids of an answer after a text, given as a string or only as ids."""
    if isinstance(token, int):
        return engine.tokenizer.check_ids([token])
    return list(
        after_text(engine.tokenizer, text, token).answer if text is not None else engine.tokenizer.answer_ids(token)
    )


def single(engine: Engine, token: str | int, text: str | None, ids: Sequence[int]) -> int:
    """The one token that is meant.

    Raises:
        MetricError: if it is several, with what to do.
    """
    found = engine.tokenizer.answer_ids(token) if isinstance(token, str) else ids_after(engine, token, text, ids)
    if len(found) == 1:
        return found[0]
    if not found:
        raise MetricError(f"{token!r} has no tokens.")
    parts = engine.tokenizer.display(found).strings
    spaced = isinstance(token, str) and not token.startswith(" ") and len(engine.tokenizer.answer_ids(f" {token}")) == 1
    hint = f" With a space before it, {' ' + str(token)!r} is one token." if spaced else ""
    raise MetricError(
        f"{token!r} is {len(found)} tokens ({', '.join(map(repr, parts))}), and a logit is of one.{hint} Take its first token "
        f"({parts[0]!r}, id {found[0]}), or the log-probability of the whole: sw.logprob({token!r})."
    )


def shown(engine: Engine, *ids: int) -> str:
    """Tokens as they are read, in quotes."""
    return repr("".join(engine.tokenizer.display(ids).strings))


def between(tokens: Sequence[object]) -> str:
    """A difference of tokens, in words."""

    def text(token: object) -> str:
        if isinstance(token, (list, tuple)):
            return "one for each text"
        return str(token) if isinstance(token, str) and token[:1] in "'\"" else repr(token)

    return " - ".join(map(text, tokens))

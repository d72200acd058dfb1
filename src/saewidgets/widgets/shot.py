"""What a page of a widget holds: its state, and the questions that it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ..snapshot.page import Choice, Recorded
from . import wire

__all__ = ["Question", "Shot", "recorded"]


@dataclass(frozen=True)
class Question:
    """A question that a page answers. Without `reply` the widget is asked, as a view would ask it."""

    channel: str
    asked: object
    reply: wire.Reply | None = None


@dataclass(frozen=True)
class Shot:
    """What a page holds.

    Attributes:
        state: traits that are other than on screen. title: of the page, where none is given.
        questions: what the page can answer, beside what is remembered.
        fallback: script-free HTML. provenance: the facts beside the numbers.
        choices: what a reader chooses among what was recorded.
    """

    title: str
    state: Mapping[str, wire.Json]
    questions: Sequence[Question]
    fallback: str
    provenance: Sequence[tuple[str, str]]
    choices: Sequence[Choice] = ()


def recorded(channel: str, params: Mapping[str, wire.Json], reply: wire.Reply) -> Recorded:
    """An answer as a page carries it."""
    message, _ = wire.success("", reply, "base64")
    data, arrays = cast("dict[str, wire.Json]", message["r"]), cast("list[wire.Json]", message["arrays"])
    return Recorded(channel, params, data, arrays)

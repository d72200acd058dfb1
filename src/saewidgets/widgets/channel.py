"""Channels: the questions that a view may ask of its widget, one method each, with what is asked as a frozen dataclass.

    @dataclass(frozen=True)
    class Rows:
        sort: str = "density"
        first: int = 0

    class Browser(EngineWidget, bundle="browser"):
        @channel("rows", Rows)
        def rows(self, asked: Rows, ticket: Ticket) -> Reply: ...

What arrives is checked against the fields' types, and what was asked can be written back in one form, so that a page
finds the answer that was recorded for it.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from .wire import Json, Reply

if TYPE_CHECKING:
    from ..engine.ticket import Ticket

__all__ = ["Channel", "channel", "channels_of", "parse", "plain"]

A = TypeVar("A")
W = TypeVar("W")
Answer = Callable[[W, A, "Ticket"], Reply]

_MARK = "_saew_channel"


@dataclass(frozen=True)
class Channel:
    """One kind of question.

    Attributes:
        name: as it is on the wire.
        asked: the dataclass that its parameters are read into. A field whose metadata have "wire" is called so there.
        method: name of the method that answers.
        long: whether an answer takes long: between its steps a cell and the questions of other views come first.
        remembered: whether the latest answers are kept for a page.
    """

    name: str
    asked: type
    method: str
    long: bool = False
    remembered: bool = False


def channel(
    name: str, asked: type[A], *, long: bool = False, remembered: bool = False
) -> Callable[[Answer[W, A]], Answer[W, A]]:
    """Make a method `(self, asked, ticket) -> Reply` the answer of a channel; it runs on the engine's worker."""

    def mark(method: Answer[W, A]) -> Answer[W, A]:
        setattr(method, _MARK, Channel(name, asked, method.__name__, long, remembered))
        return method

    return mark


def channels_of(cls: type) -> dict[str, Channel]:
    """The channels of a class and of those that it is made of, by name."""
    found = [getattr(member, _MARK, None) for base in reversed(cls.__mro__) for member in vars(base).values()]
    return {one.name: one for one in found if isinstance(one, Channel)}


def parse(kind: type[A], params: Mapping[str, Json]) -> A:
    """The parameters of a question as the dataclass `kind`.

    Raises:
        ValueError: naming the parameter that is missing or of another type; what it should be follows from the class.
    """
    hints = get_type_hints(kind, localns={"Json": Json})  # which names itself
    made: dict[str, object] = {}
    for f in fields(cast(Any, kind)):
        name = f.metadata.get("wire", f.name)
        if name in params:
            made[f.name] = _read(hints[f.name], params[name], name)
    try:
        return kind(**made)
    except TypeError:
        missing = {f.metadata.get("wire", f.name) for f in fields(cast(Any, kind))} - set(params)
        raise ValueError(
            f"A question lacks {', '.join(sorted(missing))}: front-end and kernel versions differ."
        ) from None


def plain(asked: object) -> dict[str, Json]:
    """What `parse` reads back: all parameters, as a view sends them."""
    return {f.metadata.get("wire", f.name): _written(getattr(asked, f.name)) for f in fields(cast(Any, asked))}


def _written(value: object) -> Json:
    if is_dataclass(value):
        return plain(value)
    return [_written(item) for item in value] if isinstance(value, tuple) else cast(Json, value)


def _read(hint: Any, value: Json, name: str) -> object:
    """`value` as the type `hint`: int, float, bool, str, Json, a Literal, a dataclass, tuples of these, or None beside one."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if any(get_origin(one) is dict for one in inner):  # Json: whatever it is
            return value
        if value is None and type(None) in inner:
            return None
        return _read(next(one for one in inner if one is not type(None)), value, name)
    if origin is tuple and isinstance(value, list):
        return tuple(_read(inner[0], item, name) for item in value)
    if origin is Literal and value in inner:
        return value
    if is_dataclass(hint) and isinstance(value, Mapping):
        return parse(cast("type[object]", hint), value)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is float and number:
        return float(cast(float, value))
    if hint is int and number and float(cast(float, value)).is_integer():
        return int(cast(float, value))
    if hint in (bool, str) and isinstance(value, hint):
        return value
    wanted = getattr(hint, "__name__", str(hint)) if origin is not Literal else " or ".join(map(repr, inner))
    raise ValueError(f"{name} is {wanted}, not {value!r}.")

"""Traits that take what people have at hand (arrays, tensors, table indices, token ids), and pairs that follow each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, cast

import traitlets

from ..engine.arrays import whole
from . import wire

if TYPE_CHECKING:
    import torch

Ids = list[int]
Text = str | list[str] | Ids | list[Ids]
"""A text, several, or token ids of one or several."""


def wholes(value: object) -> list[int]:
    """Plain integers of any flat sequence of them; one alone is a list of one, and None an empty one.

    Raises:
        TypeError: if it is something else.
    """
    if value is None:
        return []
    if isinstance(value, (str, bytes, Mapping)):
        raise TypeError(f"{value!r} is no list of integers.")
    try:
        return [whole(value)]
    except TypeError:
        return [whole(item) for item in cast("Iterable[object]", _listed(value))]


def how_many(value: object, called: str) -> int:
    """A number of things, of any kind of integer.

    Raises:
        TypeError: if it is none. ValueError: if it is less than 0.
    """
    try:
        number = whole(value, floats=False)
    except TypeError:
        raise TypeError(f"{called}={value!r} is no number: it says how many, from 0 on.") from None
    if number < 0:
        raise ValueError(f"{called}={value!r} is less than 0: it says how many, from 0 on.")
    return number


def several_numbers(value: object, called: str) -> list[float]:
    """Finite numbers of any flat sequence of them; one alone is a list of one.

    Raises:
        TypeError: naming what was given, for anything else. ValueError: for NaN and infinity.
    """
    given = _listed(value)
    items = [given] if isinstance(given, Real) else given
    if isinstance(items, (str, bytes, Mapping)) or not isinstance(items, Iterable):
        raise TypeError(f"{called} is a list of numbers, not {value!r}.")
    found = list(items)
    if not all(isinstance(one, Real) and not isinstance(one, bool) for one in found):
        raise TypeError(f"{called} is a list of numbers, not {value!r}.")
    if not all(math.isfinite(one) for one in found):
        raise ValueError(f"{called} is a list of finite numbers, not {value!r}.")
    return [float(one) for one in found]


def several_texts(value: object, called: str) -> list[str]:
    """A list of texts, each once; one alone is a list of one.

    Raises:
        TypeError: naming what was given, for anything else.
    """
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, (list, tuple)) or not all(isinstance(one, str) for one in given):
        raise TypeError(f"{called} is a list of texts, not {value!r}.")
    return list(dict.fromkeys(wire.sendable(one) for one in given))


def as_text(value: object) -> Text:
    """A text, texts, or token ids, of strings, lists, arrays or tensors; strings without lone surrogates.

    Raises:
        TypeError: for anything else, and for a mixture.
    """
    if isinstance(value, str):
        # A lone surrogate would break the connection to the front-end.
        return wire.sendable(value)
    if value is None or isinstance(value, (bytes, Mapping)):
        raise TypeError(f"A text is a string, a list of strings, or token ids, not {type(value).__name__}.")
    items = list(cast("Iterable[object]", _listed(value)))
    if all(isinstance(item, str) for item in items):
        return [wire.sendable(str(item)) for item in items]
    if any(isinstance(item, str) for item in items):
        raise TypeError("Texts and token ids are mixed: pass strings only, or token ids only.")
    try:
        return [whole(item, floats=False) for item in items]
    except TypeError:
        return [[whole(i, floats=False) for i in cast("Iterable[object]", _listed(item))] for item in items]


def is_ids(text: object) -> bool:
    """Whether a text is given as token ids."""
    return isinstance(text, list) and bool(text) and not isinstance(text[0], str)


def _listed(value: object) -> object:
    """Arrays and tensors as lists: their own elements, on whatever device, would be slow to take one by one."""
    if not hasattr(value, "dtype"):
        return value
    array = cast("torch.Tensor", value)
    return (array.detach() if hasattr(value, "detach") else array).tolist()


class WholeNumber(traitlets.Int):  # type: ignore[type-arg]
    """An integer of any kind."""

    def validate(self, obj: Any, value: Any) -> Any:
        try:
            value = whole(value)
        except TypeError:
            self.error(obj, value)
        return super().validate(obj, value)


class WholeNumbers(traitlets.List):  # type: ignore[type-arg]
    """A list of integers, of any sequence of them; none below `min`."""

    def __init__(self, min: int | None = None) -> None:
        super().__init__(traitlets.Int())
        self._least = min

    def validate(self, obj: Any, value: Any) -> Any:
        kind = "integers" if self._least is None else f"integers from {self._least}"
        must = f"{self.name} of {type(obj).__name__} is a list of {kind} (or an array, a tensor, an index of a table)"
        try:
            found = wholes(value)
        except TypeError as error:
            raise traitlets.TraitError(f"{must}, not {value!r}: {error}") from None
        # Here, for a list does not say which of its elements is refused, nor by what name.
        if self._least is not None and any(one < self._least for one in found):
            raise traitlets.TraitError(f"{must}, not {value!r}.")
        return super().validate(obj, found)


class JsonTrait(traitlets.Dict):
    """A JSON object, of any mapping whose values have a place in JSON."""

    def validate(self, obj: Any, value: Any) -> Any:
        if not isinstance(value, Mapping):
            self.error(obj, value)
        try:
            return super().validate(obj, wire.jsonable(value))
        except TypeError as error:
            raise traitlets.TraitError(f"{self.name or 'An item'} of {type(obj).__name__}: {error}") from None


class TextOrIds(traitlets.TraitType[Any, Any]):
    """A text, and what else `as_text` takes; with `single`, one text or the token ids of one."""

    default_value = ""
    info_text = "a text, or token ids"

    def __init__(self, single: bool = False) -> None:
        super().__init__()
        self._single = single

    def validate(self, obj: Any, value: Any) -> Text:
        try:
            text = as_text(value)
        except TypeError as error:
            raise traitlets.TraitError(f"{self.name} of {type(obj).__name__}: {error}") from None
        if not self._single or isinstance(text, str):
            return text
        if len(text) == 1 and isinstance(text[0], list):
            text = text[0]
        if not all(isinstance(item, int) for item in text):
            raise traitlets.TraitError(f"{self.name} of {type(obj).__name__} is one text, or the token ids of one.")
        return text or ""


class Follows(traitlets.HasTraits):
    """Two traits that each follow the other, such as a selection and what was selected last.

    Others are told of the first before the second, and both are made to agree only then. So two widgets that are linked
    by both agree as well, in whatever order they were linked or set: each half of a link sees the other's whole state.
    """

    linked: ClassVar[tuple[str, str]]
    _told: dict[str, object]
    _telling = False

    def notify_change(self, change: Any) -> None:
        first, second = self.linked
        name = change["name"]
        if name not in self.linked:
            super().notify_change(change)
            return
        if self._telling:
            return  # the call that is telling goes on with what is untold by then
        wanted = getattr(self, second)
        chosen = self._untold(second)
        by = second if chosen else name
        self._telling = True
        try:
            while self._untold(first) or self._untold(second):
                if self._untold(first):
                    self._tell(first)
                    if chosen and getattr(self, second) != wanted:
                        # It was set together with the first, of which alone a linked widget heard and made its own choice.
                        setattr(self, second, wanted)
                else:
                    chosen = False
                    self._tell(second)
        finally:
            self._telling = False
        self._agree(by)

    def _untold(self, name: str) -> bool:
        return bool(getattr(self, name) != self._told[name])

    def _tell(self, name: str) -> None:
        old, new = self._told[name], getattr(self, name)
        self._told[name] = new
        super().notify_change(traitlets.Bunch(name=name, old=old, new=new, owner=self, type="change"))

    def _agree(self, name: str) -> None:
        """Make the pair agree, after trait `name` of it changed."""
        raise NotImplementedError

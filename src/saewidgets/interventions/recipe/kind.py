"""What a kind of intervention is, and what its value may be measured in.

`kinds.py` has the kinds there are. The words for people stand in `kinds.json`, which the view is built with, too.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["UNITS", "WORDS", "Added", "Change", "Kind", "Sized", "Tokens", "Unit", "Written", "norm_name", "pair"]


@dataclass(frozen=True)
class Unit:
    """A unit of values.

    Attributes:
        name, says, title: as recipes have it, and for people; "{norm}" stands for what `norm_name` says.
        slider: (low, high) of a slider; None: by the feature's own size.
        of_features: True where a raw direction has none.
    """

    name: str
    says: str
    title: str
    slider: tuple[float, float] | None
    of_features: bool


@dataclass(frozen=True)
class Tokens:
    """What a formula is made of, for one feature (or direction) in every row of a batch.

    Attributes:
        value, low: [batch, 1] the value (in activations, where its unit is "max"), the lower bound (-inf for none).
        median: [batch, 1] m; 1 in other units than "resid".
        a: [batch, pos] the feature's activation; None unless `Kind.reads`.
        size: [batch, pos] by what decoding multiplies d at each token.
        h: [batch, pos, d_out] the value at the hook.
        d, unit, stored: [d_out] d, d̂, and the row as its maker stored it. other: d of the feature that replaces.
    """

    value: Tensor
    low: Tensor
    median: Tensor
    a: Tensor | None
    size: Tensor
    h: Tensor
    d: Tensor
    unit: Tensor
    stored: Tensor
    other: Tensor | None = None

    @property
    def activation(self) -> Tensor:
        """`a`, of a kind that reads it."""
        assert self.a is not None
        return self.a


class Change(Protocol):
    """What a kind asks an `Intervention` for."""

    @property
    def kind(self) -> str: ...

    @property
    def unit(self) -> str: ...

    @property
    def low(self) -> float | None: ...

    @property
    def by(self) -> int | None: ...


class Sized(Protocol):
    """What a kind asks an `Amount` for: an intervention on one feature, with its units as numbers."""

    @property
    def intervention(self) -> Change: ...

    @property
    def feature(self) -> int: ...

    @property
    def value(self) -> float: ...

    @property
    def median_norm(self) -> float | None: ...


@dataclass(frozen=True)
class Added:
    """What a formula adds to h: the sum of coefficient [batch, pos] times vector [d_out] over `parts`.

    `wanted`: [batch, pos] the activation that it asks for; None if it asks for none.
    """

    parts: tuple[tuple[Tensor, Tensor], ...]
    wanted: Tensor | None = None


@dataclass(frozen=True)
class Written:
    """The same as plain code: a coefficient [1, pos], a vector [d_out], and lines that come before.

    It may name W (rows as stored), D (d without its size), a, size, h.
    """

    coefficient: str
    vector: str
    before: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """One kind of intervention; a subclass computes it.

    Attributes:
        name, says, formula: as recipes have it, and for people.
        units: what its value may be in; none: it takes a bare factor, or nothing.
        start: the value of a new row in the view; None: the kind takes no value.
        default: the value where none is given.
        neutral: the value that changes nothing, whatever the text; None if there is none.
        slider: (low, high) of a slider, whatever the unit; None: the unit's.
        factor: what a bare number is called.
        other, bounded: whether `by` (and no raw direction), or `low`, goes with it.
        in_activations: whether its value is an amount of activation, so that one unit can be told in another.
    """

    name: str
    says: str
    formula: str
    units: tuple[str, ...] = ()
    start: float | None = 1.0
    default: float | None = None
    neutral: float | None = None
    slider: tuple[float, float] | None = None
    factor: str = ""
    other: bool = False
    bounded: bool = False
    in_activations: bool = False

    def reads(self, i: Change) -> bool:
        """Whether the formula needs the feature's activation."""
        return True

    def adds(self, i: Change, at: Tokens) -> Added:
        """What is added at each token where `i` acts."""
        raise NotImplementedError(f"The kind {self.name!r} has no formula.")

    def code(self, amount: Sized) -> Written:
        """`adds` as plain code, with numbers in place of units."""
        raise NotImplementedError(f"The kind {self.name!r} has no plain code.")

    def direction(self, i: Change, value: float, activation: float, unedited: float) -> int:
        """Whether it raises the feature at that value (1), suppresses it (-1), or neither (0), beside no edit.

        Args:
            value: of the intervention; activation: the same in units of activation.
            unedited: mean activation of the feature where nothing is edited; NaN where it is not known.
        """
        return 0

    def least(self, i: Change) -> float:
        """Where a sweep begins: the neutral value; without one, the lower bound, or 0."""
        return self.neutral if self.neutral is not None else i.low or 0.0

    def reach(self, unit: str, largest: float, shortest: float) -> tuple[float, float] | None:
        """Where a slider is useful; None for a kind without a value.

        Args:
            largest: max activation of the features, 0 if unknown; shortest: the least |d| of them.
        """
        if self.start is None:
            return None
        bounds = self.slider or UNITS[unit].slider
        if bounds is not None:
            return bounds
        high = 10 * largest or 100.0 / max(shortest, 1e-6)
        return -high / 2, high


WORDS = json.loads(resources.files(__package__).joinpath("kinds.json").read_text(encoding="utf-8"))
"""The file that both sides read."""


def pair(of: list[float] | None) -> tuple[float, float] | None:
    """A slider's ends as JSON has them."""
    return None if of is None else (float(of[0]), float(of[1]))


UNITS = {name: Unit(name, **{**row, "slider": pair(row["slider"])}) for name, row in WORDS["units"].items()}
"""By name, in the order of menus."""


def norm_name(hook: str, head: int | None = None) -> str:
    """What the norm of the value at a hook is called: "residual norm" where that is the residual stream."""
    if re.search(r"(^|\.)hook_resid_(pre|mid|post)$", hook) or re.fullmatch(r"blocks\.\d+\.hook_(in|out)", hook):
        return "residual norm"
    return f"norm of the value at {hook}" + ("" if head is None else f", head {head}")

"""One of the two features that stand beside each other: where it is read, and what it is called.

A side may have an engine (then texts can be read), an index (then there is a corpus), or both. Whatever is missing is told
by name, so that the parts that need it can be left out and say why.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from ...engine.arrays import Floats
from ...errors import FeatureIndexError, SaewidgetsError
from ...index.feature_index import FeatureIndex
from ..errors import GeometryError

if TYPE_CHECKING:
    from ...engine.engine import Engine

__all__ = [
    "Side",
    "SideLike",
    "Which",
    "called",
    "decoder_row",
    "labels_of",
    "n_features",
    "provenance_of",
    "sided",
    "with_feature",
]

Which: TypeAlias = Literal["A", "B"]

_FORMS = (
    "A side is a pair (engine, feature) or (index, feature), or sw.Side(engine=engine, index=index, feature=2717, "
    'name="base")'
)
# What provenance calls a dictionary.
_KINDS = ("SAE", "transcoder", "directions", "neurons")


@dataclass(frozen=True, kw_only=True)
class Side:
    """A feature and where it is read.

    Attributes:
        feature: its index.
        engine: what reads texts; None: the engine that the index was opened with, if there is one.
        index: what holds a corpus; None: none.
        sae: which dictionary of the engine; default: the one that the index is of, else the engine's first.
        name: what the side is called beside the other one, such as "base" and "tuned"; default: the dictionary's name.

    Example:
        >>> base = sw.Side(engine=engine, index=index, feature=2717, name="base")
        >>> tuned = sw.Side(engine=tuned_engine, index=tuned_index, feature=2717, name="tuned")
        >>> sw.beside(base, tuned, "In the beginning").text.to_pandas()
    """

    feature: int
    engine: Engine | None = None
    index: FeatureIndex | None = None
    sae: str | None = None
    name: str = ""


SideLike: TypeAlias = "Side | tuple[Engine | FeatureIndex, int]"
"""A `Side`, or a pair of an engine or an index and a feature."""


def sided(given: SideLike, which: Which) -> Side:
    """`given` as a whole side: its engine, dictionary and name are found, and engine and index belong together.

    Raises:
        GeometryError: for anything but a side, or a side without engine and index. FeatureIndexError: for a feature outside its
            dictionary, naming the side. KeyError: for a dictionary that the engine does not have. IndexMismatchError: for an
            index that is not of the engine.
    """
    side = _as_side(given, which)
    engine, index, sae = side.engine, side.index, side.sae
    if engine is None and index is None:
        raise GeometryError(f"Side {which} has neither an engine nor an index. {_FORMS}.")
    if engine is None:
        assert index is not None
        engine = index.engine
    if engine is not None:
        sae = engine.dictionary(sae).name if index is None else _belongs(engine, index, sae, which)
    elif sae is None:
        assert index is not None
        facts = index.provenance
        sae = next((facts[kind] for kind in _KINDS if kind in facts), index.path.name)
    whole = replace(side, engine=engine, sae=sae, name=side.name or str(sae))
    return with_feature(whole, which, side.feature)


def with_feature(side: Side, which: Which, feature: object) -> Side:
    """The same side of another feature.

    Raises:
        FeatureIndexError: if its dictionary has no such feature, naming the side.
    """
    try:
        number = operator.index(feature)  # type: ignore[arg-type]
    except TypeError:
        raise GeometryError(f"The feature of side {which} is an integer, not {feature!r}. {_FORMS}.") from None
    if not 0 <= number < n_features(side):
        raise FeatureIndexError(
            f"Feature {number} is outside side {which}, {side.name!r}, whose dictionary has {n_features(side):,} features (0 to "
            f"{n_features(side) - 1}). Are the features of A and B mixed up?"
        )
    return replace(side, feature=number)


def n_features(side: Side) -> int:
    """Features of the side's dictionary."""
    if side.index is not None:
        return len(side.index)
    assert side.engine is not None
    return side.engine.dictionary(side.sae).n_features


def labels_of(side: Side) -> Mapping[int, str]:
    """What its features are called, living."""
    if side.index is not None:
        return side.index.labels
    assert side.engine is not None
    return side.engine.dictionary(side.sae).labels


def called(side: Side, which: Which) -> str:
    """The side in an error or a note: "A ('base')"."""
    return f"{which} ({side.name!r})"


def provenance_of(side: Side) -> dict[str, str]:
    """Where the side's numbers come from: of its index, if it has one, with what the engine says beside it."""
    found: dict[str, str] = {}
    if side.engine is not None:
        found |= side.engine.provenance(side.sae)
    if side.index is not None:
        found |= {key: value for key, value in side.index.provenance.items() if key != "notes"}
    return found


def decoder_row(side: Side, which: Which) -> tuple[Floats, str]:
    """What one unit of the feature's activation adds, [d_out] float32 (`Dictionary.written`), and the hook to which.

    Raises:
        GeometryError: if the side has no engine, for an index does not hold decoders.
    """
    if side.engine is None:
        raise GeometryError(
            f"Side {called(side, which)} has no engine, and an index does not hold decoder rows: open it with its engine, "
            "FeatureIndex.open(path, engine=engine)."
        )
    dictionary = side.engine.dictionary(side.sae)
    return dictionary.written([side.feature])[0], dictionary.hook_name_out or dictionary.hook_name


def _as_side(given: object, which: Which) -> Side:
    from ...engine.engine import Engine  # only here: an index alone needs no torch

    if isinstance(given, Side):
        for name, value, kind in (("engine", given.engine, Engine), ("index", given.index, FeatureIndex)):
            if value is not None and not isinstance(value, kind):
                raise GeometryError(
                    f"The {name} of side {which} is {type(value).__name__}, not {kind.__name__}. {_FORMS}."
                )
        return given
    if isinstance(given, (tuple, list)) and len(given) == 2:
        source, feature = given
        if isinstance(source, FeatureIndex):
            return Side(index=source, feature=feature)
        if isinstance(source, Engine):
            return Side(engine=source, feature=feature)
        raise GeometryError(f"Side {which} is of {type(source).__name__}, which is no engine and no index. {_FORMS}.")
    raise GeometryError(f"Side {which} is {type(given).__name__}. {_FORMS}.")


def _belongs(engine: Engine, index: FeatureIndex, sae: str | None, which: Which) -> str:
    """The engine's dictionary that the index is of."""
    if index.engine is engine and sae in (None, index.sae):
        return index.sae
    refused: SaewidgetsError | None = None
    for name in engine.dictionaries if sae is None else [engine.dictionary(sae).name]:
        try:
            index.check(engine, name)
        except SaewidgetsError as error:
            refused = refused or error
        else:
            return name
    assert refused is not None
    raise type(refused)(f"Side {which}: {refused}")

"""Which examples a dashboard's view is shown: those that it asks for, and what it may ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ...index.corpus.columns import plain
from ...index.errors import FilterError
from ...index.store.examples import Examples
from ...index.store.filters import shown
from .. import wire
from ..feature.payload import examples_reply
from .asked import AskedExamples

if TYPE_CHECKING:
    from ...index.feature_index import FeatureIndex

_MOST_VALUES = 50


def select(index: FeatureIndex, asked: AskedExamples, top: int = 20, per_interval: int = 5) -> Examples:
    """The examples that are asked for."""
    low, high = asked.bounds if len(asked.bounds) == 2 else (None, None)
    return index.examples(
        asked.feature,
        group=cast("object", asked.group),  # type: ignore[arg-type]
        low=low,
        high=high,
        token=asked.token or None,
        where={asked.where[0]: asked.where[1]} if len(asked.where) == 2 else None,
        window=None if asked.view == "full" else asked.window,
        top=top,
        per_interval=per_interval,
    )


def columns_of(index: FeatureIndex) -> list[wire.Json]:
    """Columns of the corpus that have few enough values to choose from; the values as `where` understands them."""
    found: list[wire.Json] = []
    for name in index.columns:
        values = sorted({shown(v) for v in index.texts.values(name)[0] if plain(v) is not None})
        if 1 < len(values) <= _MOST_VALUES:
            found.append({"name": wire.sendable(name), "values": [wire.sendable(v) for v in values]})
    return found


def answer_examples(index: FeatureIndex, asked: AskedExamples, *how_many: int) -> wire.Reply:
    """The examples that are asked for; what the corpus does not have at all is said in place of them."""
    feature = index.feature(asked.feature)
    try:
        return examples_reply(feature, select(index, asked, *how_many))
    except FilterError as error:  # often half a word, still being typed
        reply = examples_reply(feature, Examples(asked.feature, ()))
        return wire.Reply({**reply.data, "note": str(error)}, reply.arrays)

"""Finding a feature to steer: by number, by what is said of it, or in the prompt."""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from ...errors import SaewidgetsError
from .. import wire
from ..feature.said import said_of
from .asked import AskedPrompt

if TYPE_CHECKING:
    from ...engine.dictionary.base import Dictionary
    from ...engine.engine import Engine
    from ...index.feature_index import FeatureIndex

_FOUND = 12


class Search:
    """Searches the features of an engine's dictionaries, with the words of an index for the one that it is of."""

    def __init__(self, engine: Engine, index: FeatureIndex | None, indexed: str | None) -> None:
        self._engine, self._index, self._indexed = engine, index, indexed

    def reply(self, query: str, sae: str | None, asked: AskedPrompt) -> wire.Reply:
        """Up to 12 features, best first; with no query those that are strongest in the prompt."""
        dictionary = self._engine.dictionary(sae)
        words = query.strip().lower().removeprefix("#")
        items: list[wire.Json] = []
        if words:
            items += [self._item(dictionary, f) for f in self._matches(dictionary, words)]
        else:
            items += self._in_prompt(dictionary, asked)
        return wire.Reply({"items": items})

    def _matches(self, dictionary: Dictionary, words: str) -> list[int]:
        number = words.isascii() and words.isdigit()  # "²" is a digit, and no number
        found = [int(words)] if number and int(words) < dictionary.n_features else []
        if self._index is not None and dictionary.name == self._indexed:
            found += [one.feature for one in self._index.found(words, k=_FOUND)]
        else:
            found += islice((f for f, label in dictionary.labels.items() if words in label.lower()), _FOUND)
        return list(dict.fromkeys(found))[:_FOUND]

    def _in_prompt(self, dictionary: Dictionary, asked: AskedPrompt) -> list[wire.Json]:
        try:
            ids = asked.read(self._engine).ids
        except SaewidgetsError:
            return []
        acts = self._engine.activations(list(ids), sae=dictionary.name)
        ranked = acts.top(_FOUND).to_pandas()
        items: list[wire.Json] = []
        for f in ranked.index:
            largest = float(np.max(np.abs(acts[:, int(f)][acts.counted]), initial=0.0))
            items.append({**self._item(dictionary, int(f)), "a": largest})
        return items

    def _item(self, dictionary: Dictionary, feature: int) -> dict[str, wire.Json]:
        item: dict[str, wire.Json] = {
            "f": feature,
            **said_of(dictionary.labels, feature),
            "max": None,
            "signed": int(dictionary.signed),
        }
        if self._index is not None and dictionary.name == self._indexed:
            ends = [float(self._index.column(end)[feature]) for end in ("low", "high")]
            item["max"] = max(map(abs, ends)) if all(map(math.isfinite, ends)) else None
        return item

"""Finding a feature to steer: by number, by label, by the tokens it fires on or promotes, or in the prompt."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np

from ...errors import SaewidgetsError
from .. import wire
from .asked import AskedPrompt

if TYPE_CHECKING:
    import pandas as pd

    from ...engine.dictionary.base import Dictionary
    from ...engine.engine import Engine
    from ...engine.labels import Labels
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

    @cached_property
    def _table(self) -> pd.DataFrame | None:
        return None if self._index is None else self._index.features

    def _matches(self, dictionary: Dictionary, words: str) -> list[int]:
        found: list[int] = []
        number = words.isascii() and words.isdigit()  # "²" is a digit, and no number
        if number and int(words) < dictionary.n_features:
            found.append(int(words))
        found += [f for f, label in self._labels(dictionary).to_dict().items() if words in label.lower()]
        table = self._table if dictionary.name == self._indexed else None
        if table is not None and not number:
            fires = table["top_token"].fillna("").str.lower().str.contains(words, regex=False)
            found += self._strongest(table, fires.to_numpy())
            if "top_logits" in table:
                promotes = [any(words in (t or "").lower() for t in tops) for tops in table["top_logits"]]
                found += self._strongest(table, np.array(promotes))
        return list(dict.fromkeys(found))[:_FOUND]

    def _strongest(self, table: pd.DataFrame, wanted: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[int]:
        return [int(f) for f in table[wanted].sort_values("count", ascending=False).index[:_FOUND]]

    def _labels(self, dictionary: Dictionary) -> Labels:
        own = self._index is not None and dictionary.name == self._indexed
        return self._index.labels if own and self._index is not None else dictionary.labels

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
            "label": self._labels(dictionary).get(feature),
            "max": None,
            "signed": int(dictionary.signed),
            "top": [],
        }
        table = self._table if dictionary.name == self._indexed else None
        if table is not None:
            row = table.loc[feature]
            largest = max(abs(float(cast(float, row[end]))) for end in ("max", "min"))
            item["max"] = largest if np.isfinite(largest) else None
            promoted = list(row["top_logits"])[:3] if "top_logits" in table else []
            item["top"] = [t for t in (row["top_token"], *promoted) if isinstance(t, str)]
        return item

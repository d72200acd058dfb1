"""A comparison without a kernel: the answers that a page carries, and the script-free picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import permutations, product
from typing import TYPE_CHECKING

import numpy as np

from ...engine.comparison.result import Comparison
from ...snapshot.fallback import FallbackRow, fallback
from ..feature.card import AskedCardOf, card_reply
from ..feature.corpus import Corpus
from ..shot import Question
from .asked import AskedDifferences, AskedPredictions, AskedTokens
from .payload import choices, differences_reply, listed, rows, tokens_reply

if TYPE_CHECKING:
    from ...index.feature_index import FeatureIndex

_FALLBACK_TOKENS = 1000
_FALLBACK_ROWS = 10
# A page answers a click on each column up to this many; beyond it, it would be mostly rankings.
_CLICKABLE = 120
# And the pairs and filters of up to so many texts, also at each column if that is not too much.
_FEW_TEXTS = 3
_FILTERED_CLICKS = 300


def questions(
    found: Comparison, asked: AskedDifferences, index: FeatureIndex | None, corpus: Corpus | None
) -> Iterator[Question]:
    """What a page answers: tokens and predictions; differences wherever a click compares, of every pair and filter of a few texts;
    and with an index a card of each listed feature.

    Every answer's `selected` holds all its listed features, so whatever is listed can be coloured; the page's host therefore
    leaves `features` out when it looks an answer up.
    """
    yield Question("tokens", AskedTokens(asked.texts, asked.sae), tokens_reply(found, asked.sae))
    yield Question("predictions", AskedPredictions(asked.texts))
    cards: dict[int, None] = dict.fromkeys(asked.features)
    for wanted in dict.fromkeys(_wanted(found, asked)):
        params = replace(wanted, texts=asked.texts)
        there = found.read_at(params.place(found.lengths))
        shown = there.values.features[listed(there, params)[: params.limit]].tolist()
        if replace(params, features=()) == replace(asked, features=()):
            cards |= dict.fromkeys(shown)
        reply = differences_reply(there, replace(params, features=(*shown, *asked.features)), corpus)
        yield Question("differences", replace(params, features=()), reply)
    if index is not None:
        yield from (Question("card", AskedCardOf(feature, asked.sae), card_reply(index, feature)) for feature in cards)


def _wanted(found: Comparison, asked: AskedDifferences) -> Iterator[AskedDifferences]:
    """The present question and those that a click away from it asks; without their texts, so that equal ones are found."""
    asked = replace(asked, texts=None, features=())
    yield asked
    n = found.n_texts
    everywhere = [replace(asked, at=at, positions=()) for at in ("last", "max", "sum")]
    clicks = choices(found.alignment).tolist() if len(found.alignment) <= _CLICKABLE else []
    chosen = [replace(asked, at="chosen", positions=tuple(column)) for column in clicks]
    yield from (*everywhere, *chosen)
    if n > _FEW_TEXTS:
        return
    filters = [
        tuple(tuple(i for i, mark in enumerate(marks) if mark is wanted) for wanted in (True, False))
        for marks in product((None, True, False), repeat=n)
    ]
    for where in (asked, *everywhere):
        for pair, (all_of, none_of) in product(permutations(range(n), 2), filters):
            yield replace(where, pair=pair, all_of=all_of, none_of=none_of)
    if len(chosen) * len(filters) <= _FILTERED_CLICKS:
        for where, (all_of, none_of) in product(chosen, filters):
            yield replace(where, all_of=all_of, none_of=none_of)


def fallback_of(found: Comparison, asked: AskedDifferences, feature: int | None, corpus: Corpus | None) -> str:
    """Script-free HTML: the texts coloured by `feature`, and a table of the features that differ most."""
    acts = found.activations
    values = np.zeros(len(acts), np.float32) if feature is None else acts[:, feature]
    scale = float(np.abs(values[acts.counted]).max(initial=0))
    tokens: list[FallbackRow] = []
    for i, start in enumerate(acts.text_ptr[:-1]):
        tokens.append(FallbackRow(text=f"{'' if i == 0 else chr(10)}{i + 1}: ", level=0.0, muted=True, value=None))
        for token in range(start, acts.text_ptr[i + 1]):
            counted = bool(acts.counted[token])
            level = float(values[token] / scale) if scale and counted else 0.0
            value = float(values[token]) if feature is not None else None
            tokens.append(FallbackRow(text=acts.tokens[token], level=level, muted=not counted, value=value))
    heading = f"{found.n_texts} texts compared"
    if feature is not None:
        heading += f"; {acts.activation_name} of feature {feature}, coloured from 0 to {scale:.4g}"
    order = listed(found, asked)
    shown = found.values.features[order[:_FALLBACK_ROWS]].tolist()
    a, b = asked.two(found.n_texts)
    names = [f"text {i + 1}" for i in range(found.n_texts)]
    table = rows(found, shown, asked, corpus)
    return fallback(
        heading=heading,
        tokens=tokens[:_FALLBACK_TOKENS],
        left_out=max(0, len(tokens) - _FALLBACK_TOKENS),
        caption=f"{len(shown)} of {len(order)} active features, by |text {a + 1} - text {b + 1}|, {found.where}",
        columns=["feature", "description", *names, "difference", *(["density"] if corpus else [])],
        rows=[_cells(row) for row in table if isinstance(row, dict)],
        provenance=list(acts.provenance.items()),
        notes=list(found.notes),
    )


def _cells(row: Mapping[str, object]) -> list[str]:
    said, values, density = row["said"], row["values"], row["density"]
    text = said["text"] if isinstance(said, dict) else row["label"] or ""
    numbers = [*(values if isinstance(values, list) else []), row["difference"]]
    share = [] if density is None else [f"{density:.2%}"]
    return [str(row["f"]), str(text), *(f"{number:.4g}" for number in numbers), *share]

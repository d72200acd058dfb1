"""The heatmap without a kernel: the answers that a page carries, and the script-free picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ...engine.activations.ranking import SORTS
from ...engine.activations.result import FeatureActivations
from ...snapshot.fallback import FallbackRow, fallback
from ..feature.card import AskedCardOf, card_reply
from ..feature.corpus import Corpus
from ..feature.on_text import describes
from ..feature.sources import AskedSources
from ..shot import Question
from . import payload as heatmap_payload
from .payload import Rank, Said, Tokens, rank_reply, ranking_of, said_reply, tokens_reply
from .ranked import ORDERS, Order, ranked

if TYPE_CHECKING:
    from ...index.feature_index import FeatureIndex

_FALLBACK_TOKENS = 1000
# A page answers a click on each token up to this many tokens; beyond it, it would be mostly rankings.
_CLICKABLE_TOKENS = 160


def questions(
    acts: FeatureActivations, asked: Rank, index: FeatureIndex | None, corpus: Corpus | None
) -> Iterator[Question]:
    """What a page answers: the tokens, what is said of the strongest features on each, rankings over all tokens, each single
    one, and the selected ones; and with an index a card of each feature that the first ranking lists.

    Every answer's `selected` holds all its listed features and `asked.features`, so whatever is listed can be coloured;
    the page's host therefore leaves `features` out when it looks an answer up.
    """
    yield Question("tokens", Tokens(asked.text, asked.sae), tokens_reply(acts, asked.sae))
    cards: dict[int, None] = dict.fromkeys(asked.features)
    choices: list[tuple[int, ...]] = [(), *((i,) for i in range(len(acts)) if len(acts) <= _CLICKABLE_TOKENS)]
    if asked.tokens not in choices:
        choices.append(asked.tokens)
    # A text too rich to send whole takes its columns along with each ranking: then only the present one is recorded.
    whole = len(acts.values) <= heatmap_payload.MAX_SENT
    orders = SORTS if corpus is None else ORDERS
    for sort in orders if whole else (asked.sort,):
        for include_special in (False, True) if whole else (asked.include_special,):
            for tokens in choices:
                params = replace(asked, sort=sort, include_special=include_special, tokens=tokens)
                listed = [*ranking_of(acts, params, corpus).ranking]
                if not tokens and sort == asked.sort:
                    cards.update(dict.fromkeys(listed))
                reply = rank_reply(acts, replace(params, features=(*listed, *asked.features)), corpus)
                yield Question("rank", replace(params, features=()), reply)
    if describes(acts) and len(acts) <= _CLICKABLE_TOKENS:
        yield from (
            Question("said", Said(asked.text, asked.sae, token), said_reply(acts, token)) for token in range(len(acts))
        )
    if index is not None:
        yield from (Question("card", AskedCardOf(feature, asked.sae), card_reply(index, feature)) for feature in cards)


def questions_of_sources(asked: Rank, feature: int | None) -> Iterator[AskedSources]:
    """Where the selected feature is strongest, and at the selected token, if it is one."""
    if feature is not None:
        yield AskedSources(feature, asked.text, sae=asked.sae)
    if feature is not None and len(asked.tokens) == 1:
        yield AskedSources(feature, asked.text, asked.tokens[0], sae=asked.sae)


def fallback_of(
    acts: FeatureActivations, feature: int | None, sort: Order, include_special: bool, corpus: Corpus | None = None
) -> str:
    """Script-free HTML: the tokens coloured by `feature`, and a table of the most active features."""
    values = None if feature is None else acts[:, feature]
    counted = acts.counted | include_special
    scale = 0.0 if values is None else float(abs(values[counted]).max(initial=0))
    shown = min(len(acts), _FALLBACK_TOKENS)
    tokens = [
        FallbackRow(
            text=acts.tokens[i],
            level=float(values[i] / scale) if values is not None and scale and counted[i] else 0.0,
            muted=not counted[i],
            value=None if values is None else float(values[i]),
        )
        for i in range(shown)
    ]
    ranking = ranked(acts, corpus, 10, sort=sort, include_special=include_special).ranking
    table = ranking.to_pandas().drop(columns=["max_at_token", "max_at"])
    heading = "Active features"
    if feature is not None:
        label = acts.labels.get(feature, "")
        named = f"{feature} {label}" if label else str(feature)
        heading = f"{acts.activation_name} of feature {named}, coloured from 0 to {scale:.4g}"
    order = "density, the sparsest first," if sort == "density" else ranking.sorted_by
    tokens_counted = f"{ranking.n_tokens} token{'' if ranking.n_tokens == 1 else 's'}" + (
        "" if include_special else " (special tokens and norm outliers left out)"
    )
    return fallback(
        heading=heading,
        tokens=tokens,
        left_out=len(acts) - shown,
        caption=f"{len(ranking)} of {ranking.total} active features, by {order} over {tokens_counted}",
        columns=["feature", *(name.replace("_", " ") for name in table.columns)],
        rows=[[str(f), *map(_cell, row)] for f, row in zip(ranking, table.to_numpy().tolist(), strict=True)],
        provenance=list(acts.provenance.items()),
        notes=list(acts.notes),
    )


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

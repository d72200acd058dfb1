"""The attribution panel without a kernel: what a page answers, and the script-free picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...attribution.result import Attribution
from ...snapshot.fallback import FallbackRow, fallback
from ..feature.card import AskedCard
from ..shot import Question as Asked
from .asked import AskedColour, AskedPredictions, AskedRank, Sort

if TYPE_CHECKING:
    from ...index.feature_index import FeatureIndex

__all__ = ["fallback_of", "questions"]

_FALLBACK_TOKENS = 1000
# A page answers a click on each token up to this many tokens; beyond it, it would be mostly rankings.
_CLICKABLE_TOKENS = 160
_SORTS: tuple[Sort, ...] = ("size", "positive", "negative")


def questions(
    found: Attribution, sae: str, rank: AskedRank, features: int, index: FeatureIndex | None
) -> Iterator[Asked]:
    """The tokens, rankings over all of them and over each single one, the colours of the first features, and what comes next."""
    yield Asked("attribution", rank.of)
    yield Asked("predictions", AskedPredictions(rank.of.prompt, rank.of.sae))
    choices: list[tuple[int, ...]] = [
        (),
        *((i,) for i in range(len(found.tokens)) if len(found.tokens) <= _CLICKABLE_TOKENS),
    ]
    if rank.tokens not in choices:
        choices.append(rank.tokens)
    for tokens in choices:
        for sort in _SORTS if not tokens else ("size",):
            yield Asked("rank", replace(rank, tokens=tokens, sort=sort))
    listed = found.sums(sae=sae, include_special=rank.include_special).features[:features].tolist()
    for feature in listed:
        yield Asked("colour", AskedColour(rank.of, feature))
        if index is not None:
            yield Asked("card", AskedCard(feature))


def fallback_of(found: Attribution, sae: str, include_special: bool) -> str:
    """Script-free HTML: the tokens by what they are worth, and the features that matter most."""
    d = found.dictionaries.index(sae)
    here = found.sae == d
    worth = np.bincount(found.token[here], found.attributions[here], len(found.tokens))
    counted = found.counted[d] | include_special
    scale = float(np.abs(worth[counted]).max(initial=0))
    shown = min(len(worth), _FALLBACK_TOKENS)
    tokens = [
        FallbackRow(
            text=found.tokens[i],
            level=float(worth[i] / scale) if scale and counted[i] else 0.0,
            muted=not counted[i],
            value=float(worth[i]),
        )
        for i in range(shown)
    ]
    table = found.by_feature(sae=sae, include_special=include_special).head(10)
    columns = ["feature", "label", "attribution", "max_activation", "positions", "top_token"]
    share = found.error_share[sae]
    return fallback(
        heading=f"{found.metric}: attribution to features of {sae}, coloured from {-scale:.4g} to {scale:.4g}",
        tokens=tokens,
        left_out=len(worth) - shown,
        caption=(
            f"The {len(table)} features that matter most, {found.method}; share of the reconstruction error {share:.0%}"
        ),
        columns=[column.replace("_", " ") for column in columns],
        rows=[[_cell(value) for value in row] for row in table[columns].to_numpy().tolist()],
        provenance=list(found.provenance[sae].items()),
        notes=[*(f"{said} = {value:.4g}" for said, value in zip(found.said, found.values, strict=True)), *found.notes],
    )


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

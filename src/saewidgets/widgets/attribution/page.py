"""The attribution panel without a kernel: what a page answers, and the script-free picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from ...attribution.result import Attribution
from ...snapshot.fallback import FallbackRow, fallback
from .. import wire
from ..channel import Channel, parse, plain
from ..feature.card import AskedCardOf
from ..remembered import Remembered
from ..shot import Question as Asked
from ..traits import how_many, wholes
from .asked import AskedColour, AskedPredictions, AskedRank, Sort

if TYPE_CHECKING:
    from ...index.feature_index import FeatureIndex

__all__ = ["Page", "fallback_of"]

_FALLBACK_TOKENS = 1000
SORTS: tuple[Sort, ...] = ("size", "positive", "negative", "effect")
# A page answers a click on each token up to this many tokens; beyond it, it would be mostly rankings.
_CLICKABLE_TOKENS = 160


@dataclass(frozen=True)
class Page:
    """What a page of an attribution holds.

    Args:
        found: the attribution. sae: the dictionary that is shown. rank: the ranking that is on screen.
        feature: the feature that is looked at. checked: whether true effects are known. index: for cards.
    """

    found: Attribution
    sae: str
    rank: AskedRank
    feature: int | None
    checked: bool
    index: FeatureIndex | None

    def questions(self, features: int | Sequence[int]) -> Iterator[Asked]:
        """The tokens, rankings over all of them and over each single one, the colours of what is listed, and what comes next."""
        found, rank = self.found, self.rank
        yield Asked("attribution", rank.of)
        yield Asked("predictions", AskedPredictions(rank.of.prompt, rank.of.sae))
        sorts = SORTS if self.checked else SORTS[:-1]
        single = range(len(found.tokens)) if len(found.tokens) <= _CLICKABLE_TOKENS else ()
        rankings = [rank, *(replace(rank, tokens=(), sort=sort) for sort in sorts)]
        rankings += [replace(rank, tokens=(token,)) for token in single]
        for i, one in enumerate(rankings):
            if one not in rankings[:i]:
                yield Asked("rank", one)
        sums = found.sums(sae=self.sae, include_special=rank.include_special)
        alone = isinstance(features, Integral)
        most = how_many(features, "features") if alone else rank.limit
        first = sums.features[:most].tolist() if alone else wholes(features)
        ends = [np.argsort(sign * sums.attribution, kind="stable")[: min(most, rank.limit)] for sign in (-1, 1)]
        own = [] if self.feature is None else [self.feature]
        for feature in dict.fromkeys([*own, *first, *(f for end in ends for f in sums.features[end].tolist())]):
            yield Asked("colour", AskedColour(rank.of, feature))
            if self.index is not None:
                yield Asked("card", AskedCardOf(feature, self.sae))

    def made(self, remembered: Remembered, channels: Mapping[str, Channel]) -> Iterator[Asked]:
        """The checks, and what was taken out, of what is shown."""
        own = wire.canonical(plain(self.rank.of))
        for name, params, reply in remembered:
            if wire.canonical(params.get("of")) == own:
                yield Asked(name, parse(channels[name].asked, params), reply)


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
    columns = ["feature", "description", "attribution", "max_activation", "positions", "top_token"]
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

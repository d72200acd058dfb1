"""The heatmap without a kernel: the answers that a page carries, and the script-free picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...engine.activations.ranking import SORTS, Sort
from ...engine.activations.result import FeatureActivations
from ...snapshot.fallback import FallbackRow, fallback
from ..shot import Question
from . import payload as heatmap_payload
from .payload import Rank, Tokens, rank_reply, tokens_reply

_FALLBACK_TOKENS = 1000
# A page answers a click on each token up to this many tokens; beyond it, it would be mostly rankings.
_CLICKABLE_TOKENS = 160


def questions(acts: FeatureActivations, asked: Rank) -> Iterator[Question]:
    """What a page answers: the tokens, and rankings over all tokens, each single one, and the selected ones.

    Every answer's `selected` holds all its listed features and `asked.features`, so whatever is listed can be coloured;
    the page's host therefore leaves `features` out when it looks an answer up.
    """
    yield Question("tokens", Tokens(asked.text), tokens_reply(acts))
    choices: list[tuple[int, ...]] = [(), *((i,) for i in range(len(acts)) if len(acts) <= _CLICKABLE_TOKENS)]
    if asked.tokens not in choices:
        choices.append(asked.tokens)
    # A text too rich to send whole takes its columns along with each ranking: then only the present one is recorded.
    whole = len(acts.values) <= heatmap_payload.MAX_SENT
    for sort in SORTS if whole else (asked.sort,):
        for include_special in (False, True) if whole else (asked.include_special,):
            for tokens in choices:
                params = replace(asked, sort=sort, include_special=include_special, tokens=tokens)
                listed = acts.top(asked.limit, sort=sort, tokens=tokens or None, include_special=include_special)
                reply = rank_reply(acts, replace(params, features=(*listed, *asked.features)))
                yield Question("rank", replace(params, features=()), reply)


def fallback_of(acts: FeatureActivations, feature: int | None, sort: Sort, include_special: bool) -> str:
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
    ranking = acts.top(10, sort=sort, include_special=include_special)
    table = ranking.to_pandas().drop(columns=["max_at_token", "max_at"])
    heading = "Active features"
    if feature is not None:
        label = acts.labels.get(feature, "")
        named = f"{feature} {label}" if label else str(feature)
        heading = f"{acts.activation_name} of feature {named}, coloured from 0 to {scale:.4g}"
    tokens_counted = f"{ranking.n_tokens} tokens" + (
        "" if include_special else " (special tokens and norm outliers left out)"
    )
    return fallback(
        heading=heading,
        tokens=tokens,
        left_out=len(acts) - shown,
        caption=f"{len(ranking)} of {ranking.total} active features, by {ranking.sorted_by} over {tokens_counted}",
        columns=["feature", *(name.replace("_", " ") for name in table.columns)],
        rows=[[str(f), *map(_cell, row)] for f, row in zip(ranking, table.to_numpy().tolist(), strict=True)],
        provenance=list(acts.provenance.items()),
        notes=list(acts.notes),
    )


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

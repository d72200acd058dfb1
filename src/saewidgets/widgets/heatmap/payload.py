"""Activations as the heatmap's messages: pure functions, so that every number on screen can be tested without a browser."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...engine.activations.result import FeatureActivations
from ...engine.arrays import Ints
from ...engine.model.hook_names import reads_heads
from ..feature.corpus import Corpus
from ..feature.on_text import columns, describes, result_key
from ..feature.said import said_of
from ..flags import flags
from ..wire import Json, Reply
from .ranked import Order, Ranked, ranked

# Activations sent with a text (8 bytes each). Beyond it, each token's strongest, and whole columns on demand.
MAX_SENT = 500_000
_LABELLED_PER_TOKEN = 8


def tokens_reply(acts: FeatureActivations, sae: str | None = None) -> Reply:
    """The "tokens" channel: the text, what fires on it, of which dictionary, and what a reader of the numbers must know."""
    n = len(acts)
    top = None if len(acts.values) <= MAX_SENT else max(_LABELLED_PER_TOKEN, MAX_SENT // max(n, 1))
    rank, order = _strongest_first(acts)
    kept = order if top is None else order[rank < top]
    counts = np.bincount(acts.token_of[kept], minlength=n) if len(kept) else np.zeros(n, np.int64)
    shown = np.unique(acts.feature_ids[order[rank < _LABELLED_PER_TOKEN]]).tolist() if acts.labels else []
    error = acts.reconstruction_error
    data: dict[str, Json] = {
        "key": result_key(acts),
        "n": n,
        "texts": [[int(a), int(b)] for a, b in zip(acts.text_ptr[:-1], acts.text_ptr[1:], strict=True)],
        "str": list(acts.tokens),
        # Looked up once each: a name may be taken away meanwhile.
        "labels": {str(f): name for f in shown if (name := acts.labels.get(f)) is not None},
        "described": describes(acts),
        "complete": top is None,
        "top": top,
        "n_features": acts.n_features,
        "signed": acts.signed,
        "sae": sae,
        # Whether an activation can be taken apart by source token and head.
        "sources": reads_heads(acts.provenance["hook"]),
        "provenance": [[k, v] for k, v in acts.provenance.items()],
        "notes": list(acts.notes),
        "activation_name": acts.activation_name,
        "rank": None,
    }
    return Reply(
        data,
        {
            "tok_id": acts.token_ids.astype(np.uint32),
            "flags": flags(acts.parts, acts.special, acts.outlier, acts.beyond_context),
            "l0": acts.l0.astype(np.uint32),
            "error": np.full(n, np.nan, np.float32) if error is None else error.astype(np.float32),
            "norm": acts.input_norm.astype(np.float32),
            "indptr": np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32),
            "feat": acts.feature_ids[kept].astype(np.uint32),
            "act": acts.values[kept].astype(np.float32),
        },
    )


@dataclass(frozen=True)
class Rank:
    """What a ranking is asked for.

    Attributes:
        text, sae: of the traits. sort, include_special, minimum, query, limit, max_density: as the traits.
        tokens: count only these; none: all. Those that the text no longer has are passed over.
        features: those whose statistics over all tokens are wanted, as scales of colours.
    """

    text: Json = ""
    sae: str | None = None
    sort: Order = "max"
    tokens: tuple[int, ...] = ()
    include_special: bool = False
    minimum: float = field(default=0.0, metadata={"wire": "min"})
    query: str = ""
    limit: int = 25
    max_density: float = 1.0
    features: tuple[int, ...] = ()


@dataclass(frozen=True)
class Tokens:
    """A text, the dictionary, and the ranking that is wanted with them: its own text and dictionary are not read."""

    text: Json = ""
    sae: str | None = None
    rank: Rank | None = None


@dataclass(frozen=True)
class Said:
    """What is said of the features that a token's tooltip lists: those that are strongest on it."""

    text: Json = ""
    sae: str | None = None
    token: int = 0


def said_reply(acts: FeatureActivations, token: int) -> Reply:
    """The "said" channel: of the features that are strongest on a token, by number."""
    shown = acts.token(token)[0][:_LABELLED_PER_TOKEN].tolist() if 0 <= token < len(acts) else []
    return Reply({"names": {str(f): said_of(acts.labels, f) for f in shown}})


def rank_reply(acts: FeatureActivations, params: Rank, corpus: Corpus | None = None) -> Reply:
    """The "rank" channel: the ranked features, and the all-token statistics that scale the selected ones."""
    made = ranking_of(acts, params, corpus)
    selected = ranked(acts, corpus, None, among=params.features, include_special=params.include_special)
    data: dict[str, Json] = {
        "key": result_key(acts),
        "basis": "selected" if _chosen(acts, params) else "all",
        "n_tokens": made.ranking.n_tokens,
        "total": made.ranking.total,
        "hidden": made.hidden,
        "rows": rows(made),
        "selected": rows(selected),
    }
    if len(acts.values) <= MAX_SENT:
        return Reply(data)
    return Reply(data, columns(acts, {*made.ranking, *params.features}))


def ranking_of(acts: FeatureActivations, params: Rank, corpus: Corpus | None) -> Ranked:
    """The ranking that is asked for."""
    return ranked(
        acts,
        corpus,
        params.limit,
        sort=params.sort,
        max_density=params.max_density,
        tokens=_chosen(acts, params) or None,
        include_special=params.include_special,
        minimum=params.minimum,
        label=params.query,
    )


def _chosen(acts: FeatureActivations, params: Rank) -> tuple[int, ...]:
    return tuple(token for token in params.tokens if 0 <= token < len(acts))


def rows(made: Ranked) -> list[Json]:
    """A ranking as JSON rows; "max" is the activation of max |activation|, "density" and "most" are of the index's corpus."""
    ranking = made.ranking
    fields = zip(
        ranking.features, ranking.extreme, ranking.sum, ranking.mean, ranking.n_active, ranking.argmax, strict=True
    )
    return [
        {
            "f": int(f),
            **said_of(ranking.labels, int(f)),
            "max": float(largest),
            "sum": float(total),
            "mean": float(mean),
            "n": int(n),
            "at": int(at),
            "density": made.density(i),
            "most": made.most(i),
        }
        for i, (f, largest, total, mean, n, at) in enumerate(fields)
    ]


def _strongest_first(acts: FeatureActivations) -> tuple[Ints, Ints]:
    """The order that sorts activations by token, strongest first, and each one's rank within its token."""
    order = np.lexsort((acts.feature_ids, -np.abs(acts.values), acts.token_of))
    token = acts.token_of[order]
    rank = np.arange(len(order)) - acts.indptr[token]
    return rank, order

"""Activations as the heatmap's messages: pure functions, so that every number on screen can be tested without a browser."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from ..engine.activations import FeatureActivations, FeatureRanking, Sort
from ..engine.tokens import FIRST_PIECE, LATER_PIECE
from .wire import Json, Reply, sendable

SPECIAL, OUTLIER, FIRST, LATER, BEYOND = 1, 2, 4, 8, 16

# Activations sent with a text (8 bytes each). Beyond it, each token's strongest, and whole columns on demand.
MAX_SENT = 500_000
_LABELLED_PER_TOKEN = 8


def result_key(acts: FeatureActivations) -> str:
    """Identity of a result: views keep tokens and rankings of the same computation together."""
    digest = hashlib.sha256(acts.token_ids.tobytes())
    for part in (acts.text_ptr, acts.feature_ids, acts.values):
        digest.update(np.ascontiguousarray(part).data)
    digest.update(acts.dictionary.encode())
    return digest.hexdigest()[:16]


def tokens_reply(acts: FeatureActivations, labels: dict[int, str]) -> Reply:
    """The "tokens" channel: the text, what fires on it, and what a reader of the numbers must know."""
    n = len(acts)
    top = None if len(acts.values) <= MAX_SENT else max(_LABELLED_PER_TOKEN, MAX_SENT // max(n, 1))
    token, rank, order = _strongest_first(acts)
    kept = order if top is None else order[rank < top]
    counts = np.bincount(acts.token_of[kept], minlength=n) if len(kept) else np.zeros(n, np.int64)
    shown = acts.feature_ids[order[rank < _LABELLED_PER_TOKEN]] if labels else []
    error = acts.reconstruction_error
    data: dict[str, Json] = {
        "key": result_key(acts),
        "n": n,
        "texts": [[int(a), int(b)] for a, b in zip(acts.text_ptr[:-1], acts.text_ptr[1:], strict=True)],
        "str": [sendable(s) for s in acts.tokens],
        "labels": {str(f): sendable(labels[f]) for f in sorted({int(f) for f in shown}) if f in labels},
        "complete": top is None,
        "top": top,
        "n_features": acts.n_features,
        "signed": acts.signed,
        "provenance": [[sendable(k), sendable(v)] for k, v in acts.provenance.items()],
        "notes": [sendable(note) for note in acts.notes],
        "activation_name": acts.activation_name,
    }
    return Reply(
        data,
        {
            "tok_id": acts.token_ids.astype(np.uint32),
            "tok_flags": token_flags(acts),
            "l0": acts.l0.astype(np.uint32),
            "error": np.full(n, np.nan, np.float32) if error is None else error.astype(np.float32),
            "norm": acts.input_norm.astype(np.float32),
            "indptr": np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32),
            "feat": acts.feature_ids[kept].astype(np.uint32),
            "act": acts.values[kept].astype(np.float32),
        },
    )


def token_flags(acts: FeatureActivations) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """One byte a token: special, norm outlier, pieces of characters, beyond the SAE's context."""
    flags = acts.special * SPECIAL + acts.outlier * OUTLIER + acts.beyond_context * BEYOND
    flags += ((acts.parts & FIRST_PIECE) > 0) * FIRST + ((acts.parts & LATER_PIECE) > 0) * LATER
    return flags.astype(np.uint8)


def rank_reply(
    acts: FeatureActivations,
    *,
    sort: Sort,
    tokens: Sequence[int],
    include_special: bool,
    minimum: float,
    query: str,
    limit: int,
    features: Sequence[int],
) -> Reply:
    """The "rank" channel: the ranked features, and the all-token statistics that scale the selected ones."""
    ranking = acts.top(
        limit,
        sort=sort,
        tokens=tokens or None,
        include_special=include_special,
        minimum=minimum,
        label=query,
    )
    selected = acts.top(None, among=features, include_special=include_special)
    data: dict[str, Json] = {
        "key": result_key(acts),
        "basis": "selected" if tokens else "all",
        "n_tokens": ranking.n_tokens,
        "total": ranking.total,
        "rows": rows(ranking),
        "selected": rows(selected),
    }
    if len(acts.values) <= MAX_SENT:
        return Reply(data)
    return Reply(data, columns(acts, sorted({*ranking, *features})))


def rows(ranking: FeatureRanking) -> list[Json]:
    """A ranking as JSON rows."""
    fields = zip(
        ranking.features, ranking.max, ranking.sum, ranking.mean, ranking.n_active, ranking.argmax, strict=True
    )
    return [
        {
            "f": int(f),
            "label": sendable(ranking.labels[int(f)]) if int(f) in ranking.labels else None,
            "max": float(largest),
            "sum": float(total),
            "mean": float(mean),
            "n": int(n),
            "at": int(at),
        }
        for f, largest, total, mean, n, at in fields
    ]


def columns(acts: FeatureActivations, features: Iterable[int]) -> dict[str, np.ndarray]:
    """Whole columns of `features`, as CSC arrays."""
    wanted = np.array(sorted(features), dtype=np.int64)
    hit = np.flatnonzero(np.isin(acts.feature_ids, wanted))
    order = hit[np.lexsort((acts.token_of[hit], acts.feature_ids[hit]))]
    counts = np.searchsorted(acts.feature_ids[order], wanted, side="right")
    return {
        "col_feat": wanted.astype(np.uint32),
        "col_ptr": np.concatenate([[0], counts]).astype(np.uint32),
        "col_tok": acts.token_of[order].astype(np.uint32),
        "col_act": acts.values[order].astype(np.float32),
    }


def _strongest_first(acts: FeatureActivations) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each activation's token and rank within it, and the order that sorts them so (strongest first)."""
    order = np.lexsort((acts.feature_ids, -np.abs(acts.values), acts.token_of))
    token = acts.token_of[order]
    rank = np.arange(len(order)) - acts.indptr[token]
    return token, rank, order

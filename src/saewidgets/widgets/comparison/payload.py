"""A comparison as its view's messages: pure functions, so that every number on screen can be tested without a browser."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ...engine.arrays import Ints
from ...engine.comparison.result import Comparison
from ...interventions.effects.next_tokens import NextTokens
from ..feature.corpus import Corpus
from ..feature.on_text import columns, result_key
from ..feature.said import said_of
from ..flags import flags
from ..wire import Json, Reply
from .asked import AskedDifferences

__all__ = ["choices", "differences_reply", "listed", "predictions_reply", "tokens_reply"]


def tokens_reply(found: Comparison, sae: str | None = None) -> Reply:
    """The "tokens" channel: the texts, how they are aligned, of which dictionary, and what a reader of the numbers must know."""
    acts = found.activations
    data: dict[str, Json] = {
        "key": result_key(acts),
        "n": len(acts),
        "texts": [[int(a), int(b)] for a, b in zip(acts.text_ptr[:-1], acts.text_ptr[1:], strict=True)],
        "str": list(acts.tokens),
        "n_features": acts.n_features,
        "signed": acts.signed,
        "sae": sae,
        "activation_name": acts.activation_name,
        "provenance": [[k, v] for k, v in acts.provenance.items()],
        "notes": list(acts.notes),
        "rank": None,
    }
    return Reply(
        data,
        {
            "tok_id": acts.token_ids.astype(np.uint32),
            "flags": flags(acts.parts, acts.special, acts.outlier, acts.beyond_context),
            "alignment": found.alignment.astype(np.int32),
            "same": found.same.astype(np.uint8),
            "choices": choices(found.alignment).astype(np.int32),
        },
    )


def choices(alignment: Ints) -> Ints:
    """[columns, texts] the position that a click on a column chooses: where a text has none there, the one before, or its first."""
    latest = np.maximum.accumulate(alignment, axis=0)
    return np.maximum(latest, 0)


def listed(found: Comparison, asked: AskedDifferences) -> Ints:
    """Rows of `found.values` that pass the filters, by |difference|, most first."""
    keep = np.flatnonzero(found.passing(*asked.filters(found.n_texts)))
    difference = found.difference(*asked.two(found.n_texts))[keep]
    return keep[np.argsort(-np.abs(difference), kind="stable")]


def differences_reply(found: Comparison, asked: AskedDifferences, corpus: Corpus | None) -> Reply:
    """The "differences" channel: of `found`, read where it was asked for; with whole columns of what can be coloured."""
    acts, order = found.activations, listed(found, asked)
    shown = found.values.features[order[: asked.limit]].tolist()
    data: dict[str, Json] = {
        "key": result_key(acts),
        "where": found.where,
        "positions": list(found.at) if isinstance(found.at, tuple) else [],
        "pair": list(asked.two(found.n_texts)),
        "total": len(found.values.features),
        "passing": len(order),
        "rows": rows(found, shown, asked, corpus),
        "selected": rows(found, asked.features, asked, corpus),
        "notes": list(found.notes[len(acts.notes) :]),
    }
    return Reply(data, columns(acts, {*shown, *asked.features}))


def rows(found: Comparison, features: Iterable[int], asked: AskedDifferences, corpus: Corpus | None) -> list[Json]:
    """Features as JSON rows: "values" of each text, "scale" the largest |activation| over the counted tokens of all texts."""
    features = list(features)
    acts, values = found.activations, found.values
    ranking = acts.top(None, among=features)
    scales = dict(zip(ranking.features.tolist(), np.abs(ranking.extreme).tolist(), strict=True))
    a, b = asked.two(found.n_texts)
    made: list[Json] = []
    for f in features:
        at = int(np.searchsorted(values.features, f))
        known = at < len(values.features) and values.features[at] == f
        row = values.values[at] if known else np.zeros(found.n_texts, np.float32)
        made.append(
            {
                "f": f,
                **said_of(acts.labels, f),
                "values": row.tolist(),
                "difference": float(row[a] - row[b]),
                "scale": scales.get(f, 0.0),
                "density": None if corpus is None else float(corpus.density[f]),
            }
        )
    return made


def predictions_reply(found: NextTokens | None, why: str | None = None) -> Reply:
    """The "predictions" channel: what is likeliest after each text, and the log-probability of all of it after each; or why there
    is nothing. That is an answer, which a page carries as any other."""
    if found is None:
        empty = {"tok_id": np.zeros(0, np.uint32), "log_probs": np.zeros((0, 0), np.float32)}
        return Reply({"str": [], "top": [], "why": why}, empty)
    return Reply(
        {"str": list(found.tokens), "top": found.top.tolist(), "why": None},
        {"tok_id": found.token_ids.astype(np.uint32), "log_probs": found.log_probs.astype(np.float32)},
    )

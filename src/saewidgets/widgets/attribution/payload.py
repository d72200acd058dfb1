"""An attribution as the panel's messages: pure functions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from torch import Tensor

from ...attribution.freezes import FREEZES
from ...attribution.result import Attribution
from ...attribution.sums import FeatureSums
from ...attribution.true_effect import TrueEffects
from ...engine.arrays import Ints
from ...interventions.effects.next_tokens import candidates
from ..feature.said import said_of
from ..flags import flags
from ..wire import Json, Reply
from .asked import AskedRank, Sort
from .vocabulary import is_typed

if TYPE_CHECKING:
    from ...engine.text.tokenizer import Tokenizer
    from ..feature.corpus import Corpus

__all__ = [
    "attribution_reply",
    "check_part",
    "check_reply",
    "colour_reply",
    "key_of",
    "next_tokens",
    "predictions_reply",
    "rank_reply",
    "without_reply",
]


_keys: WeakKeyDictionary[Attribution, dict[str, str]] = WeakKeyDictionary()


def key_of(found: Attribution, sae: str) -> str:
    """Identity of what is shown: views keep tokens, rankings and colours of one computation together."""
    known = _keys.setdefault(found, {})
    if sae not in known:
        known[sae] = _key_of(found, sae)
    return known[sae]


def _key_of(found: Attribution, sae: str) -> str:
    digest = hashlib.sha256(f"{found.metric} {found.method} {sae}".encode())
    for part in (found.token_ids, found.text_ptr, found.values, found.features, found.activations, found.gradients):
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()[:16]


def attribution_reply(found: Attribution, sae: str, earlier: Sequence[str], parted: str = "") -> Reply:
    """The "attribution" channel: the texts, what each token is worth, what the numbers are, and why an index is put aside."""
    d = found.dictionaries.index(sae)
    features = np.zeros(len(found.tokens))
    of_this = found.sae == d
    np.add.at(features, found.token[of_this], found.attributions[of_this])
    share = found.error_share
    data: dict[str, Json] = {
        "key": key_of(found, sae),
        "n": len(found.tokens),
        "texts": [[int(a), int(b)] for a, b in zip(found.text_ptr[:-1], found.text_ptr[1:], strict=True)],
        "str": list(found.tokens),
        "metric": found.metric,
        "said": list(found.said),
        "values": [float(value) for value in found.values],
        "mean": float(found.values.mean()),
        "std": float(found.values.std(ddof=1)) if found.n_texts > 1 else None,
        "held": [FREEZES[name] for name in found.linearised],
        "linearised": list(found.linearised),
        "steps": found.steps,
        "sae": sae,
        "saes": [
            {"name": name, "error_share": _number(share[name]), "n": int((found.sae == i).sum())}
            for i, name in enumerate(found.dictionaries)
        ],
        "error_share": _number(share[sae]),
        "earlier": [name for name in earlier if name in found.dictionaries],
        "notes": [*found.notes, *([parted] if parted else [])],
        "provenance": [[k, v] for k, v in found.provenance[sae].items()],
    }
    arrays = {
        "tok_id": found.token_ids.astype(np.uint32),
        "flags": flags(found.parts.tolist(), found.special, found.outlier[d]),
        "features": features.astype(np.float32),
        "error": found.error[d].astype(np.float32),
        "bias": found.bias[d].astype(np.float32),
        "embedding": found.embedding.astype(np.float32),
    }
    return Reply(data, arrays)


def rank_reply(
    found: Attribution,
    sae: str,
    asked: AskedRank,
    effects: Mapping[int, float],
    corpus: Corpus | None,
    order: Sequence[str],
) -> Reply:
    """The "rank" channel: features by their attribution, with the true effects of those that were checked.

    `order`: the dictionaries in the model's order, in which their layers are told.
    """
    tokens = [token for token in asked.tokens if 0 <= token < len(found.tokens)]
    sums = found.sums(sae=sae, include_special=asked.include_special, tokens=tokens or None)
    listed = _order(sums, asked.sort, effects)
    shown = listed[: asked.limit]
    labels = found.labels[sae]
    rows: list[Json] = []
    for i in shown:
        f, top = int(sums.features[i]), int(sums.top[i])
        text = int(found.text[top])
        rows.append(
            {
                "f": f,
                **said_of(labels, f),
                "value": float(sums.attribution[i]),
                "act": float(sums.activation[i]),
                "positions": int(sums.positions[i]),
                "at": top,
                "text": text,
                "position": top - int(found.text_ptr[text]),
                "std": _number(float(sums.std[i])),
                "texts": int(sums.texts[i]),
                "effect": effects.get(f),
                "density": None if corpus is None else float(corpus.density[f]),
            }
        )
    counted = (found.counted[found.dictionaries.index(sae)] | asked.include_special).copy()
    if tokens:
        counted &= np.isin(np.arange(len(counted)), tokens)
    data: dict[str, Json] = {
        "key": key_of(found, sae),
        "rows": rows,
        "total": len(listed),
        # Of the features as they are listed: "for" and "against" add up to these.
        "positive": float(np.maximum(sums.attribution, 0).sum()),
        "negative": float(np.minimum(sums.attribution, 0).sum()),
        "layers": [_layer(found, name, asked, tokens) for name in order if name in found.dictionaries],
        "n_tokens": int(counted.sum()),
        "basis": "selected" if tokens else "all",
    }
    return Reply(data)


def _layer(found: Attribution, sae: str, asked: AskedRank, tokens: list[int]) -> Json:
    """What the features of one dictionary are worth over the tokens of a ranking: those for the metric and those against it."""
    worth = found.sums(sae=sae, include_special=asked.include_special, tokens=tokens or None).attribution
    return {
        "name": sae,
        "positive": float(np.maximum(worth, 0).sum()),
        "negative": float(np.minimum(worth, 0).sum()),
        "n": len(worth),
        "error_share": _number(found.error_share[sae]),
    }


def _order(sums: FeatureSums, sort: Sort, effects: Mapping[int, float]) -> Ints:
    """Rows of `sums` in the order that is asked for."""
    if sort == "size":
        return np.arange(len(sums))
    if sort == "effect":
        known = np.array([i for i, f in enumerate(sums.features.tolist()) if f in effects], dtype=np.int64)
        sizes = np.array([-abs(effects[int(sums.features[i])]) for i in known])
        return known[np.argsort(sizes, kind="stable")]
    value = sums.attribution if sort == "positive" else -sums.attribution
    kept = np.flatnonzero(value > 0)
    return kept[np.argsort(-value[kept], kind="stable")]


def colour_reply(found: Attribution, sae: str, feature: int) -> Reply:
    """The "colour" channel: a feature's activation and attribution on every token."""
    keep = (found.sae == found.dictionaries.index(sae)) & (found.features == feature)
    activation, value = (np.zeros(len(found.tokens), np.float32) for _ in range(2))
    activation[found.token[keep]] = found.activations[keep]
    value[found.token[keep]] = found.attributions[keep]
    data: dict[str, Json] = {"key": key_of(found, sae), "f": feature, **said_of(found.labels[sae], feature)}
    return Reply(data, {"act": activation, "value": value})


def check_part(checked: TrueEffects, key: str, labels: Mapping[int, str]) -> dict[str, Json]:
    """What is known of a check so far, and the correlations of all of it."""
    table = checked.correlations()
    columns = zip(
        checked.features, checked.top, checked.activations, checked.attributions, checked.effects, strict=True
    )
    return {
        "key": key,
        "rows": [
            {
                "f": int(f),
                **said_of(labels, int(f)),
                "top": bool(top),
                "act": float(act),
                "value": float(value),
                "effect": float(effect),
            }
            for f, top, act, value, effect in columns
        ],
        "total": checked.total,
        "correlations": [
            {
                "measure": str(row["measure"]),
                "among": str(row["among"]),
                "n": int(row["n"]),
                "pearson": _number(float(row["pearson"])),
                "spearman": _number(float(row["spearman"])),
            }
            for row in table.to_dict("records")
        ],
    }


def check_reply(checked: TrueEffects, found: Attribution, sae: str) -> Reply:
    """The "check" channel."""
    return Reply(check_part(checked, key_of(found, sae), found.labels[sae]))


def predictions_reply(texts: Sequence[Json], sae: str) -> Reply:
    """The "predictions" channel: of each prompt what comes next, with and without which dictionary's reconstruction."""
    return Reply({"sae": sae, "texts": list(texts)})


def without_reply(found: Attribution, sae: str, removed: Sequence[int], texts: Sequence[Json]) -> Reply:
    """The "without" channel: metric and next tokens of each text, as it is and without the features.

    `silent` are those of them that are active on no counted token, so that nothing was taken out.
    """
    active = {int(f) for f in found.sums(sae=sae).features}
    silent: list[Json] = [f for f in removed if f not in active]
    return Reply({"key": key_of(found, sae), "removed": list(removed), "silent": silent, "texts": list(texts)})


def next_tokens(before: Tensor, after: Tensor | None, k: int, tokenizer: Tokenizer) -> list[Json]:
    """The likeliest `k` tokens of either distribution, by what they were: probabilities from logits [d_vocab].

    Without `after` only of the one. `typed`: whether the token's string means it, and no other tokens.
    """
    rows = [one.float().log_softmax(-1).cpu().numpy() for one in (before, after) if one is not None]
    made = candidates(tokenizer, np.stack(rows), k)
    p = np.exp(made.log_probs.astype(np.float64))
    return [
        {
            "id": int(made.token_ids[i]),
            "str": made.tokens[i],
            "before": float(p[0, i]),
            "after": float(p[1, i]) if len(p) > 1 else None,
            "typed": is_typed(tokenizer, int(made.token_ids[i]), made.tokens[i]),
        }
        for i in np.argsort(-p[0], kind="stable")
    ]


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None

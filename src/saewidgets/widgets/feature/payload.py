"""What views of one feature are sent: its numbers and its examples (their twin is js/src/feature/wire.ts)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...engine.arrays import Ints
from ...index.scan.shards import OUTLIER, SPECIAL
from ...index.statistics.activation_statistics import BINS
from ...index.statistics.kept_examples import NEAR_TOKENS, SILENT_REACH
from ...index.store.examples import Examples, Group
from ...index.store.feature import Feature, TokenWeight
from ...index.store.histogram import Histogram
from ...index.store.kept import ABOUT, about
from ...index.store.snippets import Example
from .. import wire
from ..flags import flags
from .said import by, said_of

if TYPE_CHECKING:
    from ...engine.activations.result import FeatureActivations
    from ...index.feature_index import FeatureIndex

# Of what somebody wrote of a feature, which may be anything.
_LONGEST = 2000


def feature_reply(
    index: FeatureIndex,
    feature: Feature,
    order: Ints,
    columns: list[wire.Json],
    notes: Sequence[str],
    can_label: bool,
) -> wire.Reply:
    """Everything about a feature but its examples; `order` is what previous and next step through."""
    found = np.flatnonzero(order == feature.feature)
    place = int(found[0]) if len(found) else None
    facts, arrays = numbers(feature)
    data: dict[str, wire.Json] = {
        **facts,
        "label": feature.label,
        "said": sayings(index, feature.feature),
        "can_label": can_label,
        "order": {
            "position": place,
            "total": len(order),
            "previous": int(order[place - 1]) if place else None,
            "next": int(order[place + 1]) if place is not None and place + 1 < len(order) else None,
        },
        "complete": feature.complete,
        "kept": feature.kept,
        "stated": feature.stated_density is not None,
        "logits": None,
        "logits_missing": feature.logits_missing,
        "tokens": [
            {
                "t": t.token,
                "id": t.id,
                "count": t.count,
                "about": t.said if feature.estimated else None,
                "mean": t.mean,
                "share": t.share,
            }
            for t in feature.tokens
        ],
        "tokens_of": feature.tokens_of,
        "alignment": [{"i": a.neuron, "v": a.value, "share": _finite(a.share)} for a in feature.alignment],
        "neurons": [{"i": n.neuron, "r": n.pearson, "cos": _finite(n.cosine)} for n in feature.neurons],
        **labels_of(feature),
        "neurons_missing": feature.neurons_missing,
        "correlated": [
            {"f": c.feature, "r": c.pearson, "together": c.together, **said_of(index.labels, c.feature)}
            for c in feature.correlated
        ],
        "correlated_of": f"in a sample: {feature.correlated_of}" if feature.correlated_of else None,
        "correlated_missing": feature.correlated_missing,
        "neighbours": [
            {"f": n.feature, "cos": n.cosine, **said_of(index.labels, n.feature)} for n in feature.neighbours
        ],
        "columns": columns,
        "notes": list(notes),
        "provenance": facts_of(index),
    }
    logits = feature.logits
    if logits is not None:
        data["logits"] = {
            "label": logits.label,
            **_bounds(logits.histogram),
            **{name: _finite(getattr(logits, name)) for name in ("mean", "std", "skew", "kurtosis")},
            "top": token_weights(logits.top),
            "bottom": token_weights(logits.bottom),
        }
        arrays["logit_counts"] = logits.histogram.counts.astype(np.uint32)
    return wire.Reply(data, arrays)


def labels_of(feature: Feature) -> dict[str, wire.Json]:
    """What the lists of what a feature goes with are of."""
    if feature.stated_density is not None:
        return {
            "alignment_label": "Entries of the decoder row, as the file gives them",
            "neurons_label": f"Correlated neurons, as the file gives them: over {feature.stated_of}",
            "correlated_label": f"Correlated features, as the file gives them: over {feature.stated_of}",
        }
    over = f"counted tokens, of {feature.correlated_of}" if feature.correlated_of else "counted tokens"
    return {
        "alignment_label": f"Largest entries of the decoder row, in the coordinates of {feature.decoder_hook}",
        "neurons_label": f"Coordinates of {feature.hook} with the largest |Pearson r|, over counted tokens",
        "correlated_label": f"Features with the largest Pearson r over {over}; together: tokens of these on which both are active",
    }


def numbers(feature: Feature) -> tuple[dict[str, wire.Json], dict[str, wire.Array]]:
    """How often and how strongly a feature fires, with its histogram.

    Arrays: "hist_counts", and "hist_sums" of the activations; how far each can be off, "hist_bound" and "hist_sums_bound", which
    are empty where they are exact.
    """
    data: dict[str, wire.Json] = {
        "f": feature.feature,
        "activation_name": feature.activation_name,
        "signed": feature.minimum is not None and feature.minimum < 0,
        "counted": feature.counted,
        "count": feature.count,
        "density": _finite(feature.density),
        "density_of": feature.density_of,
        "silent": feature.silence,
        "max": feature.maximum,
        "min": feature.minimum,
        "mean": feature.mean,
        "histogram": None if feature.histogram is None else _bounds(feature.histogram),
        "histogram_of": None if feature.histogram is None else feature.histogram.said,
    }
    histogram = feature.histogram or Histogram(0, 0, np.zeros(BINS, np.int64), np.zeros(BINS))
    sums = histogram.sums if histogram.sums is not None else np.zeros(BINS)
    exact = np.zeros(0)
    return data, {
        "hist_counts": histogram.counts.astype(np.uint32),
        "hist_sums": sums.astype(np.float32),
        "hist_bound": (exact if histogram.bound is None else histogram.bound).astype(np.uint32),
        "hist_sums_bound": (exact if histogram.sums_bound is None else histogram.sums_bound).astype(np.float32),
    }


def facts_of(index: FeatureIndex) -> list[wire.Json]:
    """Where the numbers come from; what is to be noted of them stands among the notes."""
    return [[key, value] for key, value in index.provenance.items() if key != "notes"]


def token_weights(weights: Sequence[TokenWeight]) -> list[wire.Json]:
    """Tokens and their logit weights."""
    return [{"t": w.token, "id": w.id, "v": w.value} for w in weights]


def sayings(index: FeatureIndex, feature: int) -> list[wire.Json]:
    """All that is said of a feature beside its label: explanations, the one that speaks for it first, then the counts'."""
    return [
        {"text": one.text[:_LONGEST], "kind": one.kind, "by": by(one)}
        for one in index.descriptions(feature)
        if one.kind != "label"
    ]


def examples_reply(feature: Feature, examples: Examples) -> wire.Reply:
    """Groups of examples, their tokens one after another."""
    strings: list[wire.Json] = []
    groups: list[wire.Json] = []
    acts, bits = [np.zeros(0, np.float32)], [np.zeros(0, np.uint8)]
    for group in examples.groups:
        rows: list[wire.Json] = []
        for example in group.examples:
            rows.append(_example(example, len(strings)))
            strings += list(example.tokens)
            acts.append(example.activations)
            bits.append(flags(example.parts, example.flags == SPECIAL, example.flags == OUTLIER))
        title, detail = titles(group, feature)
        groups.append(
            {"key": group.key, "title": title, "detail": detail, "exact": group.repeats_exact, "examples": rows}
        )
    sampled = f"Examples come from a sample of {feature.kept:,} of {feature.count or 0:,} active tokens."
    data: dict[str, wire.Json] = {
        "f": feature.feature,
        "groups": groups,
        "str": strings,
        "scale": max(abs(feature.maximum or 0.0), abs(feature.minimum or 0.0)),
        "note": None if feature.complete or feature.stated_density is not None else sampled,
    }
    return wire.Reply(data, {"act": np.concatenate(acts).astype(np.float32), "flags": np.concatenate(bits)})


def _example(example: Example, start: int) -> wire.Json:
    return {
        "id": example.position,
        "a": example.activation,
        "start": start,
        "n": len(example.tokens),
        "b": example.focus,
        "doc": example.document,
        "at": example.at,
        "more": example.repeats,
        "meta": [[k, str(v)] for k, v in example.columns.items() if v is not None],
        "cut": [example.before, example.after],
    }


def titles(group: Group, feature: Feature) -> tuple[str, str]:
    """A group's heading and second line."""
    active = feature.count or 0
    reach = f"no activation within {SILENT_REACH} tokens"
    # What is missing of a list stands beside it; a list that is whole needs no words.
    missing = group.note if group.short or not group.examples else ""
    if group.key in ("top", "bottom"):
        name, extreme = "Top activations", "" if feature.maximum is None else f"max {feature.maximum:.4g}"
        if group.key == "bottom":
            name, extreme = "Most negative activations", f"min {feature.minimum or 0:.4g}"
        if group.filtered:  # the feature's extreme need not be among them
            return name, _joined("of those that pass the filter", missing)
        return name, _joined(extreme or ("never active" if feature.dead else ""), missing)
    if group.key == "near":
        by = "by total activation in a sample" if feature.estimated else "by total activation"
        detail = f"one of its {NEAR_TOKENS} strongest tokens {by}, and {reach}"
        return "Silent on its usual tokens", _joined(detail, missing or "a sample")
    if group.key == "silent":
        drawn = feature.drawn or "the whole corpus"
        return "Silent", _joined(f"tokens drawn from {drawn}, and {reach}", missing or "a sample")
    low, high = group.low or 0.0, group.high or 0.0
    found = group.about if group.count is None else (group.count, 0)
    if found is None and group.key == "range" and not group.filtered and feature.histogram is not None:
        found = feature.histogram.between(low, high)
    count, bound = (None, 0) if found is None else found
    known = ""
    if count is not None:
        share = f"{ABOUT} {count / max(active, 1):.1%}" if bound else f"{count / max(active, 1):.2%}"
        known = f"{about(count, bound)} of {active:,} active tokens ({share})"
    name = "Brushed" if group.key == "range" else "Interval"
    bounds = f"{low:.3g} to {high:.3g}" if np.isfinite(high) else f"from {low:.3g}"
    # A count of 0 says why there is nothing.
    missing = "" if count == 0 and not bound and not group.filtered else missing
    sampled = "sampled" if group.sampled and not missing else ""
    return f"{name} {bounds}", _joined(known, sampled, missing)


def _joined(*parts: str) -> str:
    return ", ".join(filter(None, parts))


def text_reply(acts: FeatureActivations, feature: int) -> wire.Reply:
    """The user's own text under one feature."""
    data: dict[str, wire.Json] = {
        "f": feature,
        "n": len(acts),
        "str": list(acts.tokens),
        "notes": list(acts.notes),
    }
    bits = flags(acts.parts, acts.special, acts.outlier, acts.beyond_context)
    return wire.Reply(data, {"act": acts[:, feature].astype(np.float32), "flags": bits})


def _bounds(histogram: Histogram) -> dict[str, wire.Json]:
    return {"low": histogram.low, "high": histogram.high}


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None

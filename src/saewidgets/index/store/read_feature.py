"""Reads one feature's row of every array of a store into a `Feature`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np

from ...engine.arrays import Ints
from ...storage.array_folder import Array, Folder
from ..record.settings import NONE
from .feature import (
    Feature,
    FeatureCorrelation,
    FeatureLogits,
    FiredToken,
    Neighbour,
    NeuronCorrelation,
    NeuronWeight,
    TokenWeight,
)
from .histogram import Histogram, intervals_of
from .kept import is_estimated, kept_of
from .stated import count_of, density_of, is_imported, known, maximum_of, missing_of
from .texts import Texts

REMAINS = (
    "Not computed yet: it is computed in the background after a build. For one feature at once: FeatureIndex.open(path, "
    "engine=engine); for all of them: index.wait()."
)


def read_feature(
    folder: Folder, texts: Texts, feature: int, label: str | None, activation_name: str, computed: Mapping[str, Array]
) -> Feature:
    """The feature `feature` of a store; `computed` are rows [1, ...] of arrays that the store does not have yet."""

    def row(name: str) -> Array:
        return cast(Array, folder.read(name, feature, feature + 1)[0])

    def rows(kind: Any, *names: str) -> tuple[Any, ...]:
        if names[0] in folder:
            columns = [row(name).tolist() for name in names]
        elif names[0] in computed:
            columns = [computed[name][0].tolist() for name in names]
        else:
            return ()
        return tuple(kind(*values) for values in zip(*columns, strict=True) if values[0] != NONE)

    imported = is_imported(folder)
    count = int(row("count"))
    low, high, total, squares = (float(row(name)) for name in ("low", "high", "total", "squares"))
    kept = folder.read("kept_ptr", feature, feature + 2)
    chosen = folder.read("kept_listed", int(kept[0]), int(kept[1]))
    facts = folder.facts
    both = () if imported else ("correlated_both",)
    together = rows(_correlation, "correlated", "correlated_r", *both)
    has_logits = "logit_top" in folder or "logit_top" in computed
    has_correlated = "correlated" in folder or "correlated" in computed
    remains = REMAINS if facts.get("remaining") else None
    missing = missing_of(folder, feature)
    silent = missing or "It never fires on this corpus, so it goes with nothing."
    exact = float(count_of(folder, feature, feature + 1)[0])
    kept_here = kept_of(folder)
    estimated = is_estimated(folder, feature)
    drawn = None if kept_here is None else kept_here.drawn
    correlated = tuple(c for c in together if c.together != 0)
    lonely = None
    if drawn is not None and has_correlated and not correlated:
        lonely = f"None of the features with the largest r fires with it on the {drawn}."
    return Feature(
        feature=feature,
        label=label,
        activation_name=activation_name,
        counted=int(facts["counted"]),
        count=None if exact != exact else int(exact),
        maximum=known(float(maximum_of(folder, feature, feature + 1)[0])) if count else None,
        minimum=known(low) if count else None,
        mean=known(total / count) if count else None,
        std=_std(total, squares, count) if count else None,
        histogram=_histogram(row, low, high, estimated) if count else None,
        intervals=(
            intervals_of(high, row("intervals"), count, row("intervals_bound") if estimated else None)
            if count and not imported
            else ()
        ),
        complete=int(kept[1] - kept[0]) == count and not imported,
        kept=int(chosen.sum()),
        logits=_logits(row if "logit_top" in folder else _computed(computed), texts, facts) if has_logits else None,
        logits_missing=facts.get("logits_missing", None if has_logits else remains),
        tokens=_tokens(folder, texts, feature, estimated),
        alignment=rows(NeuronWeight, "aligned", "aligned_value", "aligned_share"),
        decoder_hook=str(facts["decoder_hook"]),
        hook=str(facts["hook"]),
        neurons=rows(NeuronCorrelation, "neuron", "neuron_r", "neuron_cosine") if count else (),
        neurons_missing=facts.get("neurons_missing") if count else silent,
        correlated=correlated,
        correlated_missing=facts.get("correlated_missing", lonely if has_correlated else remains) if count else silent,
        neighbours=rows(Neighbour, "neighbour", "neighbour_cosine"),
        stated_density=float(density_of(folder, feature, feature + 1)[0]) if imported else None,
        stated_of=str(facts.get("shares_of", "")),
        missing=missing,
        estimated=estimated,
        tokens_of=kept_here.of_tokens(count) if kept_here is not None and estimated else None,
        drawn=drawn,
    )


def _correlation(feature: int, pearson: float, together: int | None = None) -> FeatureCorrelation:
    return FeatureCorrelation(feature, pearson, together)


def _std(total: float, squares: float, count: int) -> float | None:
    variance = squares / count - (total / count) ** 2
    return None if variance != variance else float(np.sqrt(max(0.0, variance)))


def _histogram(row: Callable[[str], Array], low: float, high: float, estimated: bool) -> Histogram | None:
    """None where a file has none; without sums, where it does not have these; with bounds where it is estimated."""
    bins: Ints = row("bins").astype(np.int64)
    if not bins.any():
        return None
    sums = row("bin_sums").copy()
    known = None if np.isnan(sums).any() else sums
    if not estimated:
        return Histogram(low, high, bins, known)
    return Histogram(low, high, bins, known, row("bins_bound").astype(np.int64), row("bin_sums_bound").copy())


def _computed(arrays: Mapping[str, Array]) -> Callable[[str], Array]:
    return lambda name: cast(Array, arrays[name][0])


def _tokens(folder: Folder, texts: Texts, feature: int, estimated: bool) -> tuple[FiredToken, ...]:
    def row(name: str) -> list[Any]:
        return cast("list[Any]", folder.read(name, feature, feature + 1)[0].tolist())

    ids, counts, totals = (row(name) for name in ("token", "token_count", "token_total"))
    lows, highs = (row(f"token_{end}") if estimated else [None] * len(ids) for end in ("low", "high"))
    found = []
    for token, count, total, low, high in zip(ids, counts, totals, lows, highs, strict=True):
        if token != NONE:
            occurrences = int(folder.read("occurrences", token, token + 1)[0])
            said = FiredToken(texts.string(token), token, count, total / count, count / occurrences, low, high)
            found.append(said)
    return tuple(found)


def _logits(row: Callable[[str], Array], texts: Texts, facts: Mapping[str, Any]) -> FeatureLogits:
    def number(name: str) -> float:
        return float(row(f"logit_{name}"))

    def side(name: str) -> tuple[TokenWeight, ...]:
        ids, values = row(f"logit_{name}").tolist(), row(f"logit_{name}_value").tolist()
        return tuple(TokenWeight(texts.string(i), i, v) for i, v in zip(ids, values, strict=True) if i != NONE)

    bins = row("logit_bins").astype(np.int64)
    low, high = (number("low"), number("high")) if bins.any() else (0.0, 0.0)
    return FeatureLogits(
        label=str(facts["logits_label"]),
        top=side("top"),
        bottom=side("bottom"),
        histogram=Histogram(low, high, bins),
        mean=number("mean"),
        std=number("std"),
        skew=number("skew"),
        kurtosis=number("kurtosis"),
    )

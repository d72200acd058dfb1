"""The rows of a store's arrays that a feature's record fills, and what stands where the record says nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from ...engine.arrays import Ints
from ...formats.records import FeatureRecord
from ...storage.array_folder import Array
from ..record.settings import NONE
from ..statistics.activation_statistics import BINS, INTERVALS

__all__ = ["Arrays", "active_in"]

# Lists of a record: the array of ids, how they are given, and the arrays of numbers beside them.
_LISTS: dict[str, tuple[str, dict[str, str]]] = {
    "logit_top": ("top_tokens", {"logit_top_value": "top_values"}),
    "logit_bottom": ("bottom_tokens", {"logit_bottom_value": "bottom_values"}),
    "aligned": ("aligned", {"aligned_value": "aligned_values", "aligned_share": "aligned_l1"}),
    "neuron": ("neurons", {"neuron_r": "neuron_pearson", "neuron_cosine": "neuron_cosine"}),
    "correlated": ("correlated", {"correlated_r": "correlated_pearson"}),
    "neighbour": ("neighbours", {"neighbour_cosine": "neighbour_cosine"}),
}
_OF_FEATURES = frozenset({"correlated", "neighbour"})


class Arrays:
    """Collects the rows of the features that files have; the others cost what their rows take and no more.

    Args:
        token_id: the id of a token string in the vocabulary.
    """

    def __init__(self, token_id: Callable[[str], int]) -> None:
        self._token_id = token_id
        self._features: list[int] = []
        self._rows: dict[str, list[Any]] = {}
        self._lists: dict[str, list[list[Any]]] = {}

    def add(self, record: FeatureRecord, most: float, seen: int) -> None:
        """A feature that files have.

        Args:
            most: its largest activation as its examples tell it; seen: how many activations these have.
        """
        self._features.append(record.index)
        for name, value in _row(record, True, most, seen).items():
            self._rows.setdefault(name, []).append(value)
        for name in _LISTS:
            self._add_list(name, record)

    def _add_list(self, name: str, record: FeatureRecord) -> None:
        source, beside = _LISTS[name]
        given: Sequence[Any] = getattr(record, source)
        numbers = [getattr(record, other) for other in beside.values()]
        rows = [row[: 1 + len(numbers)] for row in zip_longest(given, *numbers) if row[0] is not None]
        # A weight that is a sentinel in the file is of no token, and what has no number is in no order.
        kept = [row for row in rows if len(row) == 1 or row[1] is not None]
        ids = [self._token_id(row[0]) if name.startswith("logit") else row[0] for row in kept]
        self._lists.setdefault(name, []).append(ids)
        for i, other in enumerate(beside, 1):
            self._lists.setdefault(other, []).append([np.nan if row[i] is None else row[i] for row in kept])

    def finished(self, n: int) -> dict[str, Array]:
        """The arrays, for n features."""
        found: dict[str, Array] = {}
        for name, nothing in _row(FeatureRecord(0), False, -np.inf, 0).items():
            found[name] = np.full((n, *np.shape(nothing)), nothing, _dtype(name))
            found[name][self._features] = self._rows[name]
        for name, (_, beside) in _LISTS.items():
            width = max([1, *map(len, self._lists[name])])
            ids: Ints = np.full((n, width), NONE, np.int64)
            for feature, row in zip(self._features, self._lists[name], strict=True):
                ids[feature, : len(row)] = row
            outside = ids >= (n if name in _OF_FEATURES else NONE)
            found[name] = np.where(outside | (ids < 0), NONE, ids).astype(np.uint32)
            for other in beside:
                numbers = np.full((n, width), np.nan, np.float32)
                for feature, row in zip(self._features, self._lists[other], strict=True):
                    numbers[feature, : len(row)] = row
                found[other] = numbers
        return found


def _row(record: FeatureRecord, present: bool, most: float, seen: int) -> dict[str, Any]:
    """What stands in each array for a feature."""
    low, high, bins = bars(record.hist_values, record.hist_heights)
    active = active_in(record)
    # A density is rounded and examples are a choice: neither is a count. A density that is rounded to 0 may have some.
    silent = not active and not seen and record.density == 0
    count = active or int(bool(seen or record.density))
    maximum = record.maximum if record.maximum is not None else most if most > 0 else high
    if maximum == maximum and high == high and abs(maximum - high) <= 1e-3 * max(abs(high), 1e-2):
        high = maximum  # the bars are of rounded numbers
    logit_low, logit_high, logit_bins = bars(record.logit_hist_values, record.logit_hist_heights)
    return {
        "present": present,
        "known": bool(active) or silent,
        "density": np.nan if record.density is None else record.density,
        "maximum": maximum if count else np.nan,
        "count": count,
        "total": np.nan,
        "squares": np.nan,
        "low": low,
        "high": maximum if high != high else high,
        "bins": bins,
        "bin_sums": np.full(BINS, np.nan),
        "intervals": np.zeros(INTERVALS),
        "token": [NONE],
        "token_count": [NONE],
        "token_total": [np.nan],
        "logit_bins": logit_bins,
        "logit_low": logit_low,
        "logit_high": logit_high,
        **{f"logit_{name}": np.nan for name in ("mean", "std", "skew", "kurtosis")},
    }


def bars(values: Sequence[float | None], heights: Sequence[float | None]) -> tuple[float, float, Array]:
    """Bounds and counts [50] of a histogram that is given by the centres of its bars; NaN and 0 where it has not 50.

    Of equal numbers SAEDashboard puts all into one bar in the middle, with centres that are all that number; an index puts
    them into the first.
    """
    nothing = np.nan, np.nan, np.zeros(BINS)
    if len(values) != BINS or any(number is None for number in (*values, *heights)):
        return nothing
    centres, counts = np.array(values, np.float64), np.array(heights, np.float64)
    if not _are_counts(counts) or (np.diff(centres) < 0).any():
        return nothing
    half = (centres[-1] - centres[0]) / (BINS - 1) / 2
    if half == 0:
        return float(centres[0]), float(centres[0]), np.eye(1, BINS)[0] * counts.sum()
    return float(centres[0] - half), float(centres[-1] + half), counts


def active_in(record: FeatureRecord) -> int:
    """Active tokens as a record's bars tell them; 0 if they do not."""
    heights = record.hist_heights
    if any(height is None for height in heights) or not _are_counts(counts := np.array(heights, np.float64)):
        return 0
    return int(counts.sum())


def _are_counts(numbers: Array) -> bool:
    return bool((numbers >= 0).all() and (numbers % 1 == 0).all() and numbers.sum() < NONE)


_DOUBLE = frozenset({"density", "maximum", "total", "squares"})
_WHOLE = frozenset({"count", "bins", "intervals", "token", "token_count", "logit_bins"})


def _dtype(name: str) -> str:
    if name in ("present", "known"):
        return "uint8"
    return "float64" if name in _DOUBLE else "uint32" if name in _WHOLE else "float32"

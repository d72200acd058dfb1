"""What Neuronpedia and SAEDashboard say of a feature, under one set of names, whichever of them wrote it.

The two differ in names and packing, not in what they mean (Neuronpedia imports SAEDashboard's numbers). Arrays are tuples; a
number that a file does not have, or has as NaN or as a sentinel, is None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = ["OF_COUNTED", "FeatureRecord", "Json", "Numbers", "Source", "Window"]

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Numbers: TypeAlias = "tuple[float | None, ...]"

OF_COUNTED = (
    "Written by saewidgets: shares, histograms and correlations are of counted tokens, without special ones and norm outliers, "
    "and interval shares are of those too; activations are those of the SAE as it is."
)
"""Stands in the notes of files that an index was written to: their numbers are not by the formats' usual definitions."""

# Of a bound and of a value, which are written with three digits.
_ROUNDED = 1e-3


@dataclass(frozen=True)
class Window:
    """A stretch of text under one feature.

    Attributes:
        tokens: [n] token strings as the file has them (token_strings.py reads them).
        values: [n] activations; None where the file has no number.
        low, high: bounds of the interval that it was drawn from; -1 as `low` for the largest activations of all.
        contains: share of all tokens of the interval, -1 for the largest activations.
        at: index of the token that it was chosen for; -1 for a first token that is not shown.
        dfa_values, dfa_max, dfa_target: direct feature attribution to each token, its maximum, and to which token.
        extra: everything else, by the file's own names.
    """

    tokens: tuple[str, ...]
    values: Numbers
    low: float | None = None
    high: float | None = None
    contains: float | None = None
    at: int | None = None
    dfa_values: Numbers = ()
    dfa_max: float | None = None
    dfa_target: int | None = None
    extra: Mapping[str, Json] = field(default_factory=dict)

    @property
    def is_top(self) -> bool:
        """Whether it is one of the largest activations of all."""
        return self.low is None or self.low == -1

    @property
    def focus(self) -> int:
        """The token that it is shown for: the one that it was chosen for, if that is shown and active; else the largest, of an
        interval the largest in it."""
        if self.at is not None and 0 <= self.at < len(self.tokens) and self.values[self.at] and self.holds(self.at):
            return self.at
        inside = [i for i in range(len(self.values)) if self.values[i] and self.holds(i)]
        return max(inside or range(len(self.values)), key=lambda i: self.values[i] or 0.0, default=0)

    def holds(self, i: int) -> bool:
        """Whether a token's activation is in the interval that the window was drawn from; bounds and values are rounded."""
        value = self.values[i]
        if self.is_top or value is None or self.low is None:
            return value is not None
        return self.low - _ROUNDED <= value and (self.high is None or value <= self.high + _ROUNDED)


@dataclass(frozen=True)
class FeatureRecord:
    """What is said of one feature.

    Attributes:
        index: which; of: whose, as "gpt2-small/7-res-jb" ("" if the file does not say).
        density: share of all tokens, ignored ones included, where it is active (frac_nonzero).
        maximum: its largest activation (maxActApprox).
        hist_values, hist_heights: centres of the bars of its activations above 0, and tokens in each.
        logit_hist_values, logit_hist_heights: the same of its logit weights, over the vocabulary.
        top_tokens, top_values, bottom_tokens, bottom_values: largest and smallest logit weights.
        aligned, aligned_values, aligned_l1: entries of the decoder row, and their share of its L1 norm.
        neurons, neuron_pearson, neuron_cosine: neurons that go with it. (The files call the cosine "l1".)
        correlated, correlated_pearson, correlated_cosine: features that do.
        neighbours, neighbour_cosine: features whose decoder rows point the same way.
        heads: share of each attention head in the decoder row's norm.
        vector: the decoder row.
        prompts, tokens_per_prompt, dataset: what it was computed on.
        hook: where the SAE reads.
        windows: examples.
        extra: everything else, by the file's own names.
    """

    index: int
    of: str = ""
    density: float | None = None
    maximum: float | None = None
    hist_values: Numbers = ()
    hist_heights: Numbers = ()
    logit_hist_values: Numbers = ()
    logit_hist_heights: Numbers = ()
    top_tokens: tuple[str, ...] = ()
    top_values: Numbers = ()
    bottom_tokens: tuple[str, ...] = ()
    bottom_values: Numbers = ()
    aligned: tuple[int, ...] = ()
    aligned_values: Numbers = ()
    aligned_l1: Numbers = ()
    neurons: tuple[int, ...] = ()
    neuron_pearson: Numbers = ()
    neuron_cosine: Numbers = ()
    correlated: tuple[int, ...] = ()
    correlated_pearson: Numbers = ()
    correlated_cosine: Numbers = ()
    neighbours: tuple[int, ...] = ()
    neighbour_cosine: Numbers = ()
    heads: Numbers = ()
    vector: Numbers = ()
    prompts: int | None = None
    tokens_per_prompt: int | None = None
    dataset: str | None = None
    hook: str | None = None
    windows: tuple[Window, ...] = ()
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """Whose features they are.

    Attributes:
        model: as Neuronpedia names it; source: "<layer>-<set>", with "__<suffix>" if there is one.
        prompts, tokens_per_prompt, dataset: what the dashboards were computed on.
        notes: what the files say of their numbers (beginning with `OF_COUNTED`: by an index's definitions).
        rows: the files release, model, sourceset and source of a bulk folder, by name: each its rows.
    """

    model: str
    source: str
    prompts: int | None = None
    tokens_per_prompt: int | None = None
    dataset: str | None = None
    notes: str | None = None
    rows: Mapping[str, Sequence[Mapping[str, Json]]] = field(default_factory=dict)

    @property
    def of_counted(self) -> bool:
        """Whether its numbers are by an index's definitions."""
        return (self.notes or "").startswith(OF_COUNTED)

    @property
    def of(self) -> str:
        """As explanations name it: "gpt2-small/7-res-jb"."""
        return f"{self.model}/{self.source}"

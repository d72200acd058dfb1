"""What an index knows of one feature: everything that a dashboard shows but the examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .histogram import Histogram as Histogram
from .histogram import Interval as Interval
from .kept import within

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class TokenWeight:
    """A token of the vocabulary and its logit weight."""

    token: str
    id: int
    value: float


@dataclass(frozen=True)
class FiredToken:
    """A token that the feature fires on: how often, how strongly (mean over those), on what share of its occurrences.

    Attributes:
        low, high: where the three are estimated from a sample of the activations, the interval of `count`; None: they are exact.
    """

    token: str
    id: int
    count: int
    mean: float
    share: float
    low: int | None = None
    high: int | None = None

    @property
    def said(self) -> str:
        """The count, with its interval if it is estimated."""
        return within(self.count, self.low, self.high)


@dataclass(frozen=True)
class NeuronWeight:
    """An entry of the decoder row: its value, and its share of the row's L1 norm."""

    neuron: int
    value: float
    share: float


@dataclass(frozen=True)
class NeuronCorrelation:
    """A neuron whose value goes with the activation."""

    neuron: int
    pearson: float
    cosine: float


@dataclass(frozen=True)
class FeatureCorrelation:
    """A feature that fires with this one: Pearson r over counted tokens, and tokens where both are active (None: unknown)."""

    feature: int
    pearson: float
    together: int | None


@dataclass(frozen=True)
class Neighbour:
    """A feature whose decoder row points the same way."""

    feature: int
    cosine: float


@dataclass(frozen=True)
class FeatureLogits:
    """What a feature's direction adds to the logits, per unit of activation.

    Attributes:
        label: which path it takes (directly, through the final norm; whether LayerNorm is folded into W_U).
        top, bottom: tokens that it promotes and suppresses most.
        histogram: over the whole vocabulary.
        mean, std, skew, kurtosis: of the weights over the vocabulary (population; kurtosis is 3 for a Gaussian).
    """

    label: str
    top: tuple[TokenWeight, ...]
    bottom: tuple[TokenWeight, ...]
    histogram: Histogram
    mean: float
    std: float
    skew: float
    kurtosis: float

    def figure(self) -> Figure:
        """The histogram over the vocabulary."""
        return self.histogram.figure(self.label, log=False, unit="logit weight")


@dataclass(frozen=True)
class Feature:
    """Everything that a dashboard needs of one feature (definitions: SAELens and Towards Monosemanticity).

    Attributes:
        feature: its index; label: its label or None.
        counted: tokens of the corpus that count (not special, no norm outliers).
        count: of them, tokens where the activation is not 0; None if no file says it.
        maximum, minimum: largest and smallest activation; None if it never fires.
        mean: over active tokens; std: over active tokens (population).
        histogram: of the activations that are not 0; None if it never fires.
        intervals: ten, highest first.
        complete: whether all its activations are kept; else examples come from a sample.
        kept: activations that examples can come from.
        logits: None where the hook has no direct path to the logits (`logits_missing` says why).
        tokens: what it fires on, by the sum of |activation|.
        alignment: largest entries of the decoder row, in the basis of `decoder_hook`.
        hook: whose coordinates `neurons` are.
        neurons: of the largest |r|; correlated: features of the largest r; neighbours: by decoder cosine.
        estimated: of a bounded scan, whether histogram, intervals and tokens are estimates (each says how far it can be off);
            `tokens_of`: what the tokens were counted from then. The other numbers are exact.
        drawn: of a bounded scan, the part of the corpus that `correlated` and silent examples are of; None: all of it.
        *_missing: why something was not computed.
        missing: of an index that was made of another tool's files, why it is not known whether the feature fires.
        stated_density: of such an index, the density as its files define and give it (NaN if they do not), a share of
            `stated_of`. There
            `minimum`, `mean`, `std` and the moments of logit weights may be unknown (None, NaN), and so may `histogram`; that
            of logit weights is empty then.
    """

    feature: int
    label: str | None
    activation_name: str
    counted: int
    count: int | None
    maximum: float | None
    minimum: float | None
    mean: float | None
    std: float | None
    histogram: Histogram | None
    intervals: tuple[Interval, ...]
    complete: bool
    kept: int
    logits: FeatureLogits | None
    logits_missing: str | None
    tokens: tuple[FiredToken, ...]
    alignment: tuple[NeuronWeight, ...]
    decoder_hook: str
    hook: str
    neurons: tuple[NeuronCorrelation, ...]
    neurons_missing: str | None
    correlated: tuple[FeatureCorrelation, ...]
    correlated_missing: str | None
    neighbours: tuple[Neighbour, ...]
    stated_density: float | None = None
    stated_of: str = ""
    missing: str | None = None
    estimated: bool = False
    tokens_of: str | None = None
    drawn: str | None = None

    @property
    def correlated_of(self) -> str | None:
        """The part of the corpus that `correlated` is of, if there are any; None: all of it."""
        return self.drawn if self.correlated else None

    @property
    def estimates(self) -> str:
        """What of it is an estimate, or of a part of the corpus; "" if nothing is."""
        parts = []
        if self.estimated:
            parts.append(f"histogram and intervals (with how far each number can be off), tokens ({self.tokens_of})")
        if self.correlated_of:
            parts.append(f"features that fire with it (on {self.correlated_of})")
        return "; ".join(parts)

    @property
    def density(self) -> float:
        """Share of counted tokens where it is active; of files, of all tokens as they define it."""
        return (self.count or 0) / self.counted if self.stated_density is None else self.stated_density

    @property
    def density_of(self) -> str:
        """What the density is a share of, and how many tokens it is."""
        if self.stated_density is None:
            return f"{self.count:,} of {self.counted:,} counted tokens"
        return f"of {self.stated_of}, says its file" + (f"; active on {self.count:,}" if self.count else "")

    @property
    def silence(self) -> str | None:
        """Why there are no activations; None if there are."""
        if self.missing is not None or not self.dead:
            return self.missing
        if self.stated_density is not None:
            return "This feature never fires, says its file."
        return f"This feature never fires on this corpus ({self.counted:,} tokens)."

    @property
    def dead(self) -> bool:
        """Whether it is known that it never fires on this corpus."""
        return self.count == 0

    def to_pandas(self) -> pd.DataFrame:
        """One row of numbers; `attrs["estimates"]` says what of the feature is estimated: none of these."""
        import pandas as pd

        names = ("feature", "label", "count", "density", "maximum", "minimum", "mean", "std")
        table = pd.DataFrame([{name: getattr(self, name) for name in names}]).set_index("feature")
        table.attrs["estimates"] = self.estimates
        return table

    def figure(self, *, log: bool = True) -> Figure:
        """The activation histogram.

        Raises:
            ValueError: for a feature that never fires.
        """
        if self.histogram is None:
            why = self.silence or "There is no histogram of 50 bars in the file that it is from."
            raise ValueError(f"Feature {self.feature}: there is nothing to draw. {why}")
        told = "" if np.isnan(self.density) else f": density {self.density:.3%} ({self.density_of})"
        title = f"Feature {self.feature}{told}"
        return self.histogram.figure(title, log=log, unit=self.activation_name)

    def __repr__(self) -> str:
        label = f" {self.label!r}" if self.label else ""
        if self.silence is not None:
            return f"Feature({self.feature}{label}: {self.silence})"
        most = "not known" if self.maximum is None else f"{self.maximum:.4g}"
        density = "not known" if np.isnan(self.density) else f"{self.density:.3%}"
        estimates = "; partly estimated, see .estimates" if self.estimates else ""
        return f"Feature({self.feature}{label}: density {density}, max {most}{estimates})"

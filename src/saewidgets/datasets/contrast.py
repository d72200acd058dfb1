"""What features do in one set of texts and not in another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ..engine.arrays import Doubles, Ints
from ..engine.labels import said
from .aggregate import AGGREGATES, Aggregate
from .columns import FeatureColumn, FeatureColumns, bars, labelled, spread

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

__all__ = ["By", "Contrast", "Side"]

By: TypeAlias = Literal["frequency", "mean"]
Side: TypeAlias = Literal["both", "a", "b"]

_TESTS: dict[By, tuple[str, str]] = {
    "frequency": ("Fisher's exact test, two-sided", "Newcombe's hybrid score interval"),
    "mean": ("Welch's t-test, two-sided", "Welch's t interval"),
}


@dataclass(frozen=True, eq=False, repr=False)
class Contrast:
    """How much every feature differs between two sets of documents, "a" and "b".

    Attributes:
        by: "frequency", the share of documents in which a feature is active, or "mean", the mean over documents of their
            aggregates (`aggregate`; of texts the activation largest in magnitude).
        names: what the two sets are called. n_a, n_b: documents of each.
        features: [m] the features that were compared, ascending: those of the dictionary, or those that were encoded.
        active_a, active_b: [m] documents in which each is active. frequency_a, frequency_b: [m] their shares.
        mean_a, mean_b: [m] mean aggregates over all documents.
        difference: [m] a less b, of frequencies or means.
        low, high: [m] its interval, feature by feature (not corrected for their number); NaN where there is none, which
            `notes` say.
        p: [m] of the test, two-sided. q: [m] p as a false discovery rate (Benjamini and Hochberg) over `n_tests` tests.
        test, interval: what p and the interval are. confidence: of the interval.
        dictionary, identity, provenance, labels, notes: as of a `FeatureMatrix`.

    Example:
        >>> found = sw.contrast(engine, frame[frame.toxic]["text"], frame[~frame.toxic]["text"])
        >>> found.top(10)
        >>> sw.FeatureBrowser(index, columns=found)
    """

    by: By
    aggregate: Aggregate
    names: tuple[str, str]
    n_a: int
    n_b: int
    features: Ints
    active_a: Ints
    active_b: Ints
    mean_a: Doubles
    mean_b: Doubles
    difference: Doubles
    low: Doubles
    high: Doubles
    p: Doubles
    q: Doubles
    n_tests: int
    confidence: float
    n_features: int
    dictionary: str
    identity: Mapping[str, object]
    provenance: Mapping[str, str]
    labels: Mapping[int, str]
    notes: tuple[str, ...] = ()

    @property
    def frequency_a(self) -> Doubles:
        """[m] share of the documents of "a" in which each feature is active."""
        return self.active_a / self.n_a

    @property
    def frequency_b(self) -> Doubles:
        """[m] share of the documents of "b" in which each feature is active."""
        return self.active_b / self.n_b

    @property
    def test(self) -> str:
        """What p is."""
        return _TESTS[self.by][0]

    @property
    def interval(self) -> str:
        """What low and high are."""
        return f"{100 * self.confidence:g}% {_TESTS[self.by][1]}"

    def __len__(self) -> int:
        """Number of features."""
        return len(self.features)

    @property
    def order(self) -> Ints:
        """[m] places of the features, from the largest |difference| down; equal ones by p, then by index."""
        return np.lexsort((self.features, np.nan_to_num(self.p, nan=1), -np.abs(self.difference))).astype(np.int64)

    def to_pandas(self) -> pd.DataFrame:
        """One row a feature, from the largest |difference| down: feature, label, n_a, n_b, active_a, active_b,
        frequency_a, frequency_b, mean_a, mean_b, difference, low, high, p, q."""
        return self._table(self.order)

    def top(self, k: int = 10, *, side: Side = "both") -> pd.DataFrame:
        """The `k` features that differ most, as `to_pandas` has them, with what each is said to be ("description":
        its label, or what a linked index says, see `FeatureIndex.check`).

        Args:
            side: "a" or "b": only those that are more frequent, or larger in the mean, there.

        Raises:
            ValueError: for another side.
        """
        if side not in ("both", "a", "b"):
            raise ValueError(f"side is 'both', 'a' or 'b', not {side!r}.")
        order = self.order
        if side != "both":
            order = order[(self.difference[order] > 0) == (side == "a")]
            order = order[self.difference[order] != 0]
        table = self._table(order[:k])
        table.insert(2, "description", [said(self.labels, f) for f in table["feature"].tolist()])
        return table

    def _table(self, at: Ints) -> pd.DataFrame:
        import pandas as pd

        names = "active_a active_b frequency_a frequency_b mean_a mean_b difference low high p q".split()
        features = self.features[at]
        front = {"feature": features, "label": labelled(features, self.labels), "n_a": self.n_a, "n_b": self.n_b}
        return pd.DataFrame({**front, **{name: getattr(self, name)[at] for name in names}})

    def figure(self, k: int = 20, *, side: Side = "both") -> Figure:
        """A plotly bar chart of the `k` features that differ most, with their intervals."""
        a, b = self.names
        title = f"{a} ({self.n_a:,} texts) less {b} ({self.n_b:,}), {self.dictionary}"
        return bars(self.top(k, side=side), "difference", title, f"difference in {self._what}")

    @property
    def _what(self) -> str:
        return "frequency" if self.by == "frequency" else f"the mean of {AGGREGATES[self.aggregate]}"

    def columns(self, category: str = "") -> FeatureColumns:
        """What a table of features shows of it: `FeatureBrowser(index, columns=contrast)`.

        Args:
            category: of a column that has several: what it is named by, in names and heads.
        """
        a, b = self.names
        of, suffix = (f" {category}", f"_{category}") if category else ("", "")
        # Heads are narrow; what each number is, is told in full beside it.
        in_a, in_b = (a, f"not {a}") if category else (a, b)
        word = "in" if self.by == "frequency" else "mean"
        form = "share" if self.by == "frequency" else "num"
        what = "share of texts in which it is active" if self.by == "frequency" else self._what
        corrected = f"p as a false discovery rate over {self.n_tests:,} tests (Benjamini-Hochberg)"
        shown: list[tuple[str, str, str, str, bool]] = [
            ("difference", f"diff{of}", f"{what[0].upper()}{what[1:]}: {a} less {b}", "num", True),
            (f"{self.by}_a", f"{word} {in_a}", f"{what[0].upper()}{what[1:]}, {a}", form, True),
            (f"{self.by}_b", f"{word} {in_b}", f"{what[0].upper()}{what[1:]}, {b}", form, True),
            ("q", f"q{of}", corrected, "num", True),
            ("p", f"p{of}", self.test, "num", False),
            ("low", f"low{of}", f"Lower end of the difference's {self.interval}", "num", False),
            ("high", f"high{of}", f"Upper end of the difference's {self.interval}", "num", False),
            ("active_a", f"texts {in_a}", f"Texts of {a} in which the feature is active", "count", False),
            ("active_b", f"texts {in_b}", f"Texts of {b} in which the feature is active", "count", False),
        ]
        columns = {
            f"{name}{suffix}": FeatureColumn(
                title,
                says,
                spread(getattr(self, name), self.features, self.n_features),
                form,
                log=name in ("p", "q"),
                shown=show,
            )
            for name, title, says, form, show in shown
        }
        return FeatureColumns(columns, self.dictionary, self.identity, self.provenance, self.notes)

    def __repr__(self) -> str:
        best = [
            f"{f}: {d:+.3g}"
            for f, d in zip(*(one[self.order[:5]] for one in (self.features, self.difference)), strict=True)
        ]
        return (
            f"Contrast({self.names[0]} ({self.n_a:,}) less {self.names[1]} ({self.n_b:,}) by {self.by}: {len(self):,} features "
            f"of {self.dictionary!r}, {int((self.q < 0.05).sum()):,} with q < 0.05; {', '.join(best)}, ...)"
        )

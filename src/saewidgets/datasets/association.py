"""Which features go with a column of a table: with its categories, or with its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..engine.arrays import Doubles, Ints
from ..engine.labels import said
from .columns import FeatureColumn, FeatureColumns, bars, labelled, spread
from .compare import check, compared, corrected_together
from .contrast import By, Contrast
from .given_column import GivenColumn, Kind, given_column
from .matrix import FeatureMatrix
from .statistics.correlations import METHODS, Method, correlate, interval, p_of
from .statistics.many import benjamini_hochberg

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

__all__ = ["Association", "Correlations", "associate"]

# So many of a column's categories have columns of their own in a table of features.
_BROWSED = 6


@dataclass(frozen=True, eq=False)
class Correlations:
    """How every feature goes with a column of numbers.

    Attributes:
        n: documents. active: [m] those in which each feature is active.
        r: [m] Spearman's or Pearson's; NaN for a feature that is the same in all documents.
        low, high: [m] its interval; NaN where there is none. p, q: [m] as in a `Contrast`.
    """

    n: int
    active: Ints
    r: Doubles
    low: Doubles
    high: Doubles
    p: Doubles
    q: Doubles


@dataclass(frozen=True, eq=False, repr=False)
class Association:
    """How every feature goes with a column beside the documents.

    Attributes:
        column: its name. kind: "category" or "number".
        contrasts: of categories, each against the documents of all others; of two categories one contrast, the first against
            the second (True against False). Empty of numbers.
        correlations: of numbers; else None. method: "spearman" or "pearson".
        features: [m] the features, ascending.
        n_tests: what q is corrected for: features, times categories.
        confidence: of the intervals.
        dictionary, identity, provenance, labels, notes: as of a `FeatureMatrix`.

    Example:
        >>> found = sw.associate(matrix, frame["stars"])
        >>> found.top(10)
        >>> sw.FeatureBrowser(index, columns=found)
    """

    column: str
    contrasts: Mapping[str, Contrast]
    correlations: Correlations | None
    method: Method
    features: Ints
    n_tests: int
    confidence: float
    n_features: int
    dictionary: str
    identity: Mapping[str, object]
    provenance: Mapping[str, str]
    labels: Mapping[int, str]
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """Whether the column's values are categories or numbers."""
        return "category" if self.correlations is None else "number"

    @property
    def effect(self) -> str:
        """What features are ranked by, in magnitude: the column "difference" of categories, "r" of numbers."""
        return "difference" if self.correlations is None else "r"

    @property
    def test(self) -> str:
        """What p is."""
        if self.correlations is None:
            return next(iter(self.contrasts.values())).test
        return "t of r with n - 2 degrees of freedom, two-sided"

    @property
    def interval(self) -> str:
        """What low and high are."""
        if self.correlations is None:
            return next(iter(self.contrasts.values())).interval
        rule = "Fisher's z interval" + (", Bonett and Wright's variance" if self.method == "spearman" else "")
        return f"{100 * self.confidence:g}% {rule}"

    def to_pandas(self) -> pd.DataFrame:
        """One row a feature (and category), from the largest |effect| down.

        Of categories: category, and the columns of `Contrast.to_pandas`. Of numbers: feature, label, n, active, r, low, high,
        p, q; features that do not vary come last.
        """
        import pandas as pd

        found = self.correlations
        if found is None:
            tables = [one.to_pandas() for one in self.contrasts.values()]
            for name, table in zip(self.contrasts, tables, strict=True):
                table.insert(0, "category", name)
            table = pd.concat(tables, ignore_index=True)
            order = np.lexsort((table["feature"], -table["difference"].abs()))
            return table.iloc[order].reset_index(drop=True)
        order = np.lexsort((self.features, -np.nan_to_num(np.abs(found.r), nan=-1)))
        features = self.features[order]
        columns = {name: getattr(found, name)[order] for name in ("active", "r", "low", "high", "p", "q")}
        return pd.DataFrame({"feature": features, "label": labelled(features, self.labels), "n": found.n, **columns})

    def top(self, k: int = 10) -> pd.DataFrame:
        """The first `k` rows of `to_pandas`, with what each feature is said to be ("description")."""
        table = self.to_pandas().head(k)
        description = [said(self.labels, f) for f in table["feature"].tolist()]
        table.insert(table.columns.tolist().index("label") + 1, "description", description)
        return table

    def figure(self, k: int = 20) -> Figure:
        """A plotly bar chart of the first `k` rows, with their intervals."""
        table = self.top(k)
        if self.correlations is None and len(self.contrasts) > 1:
            table["description"] = [f"{c}: {d}" for c, d in zip(table["category"], table["description"], strict=True)]
        axis = f"{self.method}'s r" if self.correlations else f"difference in {next(iter(self.contrasts.values())).by}"
        return bars(table, self.effect, f"{self.column}, {self.dictionary}", axis)

    def columns(self) -> FeatureColumns:
        """What a table of features shows of it: `FeatureBrowser(index, columns=association)`.

        Of more than six categories, those with the largest differences.
        """
        notes, columns = list(self.notes), dict[str, FeatureColumn]()
        if self.correlations is None:
            largest = sorted(self.contrasts, key=lambda name: -np.abs(self.contrasts[name].difference).max())
            shown = [name for name in self.contrasts if name in largest[:_BROWSED]]
            if len(shown) < len(largest):
                notes.append(
                    f"The table has columns of {_BROWSED} of {len(largest)} categories: those with the largest differences."
                )
            for name in shown:
                several = len(self.contrasts) > 1
                columns |= self.contrasts[name].columns(name if several else "").columns
            if len(shown) > 1:  # there is no room for four of each
                columns = {
                    name: one if name.startswith("difference") else replace(one, shown=False)
                    for name, one in columns.items()
                }
        else:
            columns = self._of_numbers(self.correlations)
        return FeatureColumns(columns, self.dictionary, self.identity, self.provenance, tuple(notes))

    def _of_numbers(self, found: Correlations) -> dict[str, FeatureColumn]:
        told = {
            "r": ("r", f"{self.method.capitalize()}'s r with {self.column} over {found.n:,} texts"),
            "q": ("q", f"p as a false discovery rate over {self.n_tests:,} tests (Benjamini-Hochberg)"),
            "p": ("p", self.test),
            "low": ("low", f"Lower end of r's {self.interval}"),
            "high": ("high", f"Upper end of r's {self.interval}"),
            "active": ("texts", "Texts in which the feature is active"),
        }
        return {
            name: FeatureColumn(
                title,
                says,
                spread(getattr(found, name), self.features, self.n_features),
                "count" if name == "active" else "num",
                log=name in ("p", "q"),
                shown=name in ("r", "q"),
            )
            for name, (title, says) in told.items()
        }

    def __len__(self) -> int:
        """Number of features."""
        return len(self.features)

    def __repr__(self) -> str:
        found = self.correlations
        q = np.concatenate([one.q for one in self.contrasts.values()]) if found is None else found.q
        what = f"{len(self.contrasts)} contrasts of categories" if found is None else f"{self.method}'s r"
        return (
            f"Association({self.column!r}: {what}, {len(self):,} features of {self.dictionary!r}, {int((q < 0.05).sum()):,} of "
            f"{self.n_tests:,} tests with q < 0.05)"
        )


def associate(
    matrix: FeatureMatrix,
    column: Iterable[object],
    *,
    kind: Kind | None = None,
    by: By = "frequency",
    method: Method = "spearman",
    confidence: float = 0.95,
) -> Association:
    """How every feature goes with a column: of booleans or categories by contrasts, of numbers by correlation.

    Documents without a value are left out, and said. Categories are compared as in `contrast`, each with the documents of all
    others; two categories, or booleans, in one contrast. Numbers are correlated with the values of the matrix, silent documents as 0:
    Spearman's r (Pearson's of ranks, ties sharing their mean) or Pearson's; interval by Fisher's z, p by Student's t. p is
    corrected by Benjamini and Hochberg over all tests of the call.

    Args:
        matrix: of `feature_matrix`.
        column: one value a document, in their order: a pandas Series, an array, a list.
        kind: "category" or "number"; default: by the values.
        by: of categories, as in `contrast`. method: of numbers, "spearman" or "pearson".
        confidence: of the intervals.

    Raises:
        DatasetError: for a column of another length or index, one that does not vary, infinite values, dates, or over 100 categories.
        ValueError: for another `by`, `method`, or a confidence that is not between 0 and 1.

    Example:
        >>> matrix = sw.feature_matrix(engine, frame["text"])
        >>> sw.associate(matrix, frame["stars"]).top(10)
        >>> sw.associate(matrix, frame["language"], by="mean").contrasts["fr"].top(5)
    """
    if method not in METHODS:
        raise ValueError(f"method is 'spearman' or 'pearson', not {method!r}.")
    check(by, confidence)
    given = given_column(matrix, column, kind)
    notes = [*matrix.notes, *given.notes]
    contrasts: dict[str, Contrast] = {}
    correlations: Correlations | None = None
    if given.numbers is None:
        contrasts = _contrasts(matrix, given, by, confidence)
        n_tests = next(iter(contrasts.values())).n_tests
        of_contrasts = ((name, note) for name, one in contrasts.items() for note in one.notes)
        notes += [note if len(contrasts) == 1 else f"{name}: {note}" for name, note in of_contrasts]
    else:
        correlations, n_tests, said_of = _correlations(matrix, given.rows, given.numbers, method, confidence)
        notes += said_of
    return Association(
        column=given.name,
        contrasts=contrasts,
        correlations=correlations,
        method=method,
        features=matrix.features,
        n_tests=n_tests,
        confidence=confidence,
        n_features=matrix.n_features,
        dictionary=matrix.dictionary,
        identity=matrix.identity,
        provenance=matrix.provenance,
        labels=matrix.labels,
        notes=tuple(notes),
    )


def _contrasts(matrix: FeatureMatrix, given: GivenColumn, by: By, confidence: float) -> dict[str, Contrast]:
    """Each category against the rest; of two the first against the second."""
    several = len(given.categories) > 2
    asked = range(len(given.categories)) if several else range(1)
    found = []
    for code in asked:
        inside = given.codes == code
        a, b = (matrix.matrix[given.rows[which]] for which in (inside, ~inside))
        names = (given.categories[code], "the others" if several else given.categories[1])
        found.append(compared(matrix, a, b, by, names, confidence, ()))
    return {one.names[0]: one for one in corrected_together(found)}


def _correlations(
    matrix: FeatureMatrix, rows: Ints, numbers: Doubles, method: Method, confidence: float
) -> tuple[Correlations, int, list[str]]:
    features, n = matrix.features, len(rows)
    some = matrix.matrix[rows]
    r = correlate(some, features, numbers, method)
    active = np.bincount(some.indices, minlength=matrix.n_features)[features].astype(np.int64)
    notes = []
    fixed = int(np.isnan(r).sum())
    if fixed:
        notes.append(f"{fixed:,} features are the same in all {n:,} documents: they have no r (NaN), and p is 1.")
    if n < 4:
        notes.append(f"With {n} documents there is no interval and no test (low, high, p and q are NaN).")
        low = high = p = np.full(len(features), np.nan)
    else:
        p = p_of(r, n)
        low, high = interval(r, n, method, confidence)
    q, n_tests = benjamini_hochberg(p)
    return Correlations(n, active, r, low, high, p, q), n_tests, notes

"""`contrast`: two sets of texts, or two matrices, compared feature by feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..index.record.identity import differing, identity
from .build import matrix_of
from .contrast import By, Contrast
from .errors import DatasetError, MatrixMismatchError
from .matrix import FeatureMatrix
from .statistics.many import benjamini_hochberg
from .statistics.means import moments, welch
from .statistics.proportions import fisher_exact, newcombe

if TYPE_CHECKING:
    import scipy.sparse

    from ..engine.engine import Engine
    from ..engine.ticket import Progress
    from ..index.corpus.documents import Corpus

__all__ = ["check", "compared", "contrast", "corrected_together"]


def contrast(
    engine: Engine | None,
    texts_a: Corpus | FeatureMatrix,
    texts_b: Corpus | FeatureMatrix,
    *,
    by: By = "frequency",
    sae: str | None = None,
    features: Sequence[int] | None = None,
    names: tuple[str, str] = ("a", "b"),
    confidence: float = 0.95,
    text_column: str | None = None,
    on_progress: Progress | None = None,
) -> Contrast:
    """How much every feature differs between two sets of texts.

    By frequency, the share of texts in which a feature is active: interval of the difference by Newcombe's hybrid score
    method (1998, method 10), p of Fisher's exact test. By mean, of the texts' activations largest in magnitude: interval and p of
    Welch's t. p is corrected for all features that were compared, silent ones among them, by Benjamini and Hochberg (1995).

    Args:
        engine: model and SAE; None where both sides are matrices.
        texts_a, texts_b: as `feature_matrix` takes them, or a `FeatureMatrix` of the same making each (with its aggregate, whose
            means "mean" then compares).
        by: "frequency" or "mean".
        sae, features, text_column, on_progress: as in `feature_matrix`; the progress is of both together.
        names: what the two are called.
        confidence: of the intervals.

    Raises:
        DatasetError: if a side has no texts. CorpusError: for something that is no text.
        MatrixMismatchError: for matrices of different SAEs, models, aggregates or features.
        ValueError: for another `by`, or a confidence that is not between 0 and 1. TypeError: for texts without an engine.

    Example:
        >>> sw.contrast(engine, polite, rude, names=("polite", "rude")).top(10)
    """
    check(by, confidence)
    sides = (texts_a, texts_b)
    sizes = [len(one) if isinstance(one, Sized) else 0 for one in sides]
    # Where nobody knows how many texts there are, as for one side.
    total = sum(sizes) if all(sizes) else 0
    made: list[FeatureMatrix] = []
    who: Mapping[str, object] | None = None
    for one in sides:
        if isinstance(one, FeatureMatrix):
            made.append(one)
            continue
        if engine is None:
            raise TypeError(
                "Texts need an engine: sw.contrast(engine, texts_a, texts_b). Without one pass two matrices."
            )
        before = sum(map(len, made))
        heard = None if on_progress is None else _after(before, total, on_progress)
        if who is None:
            who = identity(engine, engine.dictionary(sae), engine.context_size, fresh=False)
        made.append(matrix_of(engine, one, who, "max", sae, features, None, text_column, heard))
    a, b = made
    _must_compare(a, b)
    notes = tuple(dict.fromkeys([*(f"{name}: {n}" for name, m in zip(names, made, strict=True) for n in m.notes)]))
    return compared(a, a.matrix, b.matrix, by, names, confidence, notes)


def check(by: str, confidence: float) -> None:
    """Raise `ValueError` for what is no way to compare, or no confidence."""
    if by not in ("frequency", "mean"):
        raise ValueError(f"by is 'frequency' or 'mean', not {by!r}.")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is a number between 0 and 1, such as 0.95; not {confidence!r}.")


def _after(before: int, total: int, on_progress: Progress) -> Progress:
    return lambda done, _: on_progress(before + done, total)


def _must_compare(a: FeatureMatrix, b: FeatureMatrix) -> None:
    told = [*differing(dict(a.identity), dict(b.identity)).values()]
    if a.aggregate != b.aggregate:
        told.append(f"aggregate differs: {a.aggregate!r} there, {b.aggregate!r} here")
    if not np.array_equal(a.features, b.features):
        told.append("the features that were encoded differ")
    if told:
        raise MatrixMismatchError(
            f"These cannot be compared ({a.dictionary!r} and {b.dictionary!r}): {'; '.join(told)}. Make both with the same "
            "engine and settings."
        )


def compared(
    of: FeatureMatrix,
    a: scipy.sparse.csr_array,
    b: scipy.sparse.csr_array,
    by: By,
    names: tuple[str, str],
    confidence: float,
    notes: tuple[str, ...],
) -> Contrast:
    """Two sets of rows `a` and `b`, made as `of` was."""
    features = of.features
    if not (a.shape[0] and b.shape[0]):
        raise DatasetError("A side has no texts: there is nothing to compare.")
    one, other = moments(a, features), moments(b, features)
    said = list(notes)
    none = np.full(len(features), np.nan)
    low, high, p = none, none, none
    if min(one.n, other.n) < 2:
        said.append(
            f"With {one.n} and {other.n} texts there is no interval and no test (low, high, p and q are NaN): one text does not "
            "say how much texts differ. The differences are those of these very texts."
        )
    elif by == "frequency":
        low, high = newcombe(one.active, one.n, other.active, other.n, confidence)
        p = fisher_exact(one.active, one.n, other.active, other.n)
    else:
        low, high, p, flat = welch(one, other, confidence)
        n_flat = int((flat & (one.active + other.active > 0)).sum())
        silent = int((one.active + other.active == 0).sum())
        if n_flat or silent:
            said.append(
                f"{silent + n_flat:,} features have the same value in all texts of a side, on both sides ({silent:,} of them are "
                "silent): without spread there is no interval (low and high are NaN), and p is 1."
            )
    q, n_tests = benjamini_hochberg(p)
    difference = one.active / one.n - other.active / other.n if by == "frequency" else one.mean - other.mean
    return Contrast(
        by=by,
        aggregate=of.aggregate,
        names=names,
        n_a=one.n,
        n_b=other.n,
        features=features,
        active_a=one.active,
        active_b=other.active,
        mean_a=one.mean,
        mean_b=other.mean,
        difference=difference,
        low=low,
        high=high,
        p=p,
        q=q,
        n_tests=n_tests,
        confidence=confidence,
        n_features=of.n_features,
        dictionary=of.dictionary,
        identity=of.identity,
        provenance=of.provenance,
        labels=of.labels,
        notes=tuple(said),
    )


def corrected_together(several: Sequence[Contrast]) -> list[Contrast]:
    """The same with q over the tests of all of them."""
    q, n_tests = benjamini_hochberg(np.concatenate([one.p for one in several]))
    parts = np.split(q, np.cumsum([len(one) for one in several])[:-1])
    return [replace(one, q=part, n_tests=n_tests) for one, part in zip(several, parts, strict=True)]

"""`sw.neighbours`: which features are near one, in three meanings of the word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ...engine.arrays import Doubles, Ints
from ...engine.labels import said
from ...index.errors import IndexMismatchError
from ...index.scan.every import Every
from ...index.statistics.coactivation import Correlated, sums_with
from ..directions import cosines_with_all
from ..errors import GeometryError
from ..same_corpus import every_of
from .together import jaccard, lift, share

if TYPE_CHECKING:
    import pandas as pd

    from ...index.feature_index import FeatureIndex

__all__ = ["By", "neighbours"]

By: TypeAlias = Literal["cosine", "correlation", "coactivation"]


def neighbours(index: FeatureIndex, feature: int, *, by: By = "cosine", k: int = 10) -> pd.DataFrame:
    """The features that are nearest to one: a row each, indexed by feature, the nearest first.

    Three questions, with three answers:

    - "cosine": which features write the same? `cosine`, of the decoder rows. It says nothing of when they fire: parts of a feature
      that was split, and the points of a circle, have large cosines and may never fire together. A row of zeros is near to none.
    - "correlation": which features rise and fall with it? `r`, Pearson's, of the activations over all counted tokens (of a bounded
      scan over those of chunks drawn at random: `attrs["of"]`).
    - "coactivation": which features fire where it does, however strongly? `jaccard`, tokens where both fire / where either does.

    Besides, wherever the index has its scan: `together`, tokens where both fire; `p_other`, the share of this feature's tokens where
    the other fires too, P(other | this); `p_this`, the share of the other's tokens where this one does; `jaccard`; and `lift`,
    together / what independence would give, count * count / tokens: 1 is chance. A p_this near 1 with a small p_other: the other is
    a part of this feature; the other way round: it is a part of the other. And `count`, tokens where the other fires, and
    `description`, its label or what else is said of it.

    Of "correlation" and "coactivation" features that fire on no token with it are no neighbours. What an index stores (the 20
    nearest by cosine and by correlation) is taken from it; more, and co-activation, is computed exactly. Without its scan there
    are of "correlation" only those of the 20 that do fire with it: `attrs["left_out"]` says so, where these are fewer than k.

    Args:
        k: how many, at most.

    Raises:
        FeatureIndexError: if there is no such feature. GeometryError: for another `by`, or a dictionary whose rows say nothing.
        IndexMismatchError: where it needs the scan, or the engine, and the index has it not; with the remedy.

    Example:
        >>> sw.neighbours(index, 2717, by="coactivation")
    """
    feature = index.check_feature(feature)
    if by not in ("cosine", "correlation", "coactivation"):
        raise GeometryError(f"by is 'cosine', 'correlation' or 'coactivation', not {by!r}.")
    if k < 1:
        raise GeometryError(f"k={k}: ask for at least one neighbour.")
    if by == "coactivation":
        return _table(index, feature, *_by_jaccard(index, every_of(index), feature, k), "jaccard")
    if by == "cosine":
        return _table(index, feature, *_by_cosine(index, feature, k), "cosine")
    table = _table(index, feature, *_by_r(index, feature, k), "r")
    if (
        index.every is None
        and index.imported is None
        and len(table) < min(k, len(index) - 1)
        and _counts(index)[feature]
    ):
        table.attrs["left_out"] = (
            "those, if any, that fire with it and have a smaller r than features that never fire with it"
        )
    if index.kept is not None and index.kept.drawn is not None:
        table.attrs["of"] = index.kept.drawn
    return table


def _by_jaccard(index: FeatureIndex, every: Every, feature: int, k: int) -> tuple[Ints, Doubles]:
    (_, together), count = sums_with(every.shards, feature, every.n_features), _counts(index)
    value = jaccard(together, count[feature], count)
    value[feature] = np.nan
    return _best(np.where(together > 0, value, np.nan), k)


def _by_cosine(index: FeatureIndex, feature: int, k: int) -> tuple[Ints, Doubles]:
    why = index.folder.facts.get("decoder_missing")
    if why is not None:
        raise GeometryError(str(why))
    stored, others = index.feature(feature).neighbours, len(index) - 1
    # Rows of zeros are no neighbours: where fewer are stored than there is room for, these are all.
    whole = index.imported is None and "neighbour" in index.folder and len(stored) < min(_STORED, others)
    if whole or len(stored) >= min(k, others):
        return np.array([n.feature for n in stored[:k]], np.int64), np.array([n.cosine for n in stored[:k]], np.float64)
    if index.imported is not None:
        raise IndexMismatchError(
            f"{index.imported.format}'s files name {len(stored)} features with the largest decoder cosine with feature {feature}: "
            f"ask for k <= {len(stored)}, or build an index of your own."
            if stored
            else f"{index.imported.format}'s files name no features with large decoder cosines with feature {feature}: build an "
            "index of your own (sw.build_index)."
        )
    engine = index.must_have_engine(f"more than the {len(stored)} nearest of feature {feature}")
    found = engine.worker.run(lambda ticket: cosines_with_all(index, feature, ticket.breathe))
    found[feature] = np.nan
    return _best(found, k)


def _by_r(index: FeatureIndex, feature: int, k: int) -> tuple[Ints, Doubles]:
    told = index.feature(feature)
    if told.count == 0:
        return np.zeros(0, np.int64), np.zeros(0)
    stored = told.correlated
    # Those that are stored but never fire with it were dropped: fewer than 20 need not be all that do.
    if len(stored) >= min(k, len(index) - 1):
        return np.array([c.feature for c in stored[:k]], np.int64), np.array(
            [c.pearson for c in stored[:k]], np.float64
        )
    every = index.every
    if every is None:
        if (stored or "correlated" in index.folder) and index.imported is None and k <= _STORED:
            return np.array([c.feature for c in stored], np.int64), np.array([c.pearson for c in stored], np.float64)
        every = every_of(index)
    total, squares = index.column("total"), index.column("squares")
    found, r, both = (a[0] for a in Correlated(every.shards, index.counted, total, squares).of(feature, len(index) - 1))
    keep = (both > 0) & (np.asarray(index.column("count"))[found] > 0)
    return found[keep][:k], r[keep][:k].astype(np.float64)


_STORED = 20


def _counts(index: FeatureIndex) -> Ints:
    return np.asarray(index.column("count")).astype(np.int64)


def _best(value: Doubles, k: int) -> tuple[Ints, Doubles]:
    """The k largest, of equal ones the earlier; NaN are no candidates."""
    order = np.argsort(-np.nan_to_num(value, nan=-np.inf), kind="stable")[:k]
    order = order[~np.isnan(value[order])]
    return order, value[order]


def _table(index: FeatureIndex, feature: int, found: Ints, value: Doubles, name: str) -> pd.DataFrame:
    import pandas as pd

    count = None if index.imported is not None else _counts(index)
    columns: dict[str, object] = {"description": [said(index.labels, f) for f in found.tolist()], name: value}
    every = index.every
    if every is not None and count is not None:
        own = every.of(feature)[0]
        together = np.array([len(np.intersect1d(own, every.of(f)[0], True)) for f in found.tolist()], np.int64)
        columns |= {
            "together": together,
            "p_other": share(together, count[feature]),
            "p_this": share(together, count[found]),
        }
        if name != "jaccard":
            columns["jaccard"] = jaccard(together, count[feature], count[found])
        columns["lift"] = lift(together, count[feature], count[found], index.counted)
    if count is not None:
        columns["count"] = count[found]
    table = pd.DataFrame(columns, index=pd.Index(found, name="feature"))
    table.attrs["by"] = name
    return table

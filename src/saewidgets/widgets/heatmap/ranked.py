"""The ranking beside what an index knows of its features: how dense they are on its corpus, and how strong at most.

Features that fire nearly everywhere, such as those that mark how early a token stands, lead most rankings; the density
says so, sorts them last, and hides them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ...engine.activations.ranking import SORTS, FeatureRanking
from ...engine.activations.result import FeatureActivations
from ...engine.arrays import Ints
from ..feature.corpus import Corpus

__all__ = ["ORDERS", "Order", "Ranked", "ranked"]

Order = Literal["max", "sum", "mean", "density"]
ORDERS: tuple[Order, ...] = (*SORTS, "density")

_COLUMNS = ("features", "max", "min", "extreme", "sum", "mean", "n_active", "argmax")


@dataclass(frozen=True, eq=False)
class Ranked:
    """A ranking, what the corpus says of its features, and how many features were hidden for their density."""

    ranking: FeatureRanking
    corpus: Corpus | None
    hidden: int

    def density(self, row: int) -> float | None:
        """Of the feature in a row; None without an index."""
        return None if self.corpus is None else float(self.corpus.density[self.ranking.features[row]])

    def most(self, row: int) -> float | None:
        """The largest |activation| of the feature in a row; None without an index, or if it never fires on its corpus."""
        found = 0.0 if self.corpus is None else float(self.corpus.most[self.ranking.features[row]])
        return found or None


def ranked(
    acts: FeatureActivations,
    corpus: Corpus | None,
    limit: int | None,
    *,
    sort: Order = "max",
    max_density: float = 1.0,
    tokens: Sequence[int] | None = None,
    include_special: bool = False,
    minimum: float = 0.0,
    label: str = "",
    among: Sequence[int] | None = None,
) -> Ranked:
    """The first `limit` features of `FeatureActivations.top`, in whose order they are; by "density" the sparsest come first
    (of one density the stronger).

    Args:
        max_density: without those that are active on a larger share of the corpus.
    """
    whole: FeatureRanking = acts.top(
        None,
        sort="max" if sort == "density" else sort,
        tokens=tokens,
        include_special=include_special,
        minimum=minimum,
        label=label,
        among=among,
    )
    if corpus is None:
        return Ranked(_taken(whole, np.arange(len(whole)), limit), None, 0)
    density = corpus.density[whole.features]
    order = np.argsort(density, kind="stable") if sort == "density" else np.arange(len(whole))
    kept = order[density[order] <= max_density]
    return Ranked(_taken(whole, kept, limit), corpus, len(order) - len(kept))


def _taken(ranking: FeatureRanking, rows: Ints, limit: int | None) -> FeatureRanking:
    first = rows[:limit]
    columns: dict[str, Any] = {name: getattr(ranking, name)[first] for name in _COLUMNS}
    return replace(ranking, total=len(rows), **columns)

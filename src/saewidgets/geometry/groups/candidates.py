"""CandidateGroups: groups of features that may draw a shape together, the best first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ...engine.arrays import Ints
from ..errors import GeometryError
from ..subspace.figures import groups_figure
from ..subspace.result import Subspace
from ..subspace.scores import Scores
from ..subspace.subspace import subspace
from .similar import Cut

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from ...index.feature_index import FeatureIndex

__all__ = ["CandidateGroups", "Group", "Method"]

Method: TypeAlias = Literal["graph", "spectral"]


@dataclass(frozen=True, eq=False)
class Group:
    """Features that may draw a shape together.

    Attributes:
        features: [k] ascending; all of them fire on the corpus.
        mean_cosine: of every two decoder rows, exact; NaN without an engine.
        tokens: what the features fire on most, over all of them, by total activation.
        n_points: tokens that the scores are of, where any of the features fires; 0 without scores.
        circularity: of the pair, 0 to 1; NaN without scores. scores: of the pair; None without.
    """

    features: Ints
    mean_cosine: float
    tokens: tuple[str, ...]
    n_points: int = 0
    circularity: float = np.nan
    scores: Scores | None = None

    @property
    def size(self) -> int:
        """Number of features."""
        return len(self.features)

    @property
    def pair(self) -> tuple[int, int] | None:
        """The most circular pair of components, counted from 0."""
        return None if self.scores is None else self.scores.pair

    @property
    def separability(self) -> float:
        """Bits, on that pair; low: two independent features. NaN without scores."""
        return np.nan if self.scores is None else self.scores.separability

    @property
    def mixture(self) -> float:
        """Share, on that pair; high: mostly on one line. NaN without scores."""
        return np.nan if self.scores is None else self.scores.mixture

    @property
    def score(self) -> float:
        """(1 - mixture) x (separability less that of shuffled features): `Scores.rank`. NaN without scores."""
        return np.nan if self.scores is None else self.scores.rank


@dataclass(frozen=True, eq=False, repr=False)
class CandidateGroups:
    """Groups of features that may be multi-dimensional, the best first.

    Attributes:
        groups: by score from the largest down; those without scores last, by mean cosine.
        method: "graph" or "spectral".
        cut: cosine above which the graph has edges; None of spectral clusters. tried: what each cut would have given.
        n, seed: what `subspace(i)` is drawn with, so that it shows the points that were scored.
        index: whose features they are.
        notes: what a reader must know.

    Example:
        >>> found = sw.candidate_groups(index)
        >>> found.to_pandas().head(10)
        >>> found.subspace(0).figure()
    """

    groups: tuple[Group, ...]
    method: Method
    cut: float | None
    tried: tuple[Cut, ...]
    n: int
    seed: int
    index: FeatureIndex
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of groups."""
        return len(self.groups)

    @property
    def provenance(self) -> dict[str, str]:
        """The index', and how the groups were found."""
        how = "spectral clusters" if self.cut is None else f"connected components, cosine > {self.cut:g}"
        return {**self.index.provenance, "groups": how, "seed": str(self.seed)}

    @property
    def cuts(self) -> pd.DataFrame:
        """One row a cut that was tried: groups of an allowed size, features in them, features of the largest component."""
        import pandas as pd

        rows = [(one.cut, one.groups, one.features, one.largest) for one in self.tried]
        return pd.DataFrame(rows, columns=["cut", "groups", "features", "largest"]).set_index("cut")

    def to_pandas(self) -> pd.DataFrame:
        """One row a group, in order: score, separability, mixture, separability_shuffled (mean), mixture_shuffled, circularity,
        pair (counted from 1), n_points, size, mean_cosine, tokens, features."""
        import pandas as pd

        shuffled = [None if g.scores is None else g.scores.shuffled.mean for g in self.groups]
        columns: dict[str, object] = {
            "score": [g.score for g in self.groups],
            "separability": [g.separability for g in self.groups],
            "mixture": [g.mixture for g in self.groups],
            "separability_shuffled": [np.nan if s is None else s.separability for s in shuffled],
            "mixture_shuffled": [np.nan if s is None else s.mixture for s in shuffled],
            "circularity": [g.circularity for g in self.groups],
            "pair": [None if g.pair is None else f"{g.pair[0] + 1}, {g.pair[1] + 1}" for g in self.groups],
            "n_points": [g.n_points for g in self.groups],
            "size": [g.size for g in self.groups],
            "mean_cosine": [g.mean_cosine for g in self.groups],
            "tokens": [list(g.tokens) for g in self.groups],
            "features": [g.features.tolist() for g in self.groups],
        }
        return pd.DataFrame(columns, index=pd.RangeIndex(len(self), name="group"))

    def figure(self) -> Figure:
        """Separability against mixture, which is drawn from 1 to 0 as in the paper: upper right is irreducible."""
        return groups_figure(
            self.to_pandas(), f"{len(self):,} groups of features of {self.index.sae or self.index.path}"
        )

    def subspace(self, i: int = 0, *, n: int | None = None, read: int = 20_000) -> Subspace:
        """The subspace of the i-th group, of the points that were scored where the index has all activations.

        Args:
            n: points at most; default: as the groups were scored. read: as of `sw.subspace`.
        """
        if not -len(self) <= i < len(self):
            raise GeometryError(f"There is no group {i}: there are {len(self)}, counted from 0.")
        return subspace(self.index, self.groups[i].features.tolist(), n=n or self.n, seed=self.seed, read=read)

    def __repr__(self) -> str:
        how = "spectral" if self.cut is None else f"cosine > {self.cut:g}"
        scored = sum(g.scores is not None for g in self.groups)
        return f"CandidateGroups({len(self):,} groups ({how}), {scored:,} scored, of {self.index.sae or str(self.index.path)!r})"

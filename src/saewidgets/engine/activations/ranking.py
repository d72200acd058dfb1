"""Ranked features: which fire most on the counted tokens, and how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..arrays import Floats as Floats
from ..arrays import Ints as Ints

if TYPE_CHECKING:
    import pandas as pd

Sort = Literal["max", "sum", "mean"]

SORTS: tuple[Sort, ...] = ("max", "sum", "mean")


@dataclass(frozen=True, eq=False)
class FeatureRanking:
    """Active features with their statistics over the counted tokens, in the order of `sort`.

    Attributes:
        features: [k] feature indices.
        max, min: [k] largest and smallest activation that is not 0, as in an index.
        extreme: [k] the activation largest in magnitude, with its sign: `max` unless activations can be negative.
        sum: [k] sum of the activations.
        mean: [k] `sum / n_tokens` (silent tokens count as 0).
        n_active: [k] number of tokens where the feature is not 0.
        argmax: [k] the token where `extreme` is.
        total: how many features passed the filters, of which the first k are here.
        n_tokens: how many tokens were counted.
        sort: "max", "sum" or "mean", by magnitude: "max" is max |activation|.
        signed: whether activations can be negative.
        labels: feature index to label.
    """

    features: Ints
    max: Floats
    min: Floats
    extreme: Floats
    sum: Floats
    mean: Floats
    n_active: Ints
    argmax: Ints
    total: int
    n_tokens: int
    sort: Sort
    signed: bool = False
    labels: Mapping[int, str] = field(default_factory=dict)
    token_strings: Sequence[str] = field(default_factory=tuple)

    def __len__(self) -> int:
        return len(self.features)

    def __iter__(self) -> Iterator[int]:
        return (int(f) for f in self.features)

    @property
    def sorted_by(self) -> str:
        """What the features are ranked by, in words."""
        return (
            f"|{self.sort}|" if self.signed and self.sort != "max" else "max |activation|" if self.signed else self.sort
        )

    def key(self) -> Floats:
        """[k] what the features are ranked by (in magnitude)."""
        return self.extreme if self.sort == "max" else self.sum if self.sort == "sum" else self.mean

    def to_pandas(self) -> pd.DataFrame:
        """One row a feature, indexed by feature. `min` stands there where activations can be negative."""
        import pandas as pd

        table = {
            "label": [self.labels.get(int(f), "") for f in self.features],
            "max": self.max,
            **({"min": self.min} if self.signed else {}),
            "sum": self.sum,
            "mean": self.mean,
            "tokens_active": self.n_active,
            "max_at_token": self.argmax,  # of max |activation|
            "max_at": [self.token_strings[i] for i in self.argmax] if self.token_strings else [""] * len(self),
        }
        return pd.DataFrame(table, index=pd.Index(self.features, name="feature"))

    def __repr__(self) -> str:
        shown = ", ".join(f"{f}: {v:.4g}" for f, v in list(zip(self.features, self.key(), strict=True))[:5])
        more = ", ..." if len(self) > 5 else ""
        return f"FeatureRanking({self.sorted_by} over {self.n_tokens} tokens, {len(self)} of {self.total} features: {shown}{more})"


def summarise(features: Ints, values: Floats, tokens: Ints, n_tokens: int, sort: Sort) -> FeatureRanking:
    """Per-feature statistics of activations given as (feature, value, token) triples, features ascending."""
    order = np.argsort(features, kind="stable")
    features, values, tokens = features[order], values[order], tokens[order]
    ids, starts, counts = np.unique(features, return_index=True, return_counts=True)
    if not len(ids):
        none = np.zeros(0, np.int64)
        empty = np.zeros(0, np.float32)
        return FeatureRanking(none, empty, empty, empty, empty, empty, none, none, 0, n_tokens, sort)
    # The first of the largest magnitudes of each feature: sort by feature, then magnitude down, then token.
    strongest = np.lexsort((tokens, -np.abs(values), features))[starts]
    sums = np.add.reduceat(values.astype(np.float64), starts)
    return FeatureRanking(
        features=ids,
        max=np.maximum.reduceat(values, starts),
        min=np.minimum.reduceat(values, starts),
        extreme=values[strongest],
        sum=sums.astype(np.float32),
        mean=(sums / max(n_tokens, 1)).astype(np.float32),
        n_active=counts.astype(np.int64),
        argmax=tokens[strongest],
        total=len(ids),
        n_tokens=n_tokens,
        sort=sort,
    )

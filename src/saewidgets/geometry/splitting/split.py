"""What `sw.splitting` finds: the best partners of every feature, and families of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ...engine.arrays import Floats, Ints
from ...engine.dictionary.feature_number import feature_number
from ...engine.labels import said
from ...errors import FeatureIndexError
from ..errors import GeometryError
from .families import KINDS, Family, Forest, Kind, SideName, forest_of

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

__all__ = ["Alone", "Rule", "Side", "Splitting"]


Alone: TypeAlias = Literal["unmatched", "rare", "silent"]
"""Why a feature has no family."""


@dataclass(frozen=True)
class Rule:
    """What makes a feature's best partner its parent (see `sw.splitting`).

    Attributes:
        cut: least masked cosine on the feature's own tokens. least_r: least r. least_together: tokens where both fire.
    """

    cut: float = 0.75
    least_r: float = 0.2
    least_together: int = 5

    def __post_init__(self) -> None:
        for name, value in (("cut", self.cut), ("least_r", self.least_r)):
            if not 0 <= value <= 1:
                raise GeometryError(f"{name}={value}: it is compared with a number from 0 to 1.")
        if self.least_together < 1:
            raise GeometryError(
                f"least_together={self.least_together}: features that are linked fire together on one token at least."
            )


@dataclass(frozen=True, eq=False, repr=False)
class Side:
    """One of the two dictionaries, and the k best partners of each of its F features.

    Attributes:
        name: which SAE of which model, and where its index is.
        count: [F] tokens where each fires, of those that both indexes count.
        partner: [F, k] features of the other side, the largest r first (of equal ones the earlier); -1 where there are no more.
        r: [F, k] Pearson's r, NaN where there is no partner, as in all that follows.
        together: [F, k] tokens where both fire, 0 without a partner.
        masked: [F, k] masked cosine on the tokens where this side's feature fires; masked_partner: where the partner does.
        cosine: [F, k] decoder cosine; None if it was left out.
        labels: what its features are called.
    """

    name: str
    count: Ints
    partner: Ints
    r: Floats
    together: Ints
    masked: Floats
    masked_partner: Floats
    cosine: Floats | None
    labels: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """Features."""
        return len(self.count)

    def __repr__(self) -> str:
        return f"Side({self.name}: {len(self):,} features, {int((self.count > 0).sum()):,} fire)"


@dataclass(frozen=True, eq=False, repr=False)
class Splitting:
    """The features of one dictionary ("a") against those of another ("b").

    Attributes:
        a, b: the two sides, with the best partners of each feature.
        tokens: of the corpus that both count; all numbers are over them. only_a, only_b: tokens that only one counts, left out.
        rule: what makes a feature's best partner its parent.
        provenance: of either side, and of the rule. notes: what a reader must know.

    Example:
        >>> found = sw.splitting(small, large)
        >>> found.counts
        {'one_to_one': 1801, 'one_to_many': 412, ...}
        >>> print(found.family(2717))
        a 2717
          b 101
          b 4006
        >>> found.partners(2717)
        >>> found.linked(cut=0.8).counts
    """

    a: Side
    b: Side
    tokens: int
    only_a: int
    only_b: int
    rule: Rule
    provenance: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def linked(
        self, *, cut: float | None = None, least_r: float | None = None, least_together: int | None = None
    ) -> Splitting:
        """The same partners, linked by another rule; what is not given stays.

        Raises:
            GeometryError: for a rule that means nothing.
        """
        now = self.rule
        rule = Rule(
            now.cut if cut is None else cut,
            now.least_r if least_r is None else least_r,
            now.least_together if least_together is None else least_together,
        )
        return replace(self, rule=rule)

    @cached_property
    def forest(self) -> Forest:
        """Parents, and which feature is of which family, as arrays."""
        (best_a, is_a), (best_b, is_b) = (
            (
                side.partner[:, 0],
                (side.together[:, 0] >= self.rule.least_together)
                & (np.nan_to_num(side.r[:, 0], nan=-1) >= self.rule.least_r)
                & (np.nan_to_num(side.masked[:, 0], nan=-1) >= self.rule.cut),
            )
            for side in (self.a, self.b)
        )
        return forest_of(best_a, is_a, self.a.count, best_b, is_b, self.b.count)

    @cached_property
    def families(self) -> list[Family]:
        """All families of two features or more, the largest first."""
        return self.forest.families()

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many families there are of each kind, and features without one: "unmatched", "rare" (they fire on fewer tokens
        than a link needs) and "silent" of either side."""
        kinds = self.forest.kinds()
        found = {str(kind): kinds.count(kind) for kind in KINDS}
        for kind in _ALONE:
            found |= {f"{kind}_{name}": len(self.without_family(kind, name)) for name in _SIDES}
        return found

    def without_family(self, kind: Alone, side: SideName) -> Ints:
        """The features of a side that have no family, and why: ascending."""
        count = self._side(side).count
        alone = (self.forest.family_a if side == "a" else self.forest.family_b) < 0
        few = self.rule.least_together
        inside = {"silent": count == 0, "rare": (count > 0) & (count < few), "unmatched": count >= few}
        return np.flatnonzero(alone & inside[kind])

    def family(self, feature: int, side: SideName = "a") -> Family:
        """The family of a feature; of one that has none it is in it alone, and `kind` says why.

        Raises:
            FeatureIndexError: for a feature that the side does not have. GeometryError: for another side.
        """
        feature = self._check(feature, side)
        number = int((self.forest.family_a if side == "a" else self.forest.family_b)[feature])
        if number >= 0:
            return self.forest.family(number)
        count = int(self._side(side).count[feature])
        kind: Kind = "silent" if not count else "rare" if count < self.rule.least_together else "unmatched"
        alone = (feature,)
        return Family(kind, alone if side == "a" else (), alone if side == "b" else (), (side, feature))

    def partners(self, feature: int, side: SideName = "a") -> pd.DataFrame:
        """The k best partners of a feature, whether or not they are linked: a row each, indexed by the partner.

        Columns: description, r, together, masked (on the feature's own tokens), masked_partner (on the partner's),
        decoder_cosine, count (tokens where the partner fires).

        Raises:
            FeatureIndexError: for a feature that the side does not have. GeometryError: for another side.
        """
        import pandas as pd

        feature = self._check(feature, side)
        own, other = (self.a, self.b) if side == "a" else (self.b, self.a)
        n = int((own.partner[feature] >= 0).sum())
        partner = own.partner[feature, :n]
        columns = {
            "description": [said(other.labels, f) for f in partner.tolist()],
            **{name: getattr(own, name)[feature, :n] for name in ("r", "together", "masked", "masked_partner")},
            "decoder_cosine": np.full(n, np.nan, np.float32) if own.cosine is None else own.cosine[feature, :n],
            "count": other.count[partner],
        }
        return pd.DataFrame(columns, index=pd.Index(partner, name="feature"))

    def to_pandas(self) -> pd.DataFrame:
        """One row a pair that is linked, by family (the largest first): family, kind, a, b, child (whose parent the other is:
        "a", "b", "both"), r, together, masked_a, masked_b (masked cosines on a's and on b's tokens), decoder_cosine, count_a,
        count_b, description_a, description_b."""
        import pandas as pd

        f, g, child = self.forest.links()
        family = self.forest.family_a[f]
        kinds = self.forest.kinds()
        by_a = np.array([one != "b" for one in child], bool)

        # A linked pair stands first in the row of whichever is the child.
        def of(name: str, mirrored: str) -> Floats:
            ours, theirs = getattr(self.a, name)[f, 0], getattr(self.b, mirrored)[g, 0]
            return np.asarray(np.where(by_a, ours, theirs))

        columns: dict[str, object] = {"family": family, "kind": [kinds[i] for i in family.tolist()], "a": f, "b": g}
        columns |= {"child": child, "r": of("r", "r"), "together": of("together", "together")}
        columns |= {"masked_a": of("masked", "masked_partner"), "masked_b": of("masked_partner", "masked")}
        columns["decoder_cosine"] = (
            np.full(len(f), np.nan, np.float32) if self.a.cosine is None else of("cosine", "cosine")
        )
        columns |= {"count_a": self.a.count[f], "count_b": self.b.count[g]}
        for name, side, which in (("a", self.a, f), ("b", self.b, g)):
            columns[f"description_{name}"] = [said(side.labels, one) for one in which.tolist()]
        return pd.DataFrame(columns)

    def figure(self, feature: int | None = None, side: SideName = "a") -> Figure:
        """A plotly picture: of a feature its family (its best partners, if it has none), bands as wide as the tokens where two
        fire together; without a feature how the r of all features' best partners are spread.

        Raises:
            FeatureIndexError: for a feature that the side does not have. GeometryError: for another side, or one that never fires.
        """
        from .split_figures import best_r_figure, family_figure

        if feature is None:
            return best_r_figure(self.a.r[:, 0], self.b.r[:, 0], self.counts)
        family = self.family(feature, side)
        if family.kind == "silent":
            raise GeometryError(
                f"Feature {feature} of {side!r} never fires on the tokens that both count: it has no partner."
            )
        pairs = [(link.a, link.b) for link in family.links]
        title = f"{family.kind.replace('_', ' ')}: {side} {feature}"
        if not pairs:
            others = [int(f) for f in self.partners(feature, side).index]
            pairs = [(feature, other) if side == "a" else (other, feature) for other in others]
            title = f"{side} {feature} is {family.kind}: its best partners, none of which is its parent"
        numbers = [self._numbers(f, g) for f, g in pairs]
        names: dict[tuple[SideName, int], str] = {("a", f): said(self.a.labels, f) for f, _ in pairs}
        names |= {("b", g): said(self.b.labels, g) for _, g in pairs}
        return family_figure(pairs, numbers, names, title, linked=bool(family.links))

    def _numbers(self, f: int, g: int) -> dict[str, float]:
        """Of a pair that is among the kept partners of either."""
        at = np.flatnonzero(self.a.partner[f] == g)
        own, row, names = (
            (self.a, f, ("masked", "masked_partner")) if len(at) else (self.b, g, ("masked_partner", "masked"))
        )
        place = int(at[0]) if len(at) else int(np.flatnonzero(self.b.partner[g] == f)[0])
        found = {"together": float(own.together[row, place]), "r": float(own.r[row, place])}
        found |= {f"masked_{x}": float(getattr(own, name)[row, place]) for x, name in zip("ab", names, strict=True)}
        return found if own.cosine is None else {**found, "decoder_cosine": float(own.cosine[row, place])}

    def _side(self, side: SideName) -> Side:
        if side not in _SIDES:
            raise GeometryError(f"side is 'a' or 'b', not {side!r}.")
        return self.a if side == "a" else self.b

    def _check(self, feature: int, side: SideName) -> int:
        n, number = len(self._side(side)), feature_number(feature)
        if not 0 <= number < n:
            raise FeatureIndexError(f"Feature {number} is outside {side!r}, which has features 0 to {n - 1}.")
        return number

    def __repr__(self) -> str:
        told = ", ".join(f"{n:,} {kind.replace('_', ' ')}" for kind, n in self.counts.items() if n)
        return f"Splitting({len(self.a):,} features against {len(self.b):,} on {self.tokens:,} tokens: {told})"


_SIDES: tuple[SideName, ...] = ("a", "b")
_ALONE: tuple[Alone, ...] = ("unmatched", "rare", "silent")

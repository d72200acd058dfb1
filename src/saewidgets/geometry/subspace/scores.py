"""The shape that activations draw: components, the pair that is most of a circle, and its scores.

Beside the scores stand those of the same features shuffled against each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...engine.arrays import Doubles, Floats
from ...engine.ticket import Ticket
from ..errors import GeometryError
from .circularity import LEAST, circularity_of_pairs, most_circular
from .irreducibility import Score, score
from .principal import Principal, principal

__all__ = ["SHUFFLED_POINTS", "SHUFFLES", "Scores", "Shape", "Shuffled", "shape_of"]

SHUFFLES = 5
SHUFFLED_POINTS = 5_000
"""Points that are shuffled at most, drawn uniformly: with so many, chance adds a hundredth of a bit."""


@dataclass(frozen=True, eq=False)
class Shuffled:
    """Scores where every feature's activations were permuted over the points, independently of the others' and seeded.

    Each feature is as strong and as rare as before, and independent of the others: what is no more than this needs no circle to
    explain it. Everything is done again for each repeat, components and the choice of the most circular pair included.

    Attributes:
        separability, mixture: [repeats]; see `Score`.
    """

    separability: Doubles
    mixture: Doubles

    @property
    def mean(self) -> Score:
        """Means over the repeats."""
        return Score(float(self.separability.mean()), float(self.mixture.mean()))

    @property
    def low(self) -> Score:
        """The smallest of each."""
        return Score(float(self.separability.min()), float(self.mixture.min()))

    @property
    def high(self) -> Score:
        """The largest of each."""
        return Score(float(self.separability.max()), float(self.mixture.max()))


@dataclass(frozen=True, eq=False)
class Scores:
    """How irreducible the points are on one pair of components (definitions: `geometry.irreducibility`).

    Attributes:
        pair: the components, counted from 0.
        separability: bits. LOW: two independent features of one dimension each.
        mixture: share. HIGH: mostly on one line.
        least: the smaller of the two components' shares of the variance.
        shuffled: the same of shuffled features.
    """

    pair: tuple[int, int]
    separability: float
    mixture: float
    least: float
    shuffled: Shuffled

    @property
    def product(self) -> float:
        """(1 - mixture) x separability, by which the paper's code ranks."""
        return Score(self.separability, self.mixture).product

    @property
    def rank(self) -> float:
        """(1 - mixture) x (separability - mean separability of shuffled features), at least 0: by which groups are ranked.

        Few points look dependent by chance; shuffled ones do as much, so that rare groups do not come first for that. 0 where a
        component of the pair holds less than a hundredth of the variance: such points are on a line, and neither number feels
        how small what is left beside it is.
        """
        if self.least < LEAST:
            return 0.0
        return Score(max(0.0, self.separability - self.shuffled.mean.separability), self.mixture).product


@dataclass(frozen=True, eq=False)
class Shape:
    """What activations draw.

    Attributes:
        principal: components of what the features write. circularity: [c, c] of every pair. pair: the most circular one.
        scores: of that pair.
    """

    principal: Principal
    circularity: Doubles
    pair: tuple[int, int]
    scores: Scores


def shape_of(activations: Floats, decoder: Floats, seed: int, ticket: Ticket, repeats: int = SHUFFLES) -> Shape:
    """The shape of activations [n, k] @ decoder [k, d].

    Shuffled are at most `SHUFFLED_POINTS` of the points.

    Raises:
        GeometryError: if all points are equal, or not finite.
    """
    found = principal(activations, decoder)
    round_pairs = circularity_of_pairs(found.points)
    pair = most_circular(round_pairs, found.explained)
    actual = score(found.points[:, list(pair)])
    rng = np.random.default_rng(seed)
    if len(activations) > SHUFFLED_POINTS:
        activations = activations[rng.choice(len(activations), SHUFFLED_POINTS, replace=False)]
    shuffled: list[Score] = []
    for done in range(repeats):
        ticket.breathe()
        ticket.progress(1 + done, 1 + repeats)
        shuffled.append(_shuffled(rng.permuted(activations, axis=0), decoder))
    ticket.progress(1, 1)
    many = Shuffled(np.array([s.separability for s in shuffled]), np.array([s.mixture for s in shuffled]))
    least = float(found.explained[list(pair)].min())
    return Shape(found, round_pairs, pair, Scores(pair, actual.separability, actual.mixture, least, many))


def _shuffled(activations: Floats, decoder: Floats) -> Score:
    try:
        found = principal(activations, decoder)
    except GeometryError:  # shuffled, a few points can all be equal: as much on a line as can be
        return Score(0.0, 1.0)
    return score(found.points[:, list(_pair(found))])


def _pair(found: Principal) -> tuple[int, int]:
    return most_circular(circularity_of_pairs(found.points), found.explained)

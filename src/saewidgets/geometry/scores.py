"""The scores of a few features' picture, beside those of the same features shuffled against each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..engine.arrays import Doubles, Floats
from ..engine.ticket import Ticket
from .circularity import circularity_of_pairs, most_circular
from .irreducibility import Score, score
from .principal import Principal, principal

__all__ = ["SHUFFLES", "Scores", "Shuffled", "scores_of"]

SHUFFLES = 5


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
        shuffled: the same of shuffled features.
    """

    pair: tuple[int, int]
    separability: float
    mixture: float
    shuffled: Shuffled

    @property
    def product(self) -> float:
        """(1 - mixture) x separability, by which the paper's code ranks."""
        return Score(self.separability, self.mixture).product

    @property
    def rank(self) -> float:
        """(1 - mixture) x (separability - mean separability of shuffled features), at least 0: by which groups are ranked.

        Few points look dependent by chance; shuffled ones do as much, so that rare groups do not come first for that.
        """
        return Score(max(0.0, self.separability - self.shuffled.mean.separability), self.mixture).product


def scores_of(
    found: Principal,
    pair: tuple[int, int],
    activations: Floats,
    decoder: Floats,
    seed: int,
    ticket: Ticket,
    repeats: int = SHUFFLES,
) -> Scores:
    """Scores of a pair of components, and those of features that are shuffled against each other.

    Args:
        found: components of activations [n, k] @ decoder [k, d].
    """
    actual = score(found.points[:, list(pair)])
    rng = np.random.default_rng(seed)
    shuffled: list[Score] = []
    for done in range(repeats):
        ticket.breathe()
        ticket.progress(1 + done, 1 + repeats)
        others = principal(rng.permuted(activations, axis=0), decoder)
        shuffled.append(score(others.points[:, list(most_circular(circularity_of_pairs(others.points)))]))
    many = Shuffled(np.array([s.separability for s in shuffled]), np.array([s.mixture for s in shuffled]))
    return Scores(pair, actual.separability, actual.mixture, many)

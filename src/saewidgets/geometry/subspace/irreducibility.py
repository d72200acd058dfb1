"""Whether points in a plane are two features of one dimension each, or one of two: separability and ε-mixture.

The definitions are those of Engels, Michaud, Liao, Gurnee, Tegmark, "Not All Language Model Features Are One-Dimensionally
Linear" (arXiv 2405.14860), with the settings of its code (github.com/JoshEngels/MultiDimensionalFeatures): 10 x 10 bins, 100
angles, ε = 0.1. A feature is *reducible* if it can be rotated into two independent ones (LOW separability), or if it mostly
stays on a line (HIGH mixture). What is left, high separability with low mixture, may be irreducible: a circle is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...engine.arrays import Doubles, Ints
from .principal import is_flat

__all__ = ["BINS", "EPSILON", "Score", "mixture", "score", "separability"]

BINS = 10
EPSILON = 0.1
# The paper's code takes 100 angles from 0 to a full turn, both included: 99 different ones. A quarter turn swaps the axes, which
# mutual information does not feel, so they are 99 steps of a quarter turn.
ANGLES = 99
# Directions of the hyperplane that are tried first, then around the best ones: 2 degrees apart, in the end 0.05.
_DIRECTIONS, _FINER, _BEST = 90, (10, 4), 3
# Numbers that are held at once: angles are taken so many together.
_AT_ONCE = 2**20


@dataclass(frozen=True)
class Score:
    """How irreducible points in a plane are.

    Attributes:
        separability: bits; the smallest mutual information of the two rotated coordinates. Low: two independent features.
        mixture: the largest share of points close to one line. High: mostly less than two-dimensional.
    """

    separability: float
    mixture: float

    @property
    def product(self) -> float:
        """(1 - mixture) x separability, by which the paper's code ranks: large where points are irreducible."""
        return (1.0 - self.mixture) * self.separability


def score(points: Doubles) -> Score:
    """Both numbers of points [n, 2]."""
    return Score(separability(points), mixture(points))


def separability(points: Doubles, bins: int = BINS, angles: int = ANGLES) -> float:
    """S = min over rotations of I(x'; y') of points [n, 2], in bits.

    Mutual information of a histogram of `bins` x `bins` equal cells over the range of the rotated coordinates. 0 for points on
    one line. Few points look dependent by chance, by about (bins - 1)² / (2 n ln 2) bits: compare with shuffled features.
    """
    centred = points - points.mean(0)
    if is_flat(centred):
        return 0.0
    turn: Doubles = np.arange(angles, dtype=np.float64) * (0.5 * np.pi / angles)
    at_once = max(1, _AT_ONCE // len(points))
    found = [_information(_cells(centred, turn[i : i + at_once], bins), bins) for i in range(0, angles, at_once)]
    return float(max(0.0, np.concatenate(found).min()))


def _cells(points: Doubles, turn: Doubles, bins: int) -> Ints:
    """The histogram's cell of each point, at each angle: [angles, n]."""
    x, y = points.T
    cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
    return _bin(x * cos + y * sin, bins) * bins + _bin(y * cos - x * sin, bins)


def _bin(values: Doubles, bins: int) -> Ints:
    low, high = values.min(1, keepdims=True), values.max(1, keepdims=True)
    width = np.where(high > low, high - low, 1.0)
    found: Ints = np.minimum((values - low) * (bins / width), bins - 1).astype(np.int64)
    return found


def _information(cells: Ints, bins: int) -> Doubles:
    """Mutual information of each row's histogram, in bits."""
    many, n = cells.shape
    flat = (cells + np.arange(many)[:, None] * bins**2).ravel()
    joint = np.bincount(flat, minlength=many * bins**2).reshape(many, bins, bins) / n
    return _entropy(joint.sum(2)) + _entropy(joint.sum(1)) - _entropy(joint.reshape(many, -1))


def _entropy(share: Doubles) -> Doubles:
    found: Doubles = -(share * np.log2(np.where(share > 0, share, 1.0))).sum(-1)
    return found


def mixture(points: Doubles, epsilon: float = EPSILON) -> float:
    """M_ε = max over lines w·x + c = 0 of the share of points with |w·x + c| < ε · rms(w·x + c), of points [n, 2].

    The paper climbs to it by gradient steps from a random start, which end in different places. In a plane it can be had: for
    each direction w the best c is found exactly, among the n at which a point enters the strip; directions are tried every 2
    degrees and then every 0.05 around the best three. 1 for points on one line.
    """
    centred = points - points.mean(0)
    if is_flat(centred):
        return 1.0
    step = np.pi / _DIRECTIONS
    turn: Doubles = np.arange(_DIRECTIONS, dtype=np.float64) * step
    shares = _most_on_a_line(centred, turn, epsilon)
    found = float(shares.max())
    for finer in _FINER:
        best = turn[np.argsort(-shares, kind="stable")[:_BEST]]
        around = np.arange(-finer + 1, finer) * (step / finer)
        turn = (best[:, None] + around).ravel()
        shares = _most_on_a_line(centred, turn, epsilon)
        found = max(found, float(shares.max()))
        step /= finer
    return found


def _most_on_a_line(points: Doubles, turn: Doubles, epsilon: float) -> Doubles:
    """For each direction, the largest share of points in the strip, over all c.

    With t = -c, p = w·x of mean 0 and variance v, a point is inside if |p - t| < ε sqrt(v + t²). Both ends of that interval grow
    with t (ε < 1), so an interval with most points can be shifted until its lower end touches one of them: with p that point,
    t = (p + ε sqrt(p² + (1 - ε²) v)) / (1 - ε²), and the upper end is 2t - p.
    """
    n = len(points)
    at_once, found = max(1, _AT_ONCE // n), []
    for first in range(0, len(turn), at_once):
        some = turn[first : first + at_once]
        along = np.sort(np.cos(some)[:, None] * points[:, 0] + np.sin(some)[:, None] * points[:, 1], axis=1)
        rest = 1.0 - epsilon**2
        variance = (along**2).mean(1, keepdims=True)
        top = 2.0 * (along + epsilon * np.sqrt(along**2 + rest * variance)) / rest - along
        within = [int((np.searchsorted(a, b) - np.arange(n)).max()) for a, b in zip(along, top, strict=True)]
        found.append(np.array(within) / n)
    return np.concatenate(found)

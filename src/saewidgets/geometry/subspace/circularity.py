"""How much points in a plane look like a circle: one number, by which a pair of components is chosen to be shown first.

It chooses and proves nothing. Whether what is shown is more than chance is asked by `irreducibility`, and of features that are
shuffled against each other.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from ...engine.arrays import Doubles

__all__ = ["LEAST", "circularity", "circularity_of_pairs", "most_circular"]

LEAST = 0.01
"""A share of the variance below which a component is not looked at for a shape: what is left of points on a line has one, too."""

# Where the spread of the radius over its mean is this, the score halves. A filled disc has 0.354.
_HALF = 0.25
# One, two or three directions are no circle: any three points lie on one.
_HARMONICS = (1, 2, 3)


def circularity(points: Doubles) -> float:
    """Circularity of points [n, 2], from 0 to 1: whether they keep one distance from a centre, in all directions from it.

    The centre is that of the circle that fits best (Kåsa's least squares: of x² + y² = 2ax + 2by + c), not the mean, which a
    frequent point would pull to itself. With r and θ of the points around it,

        2 ** -((std r / mean r) / 0.25)²  ·  Π over m = 1, 2, 3 of (1 - |mean of exp(i m θ)|)

    The first factor is 1 where the radius is constant, 1/2 where its standard deviation is a quarter of its mean, 1/4 on a
    filled disc, 0.05 of a normal distribution. The second is 1 where the directions fill the circle evenly, and 0 where all
    are one (a line that was fitted from afar, an arc), two (a line, two clusters) or three (any three points lie on a circle). A
    half circle has 0.29. 0 where there are fewer than three points, or all are on one line.
    """
    if len(points) < 3:
        return 0.0
    centred = points - points.mean(0)
    scale = float(np.sqrt((centred**2).sum(1).mean()))
    if scale == 0.0 or not np.isfinite(scale):
        return 0.0
    x, y = (centred / scale).T
    # A singular value below this is a line's: it has no circle.
    (a, b, _), _, rank, _ = np.linalg.lstsq(np.column_stack([2 * x, 2 * y, np.ones(len(x))]), x**2 + y**2, rcond=1e-8)
    if rank < 3:
        return 0.0
    around = (x - a) + 1j * (y - b)
    radius = np.abs(around)
    spread = float(radius.std() / radius.mean())
    direction = around / np.where(radius > 0, radius, 1.0)
    filled = [1.0 - min(1.0, abs((direction**m).mean())) for m in _HARMONICS]
    return float(2.0 ** -((spread / _HALF) ** 2) * np.prod(filled))


def circularity_of_pairs(points: Doubles) -> Doubles:
    """Of every two columns of points [n, c]: [c, c], symmetric, 0 on the diagonal."""
    found = np.zeros((points.shape[1], points.shape[1]))
    for i, j in combinations(range(points.shape[1]), 2):
        found[i, j] = found[j, i] = circularity(points[:, [i, j]])
    return found


def most_circular(found: Doubles, explained: Doubles) -> tuple[int, int]:
    """The pair with the largest circularity, of components that hold a share of the variance of at least `LEAST` each.

    Of equals the first, those of more variance coming first; the first two where fewer than two hold that much.

    Args:
        found: [c, c], of `circularity_of_pairs`. explained: [c] shares of the variance, decreasing.
    """
    enough = int((explained >= LEAST).sum())
    if enough < 2:
        return 0, 1
    pairs = list(combinations(range(enough), 2))
    return pairs[int(np.argmax([found[pair] for pair in pairs]))]

"""Principal components of what a few features write, without ever making the n vectors of the model's width.

Whatever the features' activations are, their sum lies in the span of their decoder rows: at most k dimensions. There the
components are exactly those of the full matrix, and n x k is all that is held.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...engine.arrays import Doubles, Floats
from ..errors import GeometryError

__all__ = ["FLAT", "MOST", "Principal", "is_flat", "principal"]

MOST = 5
"""Components that are kept: as many as the paper keeps."""
FLAT = 1e-18
"""A share of the variance up to which it is rounding."""


@dataclass(frozen=True, eq=False)
class Principal:
    """Principal components of n vectors in d dimensions.

    Attributes:
        points: [n, c] coordinates of the centred vectors on the components.
        explained: [c] share of the vectors' variance, decreasing; 0, as are the coordinates, where it is rounding.
        components: [c, d] orthonormal; the entry of each that is largest in magnitude is positive (the first of equals).
        mean: [d] of the vectors.
    """

    points: Doubles
    explained: Doubles
    components: Doubles
    mean: Doubles


def principal(activations: Floats | Doubles, decoder: Floats | Doubles, most: int = MOST) -> Principal:
    """Principal components of the rows of activations @ decoder.

    Args:
        activations: [n, k]. decoder: [k, d].
        most: components that are kept, at most min(n, k, d).

    Raises:
        GeometryError: if all points are the same one, or not finite.
    """
    values: Doubles = np.asarray(activations, np.float64)
    rows: Doubles = np.asarray(decoder, np.float64)
    if not (np.isfinite(values).all() and np.isfinite(rows).all()):
        raise GeometryError(
            "Activations or decoder rows of these features hold NaN or infinity: they have no components."
        )
    basis, upper = np.linalg.qr(rows.T)  # rows = upper.T @ basis.T
    inside = values @ upper.T
    mean = inside.mean(0)
    centred = inside - mean
    size = float(np.abs(inside).max(initial=0))
    # What rounding leaves of equal points is no direction.
    centred[np.abs(centred) <= 1e-12 * size] = 0.0
    if not centred.any():
        raise GeometryError(
            f"All {len(values):,} points are the same one: these features do not vary on these tokens. "
            "Choose features that fire with different strengths, or more tokens."
        )
    left, singular, right = np.linalg.svd(centred, full_matrices=False)
    kept = min(most, *values.shape, rows.shape[1])
    components = right[:kept] @ basis.T
    signs = np.sign(components[np.arange(kept), np.abs(components).argmax(1)])
    variance = singular**2
    explained = variance[:kept] / variance.sum()
    # What is rounding alone is no coordinate: it would have a shape of its own.
    explained[explained <= FLAT] = 0.0
    return Principal(
        points=left[:, :kept] * (singular[:kept] * signs * (explained > 0)),
        explained=explained,
        components=components * signs[:, None],
        mean=basis @ mean,
    )


def is_flat(points: Doubles) -> bool:
    """Whether points [n, 2] with mean 0 lie on one line, up to rounding."""
    singular = np.linalg.svd(points, compute_uv=False)
    return len(singular) < 2 or bool(singular[1] ** 2 <= FLAT * singular[0] ** 2)

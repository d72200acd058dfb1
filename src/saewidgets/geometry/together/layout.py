"""Where the nodes of a small network stand: forces between them, always the same for the same network and seed."""

from __future__ import annotations

import numpy as np

from ...engine.arrays import Doubles

__all__ = ["layout"]

_STEPS = 300


def layout(weights: Doubles, seed: int = 0) -> Doubles:
    """Places [n, 2] in [-1, 1] of n nodes, near each other where their `weights` [n, n] (symmetric, 0 for no edge) are large.

    Fruchterman and Reingold 1991, "Graph drawing by force-directed placement": nodes push each other away by 1 / distance and
    edges pull by distance^2, each by its weight (of the largest); steps get shorter. A weak pull to the middle keeps nodes
    without edges in the picture.

    Args:
        seed: of the places to begin with.
    """
    n = len(weights)
    if n < 2:
        return np.zeros((n, 2))
    pull = np.maximum(weights, 0) / max(float(weights.max()), 1e-12)
    np.fill_diagonal(pull, 0)
    rng = np.random.default_rng(seed)
    angle = 2 * np.pi * rng.permutation(n) / n
    at: Doubles = np.stack([np.cos(angle), np.sin(angle)], 1) + rng.normal(0, 0.01, (n, 2))
    ideal = np.sqrt(4 / n)
    for step in range(_STEPS):
        apart = at[:, None] - at[None]
        distance = np.sqrt((apart**2).sum(2)) + 1e-9
        force = ideal**2 / distance**2 - pull * distance / ideal
        np.fill_diagonal(force, 0)
        move = (force[:, :, None] * apart).sum(1) - 0.3 * at
        length = np.sqrt((move**2).sum(1, keepdims=True)) + 1e-12
        at += move / length * np.minimum(length, 0.2 * (1 - step / _STEPS) ** 2)
    at -= (at.max(0) + at.min(0)) / 2
    return at / max(float(np.abs(at).max()), 1e-12)

"""A map that nobody computed: known places, clusters and neighbours for the features of an index."""

from __future__ import annotations

from typing import Any

import numpy as np

from saewidgets.geometry.map.layout import FeatureLayout


def layout_of(n_features: int, missing: tuple[int, ...] = (), n_clusters: int = 3, **changed: Any) -> FeatureLayout:
    """Places at random, seeded; every fourth feature is in no cluster."""
    rng = np.random.default_rng(0)
    features = np.setdiff1d(np.arange(n_features), missing)
    m = len(features)
    x = rng.uniform(-1, 1, m)
    x[:2] = -1, 1
    cluster = np.where(np.arange(m) % 4 == 3, -1, np.arange(m) % n_clusters)
    facts: dict[str, Any] = {
        "features": features,
        "x": x,
        "y": rng.uniform(-0.6, 0.6, m),
        "kept": 0.1234,
        "k": 5,
        "cluster": cluster,
        "method": "made-up 1.0",
        "settings": {"n_neighbors": 6, "min_dist": 0.05, "seed": 0},
        "n_features": n_features,
        "provenance": {"SAE": "made up"},
        "notes": ("Something is to be known.",),
        "path": None,
        "neighbours": np.zeros((m, 5), np.int64),
        "cosines": np.zeros((m, 5)),
    }
    return FeatureLayout(**{**facts, **changed})

"""Matrices of any numbers, and their features one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from matrix_made import TEXTS

import saewidgets as sw
from saewidgets.datasets.aggregate import Rows
from saewidgets.datasets.saved import Made

WORDS = "God created heaven earth night day in the beginning and was without form".split()
A = [" ".join(WORDS[(i * k) % 13] for k in range(1, 9)) for i in range(1, 13)]
B = [*TEXTS[2:], *(" ".join(WORDS[(i + k) % 13] for k in range(5)) for i in range(6))]


def matrix_from(
    dense: Any, *, columns: list[int] | None = None, aggregate: Any = "max", **more: Any
) -> sw.FeatureMatrix:
    """A matrix with these numbers [documents, features]."""
    sparse = scipy.sparse.csr_array(np.asarray(dense, np.float32))
    tokens = np.full(sparse.shape[0], 9)
    rows = Rows(
        np.diff(sparse.indptr).astype(np.int64),
        sparse.indices.astype(np.int64),
        sparse.data,
        tokens,
        tokens,
        tokens * 0,
    )
    made = Made({"n_features": sparse.shape[1]}, aggregate, None if columns is None else np.array(columns))
    options: dict[str, Any] = {"labels": {}, "notes": (), "provenance": {"model": "made"}, **more}
    return sw.FeatureMatrix.of(rows, made, dictionary="made", activation_name="activation", signed=False, **options)


def numbers(rows: int, columns: int, seed: int = 0) -> Any:
    """Sparse numbers with ties; the first column is silent, the second always active, the third always the same."""
    rng = np.random.default_rng(seed)
    made = np.round(rng.gamma(1, 1, (rows, columns)), 1) * (rng.random((rows, columns)) < rng.random(columns))
    made[:, 0], made[:, 1], made[:, 2] = 0, 0.1 + rng.random(rows), 0.3
    return made

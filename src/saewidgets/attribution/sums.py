"""Attributions summed over positions, feature by feature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..engine.arrays import Doubles, Floats, Ints

__all__ = ["FeatureSums", "summed"]


@dataclass(frozen=True, eq=False)
class FeatureSums:
    """One entry a feature of a dictionary, by |attribution|, largest first.

    Attributes:
        sae, features: number of the dictionary, and the feature.
        attribution, positive, negative: sums over positions; of several texts, the mean over them.
        activation: of the largest magnitude. positions: how many it is active on.
        top: the token of the largest |attribution|.
        std: over texts (ddof=1; NaN for one). texts: in how many it is active.
    """

    sae: Ints
    features: Ints
    attribution: Doubles
    positive: Doubles
    negative: Doubles
    activation: Floats
    positions: Ints
    top: Ints
    std: Doubles
    texts: Ints

    def __len__(self) -> int:
        return len(self.features)


def summed(
    sae: Ints, features: Ints, token: Ints, text: Ints, activations: Floats, values: Doubles, n_texts: int
) -> FeatureSums:
    """Sums of the entries [nnz] `values`, which are the attributions of features at tokens of texts."""
    pairs, which = np.unique(np.stack([sae, features], 1), axis=0, return_inverse=True)
    which = which.ravel()
    n = len(pairs)
    of_text = np.zeros((n, n_texts))
    np.add.at(of_text, (which, text), values)
    active = np.zeros((n, n_texts), bool)
    active[which, text] = True
    attribution = of_text.mean(1)
    by_size = np.argsort(-np.abs(attribution), kind="stable")
    columns = {
        "sae": pairs[:, 0],
        "features": pairs[:, 1],
        "attribution": attribution,
        "positive": np.bincount(which, np.maximum(values, 0), n) / n_texts,
        "negative": np.bincount(which, np.minimum(values, 0), n) / n_texts,
        "activation": _largest(which, np.abs(activations), activations, n),
        "positions": np.bincount(which, minlength=n),
        "top": _largest(which, np.abs(values), token, n),
        "std": of_text.std(1, ddof=1) if n_texts > 1 else np.full(n, np.nan),
        "texts": active.sum(1),
    }
    return FeatureSums(**{name: column[by_size] for name, column in columns.items()})


def _largest(which: Ints, size: Doubles | Floats, values: Ints | Floats, n: int) -> Ints | Floats:
    """Of each group, the value of the entry whose size is largest."""
    order = np.lexsort((size, which))
    return values[order][np.searchsorted(which[order], np.arange(n), side="right") - 1] if n else values[:0]

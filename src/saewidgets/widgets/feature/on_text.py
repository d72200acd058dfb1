"""Activations on texts, as several views are sent them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from ...engine.activations.result import FeatureActivations
from ...engine.labels import Labels
from ..wire import Array

__all__ = ["columns", "describes", "result_key"]


def result_key(acts: FeatureActivations) -> str:
    """Identity of a result: views keep tokens and rankings of the same computation together."""
    digest = hashlib.sha256(acts.token_ids.tobytes())
    for part in (acts.text_ptr, acts.feature_ids, acts.values):
        digest.update(np.ascontiguousarray(part).data)
    digest.update(acts.dictionary.encode())
    return digest.hexdigest()[:16]


def describes(acts: FeatureActivations) -> bool:
    """Whether more than names given by hand may be said of features."""
    return isinstance(acts.labels, Labels) and acts.labels.describes


def columns(acts: FeatureActivations, features: Iterable[int]) -> dict[str, Array]:
    """Whole columns of `features`, as CSC arrays."""
    wanted = np.array(sorted(features), dtype=np.int64)
    hit = np.flatnonzero(np.isin(acts.feature_ids, wanted))
    order = hit[np.lexsort((acts.token_of[hit], acts.feature_ids[hit]))]
    counts = np.searchsorted(acts.feature_ids[order], wanted, side="right")
    return {
        "col_feat": wanted.astype(np.uint32),
        "col_ptr": np.concatenate([[0], counts]).astype(np.uint32),
        "col_tok": acts.token_of[order].astype(np.uint32),
        "col_act": acts.values[order].astype(np.float32),
    }

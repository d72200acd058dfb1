"""Cosines of what features of two indexes write, where their widths agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..engine.arrays import Doubles, Ints
from ..index.errors import IndexMismatchError

if TYPE_CHECKING:
    from ..index.feature_index import FeatureIndex

__all__ = ["cosines_between", "cosines_with_all", "why_no_cosines"]

# Numbers of decoder rows in memory at once.
_NUMBERS = 2**23
_ROWS = 4096


def why_no_cosines(a: FeatureIndex, b: FeatureIndex) -> str:
    """Why there are no decoder cosines between the two; "" if there are."""
    without = [str(index.path) for index in (a, b) if index.engine is None]
    if without:
        named = list(dict.fromkeys(without))
        were = "was opened without its engine" if len(named) == 1 else "were opened without their engines"
        return f"Decoder cosines are left out: {' and '.join(named)} {were}."
    try:
        first, second = (int(index.decoder([0]).shape[1]) for index in (a, b))
    except IndexMismatchError as error:  # correlations are of the scans, whatever the weights are now
        return f"Decoder cosines are left out: {error}"
    if first != second:
        return f"Decoder cosines are left out: the rows of a have {first:,} numbers, those of b {second:,}."
    return ""


def cosines_between(a: FeatureIndex, b: FeatureIndex, f: Ints, g: Ints, breathe: Callable[[], None]) -> Doubles:
    """[n] of pairs of a feature of `a` and one of `b`; NaN for a row of zeros. Both have their engines, and one width."""
    found = np.full(len(f), np.nan)
    if not len(f):
        return found
    at_once = max(1, _NUMBERS // int(a.decoder([0]).shape[1]))
    order = np.argsort(f, kind="stable")
    for start in range(0, len(f), at_once):
        breathe()
        part = order[start : start + at_once]
        (one, of_one), (other, of_other) = (np.unique(ids[part], return_inverse=True) for ids in (f, g))
        first, second = (_unit(i.decoder(ids.tolist())) for i, ids in ((a, one), (b, other)))
        found[part] = np.einsum("ij,ij->i", first[of_one], second[of_other])
    return found


def cosines_with_all(index: FeatureIndex, feature: int, breathe: Callable[[], None]) -> Doubles:
    """[F] decoder cosines of one feature with all of its dictionary, itself among them; NaN for a row of zeros."""
    row = _unit(index.decoder([feature]))[0]
    found = np.empty(len(index))
    for low in range(0, len(index), _ROWS):
        breathe()
        some = range(low, min(low + _ROWS, len(index)))
        found[low : low + len(some)] = _unit(index.decoder(some)) @ row
    return found


def _unit(rows: np.ndarray) -> Doubles:
    exact = rows.astype(np.float64)
    norms = np.linalg.norm(exact, axis=1, keepdims=True)
    return exact / np.where(norms > 0, norms, np.nan)

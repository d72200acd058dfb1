"""Two proportions: the interval of their difference, and whether they are the same."""

from __future__ import annotations

import numpy as np

from ...engine.arrays import Doubles, Ints
from ...index.statistics.score_interval import wilson

__all__ = ["fisher_exact", "newcombe"]

# Tables that are equally likely may differ in their last bits.
_EQUAL = 1 + 1e-7


def newcombe(k_a: Ints, n_a: int, k_b: Ints, n_b: int, confidence: float) -> tuple[Doubles, Doubles]:
    """The hybrid score interval of k_a / n_a - k_b / n_b (Newcombe 1998, method 10, without continuity correction)."""
    a, b = k_a / n_a, k_b / n_b
    low_a, high_a = wilson(k_a, n_a, confidence)
    low_b, high_b = wilson(k_b, n_b, confidence)
    low = a - b - np.hypot(a - low_a, high_b - b)
    high = a - b + np.hypot(high_a - a, b - low_b)
    return low, high


def fisher_exact(k_a: Ints, n_a: int, k_b: Ints, n_b: int) -> Doubles:
    """The two-sided p of Fisher's exact test of each pair of counts: of all tables with the same sums, those no likelier.

    SciPy has it for one table at a time. Few sums k_a + k_b are different, so the distribution of each is worked out once,
    however many features have it.
    """
    from scipy.special import gammaln

    factorial = gammaln(np.arange(n_a + n_b + 1) + 1)
    p = np.ones(len(k_a))
    both = k_a + k_b
    order = np.argsort(both, kind="stable")
    sums, starts = np.unique(both[order], return_index=True)
    for k, these in zip(sums.tolist(), np.split(order, starts[1:]), strict=True):
        low = max(0, k - n_b)
        likely = _hypergeometric(factorial, n_a, n_b, k)
        # It rises to its largest value and falls from there: what is no likelier than a table is an end on either side.
        largest = int(likely.argmax())
        limit = likely[k_a[these] - low] * _EQUAL
        p[these] = np.minimum(_up_to(likely[:largest], limit) + _up_to(likely[largest:][::-1], limit), 1)
    return p


def _hypergeometric(factorial: Doubles, n_a: int, n_b: int, k: int) -> Doubles:
    """How likely each possible number of `a` is among `k` of all `n_a + n_b`; `factorial`: logarithms of factorials."""
    low, high = max(0, k - n_b), min(k, n_a) + 1
    a, b = np.arange(low, high), k - np.arange(low, high)
    ways = factorial[n_a] - factorial[a] - factorial[n_a - a] + factorial[n_b] - factorial[b] - factorial[n_b - b]
    n = n_a + n_b
    likely: Doubles = np.exp(ways - (factorial[n] - factorial[k] - factorial[n - k]))
    return likely


def _up_to(ascending: Doubles, limit: Doubles) -> Doubles:
    """The sum of the values that are at most each limit."""
    found: Doubles = np.concatenate([[0.0], np.cumsum(ascending)])[np.searchsorted(ascending, limit, side="right")]
    return found

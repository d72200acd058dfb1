"""How two features go together on tokens: on how many both fire, only one, or none, and how their activations correlate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...engine.arrays import Doubles, Floats, Ints

__all__ = ["BOTH", "KINDS", "ONLY_A", "ONLY_B", "Together", "kinds_of", "together"]

BOTH, ONLY_A, ONLY_B = 0, 1, 2
KINDS = ("both", "only_a", "only_b")


@dataclass(frozen=True)
class Together:
    """Two features on the same tokens; "fires" is an activation that is not 0.

    Attributes:
        tokens: that both sides count: neither special nor norm outliers on either.
        both, only_a, only_b: of them, where both fire, or one alone.
        pearson: r of the two activations over all of these tokens, zeros included (float64).
        pearson_either: the same over the tokens where at least one fires ("masked"): of sparse features, r over all tokens is
            mostly about where they are silent.
        pearson_both: the same over the tokens where both fire: whether one is strong where the other is.
        cosine: of the two activations as vectors over the tokens; tokens where neither fires add nothing to it.

    A correlation is None where it is not defined: fewer than two tokens, or one of the two is the same on all of them.
    """

    tokens: int
    both: int
    only_a: int
    only_b: int
    pearson: float | None
    pearson_either: float | None
    pearson_both: float | None
    cosine: float | None

    @property
    def either(self) -> int:
        """Tokens where at least one fires."""
        return self.both + self.only_a + self.only_b

    @property
    def neither(self) -> int:
        """Tokens where none fires."""
        return self.tokens - self.either

    @property
    def jaccard(self) -> float | None:
        """Tokens where both fire, as a share of those where at least one does; None if none does."""
        return self.both / self.either if self.either else None

    def to_dict(self) -> dict[str, int | float | None]:
        """All numbers, by name."""
        return {
            "tokens": self.tokens,
            "both": self.both,
            "only_a": self.only_a,
            "only_b": self.only_b,
            "neither": self.neither,
            "jaccard": self.jaccard,
            "pearson": self.pearson,
            "pearson_either": self.pearson_either,
            "pearson_both": self.pearson_both,
            "cosine": self.cosine,
        }


def together(values: Floats, tokens: int) -> Together:
    """The numbers of two features.

    Args:
        values: [n, 2] activations on tokens that both sides count, at least on all where one of the two fires.
        tokens: how many tokens they are of; on those that are not in `values` both are silent.
    """
    fires = values != 0
    exact = values.astype(np.float64)
    either, both = fires.any(1), fires.all(1)
    norms = np.sqrt((exact**2).sum(0))
    return Together(
        tokens=tokens,
        both=int(both.sum()),
        only_a=int((fires[:, 0] & ~fires[:, 1]).sum()),
        only_b=int((fires[:, 1] & ~fires[:, 0]).sum()),
        pearson=_pearson(exact, tokens),
        pearson_either=_pearson(exact[either], int(either.sum())),
        pearson_both=_pearson(exact[both], int(both.sum())),
        cosine=float((exact[:, 0] * exact[:, 1]).sum() / norms.prod()) if norms.all() else None,
    )


def kinds_of(values: Floats) -> Ints:
    """[n] `BOTH`, `ONLY_A` or `ONLY_B`, of values [n, 2] of which at least one is not 0."""
    fires = values != 0
    return np.where(fires.all(1), BOTH, np.where(fires[:, 0], ONLY_A, ONLY_B)).astype(np.int64)


def _pearson(values: Doubles, n: int) -> float | None:
    """Pearson r of two columns over n rows, of which those that are not in `values` [m, 2] are 0 in both."""
    silent = n - len(values)
    if n < 2 or any(_constant(column, silent) for column in values.T):
        return None
    mean = values.sum(0) / n
    centred = values - mean
    # Deviations and not sums of squares: of a mean that is large, these would cancel.
    squares = (centred**2).sum(0) + silent * mean**2
    product = (centred[:, 0] * centred[:, 1]).sum() + silent * mean[0] * mean[1]
    return float(np.clip(product / np.sqrt(squares.prod()), -1.0, 1.0))


def _constant(column: Doubles, silent: int) -> bool:
    if len(column) == 0:
        return True
    return bool(np.ptp(column) == 0 and (silent == 0 or column[0] == 0))

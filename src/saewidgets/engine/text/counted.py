"""Which tokens count: one rule for engine, index, interventions and views.

Special tokens say nothing of a feature, and an attention sink, whose norm is tens of times the usual, lies far outside what
an SAE was trained on. Both are left out of every statistic, ranking and scale. Whether a token is a sink follows from its
own forward alone: its norm in the residual stream, against a norm of the model that was measured once on `REFERENCE_TEXT`.
So no company, order, batch, chunk or shard changes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Bools, Floats, Ints

OUTLIER_FACTOR = 10.0

REFERENCE_TEXT = (
    "The river rises in the hills north of the town and runs for thirty miles through fields and small villages. In spring, "
    "when the snow melts, it floods the meadows, and the children go out in boats. My grandfather used to say that every "
    "house on its banks had been built twice. He kept a list of the years in a blue notebook: 1947, 1953, 1968. Why did "
    'people stay? "Because the soil is good," he answered, "and because nobody asked us to leave." Today there is a new '
    "bridge, a school, and a shop that sells bread, paper and tools."
)
"""What a model's reference norm is measured on: plain prose of some 120 tokens, the same for every model."""


@dataclass(frozen=True, eq=False)
class TokenRoles:
    """What the tokens of a text are.

    Attributes:
        special: [n] BOS, EOS, PAD, SEP, what ends a turn, and what the SAE's training left out.
        outlier: [n] norm outliers (attention sinks), where the rest of the rule does not leave them out already.
        template: [n] tokens of a chat template.
        generated: [n] tokens that were generated.
    """

    special: Bools
    outlier: Bools
    template: Bools
    generated: Bools

    @property
    def counted(self) -> Bools:
        """[n] tokens that statistics, rankings, means and scales are over."""
        return ~(self.special | self.outlier | self.template)

    @property
    def predicted(self) -> Bools:
        """[n] tokens whose predictions means are over; see `predictions`."""
        return predictions(self.counted, self.outlier)

    def __len__(self) -> int:
        return len(self.special)


def predictions(counted: Bools, outlier: Bools) -> Bools:
    """[n] tokens whose prediction counts: they count, there is a token before, and that is no norm outlier.

    What is predicted at an attention sink is computed from a vector that no SAE was trained on.
    """
    found: Bools = counted.copy()
    found[:1] = False
    found[1:] &= ~outlier[:-1]
    return found


@dataclass(frozen=True)
class Counting:
    """The rule of one engine.

    Attributes:
        special_ids: token ids that are special.
        factor: a token is a norm outlier if its norm in the residual stream is over so many reference norms; None: none is.
    """

    special_ids: frozenset[int]
    factor: float | None = OUTLIER_FACTOR

    def __post_init__(self) -> None:
        if self.factor is not None and not 0 < self.factor < float("inf"):
            raise ValueError(f"outlier_factor is a number above 0, or None to count every token; not {self.factor!r}.")

    def special(self, ids: Sequence[int] | Ints) -> Bools:
        """Which of the token ids, of any shape, are special."""
        return np.isin(np.asarray(ids, dtype=np.int64), np.array(sorted(self.special_ids), dtype=np.int64))

    def outliers(self, relative_norm: Floats | None, structural: Bools) -> Bools:
        """Which tokens are norm outliers, of any shape: by their relative norms, where they are no special or template tokens."""
        if self.factor is None or relative_norm is None:
            return np.zeros_like(structural)
        found: Bools = ~structural & (relative_norm > self.factor)
        return found

    def roles(
        self,
        ids: Sequence[int] | Ints,
        relative_norm: Floats | None,
        *,
        template: Bools | None = None,
        n_prompt: int | None = None,
    ) -> TokenRoles:
        """What the tokens `ids` [n] are.

        Args:
            relative_norm: [n] norms in the residual stream in reference norms (`Site.relative_norm`); None: not looked at.
            template: mask over the first tokens: a chat's template.
            n_prompt: tokens of the prompt, where what follows was generated; default: all.
        """
        special = self.special(ids)
        n = len(special)
        of_template = np.zeros(n, bool)
        if template is not None:
            of_template[: len(template)] = template[:n]
        outlier = self.outliers(relative_norm, special | of_template)
        generated = np.arange(n) >= (n if n_prompt is None else n_prompt)
        return TokenRoles(special, outlier, of_template, generated)

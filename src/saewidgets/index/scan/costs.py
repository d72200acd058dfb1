"""What the steps of a build take beside each other, so that one bar can stand for all of them.

Roughly: by the products that each does. A bar that is a tenth off helps; one that jumps from 20% to the end does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...engine.dictionary.base import Dictionary
    from ...engine.engine import Engine

CHECK, SCAN, STATISTICS, WEIGHTS = "check of the corpus", "scan", "statistics", "weights of all features"
"""The steps, in their order; of each `UNITS` says what it counts."""
UNITS = {CHECK: "tokens", SCAN: "tokens", STATISTICS: "features", WEIGHTS: "features"}

# Multiplications a second of a model, on two CPU cores and on an accelerator.
_CPU, _OTHER = 3e10, 1e13
# Seconds on a CPU: of a token that is tokenized, and in the statistics; of a feature there; of a number in the sums of
# products of features, a block of so many tokens after the other.
_TOKENIZED, _COUNTED, _FEATURE, _PAIR, _BLOCK = 4e-6, 1e-5, 1e-4, 5e-8, 32_768


@dataclass(frozen=True)
class Costs:
    """What each step takes, in multiplications of the model's device.

    Attributes:
        token: of the scan, a token; weights: of what remains, without correlations; pairs: of features, to be correlated.
        second: of work on a CPU.
    """

    token: float
    n_features: int
    weights: float
    pairs: float
    second: float

    @classmethod
    def of(cls, engine: Engine, dictionary: Dictionary, *, correlations: bool) -> Costs:
        """Of an index of `dictionary`."""
        model, n = engine.model, dictionary.n_features
        width = int(model.cfg.d_model)
        token = 12 * width**2 * model.depth([dictionary.hook_name]) + dictionary.d_in * n
        weights = n * width * (n + int(model.cfg.d_vocab)) if dictionary.has_decoder else 0
        second = _CPU if model.input_device.type == "cpu" else _OTHER
        return cls(token, n, weights, n**2 * _PAIR * second if correlations else 0, second)

    def steps(self, tokens: int, *, check: bool, wait: bool) -> Mapping[str, float]:
        """The steps of a build over so many tokens.

        Args:
            check: the corpus is scanned already, and compared; wait: for what remains when the index opens.
        """
        statistics = self.second * (self.n_features * _FEATURE + tokens * _COUNTED)
        remaining = self.weights + self.pairs * max(tokens / _BLOCK, 1) if wait else 0
        begins = {CHECK: tokens * _TOKENIZED * self.second} if check else {}
        return {**begins, SCAN: tokens * self.token, STATISTICS: statistics, WEIGHTS: remaining}

    @staticmethod
    def check_alone(_tokens: int) -> Mapping[str, float]:
        """Of a finished index: whether more follows is known at its end."""
        return {CHECK: 1.0, "": 1.0}

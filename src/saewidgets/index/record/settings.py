"""What can be chosen of an index after its scan, and what fills rows that are not full."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..statistics.kept_examples import Keeping

NONE = 0xFFFFFFFF
"""Fills the rows of features that have fewer of something."""


@dataclass(frozen=True)
class Settings:
    """What can be chosen after the scan.

    Attributes:
        keep: how many activations are kept of each feature.
        seed: of all samples.
        final_norm: whether logit weights go through the final norm.
        correlations: whether features are correlated with each other; None: if it does not take hours.
    """

    keep: Keeping = field(default_factory=Keeping)
    seed: int = 0
    final_norm: bool = False
    correlations: bool | None = None

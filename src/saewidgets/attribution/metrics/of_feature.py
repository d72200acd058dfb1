"""The metric that is a feature: attribution from feature to feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..order import last
from .base import Metric, Plan
from .targets import place, shown

if TYPE_CHECKING:
    from ...engine.engine import Engine

__all__ = ["feature_activation"]


def feature_activation(feature: int, *, sae: str | None = None, position: int = -1) -> Metric:
    """The activation of a feature on a token: attributing it goes from feature to features of earlier dictionaries.

    Args:
        feature: the feature.
        sae: which dictionary of the engine; default: the last by the order in which a forward comes to them.
        position: on which token; negative: from the text's end.

    Example:
        >>> sw.attribute(engine, text, sw.feature_activation(2717, sae="blocks.6", position=8))
    """
    return _FeatureActivation(feature, sae, position)


@dataclass(frozen=True, repr=False)
class _FeatureActivation(Metric):
    feature: int
    sae: str | None
    position: int

    @property
    def name(self) -> str:
        return f"activation of feature {self.feature}" + (f" of {self.sae}" if self.sae else "")

    def plan(self, engine: Engine, texts: Sequence[str | None], ids: Sequence[Sequence[int]]) -> Plan:
        dictionary = engine.dictionary(self.sae if self.sae is not None else last(engine))
        (feature,) = dictionary.check_features([self.feature])
        site, columns = engine.site(dictionary), torch.tensor([feature])
        at = [place(self.position, len(row), i) for i, row in enumerate(ids)]

        def value(i: int, logits: Tensor, seen: Mapping[str, Tensor]) -> Tensor:
            x = site.flatten(seen[dictionary.hook_name])[:, : len(ids[i])]
            x = x if dictionary.device is None else x.to(dictionary.device)
            return dictionary.encode(x, columns)[0, at[i], 0].float()

        said = [
            f"activation of feature {feature} of {dictionary.name} on {shown(engine, row[at[i]])}"
            for i, row in enumerate(ids)
        ]
        flat = "The feature is silent there, and an activation function passes no gradient on where it gives 0."
        return Plan([list(row) for row in ids], value, said, (dictionary.hook_name,), dictionary.name, flat=flat)

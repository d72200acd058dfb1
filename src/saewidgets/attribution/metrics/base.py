"""What a metric is: a choice of the user's, and what it means on certain texts.

A metric knows no model (`sw.logit_diff(" earth", " sky")`). `plan` looks at the texts: which tokens are meant, at which
position, what has to be run. What can be wrong with the choice is said there, before a forward.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from ...engine.engine import Engine

__all__ = ["Metric", "Plan"]


@dataclass(frozen=True)
class Plan:
    """A metric on certain texts.

    Attributes:
        ids: token ids to run, one list a text: the text's own, and what the metric puts after it.
        value: the metric of one text, a scalar with its graph, from the number of the text, its logits [pos, d_vocab] in
            float32 and the values that were read [1, pos, ...], by hook.
        said: what it is on each text, in words.
        reads: hooks that it needs.
        dictionary: name of the dictionary that it reads itself, if it does: what comes at or after it cannot matter.
        notes: what the reader must know.
        flat: what to say if its gradient is 0 everywhere.
        places: of each text the token after which the metric is read; () for the last.
        at_its_least: whether it is at its minimum as the model is, so that its gradient there is 0 whatever it depends on.
    """

    ids: list[list[int]]
    value: Callable[[int, Tensor, Mapping[str, Tensor]], Tensor]
    said: list[str]
    reads: tuple[str, ...] = ()
    dictionary: str | None = None
    notes: tuple[str, ...] = ()
    flat: str = "It does not depend on what is there."
    places: tuple[int, ...] = ()
    at_its_least: bool = False


class Metric(ABC):
    """What is explained: a number that depends on a text. Made by `logit`, `logit_diff`, `logprob`, `kl`,
    `feature_activation` and `custom`.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is, in words, without the text."""

    @abstractmethod
    def plan(self, engine: Engine, texts: Sequence[str | None], ids: Sequence[Sequence[int]]) -> Plan:
        """The metric on texts, given as strings (None where there are only ids) and as token ids.

        Raises:
            MetricError: if it cannot be computed on one of them.
        """

    def __repr__(self) -> str:
        return self.name

"""What a panel explains: from its question to a metric, and the results that are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from ...attribution.attribute import attribute
from ...attribution.errors import MetricError
from ...attribution.metrics.base import Metric
from ...attribution.metrics.of_feature import feature_activation
from ...attribution.metrics.of_logits import logit, logit_diff, logprob
from ...attribution.result import Attribution
from ...attribution.true_effect import TrueEffects
from .. import wire
from ..kept import Kept
from ..traits import as_text
from .asked import Question
from .path import path_of

if TYPE_CHECKING:
    from ...engine.engine import Engine
    from ...engine.text.given import TextInput
    from ...engine.ticket import Ticket

__all__ = ["NO_METRIC", "Explained"]

NO_METRIC = "The panel was made without a metric of its own: AttributionPanel(..., metric=...)."


@dataclass(frozen=True)
class _One:
    """An attribution, and the last check of each of its dictionaries."""

    found: Attribution
    checked: dict[str, TrueEffects]


class Explained:
    """Attributions of one panel, each computed once, and their checks.

    Args:
        engine: what computes. metric: what the panel was made with, for questions about it.
    """

    def __init__(self, engine: Engine, metric: Metric | None) -> None:
        self._engine, self.metric = engine, metric
        self._kept = Kept[_One]()

    def forget(self) -> None:
        """Everything was of other weights."""
        self._kept.forget()

    def of(self, asked: Question, ticket: Ticket | None = None) -> Attribution:
        """The attribution that a question is about.

        Raises:
            MetricError: if nothing is chosen yet, and as `attribute`.
        """
        return self._one(asked, ticket).found

    def check(
        self, asked: Question, sae: str, ticket: Ticket, make: Callable[[Attribution], TrueEffects]
    ) -> TrueEffects:
        """A check of a dictionary in what is asked, made and kept beside it: with it it is forgotten."""
        one = self._one(asked, ticket)
        made = one.checked[sae] = make(one.found)
        return made

    def checked(self, asked: Question, sae: str) -> TrueEffects | None:
        """The last one; None before one."""
        one = self._kept.get(_key(asked))
        return None if one is None else one.checked.get(sae)

    def effects(self, asked: Question, sae: str) -> dict[int, float]:
        """True effects by feature of a dictionary, as far as they were checked."""
        checked = self.checked(asked, sae)
        if checked is None:
            return {}
        return {int(f): float(effect) for f, effect in zip(checked.features, checked.effects, strict=True)}

    def _one(self, asked: Question, ticket: Ticket | None) -> _One:
        def made() -> _One:
            text, metric = self._metric_of(asked, ticket)
            found = attribute(
                self._engine,
                text,
                metric,
                linearised=asked.linearised,
                steps=asked.steps,
                on_progress=None if ticket is None else ticket.progress,
            )
            return _One(found, {})

        return self._kept.of(_key(asked), made)

    def _metric_of(self, asked: Question, ticket: Ticket | None) -> tuple[TextInput, Metric]:
        """What is to be attributed, and on which text."""
        text = cast("TextInput", as_text(asked.prompt))
        if not text:
            raise MetricError("Type a prompt: its next token is what is explained.")
        if isinstance(text, list) and "" in text:
            # A mean over prompts would silently be one over a prompt that is not there.
            raise MetricError(f"Prompt {text.index('') + 1} is empty: type it, or take it away.")
        steps = path_of(cast("Sequence[Mapping[str, object]]", asked.path or ()), self._engine)
        if steps:
            ids, last = self._ids(asked, text, ticket), steps[-1]
            if not 0 <= last["text"] < len(ids):
                raise MetricError(
                    f"There is no text {last['text']}: the feature that is explained is of another prompt."
                )
            metric = feature_activation(last["feature"], sae=last["sae"], position=last["position"])
            return ids[last["text"]], metric
        if asked.measure == "given":
            if self.metric is None:
                raise MetricError(NO_METRIC)
            return text, self.metric
        if not asked.target:
            raise MetricError("Choose a target: the token that the model says next, or should say.")
        if asked.measure == "logprob":
            return text, logprob(asked.target)
        return text, logit_diff(asked.target, asked.foil) if asked.foil else logit(asked.target)

    def _ids(self, asked: Question, text: TextInput, ticket: Ticket | None) -> list[list[int]]:
        """The texts in which the features of a path are: those of the prediction, an answer of several tokens included."""
        if asked.measure != "given" and not asked.target:
            return self._engine.to_ids(text)
        return self.of(replace(asked, path=None), ticket).plan.ids


def _key(asked: Question) -> str:
    return wire.canonical(
        [asked.prompt, asked.target, asked.foil, asked.measure, asked.path or [], list(asked.linearised), asked.steps]
    )

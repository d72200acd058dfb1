"""The baseline of a run that is there already: when it is the same that would be written again, and how it is told again.

A baseline depends on the model, the prompt's tokens and the settings; not on the recipe. So another strength needs its own
text alone, in a batch without the baseline's rows. What a baseline was written with is looked at before each run; where
that is not the same, or cannot be seen (the user's own hooks), both are written anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from ...engine.model.as_it_is import as_it_is
from ...engine.text.prompt import Prompt
from .result import Continuation, Step
from .sampling import Sampling

if TYPE_CHECKING:
    from ...engine.engine import Engine

__all__ = ["WrittenWith", "beside", "steps_of", "written_with"]

_numbers = count()
_engines: WeakKeyDictionary[Engine, int] = WeakKeyDictionary()


@dataclass(frozen=True)
class WrittenWith:
    """All that a baseline depends on.

    Attributes:
        engine: its number in this process. model: what the model was, see `as_it_is`.
        ids: of the prompt's tokens. ends: tokens that end a text.
    """

    engine: int
    model: str
    ids: tuple[int, ...]
    ends: frozenset[int]
    sampling: Sampling


def written_with(engine: Engine, prompt: Prompt, sampling: Sampling) -> WrittenWith | None:
    """What a baseline that is written now depends on; None where that cannot be told. On the worker."""
    with engine.lock:
        model = as_it_is(engine.model)
    if model is None:
        return None
    number = _engines.setdefault(engine, next(_numbers))
    return WrittenWith(number, model, prompt.ids, frozenset(engine.tokenizer.end_ids), sampling)


def steps_of(texts: Sequence[Continuation]) -> list[Step]:
    """The steps in which texts were written."""
    return [_step(number, texts) for number in range(max(map(len, texts), default=0))]


def beside(baseline: Sequence[Step], edited: Step | None, number: int, rows: int) -> Step:
    """Step `number` of both, in the order of a run that writes both; a text that has ended has none (`rows`: of each)."""
    nothing = np.zeros(rows, np.float32)
    ended = Step(number, np.zeros(rows, np.int64), nothing, nothing, np.zeros(rows, bool))
    first, second = baseline[number] if number < len(baseline) else ended, edited or ended
    return Step(
        number,
        np.concatenate([first.ids, second.ids]),
        np.concatenate([first.logprobs, second.logprobs]),
        np.concatenate([first.entropy, second.entropy]),
        np.concatenate([first.alive, second.alive]),
    )


def _step(number: int, texts: Sequence[Continuation]) -> Step:
    there = [one if number < len(one) else None for one in texts]
    return Step(
        number,
        np.array([0 if one is None else one.token_ids[number] for one in there], np.int64),
        np.array([0 if one is None else one.logprobs[number] for one in there], np.float32),
        np.array([0 if one is None else one.entropy[number] for one in there], np.float32),
        np.array([one is not None for one in there]),
    )

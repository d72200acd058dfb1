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
    ended = Step(number, np.zeros(rows, np.int64), *[np.zeros(rows, np.float32)] * 2, np.zeros(rows, bool))
    pair = baseline[number] if number < len(baseline) else ended, edited or ended
    ids, logprobs, entropy, alive = (
        np.concatenate([getattr(one, name) for one in pair]) for name in ("ids", "logprobs", "entropy", "alive")
    )
    return Step(number, ids, logprobs, entropy, alive)


def _step(number: int, texts: Sequence[Continuation]) -> Step:
    alive = np.array([number < len(one) for one in texts])
    ids, logprobs, entropy = (
        np.array([getattr(one, name)[number] if on else 0 for one, on in zip(texts, alive, strict=True)], dtype)
        for name, dtype in (("token_ids", np.int64), ("logprobs", np.float32), ("entropy", np.float32))
    )
    return Step(number, ids, logprobs, entropy, alive)

"""What generation gives: tokens one by one, texts, and pairs of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ...engine.arrays import Bools, Floats, Ints
from ...engine.text.prompt import Prompt
from ..recipe.units import Resolved
from .sampling import Sampling

if TYPE_CHECKING:
    import pandas as pd

    from ...engine.engine import Engine

__all__ = ["Continuation", "Generation", "Step", "continuations"]


@dataclass(frozen=True)
class Continuation:
    """One generated text.

    Attributes:
        token_ids: [n].
        tokens: display strings; joined, they are the text.
        parts: [n] see `TokenText`.
        logprobs: [n] log-probability of each token under the model that wrote it (edited or not), in nats, at
            temperature 1 and before top-k, top-p and penalties.
        entropy: [n] of that distribution, in nats.
        ended: whether it came to a token that ends a text or a turn (the tokenizer's EOS, or one that the model's
            configuration names), which is then its last.
    """

    token_ids: Ints
    tokens: tuple[str, ...]
    parts: tuple[int, ...]
    logprobs: Floats
    entropy: Floats
    ended: bool

    @property
    def text(self) -> str:
        """The text."""
        return "".join(self.tokens)

    def __len__(self) -> int:
        return len(self.token_ids)


@dataclass(frozen=True)
class Generation:
    """Baseline and edited continuations of one prompt, pair by pair from the same dice.

    Attributes:
        prompt: token ids and masks; prompt_tokens: its display strings.
        edited_at: [prompt tokens] where the recipe changed something in the prompt.
        baseline, edited: one continuation a sample.
        resolved: the recipe with its units as numbers.
        sampling: how it was sampled.
        stopped: whether it was cut off by a cancel.
        notes: what a reader must know.
        provenance: model, SAE, BOS, dtype, versions.
        kept: whether the baseline is that of an earlier run (`generate(..., baseline=)`).
        written_with: what the baseline depends on, by which it is known again; None if that could not be told.
    """

    prompt: Prompt
    prompt_tokens: tuple[str, ...]
    prompt_parts: tuple[int, ...]
    edited_at: Bools
    baseline: tuple[Continuation, ...]
    edited: tuple[Continuation, ...]
    resolved: Resolved
    sampling: Sampling
    stopped: bool = False
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    kept: bool = False
    written_with: object = field(default=None, repr=False)

    def to_pandas(self) -> pd.DataFrame:
        """One row a generated token: text ("baseline" or "edited"), sample, position, token, log-probability, entropy."""
        import pandas as pd

        rows = [
            {
                "text": name,
                "sample": s,
                "position": len(self.prompt) + n,
                "token_id": int(one.token_ids[n]),
                "token": one.tokens[n],
                "logprob": float(one.logprobs[n]),
                "entropy": float(one.entropy[n]),
            }
            for name, several in (("baseline", self.baseline), ("edited", self.edited))
            for s, one in enumerate(several)
            for n in range(len(one))
        ]
        columns = ["text", "sample", "position", "token_id", "token", "logprob", "entropy"]
        return pd.DataFrame(rows, columns=columns)

    def diverges_at(self, sample: int = 0) -> int | None:
        """The first generated token in which a pair differs, from 0; None if it does not."""
        a, b = self.baseline[sample].token_ids, self.edited[sample].token_ids
        n = min(len(a), len(b))
        different = np.flatnonzero(a[:n] != b[:n])
        return int(different[0]) if len(different) else (None if len(a) == len(b) else n)

    def __repr__(self) -> str:
        lines = [f"Generation({self.resolved.recipe!r}, seed={self.sampling.seed})"]
        for s, (a, b) in enumerate(zip(self.baseline, self.edited, strict=True)):
            mark = f" {s}" if len(self.baseline) > 1 else ""
            lines += [f"  baseline{mark}: {a.text!r}", f"  edited{mark}:   {b.text!r}"]
        return "\n".join(lines)


@dataclass(frozen=True)
class Step:
    """One token of every row, as it is generated: [rows] arrays; `alive` is False for rows that had ended before."""

    number: int
    ids: Ints
    logprobs: Floats
    entropy: Floats
    alive: Bools


def continuations(engine: Engine, steps: Sequence[Step], n_rows: int) -> tuple[Continuation, ...]:
    """The texts of the rows, each up to its own end."""
    ends = engine.tokenizer.end_ids
    made = []
    for row in range(n_rows):
        mine = [step for step in steps if step.alive[row]]
        ids = np.array([step.ids[row] for step in mine], dtype=np.int64)
        shown = engine.tokenizer.display(ids.tolist())
        made.append(
            Continuation(
                token_ids=ids,
                tokens=tuple(shown.strings),
                parts=tuple(shown.parts),
                logprobs=np.array([step.logprobs[row] for step in mine], dtype=np.float32),
                entropy=np.array([step.entropy[row] for step in mine], dtype=np.float32),
                ended=bool(len(ids) and int(ids[-1]) in ends),
            )
        )
    return tuple(made)

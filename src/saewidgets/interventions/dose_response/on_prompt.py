"""The work of a sweep on one prompt: texts under every recipe with the same dice, what is measured of them, and the prompt read again.

Recipes that are the same computation (the neutral strength of the edit and of every control: no edit) are run once, so
that a difference which is only rounding is never taken for an effect, and nothing is computed twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ...engine.memory import in_batches
from ...engine.text.prompt import Prompt
from ..generation.generate import Continuation, continuations, write
from ..generation.sampling import Sampling
from ..recipe.intervention import Intervention
from ..recipe.kinds import kind_of
from ..recipe.recipe import Recipe, replace_in
from ..recipe.units import Maxima, Resolved, resolve
from .curves import Measures, stacked
from .measures import Measured, Measurer, Numbers
from .promoted import Reader, Readings

if TYPE_CHECKING:
    from ...engine.arrays import Doubles, Ints
    from ...engine.engine import Engine
    from ...engine.ticket import Ticket

__all__ = ["Found", "Prompted", "Written", "gathered"]

# Logits of one forward, in numbers: 512 MB of float32. And texts that are written at once.
_LOGITS = 2**27
_ROWS = 128


@dataclass(frozen=True)
class Written:
    """What one prompt gave, row by row (a row is a recipe).

    Attributes:
        run: how many texts were written: rows that are the same computation share theirs.
        texts: [rows][samples]; measured: of them, [rows * samples].
        readings: [rows] of the prompt itself; counted: its counted tokens.
        in_activations: [rows] value of the varied intervention in units of activation; NaN where it has none.
    """

    run: int
    texts: tuple[tuple[Continuation, ...], ...]
    measured: Measured
    readings: Readings
    counted: int
    in_activations: Doubles
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Prompted:
    """One prompt of a sweep.

    Args:
        given: token ids that follow the prompt where it is read.
        row: of `varied` in the recipe.
        promoted: ids of the promoted tokens, or None.
    """

    engine: Engine
    prompt: Prompt
    given: Sequence[int]
    varied: Intervention
    row: int
    measurer: Measurer
    promoted: Ints | None
    sampling: Sampling
    maxima: Maxima

    def run(self, recipes: Sequence[Recipe | None], ticket: Ticket, number: int, of: int) -> Written:
        """Write, measure and read, as prompt `number` of `of`, under every recipe (None: no edit)."""
        resolved = [None if r is None else resolve(self.engine, r, self.prompt, self.maxima, ticket) for r in recipes]
        # The first of each kind stands for all: [recipes] which of `rows`.
        keys = [_effective(r) for r in recipes]
        first = {key: n for n, key in reversed(list(enumerate(keys)))}
        chosen = sorted(first.values())
        place = np.array([chosen.index(first[key]) for key in keys])
        rows = [None if keys[n] is None else resolved[n] for n in chosen]
        texts, numbers, notes = self._write(rows, ticket, number, of)
        reader = Reader(self.engine, self.prompt, self.given, self.varied, self.promoted, ticket)
        readings, more = reader.read(rows, _LOGITS, ticket)
        s = self.sampling.samples
        every = [n * s + i for n in place for i in range(s)]
        measured = self.measurer.gather(texts, numbers, ticket)
        return Written(
            run=len(texts),
            texts=tuple(tuple(texts[n * s : (n + 1) * s]) for n in place),
            measured=measured.part(np.array(every)),
            readings=readings.part(place),
            counted=int(reader.counted.sum()),
            in_activations=np.array([self._in_activations(r) for r in resolved], np.float64),
            notes=tuple(dict.fromkeys([*notes, *more])),
        )

    def _write(
        self, rows: Sequence[Resolved | None], ticket: Ticket, number: int, of: int
    ) -> tuple[list[Continuation], list[Numbers], list[str]]:
        """[rows * samples] texts and their numbers, and notes: in batches that are written and then measured."""
        engine, s = self.engine, self.sampling.samples
        every = [row for row in rows for _ in range(s)]
        dice = torch.arange(s).repeat(len(rows))
        start, total = number * len(every), of * len(every)
        notes: list[str] = []

        def run(part: slice) -> list[tuple[Continuation, Numbers]]:
            some, size = every[part], part.stop - part.start
            # Writing is one forward a token, measuring two.
            at, half = start + part.start, start + part.start + size / 3
            steps, _ = write(
                engine, self.prompt, some, dice[part], self.sampling, ticket.share(at, half, total), keep_partial=False
            )
            texts = continuations(engine, steps, len(some))
            found, said = self.measurer.measure(some, texts, _LOGITS, ticket.share(half, at + size, total))
            notes.extend(said)
            return list(zip(texts, found, strict=True))

        step = min(_ROWS, _LOGITS // (len(self.prompt) * int(engine.model.cfg.d_vocab)))
        made, ran_out = in_batches(len(every), step, run)
        return [text for text, _ in made], [numbers for _, numbers in made], [*ran_out, *notes]

    def _in_activations(self, resolved: Resolved | None) -> float:
        for amount in resolved.amounts if resolved is not None else ():
            if amount.row == self.row:
                return amount.value * (1.0 if amount.median_norm is None else amount.median_norm / amount.norm)
        return float("nan")


@dataclass(frozen=True)
class Found:
    """What all prompts gave: measures [texts], [strengths, texts], [controls][strengths, texts]; readings alike, of prompts."""

    base: Measures
    curve: Measures
    controls: tuple[Measures, ...]
    reading_base: Readings
    reading: Readings
    reading_controls: tuple[Readings, ...]
    activation: Doubles
    when_active: Doubles


def gathered(written: Sequence[Written], n_strengths: int, n_controls: int) -> Found:
    """The rows of all prompts side by side."""
    shape = (1 + n_strengths * (1 + n_controls), -1)
    whole = stacked([w.measured.measures for w in written], shape)
    activation, when_active = (
        np.concatenate([getattr(w.measured, name).reshape(shape)[0] for w in written])
        for name in ("activation", "when_active")
    )
    read = Readings(
        np.stack([w.readings.promoted for w in written], -1), np.stack([w.readings.activation for w in written], -1)
    )
    spans = [slice(1 + n_strengths * c, 1 + n_strengths * (c + 1)) for c in range(1 + n_controls)]
    return Found(
        base=whole.part(0),
        curve=whole.part(spans[0]),
        controls=tuple(whole.part(span) for span in spans[1:]),
        reading_base=read.part(0),
        reading=read.part(spans[0]),
        reading_controls=tuple(read.part(span) for span in spans[1:]),
        activation=activation,
        when_active=when_active,
    )


def _effective(recipe: Recipe | None) -> Recipe | None:
    """The recipe without what changes nothing; None if that is all of it."""
    # Without its error an autoencoder acts even where its features are left alone.
    if recipe is None or not recipe.keep_error:
        return recipe
    acting = tuple(i for i in recipe.active if not _neutral(i))
    return replace_in(recipe, acting) if acting else None


def _neutral(i: Intervention) -> bool:
    neutral = kind_of(i).neutral
    return neutral is not None and i.value == neutral

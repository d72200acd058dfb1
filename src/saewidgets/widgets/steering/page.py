"""A steering panel without a kernel: the answers that its page carries, and the script-free picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from ...interventions.generation.generate import Continuation, Generation
from ...snapshot.fallback import FallbackRow, fallback
from .. import wire
from ..channel import Channel, parse, plain
from ..constants import CONTROLS
from ..remembered import Remembered
from ..shot import Question
from .asked import AskedAnswer, AskedEffect, AskedRecipe, AskedSweep, AskedTexts
from .results import samples_of


def remembered(
    made: Generation, asked: Mapping[str, wire.Json], history: Sequence[Mapping[str, object]], revision: int
) -> dict[str, object]:
    """A run as the history keeps it, beside what was asked and which weights (by the panel's revision) answered."""
    numbers = [number for run in history if isinstance(number := run.get("id"), int)]
    return {
        **asked,
        "id": 1 + max(numbers, default=0),
        "baseline": [wire.sendable(text.text) for text in made.baseline],
        "edited": [wire.sendable(text.text) for text in made.edited],
        "stopped": made.stopped,
        "revision": revision,
    }


def questions(asked: AskedTexts, views: Sequence[str], freeze: bool, answer: str) -> Iterator[Question]:
    """The questions that a view of a panel's present state asks.

    Raises:
        ValueError: for a view that there is not.
    """
    unknown = set(views) - {"text", "effect", "sweep", "answer"}
    if unknown:
        raise ValueError(f"There is no view {unknown.pop()!r}: choose from text, effect, sweep, answer.")
    on = asked.prompt, asked.chat, asked.messages, asked.recipe
    yield Question("scales", AskedRecipe(*on))
    if "text" in views:
        yield Question("generate", asked)
    if "effect" in views:
        yield Question("effect", AskedEffect(*on, None, freeze))
    if "sweep" in views:
        samples = samples_of(cast("Mapping[str, wire.Json]", asked.settings))
        yield Question("sweep", AskedSweep(*on, asked.settings, 0, None, CONTROLS, samples))
    if "answer" in views:
        yield Question("answer", AskedAnswer(*on, answer))


def of_this_recipe(
    kept: Remembered, channels: Mapping[str, Channel], recipe: wire.Json, asked: Sequence[Question]
) -> Iterator[Question]:
    """What else the panel was asked about `recipe`, beside what is `asked` for its page."""
    own, new = wire.canonical(recipe), {wire.canonical([one.channel, plain(one.asked)]) for one in asked}
    for name, params, reply in kept:
        if wire.canonical(params.get("recipe")) == own and wire.canonical([name, dict(params)]) not in new:
            yield Question(name, parse(channels[name].asked, params), reply)


def without_seconds(reply: wire.Reply) -> wire.Reply:
    """How long a run took is of no page: the same inputs give the same bytes."""
    return replace(reply, data={name: value for name, value in reply.data.items() if name != "seconds"})


@dataclass(frozen=True)
class PanelView:
    """What a picture of a panel shows.

    Attributes:
        prompt: as text. result: the last run, or None.
        recipe: its interventions, or what is wrong with it.
        provenance: of the engine as it is now; a run brings its own.
    """

    prompt: str
    result: Generation | None
    recipe: Sequence[object]
    provenance: Sequence[tuple[str, str]]


def fallback_of(view: PanelView) -> str:
    """Script-free HTML: the recipe, and the last run's texts side by side as text."""
    made = view.result
    tokens: list[FallbackRow] = []
    rows: list[list[str]] = []
    notes: list[str] = []
    if made is None:
        tokens = [FallbackRow(view.prompt, 0.0, False, None)]
        notes.append("Nothing was generated yet.")
    else:
        for name, texts in (("as it is", made.baseline), ("edited", made.edited)):
            for n, text in enumerate(texts):
                tokens += _text(made, name if len(texts) == 1 else f"{name} {n + 1}", text)
        notes += [
            *made.notes,
            f"Seed {made.sampling.seed}, temperature {made.sampling.temperature:g}; the texts share their dice.",
        ]
        rows = [[line] for line in made.resolved.lines()]
    if not rows:
        rows = [[repr(i)] for i in view.recipe]
    return fallback(
        heading="The model as it is, and edited",
        tokens=tokens,
        left_out=0,
        caption="The recipe: what was changed" if rows else "The recipe is empty: nothing is changed",
        columns=["intervention"],
        rows=rows,
        provenance=view.provenance if made is None else list(made.provenance.items()),
        notes=notes,
    )


def _text(made: Generation, name: str, text: Continuation) -> list[FallbackRow]:
    prompt = "".join(made.prompt_tokens)
    return [
        FallbackRow(f"{name}: ", 0.0, True, None),
        FallbackRow(prompt, 0.0, True, None),
        FallbackRow(f"{text.text}\n", 0.0, False, None),
    ]

"""A steering panel without a kernel: the answers that its page carries, and the script-free picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ...interventions.generation.generate import Continuation, Generation
from ...snapshot.fallback import FallbackRow, fallback
from ...snapshot.page import Recorded, page
from .. import wire
from ..base import asset
from ..heatmap.page import recorded_answer
from .results import CONTROLS, samples_of

PAGE_STATE = (
    "prompt chat messages recipe seed n_tokens temperature top_p top_k repetition_penalty samples view color answer freeze "
    "history theme"
).split()
_KEPT = 24


class Answers:
    """What a panel has answered, the latest of each question, so that its page can answer the same."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, dict[str, wire.Json], wire.Reply]] = {}

    def keep(self, channel: str, params: Mapping[str, wire.Json], reply: wire.Reply) -> wire.Reply:
        """Remember `reply`, and give it back."""
        key = f"{channel} {wire.canonical(dict(params))}"
        self._kept.pop(key, None)
        self._kept[key] = (channel, dict(params), reply)
        # A slider asks "scales" at every stop; the long answers are what is worth keeping.
        while len(self._kept) > _KEPT:
            oldest = next((k for k, (ch, _, _) in self._kept.items() if ch == "scales"), next(iter(self._kept)))
            del self._kept[oldest]
        return reply

    def has(self, channel: str, params: Mapping[str, wire.Json]) -> bool:
        """Whether this question was answered."""
        return f"{channel} {wire.canonical(dict(params))}" in self._kept

    def of(self, recipe: wire.Json) -> Iterator[Recorded]:
        """The answers about `recipe`, in the order of their questions."""
        wanted = wire.canonical(recipe)
        for channel, params, reply in sorted(self._kept.values(), key=lambda k: (k[0], wire.canonical(k[1]))):
            if wire.canonical(params.get("recipe")) == wanted:
                yield recorded_answer(channel, params, reply)


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


def questions(
    params: Mapping[str, wire.Json], views: Sequence[str], freeze: bool, answer: str
) -> Iterator[tuple[str, dict[str, wire.Json]]]:
    """The questions that a view of a panel's present state asks: channel and parameters.

    Raises:
        ValueError: for a view that there is not.
    """
    unknown = set(views) - {"text", "effect", "sweep", "answer"}
    if unknown:
        raise ValueError(f"There is no view {unknown.pop()!r}: choose from text, effect, sweep, answer.")
    asked = {name: value for name, value in params.items() if name != "settings"}
    yield "scales", asked
    if "text" in views:
        yield "generate", dict(params)
    if "effect" in views:
        yield "effect", {**asked, "continuation": None, "which": None, "freeze": freeze}
    if "sweep" in views:
        samples = samples_of(cast("Mapping[str, wire.Json]", params["settings"]))
        yield "sweep", {**params, "row": 0, "strengths": None, "controls": CONTROLS, "samples": samples}
    if "answer" in views:
        yield "answer", {**asked, "answer": answer}


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


def page_of(
    view: PanelView, state: Mapping[str, wire.Json], recorded: Sequence[Recorded], title: str | None, bundle: str
) -> str:
    """One self-contained HTML file of a panel in `state` that answers what was `recorded`."""
    return page(
        widget=bundle,
        title=title or "Steering",
        state={**state, "error": None, "revision": 0},
        recorded=recorded,
        script=asset(f"{bundle}.snapshot.js"),
        style=asset(f"{bundle}.css"),
        fallback=fallback_of(view),
        provenance=view.provenance,
    )


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

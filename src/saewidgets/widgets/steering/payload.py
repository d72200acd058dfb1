"""What a steering panel asks and is told, as wire data: prompts, settings, units of every row, tokens as they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from ...engine.text.prompt import Prompt
from ...errors import SaewidgetsError
from ...interventions.generation.generate import Continuation, Generation, Step
from ...interventions.recipe.errors import RecipeError
from ...interventions.recipe.intervention import Intervention
from ...interventions.recipe.kinds import kind_of
from ...interventions.recipe.plain import intervention_from
from ...interventions.recipe.recipe import Recipe
from ...interventions.recipe.units import Maxima, dictionary_of, max_name_of, median_norm, norm_of, prompt_max, resolve
from .. import wire
from ..feature.said import said_of
from ..flags import flags
from .asked import AskedPrompt

if TYPE_CHECKING:
    from ...engine.dictionary.base import Dictionary
    from ...engine.engine import Engine
    from ...engine.ticket import Ticket

# -- units


class Units:
    """The units of every row in numbers, remembered while only strengths change.

    Args:
        notes: what every answer says first.
    """

    def __init__(self, engine: Engine, maxima: Maxima, notes: Sequence[str] = ()) -> None:
        self._engine, self._maxima, self._notes = engine, maxima, list(notes)
        self._known: dict[object, object] = {}
        self._prompt: Prompt | tuple[()] = ()

    def reply(self, recipe: wire.Json, asked: AskedPrompt, ticket: Ticket) -> wire.Reply:
        """The answer of "scales": what each row comes to, or why it cannot be; what is no recipe at all is said as well."""
        warnings: list[wire.Json] = [*self._notes]
        prompt: Prompt | tuple[()] = ()
        try:
            prompt = asked.read(self._engine)
        except SaewidgetsError as error:
            warnings.append(str(error))
        if _identity(prompt) != _identity(self._prompt):
            self._known, self._prompt = {}, prompt
        given = recipe.get("interventions") if isinstance(recipe, Mapping) else None
        rows = [self._row(row, ticket) for row in (given if isinstance(given, list) else [])]
        said: list[str] = []
        noop = True
        if all(cast("dict[str, wire.Json]", row)["ok"] for row in rows):
            try:
                resolved = resolve(
                    self._engine, Recipe.from_dict(cast("Mapping[str, object]", recipe)), prompt, self._maxima, ticket
                )
                said, noop = resolved.lines(), resolved.noop
            except RecipeError as error:
                if error.row is None or error.row >= len(rows):
                    warnings.append(str(error))
                else:
                    cast("dict[str, wire.Json]", rows[error.row]).update(_refusal(error))
        norms = {name: self._norm(d, ticket) for name, d in self._engine.dictionaries.items()}
        return wire.Reply(
            {
                "rows": rows,
                "median_norm": {name: norm for name, norm in norms.items() if norm is not None},
                "text": "\n".join(said),
                "warnings": warnings,
                "noop": noop,
            }
        )

    def _row(self, data: wire.Json, ticket: Ticket) -> wire.Json:
        try:
            intervention = replace(intervention_from(data), on=True)
            resolve(self._engine, Recipe([intervention]), self._prompt, self._maxima, ticket)
            dictionary = dictionary_of(self._engine, intervention)
        except SaewidgetsError as error:
            return {"features": [], "range": None, **_refusal(error)}
        features = [0] if intervention.direction is not None else intervention.features
        shown = [self._feature(intervention, dictionary, f, ticket) for f in features]
        told: dict[str, wire.Json] = {"ok": True, "error": None, "error_field": None, "features": list(shown)}
        told |= {"median_norm": self._norm(dictionary, ticket), "norm_name": norm_of(dictionary)}
        told["max_name"] = max_name_of(dictionary)
        return {**told, "range": _range(intervention, shown)}

    def _feature(self, i: Intervention, dictionary: Dictionary, feature: int, ticket: Ticket) -> dict[str, wire.Json]:
        largest, source = self._max(i, dictionary, feature)
        length = self._length(dictionary, feature)
        median = self._norm(dictionary, ticket)
        raw: float | None = None
        if i.value is not None and kind_of(i).in_activations:
            size = {"raw": 1.0, "max": largest, "resid": None if median is None else median / length}.get(i.unit)
            raw = None if size is None else i.value * size
        return {
            "f": feature,
            **({"label": i.label, "said": None} if i.label else said_of(dictionary.labels, feature)),
            "max": largest,
            "max_from": source,
            "norm": length,
            "raw": raw,
            "in_max": raw / largest if raw is not None and largest else None,
            "in_resid": raw * length / median if raw is not None and median else None,
        }

    def _max(self, i: Intervention, dictionary: Dictionary, feature: int) -> tuple[float | None, str]:
        if i.max_activation is not None:
            return i.max_activation, "given"
        if i.direction is not None:
            return None, ""
        if dictionary.name in self._maxima:
            largest = float(self._maxima[dictionary.name][feature])
            return (largest, "index") if np.isfinite(largest) and largest > 0 else (None, "index")
        key = ("max", dictionary.name, feature)
        if key not in self._known:
            self._known[key] = prompt_max(self._engine, dictionary, [feature], self._prompt)[0]
        largest = cast(float, self._known[key])
        return (largest, "prompt") if largest > 0 else (None, "prompt")

    def _length(self, dictionary: Dictionary, feature: int) -> float:
        return float(dictionary.contribution(torch.tensor([feature])).norm())

    def _norm(self, dictionary: Dictionary, ticket: Ticket) -> float | None:
        key = ("norm", norm_of(dictionary), dictionary.hook_name_out or dictionary.hook_name)  # heads have their own
        if key not in self._known:
            try:
                self._known[key] = median_norm(self._engine, dictionary, self._prompt, ticket)
            except RecipeError:
                self._known[key] = None
        return cast("float | None", self._known[key])


def _identity(prompt: Prompt | tuple[()]) -> object:
    return (prompt.ids, prompt.template.tobytes()) if isinstance(prompt, Prompt) else None


def _refusal(error: SaewidgetsError) -> dict[str, wire.Json]:
    return {"ok": False, "error": str(error), "error_field": getattr(error, "field", None)}


def _range(i: Intervention, shown: Sequence[Mapping[str, wire.Json]]) -> dict[str, wire.Json] | None:
    """Where a slider is useful: wide enough to break the model, fine enough to find where it does."""
    largest = max([cast(float, f["max"] or 0.0) for f in shown], default=0.0)
    reach = kind_of(i).reach(i.unit, largest, min([cast(float, f["norm"]) for f in shown], default=1.0))
    if reach is None:
        return None
    value = i.value or 0.0
    low, high = min(reach[0], value), max(reach[1], value)
    return {"min": low, "max": high, "step": float(10 ** np.floor(np.log10((high - low) / 100)))}


# -- text as it is written


def prompt_flags(engine: Engine, made: Generation, ticket: Ticket) -> list[int]:
    """[pos] flags of the prompt's tokens: special or of the chat template, and norm outliers of what the recipe edits."""
    edited = [amount.dictionary for amount in made.resolved.amounts] or [engine.dictionary()]
    roles = [made.prompt.roles(engine, dictionary, ticket) for dictionary in edited]
    outlier = np.any([one.outlier for one in roles], axis=0)
    bits: list[int] = flags(made.prompt_parts, roles[0].special | roles[0].template, outlier).tolist()
    return bits


def prompt_payload(made: Generation, bits: Sequence[int]) -> dict[str, wire.Json]:
    """The prompt's tokens with their flags (`prompt_flags`), and which were edited."""
    return {
        "ids": list(made.prompt.ids),
        "str": list(made.prompt_tokens),
        "flags": list(bits),
        "edited": [int(e) for e in made.edited_at],
    }


class Teller:
    """Turns steps into parts for the view: each new token of every text, with its string as far as it is known."""

    def __init__(self, engine: Engine, samples: int) -> None:
        self._engine, self._samples = engine, samples
        self._prompt: list[list[int]] = []

    def part(self, step: Step) -> dict[str, wire.Json]:
        """The message of one step."""
        if not self._prompt:
            self._prompt = [[] for _ in step.ids]
        told: list[wire.Json] = []
        for row, ids in enumerate(self._prompt):
            if not step.alive[row]:
                told.append(None)
                continue
            ids.append(int(step.ids[row]))
            # A character is at most four tokens long, so the last few decide what this one looks like.
            shown = self._engine.tokenizer.display(ids[-8:])
            numbers = [float(step.logprobs[row]), float(step.entropy[row])]
            told.append([ids[-1], shown.strings[-1], int(flags(shown.parts)[-1]), *numbers])
        return {"s": step.number, "b": told[: self._samples], "e": told[-self._samples :]}


def texts_payload(texts: Sequence[Continuation]) -> list[wire.Json]:
    """Generated texts, without their numbers."""
    return [
        {
            "ids": [int(i) for i in text.token_ids],
            "str": list(text.tokens),
            "flags": flags(text.parts).tolist(),
            "ended": text.ended,
        }
        for text in texts
    ]


def generation_reply(made: Generation, bits: Sequence[int], seconds: float) -> wire.Reply:
    """The answer of "generate"."""
    width = max((len(t) for t in (*made.baseline, *made.edited)), default=0)
    arrays: dict[str, wire.Array] = {}
    for name, texts in (("b", made.baseline), ("e", made.edited)):
        for field, values in (("logprob", [t.logprobs for t in texts]), ("entropy", [t.entropy for t in texts])):
            filled = np.full((len(texts), width), np.nan, np.float32)
            for n, row in enumerate(values):
                filled[n, : len(row)] = row
            arrays[f"{name}_{field}"] = filled
    return wire.Reply(
        {
            "stopped": made.stopped,
            "prompt": prompt_payload(made, bits),
            "notes": list(made.notes),
            "baseline": texts_payload(made.baseline),
            "edited": texts_payload(made.edited),
            "diverge": [made.diverges_at(s) for s in range(len(made.baseline))],
            "seconds": seconds,
            "amounts": "\n".join(made.resolved.lines()),
            "provenance": dict(made.provenance),
        },
        arrays,
    )

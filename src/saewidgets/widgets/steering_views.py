"""The panel's other views as wire data: the effect on a given text, dose-response, and what becomes of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import numpy as np

from ..interventions.answers import answers_on_worker
from ..interventions.effects import EditEffects, effects_on_worker
from ..interventions.recipe.recipe import Recipe
from ..interventions.sampling import Sampling
from ..interventions.scales import Index, Maxima
from ..interventions.sweep import Sweep, sweep_on_worker
from . import wire
from .steering_payload import Asked

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from ..engine.worker import Ticket

CONTROLS = 3
"""Controls of each kind that a view asks for."""


def effect_reply(
    engine: Engine, asked: Asked, recipe: Recipe, params: Mapping[str, wire.Json], maxima: Maxima, ticket: Ticket
) -> wire.Reply:
    """The answer of "effect"."""
    continuation = [int(cast(int, i)) for i in cast("list[wire.Json]", params.get("continuation") or [])]
    freeze = bool(params.get("freeze"))
    made = effects_on_worker(engine, asked.read(engine), continuation, recipe, maxima, ticket, freeze_attention=freeze)
    return _effects(made)


def _effects(made: EditEffects) -> wire.Reply:
    words = made.vocabulary
    frozen = made.frozen
    counted = made.counted
    arrays: dict[str, wire.Array] = {
        name: getattr(made, name).astype(np.float32)
        for name in ("delta", "p_clean", "p_edited", "kl", "lowered", "raised")
    }
    arrays |= {name: getattr(made, name).astype(np.int32) for name in ("lowered_ids", "raised_ids")}
    for name, field in (("clean_acts", "clean"), ("requested", "requested"), ("realised", "realised")):
        rows = [np.where(row.edited | (field == "clean"), getattr(row, field), np.nan) for row in made.features]
        arrays[name] = np.array(rows, dtype=np.float32).reshape(len(made.features), len(made.tokens))
    if frozen is not None:
        arrays |= {"frozen_delta": frozen.delta.astype(np.float32), "frozen_kl": frozen.kl.astype(np.float32)}
    return wire.Reply(
        {
            "tokens": [wire.sendable(t) for t in made.tokens],
            "ids": made.token_ids.tolist(),
            "parts": list(made.parts),
            "special": [int(s) for s in made.special],
            "n_prompt": made.n_prompt,
            "notes": list(made.notes),
            "loss": {
                "clean": _finite(made.loss_clean),
                "edited": _finite(made.loss_edited),
                "frozen": None if frozen is None else _finite(frozen.loss),
            },
            "kl_mean": {
                "edited": _finite(made.mean_kl),
                "frozen": None if frozen is None else _mean(frozen.kl[counted]),
            },
            "rows": [
                {
                    "feature": r.feature,
                    "sae": r.dictionary,
                    "label": r.label,
                    "kind": ", ".join(r.kinds),
                    "note": r.note,
                }
                for r in made.features
            ],
            "side": [
                {
                    "sae": s.dictionary,
                    "f": s.feature,
                    "label": s.label,
                    "clean": s.clean,
                    "edited": s.edited,
                    "change": s.change,
                    "largest": s.largest,
                }
                for s in made.side_effects
            ],
            "side_note": "Mean activation over counted tokens, as each SAE reads the two runs; features of the recipe left out.",
            "lowered": [[wire.sendable(words.get(int(i), "")) for i in row] for row in made.lowered_ids],
            "raised": [[wire.sendable(words.get(int(i), "")) for i in row] for row in made.raised_ids],
            "amounts": "\n".join(made.resolved.lines()),
        },
        arrays,
    )


def sweep_reply(
    engine: Engine,
    asked: Asked,
    recipe: Recipe,
    sampling: Sampling,
    params: Mapping[str, wire.Json],
    maxima: Maxima,
    index: Index | None,
    ticket: Ticket,
) -> wire.Reply:
    """The answer of "sweep"."""
    given = cast("list[float] | None", params.get("strengths"))
    made = sweep_on_worker(
        engine,
        asked.input,
        recipe,
        sampling,
        maxima,
        ticket,
        strengths=given,
        row=int(cast(int, params.get("row") or 0)),
        controls=int(cast(int, params.get("controls") if params.get("controls") is not None else CONTROLS)),
        index=index,
    )
    return _sweep(made)


def _sweep(made: Sweep) -> wire.Reply:
    names = ("target", "kl", "perplexity", "repetition")
    arrays: dict[str, wire.Array] = {name: getattr(made.curve, name).astype(np.float32) for name in names}
    for name in names:
        rows = [getattr(curve, name) for curve in made.control_curves]
        arrays[f"c_{name}"] = np.array(rows, dtype=np.float32).reshape(len(rows), len(made.strengths))
    arrays["base"] = np.array([getattr(made.base, name)[0] for name in names], dtype=np.float32)
    return wire.Reply(
        {
            "strengths": [float(s) for s in made.strengths],
            "unit": made.unit,
            "row": made.row,
            "target_name": made.target_name,
            "texts": [wire.sendable(t.text) for t in made.texts],
            "strings": [[wire.sendable(s) for s in t.tokens] for t in made.texts],
            "baseline": wire.sendable(made.baseline.text),
            "band": None if made.band is None else list(made.band),
            "band_rule": made.band_rule,
            "controls": [{"kind": kind, "name": name} for kind, name in made.controls],
            "notes": list(made.notes),
        },
        arrays,
    )


def answer_reply(
    engine: Engine, asked: Asked, recipe: Recipe, answer: str, maxima: Maxima, ticket: Ticket
) -> wire.Reply:
    """The answer of "answer"."""
    made = answers_on_worker(engine, asked.input, answer, recipe, maxima, ticket)
    return wire.Reply(
        {
            "answer": {"ids": list(made.answer_ids), "strings": [wire.sendable(t) for t in made.answer]},
            "first_only": len(made.answer_ids) > 1,
            "rows": [
                {
                    **{key: value for key, value in vars(row).items() if key != "top"},
                    "top": [[wire.sendable(token), chance] for token, chance in row.top],
                }
                for row in made.rows
            ],
            "notes": list(made.notes),
            "amounts": "\n".join(made.lines),
        }
    )


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _mean(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> float | None:
    return _finite(float(values.mean())) if len(values) else None

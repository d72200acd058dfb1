"""The panel's other views as wire data: the effect on a given text, dose-response, and what becomes of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from ...interventions.dose_response.curves import MEASURES, READINGS
from ...interventions.dose_response.sweep import SAMPLES, Sweep, sweep
from ...interventions.dose_response.usable import verdict_of
from ...interventions.effects.answers import answer_effects
from ...interventions.effects.on_text import EditEffects, effects
from ...interventions.recipe.units import LookedUp
from .. import wire
from ..constants import CONTROLS
from ..feature.said import sent
from ..flags import flags
from .asked import AskedAnswer, AskedEffect, AskedSweep

if TYPE_CHECKING:
    from ...engine.engine import Engine


def samples_of(settings: Mapping[str, wire.Json]) -> int:
    """Texts a strength that the sweep's view asks for, if nothing else is chosen: as many as are generated, if several."""
    several = int(cast(int, settings.get("samples") or 1))
    return several if several > 1 else SAMPLES


def effect_reply(engine: Engine, asked: AskedEffect, maxima: LookedUp) -> wire.Reply:
    """The answer of "effect"."""
    ids = list(asked.continuation or ())
    made = effects(engine, asked.input, asked.whole, continuation=ids, index=maxima, freeze_attention=asked.freeze)
    return _effects(made)


def _effects(made: EditEffects) -> wire.Reply:
    words = made.vocabulary
    frozen = made.frozen
    counted = made.counted
    arrays: dict[str, wire.Array] = {
        name: getattr(made, name).astype(np.float32)
        for name in ("delta", "p_clean", "p_edited", "kl", "lowered", "raised")
    }
    for name, field in (("clean_acts", "clean"), ("requested", "requested"), ("realised", "realised")):
        rows = [np.where(row.edited | (field == "clean"), getattr(row, field), np.nan) for row in made.features]
        arrays[name] = np.array(rows, dtype=np.float32).reshape(len(made.features), len(made.tokens))
    if frozen is not None:
        arrays |= {"frozen_delta": frozen.delta.astype(np.float32), "frozen_kl": frozen.kl.astype(np.float32)}
    return wire.Reply(
        {
            "str": list(made.tokens),
            "flags": flags(made.parts, made.special, made.outlier).tolist(),
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
                    **sent(r.label, r.description),
                    "kind": ", ".join(r.kinds),
                    "note": r.note,
                }
                for r in made.features
            ],
            "side": [
                {
                    "sae": s.dictionary,
                    "f": s.feature,
                    **sent(s.label, s.description),
                    "clean": s.clean,
                    "edited": s.edited,
                    "change": s.change,
                }
                for s in made.side_effects
            ],
            "side_note": "Mean activation over counted tokens, as each SAE reads the two runs; features of the recipe left out.",
            "lowered": [[words.get(int(i), "") for i in row] for row in made.lowered_ids],
            "raised": [[words.get(int(i), "") for i in row] for row in made.raised_ids],
        },
        arrays,
    )


def sweep_reply(engine: Engine, asked: AskedSweep, maxima: LookedUp) -> wire.Reply:
    """The answer of "sweep"."""
    sampling = asked.sampling if asked.samples is None else replace(asked.sampling, samples=asked.samples)
    made = sweep(
        engine,
        asked.input,
        asked.whole,
        None if asked.strengths is None else list(asked.strengths),
        row=asked.row,
        controls=CONTROLS if asked.controls is None else asked.controls,
        index=maxima,
        **sampling.options,
    )
    return _sweep(made)


def _sweep(made: Sweep) -> wire.Reply:
    names = (*MEASURES, *READINGS)
    arrays: dict[str, wire.Array] = {}
    curves = {name: made.curve_of(name) for name in names}
    for name, curve in curves.items():
        arrays[name] = curve.mean.astype(np.float32)
        arrays[f"{name}_low"], arrays[f"{name}_high"] = curve.low.astype(np.float32), curve.high.astype(np.float32)
        arrays[f"c_{name}"] = curve.controls.astype(np.float32)
    arrays["base"] = np.array([curve.unedited for curve in curves.values()], dtype=np.float32)
    return wire.Reply(
        {
            "strengths": [float(s) for s in made.strengths],
            "unit": made.unit,
            "row": made.row,
            "titles": {name: made.title_of(name) for name in names},
            "texts": [[t.text for t in several] for several in made.texts],
            "baseline": [t.text for t in made.baseline],
            "n": made.n,
            "pairs": curves["target"].n.tolist(),
            "about": list(_about(made)),
            "verdict": _minus(verdict_of(made.bands)),
            "directions": made.directions.tolist(),
            "bands": [{"low": b.low, "high": b.high, "direction": b.direction} for b in made.bands],
            "band_rule": made.band_rule,
            "controls": [{"kind": kind, "name": name} for kind, name in made.controls],
            "notes": list(made.notes),
        },
        arrays,
    )


def _about(made: Sweep) -> tuple[str, str]:
    """What the numbers of texts, and those of the prompt, are means over, and what their intervals are."""
    texts = (
        f"Texts: means over n = {made.n} at each strength. Whiskers, and numbers in brackets: {made.level * 100:.4g}% interval of the mean "
        "difference to the unedited texts, in pairs with the same dice, laid around the mean."
        if made.n > 1
        else "Texts: one at each strength, so there are no intervals. Ask for more texts each."
    )
    prompt = "The prompt read again with the edit, without sampling."
    if made.promoted is not None:
        tokens = " · ".join(repr(wire.sendable(t)) for t in made.promoted.tokens)
        prompt += f" The tokens it promotes most, by {made.promoted.label}: {tokens}."
    return texts, prompt


def _minus(text: str) -> str:
    return text.replace("-", "\u2212")


def answer_reply(engine: Engine, asked: AskedAnswer, maxima: LookedUp) -> wire.Reply:
    """The answer of "answer"."""
    made = answer_effects(engine, asked.input, asked.answer, asked.whole, index=maxima)
    return wire.Reply(
        {
            "answer": {"ids": list(made.answer_ids), "str": list(made.answer)},
            "first_only": len(made.answer_ids) > 1,
            "rows": [
                {
                    **{key: value for key, value in vars(row).items() if key != "top"},
                    "top": [[token, chance] for token, chance in row.top],
                }
                for row in made.rows
            ],
            "notes": list(made.notes),
        }
    )


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _mean(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> float | None:
    return _finite(float(values.mean())) if len(values) else None

"""What the tests of sweeps share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import tiny

import saewidgets as sw
from saewidgets.interventions.dose_response.result import Sweep

PROMPT = "In the beginning God created 日本語 and"


PRE = "blocks.1.hook_resid_pre"


TRANSCODER_HOOKS = ("blocks.0.mlp.hook_in", "blocks.0.hook_mlp_out")


@cache
def model_of(wrapper: str) -> Any:
    """Shared between tests: none may change it."""
    return tiny.MODELS[wrapper]()


def name_of(model: Any, hook: str) -> str:
    return model._resolve_hook_name(hook) if hasattr(model, "_resolve_hook_name") else hook


def run(engine: sw.Engine, recipe: Any, strengths: Sequence[float] | None = None, **more: Any) -> Sweep:
    return sw.sweep(engine, PROMPT, recipe, strengths, **{"n_tokens": 8, "controls": 0, "samples": 1, **more})

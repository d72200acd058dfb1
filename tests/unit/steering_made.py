"""What the tests of the panel ask."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

import saewidgets as sw

PROMPT = "In the beginning God created"


SETTINGS = {
    "seed": 3,
    "n_tokens": 6,
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 0,
    "repetition_penalty": 1.0,
    "samples": 2,
}


def ask(
    panel: sw.SteeringPanel, channel: str, timeout: float = 30, **params: Any
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The answer to a request of a view; its message and arrays."""
    identifier = f"view:{time.monotonic_ns()}"
    panel.comm.view_sends({"t": "req", "id": identifier, "ch": channel, "p": params, "enc": "binary"})
    return panel.comm.response(identifier, timeout)


def good(panel: sw.SteeringPanel, channel: str, **params: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    message, arrays = ask(panel, channel, **params)
    assert message["ok"], message
    return message["r"], arrays


def prompt_of(recipe: Any, **more: Any) -> dict[str, Any]:
    return {"recipe": recipe, "prompt": PROMPT, "chat": False, "messages": [], **more}


def maxima(index: sw.FeatureIndex) -> np.ndarray:
    return np.nan_to_num(index.column("high").astype(float))


def strong(index: sw.FeatureIndex) -> int:
    return int(np.argmax(maxima(index)))

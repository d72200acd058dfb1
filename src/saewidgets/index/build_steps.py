"""What every build of an index begins and ends with."""

from __future__ import annotations

import warnings
from pathlib import Path

from ..engine.copies import bytes_of
from ..engine.engine import Engine
from .feature_index import FeatureIndex
from .scan.progress import Bar
from .scan.scan import Plan

__all__ = ["note_weights", "opened", "say_waiting"]

# Bytes of weights that take some seconds to be read, before there is anything else to tell.
_LONG_HASH = 2e9


def note_weights(engine: Engine, bar: Bar) -> None:
    """Say that the weights of a large model are read."""
    if bytes_of(engine.model.raw) > _LONG_HASH:
        bar.note("reading the weights of the model")


def opened(engine: Engine, plan: Plan, bar: Bar, wait: bool) -> FeatureIndex:
    """The finished index, whose rest is computed in the background, or now."""
    index = FeatureIndex.open(plan.path, engine=engine, sae=plan.dictionary.name)
    index._pending.begin()
    if wait:
        index._pending.wait(bar)
    bar.ends(f"{index.tokens:,} tokens read")
    return index


def say_waiting(path: Path) -> None:
    """Warn that another process is at work."""
    warnings.warn(f"Another process is building the index at {path}; waiting for it.", stacklevel=4)

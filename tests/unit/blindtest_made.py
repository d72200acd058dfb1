"""A corpus in which no stretch is there twice, and what is counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tiny

import saewidgets as sw
from saewidgets.index.autointerp.windows import Windows

LENGTH = 14
LETTERS = [*"abcdefghijklmnopqrstuvwxyz     "]
DEAD = 7


def build(folder: Path) -> Path:
    dice = np.random.default_rng(0)
    texts = ["".join(dice.choice(LETTERS, 150)) for _ in range(40)]
    with sw.Engine(tiny.hooked(), tiny.sae("topk")) as engine:
        tiny.sae_of(engine).b_enc.data[DEAD] = -1e3
        return sw.build_index(engine, texts, folder / "index", progress=False, wait=True).path


def truth(index: sw.FeatureIndex, feature: int, start: int) -> float:
    """The largest activation in the text that begins there, read from the whole corpus."""
    ends = [end for end in index.texts.chunk_ptr.tolist() if end > start]
    position, value = index.activations(feature)
    inside = (position >= start) & (position < min(start + LENGTH, ends[0]))
    return float(np.abs(value[inside]).max(initial=0.0))


def some(index: sw.FeatureIndex, least: int = 10) -> list[int]:
    """Features with so many texts of either kind."""
    windows = Windows(index, LENGTH)
    return [f for f in index.order("density").tolist() if min(windows.available(f)) >= least]

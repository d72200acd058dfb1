"""Why stored activations are others than those that a model gives now: what could be is tried, and named if it is so.

A cause is named only where the values that are computed under it are the stored ones, token by token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ...engine.activations.windows import windows
from ...engine.arrays import Floats
from ...engine.dictionary.base import Dictionary
from ...engine.engine import Engine
from .stored import Stored

__all__ = ["Text", "agrees", "computed", "decoder_norm", "difference", "rounding", "texts_of"]

# Contexts that people cut texts into.
_CONTEXTS = (1024, 512, 256, 128, 64, 32, 16)
_WITH = "BOS: computed with one in front"

# Active tokens that tell a dtype, and roundings of it that a forward can add up to.
_ENOUGH, _ROUNDINGS = 3, 8


@dataclass(frozen=True)
class Text:
    """One way to run an example through the model.

    Attributes:
        name: what is different ("" for the engine's own policy).
        runs: token ids of each forward, and from which of its tokens on they are the example's.
        skipped: tokens of the example at its beginning that are not run.
    """

    name: str
    runs: tuple[tuple[tuple[int, ...], int], ...]
    skipped: int = 0


def texts_of(engine: Engine, ids: Sequence[int]) -> Iterator[Text]:
    """The engine's own way first, then the other BOS policy, then shorter contexts under each."""
    bos = engine.tokenizer.bos_id
    plain = tuple(ids)
    has = bos is not None and bool(plain) and plain[0] == bos
    ways: list[Text] = []
    if has:
        without = Text("BOS: computed without one", ((plain[1:], 0),), 1)
        as_is = Text("", ((plain, 0),))
        ways = [as_is, without] if engine.tokenizer.prepend_bos else [_named(without, ""), _named(as_is, _WITH)]
    elif bos is not None:
        added = Text(_WITH, (((bos, *plain), 1),))
        bare = Text("", ((plain, 0),))
        ways = (
            [_named(added, ""), _named(bare, "BOS: computed without one")]
            if engine.tokenizer.prepend_bos
            else [bare, added]
        )
    else:
        ways = [Text("", ((plain, 0),))]
    yield from ways
    for way in ways:
        run, lead = way.runs[0]
        for limit in (limit for limit in _CONTEXTS if 1 < limit < len(run)):
            name = f"context: cut every {limit} tokens"
            cut = windows(0, run, limit, bos)
            # Of the first forward what was put in front is left out, of the others the repeated BOS.
            runs = tuple((w.ids, lead if n == 0 else w.lead) for n, w in enumerate(cut))
            yield Text(" and ".join(filter(None, (way.name, name))), runs, way.skipped)


def _named(text: Text, name: str) -> Text:
    return Text(name, text.runs, text.skipped)


def computed(
    engine: Engine, dictionary: str, feature: int, texts: Sequence[Text], lengths: Sequence[int]
) -> list[Floats]:
    """The activations [n] of a feature on each text, in one go; NaN where a token was not run."""
    runs = [list(ids) for text in texts for ids, _ in text.runs if ids]
    if not runs:
        return [np.full(n, np.nan, np.float32) for n in lengths]
    acts = engine.activations(runs, sae=dictionary, features=[feature])
    dense, found, at = acts[:, feature], [], 0
    for text, n in zip(texts, lengths, strict=True):
        values = np.full(n, np.nan, np.float32)
        filled = text.skipped
        for ids, lead in text.runs:
            part = dense[at + lead : at + len(ids)]
            values[filled : filled + len(part)] = part
            filled += len(part)
            at += len(ids)
        found.append(values)
    return found


def decoder_norm(dictionary: Dictionary, feature: int) -> float:
    """By what folding the norms of the decoder's rows into the activations multiplies those of a feature."""
    return float(dictionary.stored(torch.tensor([feature]))[0].norm())


def agrees(stored: Stored, values: Floats, tolerance: float) -> bool:
    """Whether computed values are the stored ones, at every token where both are known."""
    return difference(stored, values) <= tolerance * stored.maximum + stored.rounded


def difference(stored: Stored, values: Floats) -> float:
    """The largest difference at a token where both are known; infinite if there is none."""
    both = np.isfinite(stored.values) & np.isfinite(values)
    return float(np.abs(stored.values[both] - values[both]).max()) if both.any() else float("inf")


def rounding(stored: Stored, values: Floats) -> str:
    """A dtype that explains the difference by its rounding alone; "" if none does.

    Another machine rounds in another order, so nothing gives its numbers to the last bit. But of numbers that an SAE in
    bfloat16 gave every one is a bfloat16 number, which of others hardly one is.
    """
    both = np.isfinite(stored.values) & np.isfinite(values)
    active = stored.values[both & (stored.values != 0)]
    if stored.rounded or len(active) < _ENOUGH:
        return ""
    bits = torch.from_numpy(active)
    for dtype in (torch.bfloat16, torch.float16):
        near = difference(stored, values) <= _ROUNDINGS * torch.finfo(dtype).eps * stored.maximum
        if near and bool((bits == bits.to(dtype).float()).all()):
            name = str(dtype).removeprefix("torch.")
            return f"dtype: {name} (every stored value is such a number, and none is off by more than its rounding)"
    return ""

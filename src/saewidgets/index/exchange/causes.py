"""Why stored activations are others than those that a model gives now: what could be is tried, and named if it is so.

A cause is named only where the values that are computed under it are the stored ones, token by token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ...engine.activations.windows import windows
from ...engine.arrays import Bools, Floats
from ...engine.dictionary.base import Dictionary
from ...engine.engine import Engine
from .stored import Stored

__all__ = [
    "Text",
    "agrees",
    "allowed",
    "computed",
    "decoder_norm",
    "difference",
    "rounding",
    "texts_of",
    "unexplained",
]

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
) -> list[tuple[Floats, Bools]]:
    """The activations [n] of a feature on each text, in one go, NaN where a token was not run; and which tokens count."""
    runs = [list(ids) for text in texts for ids, _ in text.runs if ids]
    if not runs:
        return [(np.full(n, np.nan, np.float32), np.zeros(n, bool)) for n in lengths]
    acts = engine.activations(runs, sae=dictionary, features=[feature])
    dense, found, at = acts[:, feature], [], 0
    for text, n in zip(texts, lengths, strict=True):
        values, counted = np.full(n, np.nan, np.float32), np.zeros(n, bool)
        filled = text.skipped
        for ids, lead in text.runs:
            part = dense[at + lead : at + len(ids)]
            values[filled : filled + len(part)] = part
            counted[filled : filled + len(part)] = acts.counted[at + lead : at + len(ids)]
            filled += len(part)
            at += len(ids)
        found.append((values, counted))
    return found


def decoder_norm(dictionary: Dictionary, feature: int) -> float:
    """By what folding the norms of the decoder's rows into the activations multiplies those of a feature."""
    return float(dictionary.stored(torch.tensor([feature]))[0].norm())


def agrees(stored: Stored, values: Floats, tolerance: float) -> bool:
    """Whether computed values are the stored ones at every token where both are known, all of its activations among them."""
    if np.isnan(values[np.isfinite(stored.values) & (stored.values != 0)]).any():
        return False  # of a text that was not run from its beginning the rest may be silent whatever was done
    return difference(stored, values) <= allowed(stored, tolerance)


def allowed(stored: Stored, tolerance: float) -> float:
    """By how much a value may be off."""
    return tolerance * stored.maximum + stored.rounded


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
    one, other = stored.values[both].astype(np.float64), values[both].astype(np.float64)
    # Rounding goes up as often as down; what is off to one side is off by more than it.
    slope = float(one @ other / (other @ other)) if other.any() else 0.0
    off = difference(stored, values) / stored.maximum
    for dtype in (torch.bfloat16, torch.float16):
        eps = torch.finfo(dtype).eps
        if off <= _ROUNDINGS * eps and abs(slope - 1) <= eps and bool((bits == bits.to(dtype).float()).all()):
            name = str(dtype).removeprefix("torch.")
            return f"dtype: {name} (every stored value is such a number, and none is off by more than {_ROUNDINGS} roundings)"
    return ""


def unexplained(stored: Stored, values: Floats, tolerance: float) -> str:
    """How computed values differ from stored ones, where nothing explains it."""
    both = np.isfinite(stored.values) & np.isfinite(values)
    one, other = stored.values[both], values[both]
    if not len(one):
        return "not explained: none of its tokens could be computed"
    active = (one != 0) & (other != 0)
    if not active.any():
        return "not explained: it is active on other tokens than the stored values"
    limit = allowed(stored, tolerance)
    off, n = int((np.abs(one - other) > limit).sum()), int(active.sum())
    ratio = one[active] / other[active]
    usual = float(np.median(ratio))
    if (np.abs(one - usual * other) <= max(limit, limit * usual)).all():
        where = "every token (a scaling of the input or of the SAE?)" if n >= _ENOUGH else f"the {n} where it is active"
        return f"not explained: stored is {usual:.4g} x recomputed at {where}"
    if 2 * off <= n:
        return f"not explained: another value at {off:,} of its {len(one):,} tokens, the recomputed one at the others"
    return (
        f"not explained: stored is {float(ratio.min()):.3g} to {float(ratio.max()):.3g} x recomputed where both are active. "
        "Other weights, or a text that began before what is stored of it, would do that"
    )

"""Two features without a kernel: the answers that a page carries, and the script-free picture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...engine.labels import said
from ...geometry.beside.corpus import BesideCorpus
from ...geometry.beside.on_text import BesideText
from ...geometry.beside.pair import BOTH, Together
from ...geometry.beside.result import Beside
from ...geometry.beside.side import Side, labels_of
from ...snapshot.fallback import FallbackRow, fallback
from .payload import POINTS

__all__ = ["contexts", "fallback_of"]

_FALLBACK_TOKENS = 500
_NUMBERS = {
    "tokens": "tokens that both count",
    "both": "both fire",
    "only_a": "only A fires",
    "only_b": "only B fires",
    "neither": "none fires",
    "jaccard": "both, as a share of those where one fires (Jaccard)",
    "pearson": "Pearson r over these tokens",
    "pearson_either": "Pearson r where at least one fires",
    "pearson_both": "Pearson r where both fire",
    "cosine": "cosine of the activations",
}


def contexts(found: BesideCorpus, n: int) -> list[int]:
    """Positions of the points whose texts a page carries: those furthest out, taken in turn from the three kinds."""
    rows = found.scatter(POINTS).rows
    size = np.abs(found.values[rows]) / np.maximum(found.scale, 1e-30)
    kinds = found.kinds[rows]
    key = np.where(kinds == BOTH, size.min(1), size.max(1))
    order = np.argsort(-key, kind="stable")
    turn = np.zeros(len(rows), np.int64)
    for kind in np.unique(kinds):
        mine = order[kinds[order] == kind]
        turn[mine] = np.arange(len(mine))
    chosen = rows[np.lexsort((kinds, turn))[:n]]
    return [int(position) for position in found.position[chosen]]


def fallback_of(found: Beside) -> str:
    """Script-free HTML: the text coloured by A and again by B, and a table of the numbers."""
    names = [
        f"{which}: feature {side.feature} of {side.name}{_said(side)}"
        for which, side in (("A", found.a), ("B", found.b))
    ]
    tokens = (
        []
        if found.text is None
        else [*_tokens(found.text, 0), FallbackRow("\n", 0.0, True, None), *_tokens(found.text, 1)]
    )
    left_out = 0 if found.text is None else max(0, len(found.text) - _FALLBACK_TOKENS)
    corpus = None if found.corpus is None else found.corpus.together
    text = None if found.text is None else found.text.together
    sample = "" if found.corpus is None or found.corpus.all else " (a biased sample, see below)"
    rows = [[says, _cell(text, name), _cell(corpus, name)] for name, says in _NUMBERS.items()]
    if found.decoder.value is not None:
        rows.append(["cosine of the decoder rows", f"{found.decoder.value:.4g}", ""])
    infos = found.features
    for says, name in (("density", "density"), ("largest activation", "maximum"), ("mean when active", "mean")):
        values = [None if info is None else getattr(info, name) for info in infos]
        told = ", ".join(
            f"{which} {value:.4g}"
            for which, value in zip("AB", values, strict=True)
            if value is not None and value == value
        )
        if told:
            rows.append([says, "", told])
    return fallback(
        heading=" beside ".join(names),
        tokens=tokens,
        left_out=left_out,
        caption="Two features beside each other",
        columns=["", "on the text", f"on the corpus{sample}"],
        rows=rows,
        provenance=list(found.provenance.items()),
        notes=list(found.notes),
    )


def _said(side: Side) -> str:
    name = said(labels_of(side), side.feature)
    return f" ({name})" if name else ""


def _tokens(found: BesideText, k: int) -> Iterator[FallbackRow]:
    yield FallbackRow(f"{'AB'[k]}: ", 0.0, True, None)
    scale = found.scale[k]
    counted = (found.activations_a, found.activations_b)[k].counted
    for i in range(min(len(found), _FALLBACK_TOKENS)):
        at, value = int(found.columns[i, k]), float(found.values[i, k])
        if at < 0:
            continue
        aside = not counted[at]
        yield FallbackRow(found.tokens[i], 0.0 if aside or not scale else value / scale, aside, value)


def _cell(numbers: Together | None, name: str) -> str:
    value = None if numbers is None else numbers.to_dict()[name]
    if value is None:
        return "" if numbers is None else "\u2013"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"

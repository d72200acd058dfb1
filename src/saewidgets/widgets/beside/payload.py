"""Two features as their view's messages (their twin is js/src/widgets/beside/wire.ts): pure functions.

A part that cannot be is an answer with `missing`, which says why; the other parts stand without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...engine.arrays import Ints
from ...geometry.beside.corpus import BesideCorpus
from ...geometry.beside.on_text import BesideText
from ...geometry.beside.pair import Together
from ...geometry.beside.result import Cosine
from ...geometry.beside.side import Side, labels_of, n_features, provenance_of
from ...geometry.beside.windows import Window
from ...index.scan.shards import OUTLIER, SPECIAL
from ..feature.card import card_reply
from ..feature.said import said_of
from ..flags import flags
from ..wire import Array, Json, Reply

if TYPE_CHECKING:
    from ...geometry.beside.corpus import Kind

__all__ = ["LISTED", "POINTS", "context_reply", "corpus_reply", "pair_reply", "side_reply", "text_reply"]

POINTS = 5000
"""Points of the scatter, at most."""
LISTED, _WINDOW = 6, 10
_LISTS: tuple[Kind, ...] = ("only_a", "only_b", "both")


def side_reply(side: Side, parted: str = "") -> Reply:
    """The "side" channel: what the side is, and of one with an index numbers, histogram, logit weights and top examples.

    Args:
        parted: why its index is not of what the engine has any more.
    """
    card: Reply | None = None
    if side.index is not None and not parted:
        card = card_reply(side.index, side.feature)
    missing = parted or (
        ""
        if card is not None
        else "Without an index there are no numbers of a corpus: no density, histogram or examples."
    )
    return Reply(
        {
            "f": side.feature,
            "name": side.name,
            "sae": side.sae,
            "n_features": n_features(side),
            **said_of(labels_of(side), side.feature),
            "card": None if card is None else card.data,
            "missing": missing,
            "provenance": [[key, value] for key, value in provenance_of(side).items()],
        },
        {} if card is None else card.arrays,
    )


def pair_reply(a: Side, b: Side, cosine: Cosine) -> Reply:
    """The "pair" channel: the cosine of the decoder rows."""
    return Reply(
        {"a": a.feature, "b": b.feature, "cosine": cosine.value, "missing": cosine.missing, "note": cosine.note}
    )


def text_reply(a: int, b: int, found: BesideText | None, missing: str = "") -> Reply:
    """The "text" channel: tokens, both activations on each, and what goes together."""
    data: dict[str, Json] = {"a": a, "b": b, "missing": missing, "notes": []}
    if found is None:
        return Reply({**data, "n": 0, "str": [], "together": None, "scale": [0.0, 0.0], "names": ["", ""]}, _columns(0))
    sides = (found.activations_a, found.activations_b)
    bits = np.zeros(len(found), np.uint8)
    for k, acts in enumerate(sides):
        there = np.flatnonzero(found.columns[:, k] >= 0)
        of = flags(acts.parts, acts.special, acts.outlier, acts.beyond_context)
        bits[there] |= of[found.columns[there, k]]
    data |= {
        "n": len(found),
        "str": list(found.tokens),
        "together": _numbers(found.together),
        "scale": list(found.scale),
        "names": [acts.activation_name for acts in sides],
        "notes": list(found.notes),
    }
    arrays: dict[str, Array] = {
        "flags": bits,
        "act_a": found.values[:, 0],
        "act_b": found.values[:, 1],
        "same": found.same.astype(np.uint8),
    }
    return Reply(data, arrays)


def corpus_reply(a: int, b: int, found: BesideCorpus | None, missing: str = "") -> Reply:
    """The "corpus" channel: what goes together, points to draw, and the strongest tokens of each kind in their texts."""
    data: dict[str, Json] = {"a": a, "b": b, "missing": missing}
    if found is None:
        empty: dict[str, Json] = {"together": None, "scale": [0.0, 0.0], "all": True, "left_out": 0, "notes": []}
        return Reply({**data, **empty, "drawn": "", "lists": [], "str": []}, {**_points(None), **_acts([])})
    scatter = found.scatter(POINTS)
    windows = {kind: found.top(kind, LISTED, _WINDOW) for kind in _LISTS}
    shown = [window for kind in _LISTS for window in windows[kind]]
    starts = np.cumsum([0, *(len(window.tokens) for window in shown)]).tolist()
    rows = iter(zip(shown, starts, strict=False))
    lists: list[Json] = [{"kind": kind, "rows": [_row(*next(rows)) for _ in windows[kind]]} for kind in _LISTS]
    data |= {
        "together": _numbers(found.together),
        "scale": list(found.scale),
        "all": found.all,
        "left_out": found.left_out,
        "notes": list(found.notes),
        "drawn": scatter.note,
        "lists": lists,
        "str": [token for window in shown for token in window.tokens],
    }
    return Reply(data, {**_points(found, scatter.rows), **_acts(shown)})


def context_reply(window: Window) -> Reply:
    """The "context" channel: one token in its text."""
    return Reply({"row": _row(window, 0), "str": list(window.tokens)}, _acts([window]))


def _row(window: Window, start: int) -> Json:
    a, b = (None if np.isnan(value) else float(value) for value in window.values[window.focus])
    return {
        "position": window.position,
        "doc": window.document,
        "at": window.at,
        "start": start,
        "n": len(window.tokens),
        "focus": window.focus,
        "a": a,
        "b": b,
        "more": window.repeats,
        "cut": [window.before, window.after],
    }


def _acts(windows: Sequence[Window]) -> dict[str, Array]:
    """The tokens of windows, one after another: both activations, and flags of either side."""
    values = np.concatenate([np.zeros((0, 2), np.float32), *(window.values for window in windows)])
    bits = [
        flags(window.parts, (window.flags == SPECIAL).any(1), (window.flags == OUTLIER).any(1)) for window in windows
    ]
    return {
        "win_a": values[:, 0].astype(np.float32),
        "win_b": values[:, 1].astype(np.float32),
        "win_flags": np.concatenate([np.zeros(0, np.uint8), *bits]),
    }


def _points(found: BesideCorpus | None, rows: Ints | None = None) -> dict[str, Array]:
    if found is None or rows is None:
        none = np.zeros(0, np.float32)
        return {"at": np.zeros(0, np.uint32), "x": none, "y": none, "kind": np.zeros(0, np.uint8)}
    return {
        "at": found.position[rows].astype(np.uint32),
        "x": found.values[rows, 0].astype(np.float32),
        "y": found.values[rows, 1].astype(np.float32),
        "kind": found.kinds[rows].astype(np.uint8),
    }


def _columns(n: int) -> dict[str, Array]:
    none = np.zeros(n, np.float32)
    return {"flags": np.zeros(n, np.uint8), "act_a": none, "act_b": none, "same": np.zeros(n, np.uint8)}


def _numbers(together: Together) -> Json:
    return {**together.to_dict()}

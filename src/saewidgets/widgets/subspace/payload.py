"""A subspace as the view's messages: pure functions, so that every number on screen can be tested without a browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..feature.said import said_of
from ..wire import Json, Reply
from .colours import Groups, Scale, choices, coloured

if TYPE_CHECKING:
    from ...engine.arrays import Ints
    from ...geometry.subspace.result import Subspace

__all__ = ["AFTER", "BEFORE", "colour_reply", "subspace_reply", "texts_reply"]

# Tokens on each side of a point's own.
BEFORE, AFTER = 20, 10


def subspace_reply(sub: Subspace, key: str) -> Reply:
    """The "subspace" channel: the points, and what is known of the features and of every pair of components.

    "points" are [c, n], one component after another; "token" is a place in the strings.
    """
    strings = sorted(set(sub.token))
    place = {text: i for i, text in enumerate(strings)}
    n, c = sub.points.shape
    data: dict[str, Json] = {
        "key": key,
        "n": n,
        "c": c,
        "extent": [[float(x.min()), float(x.max())] for x in sub.points.T],
        "explained": sub.explained.tolist(),
        "circularity": sub.circularity.tolist(),
        "pair": list(sub.pair),
        "features": _features(sub),
        "str": list(strings),
        "choices": [[value, name] for value, name in choices(sub)],
        "scores": _scores(sub),
        "notes": list(sub.notes),
        "provenance": [[name, fact] for name, fact in sub.provenance.items()],
        "colour": None,
    }
    return Reply(
        data,
        {
            "points": np.ascontiguousarray(sub.points.T, np.float32).ravel(),
            "token": np.array([place[text] for text in sub.token], np.uint32),
        },
    )


def _features(sub: Subspace) -> list[Json]:
    """Of each feature, on how many of the points it fires, its mean activation there and the largest in magnitude."""
    rows: list[Json] = []
    for at, f in enumerate(sub.features.tolist()):
        fires = sub.activations[sub.activations[:, at] != 0, at]
        mean = float(fires.mean(dtype=np.float64)) if len(fires) else None
        most = float(np.abs(fires).max(initial=0.0))
        rows.append({"f": f, **said_of(sub.labels, f), "tokens": len(fires), "mean": mean, "max": most})
    return rows


def _scores(sub: Subspace) -> Json:
    """The scores of the pair that is shown first, beside the mean and the range of shuffled features."""
    scores, shuffled = sub.scores, sub.scores.shuffled
    found: dict[str, Json] = {"pair": list(scores.pair), "repeats": len(shuffled.separability)}
    for name, value in (("separability", scores.separability), ("mixture", scores.mixture)):
        mean, low, high = (float(getattr(one, name)) for one in (shuffled.mean, shuffled.low, shuffled.high))
        found[name] = {"value": float(value), "mean": mean, "low": low, "high": high}
    return found


def colour_reply(sub: Subspace, colour: str, key: str) -> Reply:
    """The "colour" channel: groups with the place of each point's, or numbers with their ends."""
    found = coloured(sub, colour)
    if isinstance(found, Groups):
        groups: list[Json] = [{"t": name, "n": n} for name, n in zip(found.names, found.counts, strict=True)]
        rest = len(found.group) - sum(found.counts)
        data: dict[str, Json] = {"kind": "groups", "groups": groups, "others": found.others, "rest": rest}
        return Reply({"key": key, "colour": colour, **data}, {"group": found.group})
    assert isinstance(found, Scale)
    scale: dict[str, Json] = {"kind": "scale", "low": found.low, "high": found.high, "missing": found.missing}
    return Reply({"key": key, "colour": colour, **scale}, {"value": found.value.astype(np.float32)})


def texts_reply(sub: Subspace, points: Sequence[int]) -> Reply:
    """The "texts" channel: the text around some points, and which of its tokens are points, too."""
    order = np.argsort(sub.position, kind="stable")
    return Reply({"texts": [_text(sub, i, order) for i in points]})


def _text(sub: Subspace, i: int, order: Ints) -> Json:
    """The window around point i. "others" are its tokens that are points: place in the window, point, activations there."""
    strings, at = sub.places.window(i, before=BEFORE, after=AFTER)
    wanted = int(sub.position[i]) - at + np.arange(len(strings))
    found = order[np.searchsorted(sub.position, wanted, sorter=order).clip(max=len(order) - 1)]
    others: list[Json] = [
        [j, p, sub.activations[p].astype(float).tolist()]
        for j, p in enumerate(found.tolist())
        if sub.position[p] == wanted[j]
    ]
    return {
        "point": i,
        "str": list(strings),
        "at": at,
        "document": sub.places.document_name(i),
        "in_document": int(sub.places.in_document[i]),
        "a": sub.activations[i].astype(float).tolist(),
        "others": others,
    }

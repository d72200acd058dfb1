"""One text at every layer as the view's messages: pure functions, so that every number on screen can be tested without a browser."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..attribution.vocabulary import is_typed
from ..feature.said import said_of
from ..flags import flags
from ..wire import Array, Json, Reply
from .asked import AskedLadder
from .found import Found

if TYPE_CHECKING:
    from ...engine.engine import Engine

__all__ = ["ladder_reply", "lens_reply", "provenance", "short"]


def lens_reply(found: Found, engine: Engine) -> Reply:
    """The "lens" channel: the tokens, and what the stream says after each of them at every hook.

    Arrays of cells are [hooks, pos] one row after another, of the likeliest tokens [hooks, pos, k]; `next` is a place in
    the strings.
    """
    lens = found.lens
    ids, places = np.unique(lens.top_ids, return_inverse=True)
    names = dict(
        zip(lens.top_ids.ravel().tolist(), (s for row in lens.top_tokens for at in row for s in at), strict=True)
    )
    none = np.zeros(0, np.float32)
    roles = [found.activations[one.name] for one in found.places]
    data: dict[str, Json] = {
        "key": found.key,
        "n": len(lens.tokens),
        "k": int(lens.top.shape[-1]),
        "str": list(lens.tokens),
        "hooks": [{"name": hook, "short": short(hook)} for hook in lens.hooks],
        "next_str": [names[i] for i in ids.tolist()],
        "d_vocab": found.d_vocab,
        "own": found.own,
        "target": {"str": lens.asked[0], "id": int(lens.asked_ids[0])} if len(lens.asked) else None,
        "target_error": found.target_error,
        "saes": [
            {
                "name": one.name,
                "hook": one.hook,
                "row": one.row,
                "between": one.between,
                "n_features": acts.n_features,
                "activation_name": acts.activation_name,
                "signed": acts.signed,
            }
            for one, acts in zip(found.places, roles, strict=True)
        ],
        "notes": list(found.notes),
        "provenance": [[name, fact] for name, fact in provenance(engine)],
        "ladder": None,
    }
    asked = bool(len(lens.asked))
    return Reply(
        data,
        {
            "tok_id": lens.token_ids.astype(np.uint32),
            "flags": flags(roles[0].parts, lens.special),  # norm outliers are a matter of each layer, and said there
            "sae_flags": np.stack([flags(a.parts, a.special, a.outlier, a.beyond_context) for a in roles]),
            "next_id": ids.astype(np.uint32),
            "next": places.ravel().astype(np.uint32),
            "p": lens.top.ravel().astype(np.float32),
            "entropy": lens.entropy.ravel().astype(np.float32),
            "target_p": lens.probability[..., 0].ravel().astype(np.float32) if asked else none,
            "target_rank": lens.rank[..., 0].ravel().astype(np.uint32) if asked else none.astype(np.uint32),
        },
    )


def ladder_reply(found: Found, asked: AskedLadder, engine: Engine) -> Reply:
    """The "ladder" channel: the strongest features of every dictionary on a token, and each one's activation on all tokens.

    "typed" [hooks, k]: whether a likeliest token's string means it, so that it can be the target.
    """
    position = found.position(asked.position)
    listed = [
        (i, f, value)
        for i, one in enumerate(found.places)
        for f, value in found.strongest(one.name, position, asked.top)
    ]
    names = [one.name for one in found.places]
    chosen = [] if asked.chosen is None else [(names.index(asked.chosen.sae), asked.chosen.feature)]
    wanted = list(dict.fromkeys([*((i, f) for i, f, _ in listed), *chosen]))
    columns, scales = _columns(found, wanted)
    here = {i: found.activations[name] for i, name in enumerate(names)}
    data: dict[str, Json] = {
        "key": found.key,
        "position": position,
        "active": [int(acts.l0[position]) for acts in here.values()],
        "rows": [
            {"sae": i, "f": f, **said_of(here[i].labels, f), "a": float(columns[at][position]), "scale": scales[at]}
            for at, (i, f) in enumerate(wanted)
        ],
        "listed": len(listed),
    }
    active = [np.flatnonzero(column) for column in columns]
    values = [column[at] for column, at in zip(columns, active, strict=True)]
    likeliest = zip(
        found.lens.top_ids[:, position].ravel().tolist(),
        (name for row in found.lens.top_tokens for name in row[position]),
        strict=True,
    )
    known: dict[int, bool] = {}
    typed = [known.setdefault(i, is_typed(engine.tokenizer, i, name)) for i, name in likeliest]
    return Reply(
        data,
        {
            "typed": np.array(typed, np.uint8),
            "col_ptr": np.concatenate([[0], np.cumsum([len(at) for at in active])]).astype(np.uint32),
            "col_tok": np.concatenate([np.zeros(0, np.int64), *active]).astype(np.uint32),
            "col_act": np.concatenate([np.zeros(0, np.float32), *values]).astype(np.float32),
        },
    )


def _columns(found: Found, wanted: Sequence[tuple[int, int]]) -> tuple[list[Array], list[float]]:
    """Of each (dictionary, feature) its activation on every token, and the largest in magnitude on the counted ones."""
    made: dict[tuple[int, int], Array] = {}
    scales: dict[tuple[int, int], float] = {}
    for i, one in enumerate(found.places):
        acts = found.activations[one.name]
        features = [f for sae, f in wanted if sae == i]
        dense = acts[:, features]
        most = np.abs(dense[acts.counted]).max(axis=0, initial=0)
        for at, f in enumerate(features):
            made[i, f], scales[i, f] = dense[:, at], float(most[at])
    return [made[one] for one in wanted], [scales[one] for one in wanted]


def short(hook: str) -> str:
    """A hook's name for the head of a row: "blocks.5.hook_resid_pre" is "5 resid_pre"."""
    found = re.fullmatch(r"blocks\.(\d+)\.(.+)", hook)
    return hook.replace("hook_", "") if found is None else f"{found[1]} {found[2].replace('hook_', '')}"


def provenance(engine: Engine) -> list[tuple[str, str]]:
    """What was done: what is the same for all dictionaries once, and of each of several where it reads."""
    every = {name: engine.provenance(name) for name in engine.dictionaries}
    if len(every) == 1:
        return list(next(iter(every.values())).items())
    first = next(iter(every.values()))
    same = [(key, fact) for key, fact in first.items() if all(other.get(key) == fact for other in every.values())]
    own = [
        (one.kind, f"{name} ({one.n_features} features at {one.hook_name})")
        for name, one in engine.dictionaries.items()
    ]
    return [*own, *same]

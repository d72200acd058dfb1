"""The effect of ablating a feature, cut to what is on screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...engine.arrays import Bools
from .. import wire

if TYPE_CHECKING:
    from ...engine.engine import Engine
    from ...engine.ticket import Ticket
    from ...index.feature_index import FeatureIndex
    from ...interventions.effects.ablation import AblationEffect

_NONE = 0xFFFFFFFF
_CHANGES = 3
_LABEL = (
    "Change of this token's log-probability (nats) when the feature is taken out at every counted token, with the "
    "reconstruction error kept and all later layers running on"
)
_DIRECT = (
    "The same by the direct path only: taken out of the final residual at the token before, through the final norm and "
    "the unembedding; no other layer reacts"
)


@dataclass(frozen=True)
class Context:
    """What has to go through the model for an example.

    Attributes:
        ids: token ids of its chunk from the beginning, as in the scan, and no further than one token after what is shown.
        counted: which of them the index counts; None: as the text itself says.
        cut: the part that is shown.
    """

    ids: Sequence[int]
    counted: Bools | None
    cut: tuple[int, int]


def contexts(index: FeatureIndex, positions: Sequence[int], window: int | None) -> list[Context]:
    """The contexts of examples, by the positions of their tokens."""
    found = []
    for position in positions:
        if not 0 <= position < len(index.texts):
            raise ValueError(f"There is no token {position} in the texts of the index, which have {len(index.texts)}.")
        chunk = int(index.texts.chunk(np.array([position]))[0])
        first, last = (int(p) for p in index.texts.chunk_ptr[chunk : chunk + 2])
        start = first if window is None else max(first, position - window)
        stop = last if window is None else min(last, position + window + 1)
        end = min(last, stop + 1)
        counted = index.texts.flags(first, end) == 0
        found.append(Context(index.texts.ids(first, end), counted, (start - first, stop - first)))
    return found


def effects_reply(
    engine: Engine,
    sae: str | None,
    feature: int,
    contexts: Sequence[Context],
    ticket: Ticket,
) -> wire.Reply:
    """Ablate `feature` in each context and send what is within its cut."""
    # Not above: a dashboard without a model needs no torch.
    from ...interventions.effects.ablation import ablation_effects

    masks = [context.counted for context in contexts if context.counted is not None]
    effects = ablation_effects(
        engine,
        [context.ids for context in contexts],
        feature,
        sae=sae,
        where=masks if len(masks) == len(contexts) else None,
        k=_CHANGES,
        ticket=ticket,
    )
    cuts = [context.cut for context in contexts]
    vocabulary: dict[int, int] = {}
    arrays: dict[str, list[wire.Array]] = {}
    for effect, (start, stop) in zip(effects, cuts, strict=True):
        for name in ("delta", "direct", "p_clean", "p_ablated"):
            arrays.setdefault(name, []).append(getattr(effect, name)[start:stop].astype(np.float32))
        ids, values = _next_changes(effect, start, stop)
        local = [vocabulary.setdefault(i, len(vocabulary)) if i >= 0 else _NONE for i in ids.reshape(-1).tolist()]
        arrays.setdefault("change_token", []).append(np.array(local, np.uint32))
        arrays.setdefault("change_value", []).append(values.reshape(-1).astype(np.float32))
    note = next((effect.direct_note for effect in effects if effect.direct_note), "")
    return wire.Reply(
        {
            "f": feature,
            "n": [stop - start for start, stop in cuts],
            "label": _LABEL,
            "direct_label": f"Not defined: {note}" if note else _DIRECT,
            "vocab": [engine.tokenizer.display([i]).strings[0] for i in vocabulary],
        },
        {name: np.concatenate(parts) for name, parts in arrays.items()},
    )


def _next_changes(effect: AblationEffect, start: int, stop: int) -> tuple[wire.Array, wire.Array]:
    """What changes most after each token of [start:stop): ids (-1: none) and changes [tokens, 6], lowered then raised."""
    k = effect.lowered.shape[1]
    ids = np.full((stop - start, 2 * _CHANGES), -1, np.int64)
    values = np.full((stop - start, 2 * _CHANGES), np.nan)
    # Those at p are about what could have stood at p: they belong to the token before.
    end = min(stop + 1, len(effect)) - 1 - start
    for at, (tokens, change) in enumerate(((effect.lowered_ids, effect.lowered), (effect.raised_ids, effect.raised))):
        columns = slice(at * _CHANGES, at * _CHANGES + k)
        ids[:end, columns] = tokens[start + 1 : start + 1 + end]
        values[:end, columns] = change[start + 1 : start + 1 + end]
    return ids, values

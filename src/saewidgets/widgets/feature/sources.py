"""From which source tokens, by which heads, a feature got its activation at one token, as several views are sent it.

Only dictionaries that read the heads' outputs have an answer (`attribution/sources.py`). A view shows an activation that it
had before: what is taken apart here is read in the same forward as that one was, so that the parts sum to the number beside
them; where they do not, both numbers are said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..flags import Flags, flags
from ..wire import Json, Reply

if TYPE_CHECKING:
    from ...attribution.sources import SourceAttribution
    from ...engine.activations.result import FeatureActivations
    from ...engine.engine import Engine

__all__ = ["AskedSources", "Place", "place_in_text", "sources_reply"]

# Numbers of heads x tokens that are sent (4 bytes each); beyond it the sums over heads and over tokens alone.
_MOST_PARTS = 250_000
# By which the engine's activation may differ from the one that is shown, as a share of it: rounding in batches of another size.
_TOLERANCE = 1e-3
_REST = "not from any token (encoder bias, threshold, b_dec)"
_REST_OF_SLOPE = (
    "not from any token (encoder bias, b_dec, and what the slope here leaves out: the encoder normalises its input, or is "
    "otherwise not linear)"
)


@dataclass(frozen=True)
class AskedSources:
    """Where a feature got its activation at one token.

    Attributes:
        feature: the feature.
        text: as the trait; None: in the corpus.
        token: of all tokens of the text; None: where the feature is strongest among counted ones.
        example: position in the corpus.
        sae: the dictionary, where a view has several; None: the view's only, or first.
    """

    feature: int = field(metadata={"wire": "f"})
    text: Json = None
    token: int | None = None
    example: int | None = None
    sae: str | None = None


@dataclass(frozen=True)
class Place:
    """A token as a view shows it, and the forward in which its activation was read.

    Attributes:
        ids: [pos] token ids of that forward. strings, bits: [pos] as the view shows them.
        at: which of them.
        first: position in its text of the first; `lead` of them (a repeated BOS) are not of the text there.
        shown: the activation that the view shows there; None if it does not know.
        source: who says it, for a number that is not the engine's.
        text: number of the text, if there are several.
        notes: what to know of it.
    """

    ids: Sequence[int]
    strings: Sequence[str]
    bits: Flags
    at: int
    first: int
    lead: int
    shown: float | None
    source: str
    text: int | None = None
    notes: tuple[str, ...] = ()


def place_in_text(engine: Engine, acts: FeatureActivations, feature: int, token: int | None) -> Place | None:
    """A token of `acts`, in the window in which it was read; None if the feature is active on no counted token.

    Args:
        token: of all tokens; None: where the feature is strongest among counted ones, the first of equals.

    Raises:
        ValueError: for a token that the text does not have.
    """
    from ...engine.activations.windows import windows

    values = acts[:, feature]
    if token is None:
        strength = np.where(acts.counted, np.abs(values), 0)
        if not strength.any():
            return None
        token = int(strength.argmax())
    if not 0 <= token < len(acts):
        raise ValueError(f"There is no token {token} in the text, which has {len(acts)}.")
    text = int(np.searchsorted(acts.text_ptr, token, side="right")) - 1
    start, stop = (int(p) for p in acts.text_ptr[text : text + 2])
    cut = windows(text, acts.token_ids[start:stop].tolist(), engine.context_size, engine.tokenizer.bos_id)
    window = next(one for one in reversed(cut) if one.start <= token - start)
    own = start + window.start + np.arange(len(window) - window.lead)
    shown = np.concatenate([np.full(window.lead, start), own])
    bits = flags(acts.parts, acts.special, acts.outlier, acts.beyond_context)
    long = (
        f"The text is longer than the {engine.context_size} tokens of one forward: this token was read in the stretch from "
        f"position {window.start} on{', after the BOS again' if window.lead else ''}. Earlier tokens were not there to bring "
        "anything."
    )
    return Place(
        ids=window.ids,
        strings=[acts.tokens[i] for i in shown],
        bits=bits[shown],
        at=token - int(own[0]) + window.lead,
        first=window.start - window.lead,
        lead=window.lead,
        shown=float(values[token]),
        source="this view",
        text=text if acts.n_texts > 1 else None,
        notes=(long,) if window.start else (),
    )


def sources_reply(engine: Engine, sae: str | None, feature: int, place: Place | None, key: str = "") -> Reply:
    """The answer of "sources": the activation by source token and by head, and what no token brought.

    `key` is of the computation that the place is of, for views that show both together.

    Arrays, of the tokens up to the place (all of them, if the model looks ahead): flags, by_token; by_head, head_share
    [heads] (NaN where all are 0); parts [heads * tokens], empty where these are too many.

    Raises:
        SaewidgetsError: for a dictionary that reads no heads, and for a model whose attention shows no patterns.
    """
    dictionary = engine.dictionary(sae)
    dictionary.check_features([feature])
    data: dict[str, Json] = {
        "f": feature,
        "key": key,
        "activation_name": dictionary.activation_name,
    }
    if place is None:
        silent = f"Feature {feature} is active on no counted token of the text: there is nothing to take apart."
        return _nothing(data, silent)
    from ...attribution.sources import by_source

    data |= {"text": place.text, "at": place.at, "first": place.first, "lead": place.lead, "notes": list(place.notes)}
    n = place.at + 1 if engine.model.causal else len(place.ids)
    data["str"] = list(place.strings[:n])
    arrays = {"flags": place.bits[:n]}
    if place.shown == 0:
        return _nothing(data, _inactive(feature), arrays["flags"])
    # With a mask: these ids were read as they are, and none of them is padding.
    read = {"input_ids": [[*place.ids]], "attention_mask": [[1] * len(place.ids)]}
    found = by_source(engine, read, feature, position=place.at, sae=dictionary.name)
    notes = [*place.notes, *_differs(found, place)]
    data["notes"] = list(notes)
    if found.activation == 0:
        return _nothing(data, _inactive(feature), arrays["flags"])
    parts = found.parts[:, :n]
    if parts.size > _MOST_PARTS:
        parts = parts[:0]
        data["notes"] = [
            *notes,
            "There are too many tokens to send what each head brought from each: their sums alone.",
        ]
    return Reply(
        {
            **data,
            "silent": None,
            "activation": found.activation,
            "total": float(found.parts.sum()),
            "rest": found.rest,
            "rest_label": _REST if found.exact else _REST_OF_SLOPE,
            "heads": [int(head) for head in found.heads],
        },
        {
            **arrays,
            "by_token": found.by_token[:n].astype(np.float32),
            "by_head": found.by_head.astype(np.float32),
            "head_share": found.head_share.astype(np.float32),
            "parts": parts.reshape(-1).astype(np.float32),
        },
    )


def _inactive(feature: int) -> str:
    return f"Feature {feature} is not active here (its activation is 0): there is nothing to take apart."


def _differs(found: SourceAttribution, place: Place) -> list[str]:
    """What to say where the engine computes another activation than the one that is shown."""
    if place.shown is None or np.isclose(found.activation, place.shown, rtol=_TOLERANCE, atol=1e-6):
        return []
    return [
        f"{place.source} has {place.shown:.4g} here, and the engine computes {found.activation:.4g}: that is what is taken "
        "apart. sw.verify(engine, index) tells what makes stored activations differ."
    ]


def _nothing(data: dict[str, Json], silent: str, bits: Flags | None = None) -> Reply:
    """An answer without bars, in the same form."""
    empty = np.zeros(0, np.float32)
    nowhere: dict[str, Json] = {"text": None, "at": -1, "first": 0, "lead": 0, "notes": [], "str": []}
    zero: dict[str, Json] = {"activation": 0.0, "total": 0.0, "rest": 0.0, "rest_label": "", "heads": []}
    return Reply(
        {**nowhere, **data, **zero, "silent": silent},
        {
            "flags": np.zeros(0, np.uint8) if bits is None else bits,
            "by_token": empty,
            "by_head": empty,
            "head_share": empty,
            "parts": empty,
        },
    )

"""What the model says next: as it is, with a reconstruction in the dictionary's place, and without features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from ...attribution.removal import logits_without, metric_without
from ...attribution.result import Attribution
from ...attribution.true_effect import TrueEffects, true_effects_of
from ...interventions.effects.predictions import clean_and_spliced
from ..traits import Text
from ..wire import Json
from .asked import AskedCheck
from .payload import check_part, key_of, next_tokens

if TYPE_CHECKING:
    from ...engine.engine import Engine
    from ...engine.text.given import TextInput
    from ...engine.ticket import Ticket

__all__ = ["check", "predictions_of", "without"]

_CANDIDATES = 10
_MOST = 200


def predictions_of(engine: Engine, text: Text, sae: str | None, ticket: Ticket) -> list[Json]:
    """Of each prompt {prompt, next}: the likeliest tokens, with their probabilities as it is and with the SAE."""
    dictionary = engine.dictionary(sae if sae in engine.dictionaries else None)
    texts: list[Json] = []
    for ids in engine.to_ids(cast("TextInput", text)) if text else []:
        clean, spliced = clean_and_spliced(engine, ids, dictionary, ticket)
        last = None if spliced is None else spliced[-1]
        prompt = "".join(engine.tokenizer.display(ids).strings)
        texts.append({"prompt": prompt, "next": next_tokens(clean[-1], last, _CANDIDATES, engine.tokenizer)})
    return texts


def check(engine: Engine, found: Attribution, sae: str, asked: AskedCheck, ticket: Ticket) -> TrueEffects:
    """The true effects of the first features of a dictionary and of random ones, told as they come."""
    key, labels = key_of(found, sae), found.labels[sae]
    return true_effects_of(
        engine,
        found.only(sae),
        top=max(0, min(asked.top, _MOST)),
        random=max(0, min(asked.random, _MOST)),
        by="feature",
        seed=asked.seed,
        ticket=ticket,
        tell=lambda part: ticket.part(check_part(part, key, labels)),
    )


def without(
    engine: Engine, found: Attribution, sae: str, text: int, features: Sequence[int], ticket: Ticket
) -> dict[str, Json]:
    """Metric and next tokens of one text, as it is and without features of a dictionary on its counted tokens, together.

    The tokens are those next after token `at`, where the metric is read.
    """
    removed = found.removed(sae, text, features)
    (values,) = metric_without(engine, found.plan, text, [removed], ticket)
    ids = found.plan.ids[text]
    at = found.plan.places[text] if found.plan.places else len(ids) - 1
    before, after = (logits_without(engine, ids, some, ticket)[at] for some in ([], removed))
    return {
        "at": at,
        "before": float(found.values[text]),
        "after": values[0],
        "next": next_tokens(before, after, _CANDIDATES, engine.tokenizer),
    }

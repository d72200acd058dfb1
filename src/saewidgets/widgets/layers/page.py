"""The layers without a kernel: the answers that a page carries, and the script-free picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...engine.labels import said
from ...snapshot.fallback import FallbackRow, fallback
from ..feature.card import AskedCardOf
from ..shot import Question
from .asked import AskedLadder, AskedLens
from .found import Found
from .payload import short

__all__ = ["CAPTION", "fallback_of", "questions"]

CAPTION = "Probability under the logit lens: final norm and unembedding applied to the residual stream at this hook"

# A page answers a click on each token up to this many tokens; beyond it, it would be mostly ladders.
_CLICKABLE_TOKENS = 60
_FALLBACK_TOKENS = 1000


def questions(found: Found, asked: AskedLadder, indexed: Sequence[str]) -> Iterator[Question]:
    """What a page answers: the lens, the ladder after each token of a short text, else the one on screen, and of
    dictionaries with an index a card of each feature that the one on screen lists.

    Every ladder holds the columns of what it lists; the page's host therefore leaves `chosen` out when it looks one up.
    """
    yield Question("lens", AskedLens(asked.text, asked.target, asked.k))
    here = found.position(asked.position)
    every = range(len(found.lens.tokens)) if len(found.lens.tokens) <= _CLICKABLE_TOKENS else ()
    for position in dict.fromkeys([here, *every]):
        yield Question("ladder", replace(asked, position=position))
    for sae in indexed:
        listed = [f for f, _ in found.strongest(sae, here, asked.top)]
        own = [asked.chosen.feature] if asked.chosen is not None and asked.chosen.sae == sae else []
        yield from (Question("card", AskedCardOf(f, sae)) for f in dict.fromkeys([*own, *listed]))


def fallback_of(found: Found, asked: AskedLadder, facts: Sequence[tuple[str, str]]) -> str:
    """Script-free HTML: the tokens, coloured by the chosen feature, and the layers one by one after the chosen token."""
    lens = found.lens
    at = found.position(asked.position)
    acts = None if asked.chosen is None else found.activations[asked.chosen.sae]
    values = None if acts is None or asked.chosen is None else acts[:, asked.chosen.feature]
    scale = 0.0 if values is None or acts is None else float(abs(values[acts.counted]).max(initial=0))
    shown = min(len(lens.tokens), _FALLBACK_TOKENS)
    counted = ~lens.special if acts is None else acts.counted
    tokens = [
        FallbackRow(
            text=lens.tokens[i],
            level=float(values[i] / scale) if values is not None and scale and counted[i] else 0.0,
            muted=not counted[i],
            value=None if values is None else float(values[i]),
        )
        for i in range(shown)
    ]
    heading = f"The layers after {lens.tokens[at]!r} (position {at})"
    if acts is not None and asked.chosen is not None:
        heading += f"; {acts.activation_name} of feature {asked.chosen.feature} of {asked.chosen.sae}, coloured from 0 to {scale:.4g}"
    target = [f"probability of {lens.asked[0]!r}", "its rank (0: likeliest)"] if lens.asked else []
    own = "" if not found.own else ". At the last hook it is the model's own prediction"
    return fallback(
        heading=heading,
        tokens=tokens,
        left_out=len(lens.tokens) - shown,
        caption=f"{CAPTION}{own}. The last layer on top; features by magnitude.",
        columns=["hook", "likeliest next tokens", "entropy in nats", *target, "strongest features"],
        rows=list(reversed([*_rows(found, at, asked.top, bool(target))])),
        provenance=facts,
        notes=[*found.notes, *([found.target_error] if found.target_error else [])],
    )


def _rows(found: Found, at: int, top: int, target: bool) -> Iterator[list[str]]:
    """The hooks in the model's order, and what stands between them."""
    lens = found.lens
    blank = ["", "", *(["", ""] if target else [])]
    for row in range(-1, len(lens.hooks)):
        if row >= 0:
            likeliest = zip(lens.top_tokens[row][at], lens.top[row, at], strict=True)
            numbers = [f"{lens.entropy[row, at]:.3f}"]
            if target:
                numbers += [f"{lens.probability[row, at, 0]:.2%}", str(lens.rank[row, at, 0])]
            said_here = [
                _features(found, one.name, at, top) for one in found.places if (one.row, one.between) == (row, False)
            ]
            tokens = ", ".join(f"{token!r} {p:.1%}" for token, p in likeliest)
            yield [short(lens.hooks[row]), tokens, *numbers, "; ".join(said_here)]
        for one in found.places:
            if (one.row, one.between) == (row, True):
                yield [short(one.hook), *blank, _features(found, one.name, at, top)]


def _features(found: Found, sae: str, at: int, top: int) -> str:
    labels = found.activations[sae].labels
    listed = [
        f"{f}{f' {name}' if (name := said(labels, f)) else ''} {value:.4g}"
        for f, value in found.strongest(sae, at, top)
    ]
    return f"{sae}: {', '.join(listed) or 'none is active'}"

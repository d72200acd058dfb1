"""`subspace`: the plane, or the few dimensions, in which some features draw their tokens.

What only these features write at a token, Σ a_f d_f, is a point; principal components of all such points are the picture. Days
of the week lie on a circle in GPT-2's (Engels et al. 2024, arXiv 2405.14860), where no single feature shows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...engine.dictionary.feature_number import feature_number
from ...index.feature_index import FeatureIndex
from ..active import Active, active_in_texts, drawn, must_be_ours, stored
from ..errors import GeometryError
from ..read_again import read_again
from .circularity import LEAST
from .places import CorpusPlaces, Places, TextPlaces
from .result import Subspace
from .scores import shape_of

if TYPE_CHECKING:
    from ...engine.dictionary.base import Dictionary
    from ...engine.engine import Engine
    from ...engine.text.given import TextInput
    from ...engine.ticket import Progress, Ticket

__all__ = ["FEWEST", "scaled_by_token", "subspace"]

FEWEST = 3
"""Points that anything can be said of."""


def subspace(
    source: Engine | FeatureIndex,
    features: Sequence[int],
    *,
    texts: TextInput | None = None,
    sae: str | None = None,
    n: int = 20_000,
    seed: int = 0,
    read: int = 20_000,
    on_progress: Progress | None = None,
) -> Subspace:
    """What only these features write at every token where any of them fires, on its principal components.

    A point is Σ a_f d_f over the features: activation times what one unit of it adds at the hook. Only counted tokens are points
    (neither special nor norm outliers).

    Args:
        source: an index that was opened with its engine, for its corpus; or an engine, for `texts`.
        features: at least two. One that is named twice counts once, and is said.
        texts: your own, instead of a corpus: anything that `engine.activations` reads.
        sae: which dictionary of an engine; default: the first. An index is of one.
        n: points at most; if there are more, so many are drawn uniformly, and said. (The paper takes the first 20,000.)
        seed: of that draw, of the shuffles, and of what is read again.
        read: tokens that are read again at most, where an index does not hold all activations of these features.
        on_progress: called with (done, total) on the worker's thread.

    Raises:
        GeometryError: for fewer than two features; fewer than three tokens where any fires; points that are all equal; an engine
            without texts.
        FeatureIndexError: for a feature outside the dictionary.
        IndexMismatchError: for an index without its engine, or one made of another tool's files.

    Example:
        >>> sw.subspace(index, [2592, 4445, 4663]).figure()
        >>> sw.subspace(engine, [2592, 4445, 4663], texts=["Monday and Tuesday", "Friday"])
    """
    index = source if isinstance(source, FeatureIndex) else None
    if n < FEWEST:
        raise GeometryError(f"n is the number of points, at least {FEWEST}, not {n}.")
    named = [feature_number(f) for f in features]
    wanted = list(dict.fromkeys(named))
    if len(wanted) < 2:
        few = "no feature" if not wanted else f"feature {wanted[0]} alone"
        raise GeometryError(f"{few.capitalize()} spans no plane: name at least two different ones.")
    engine, dictionary = _made_of(source, sae, texts)
    dictionary.check_features(wanted)
    twice = [f for f in wanted if named.count(f) > 1]
    said = [f"Named twice, counted once: {', '.join(map(str, twice))}."] if twice else []

    def compute(ticket: Ticket) -> Subspace:
        ticket.progress(0, 100)
        where: Places
        if index is not None and texts is None:
            there = stored(index, wanted)  # an empty one, of features that never fire, is one
            found = read_again(index, wanted, read, seed, ticket.share(0, 60, 100)) if there is None else there
            chosen, note = drawn(found, n, seed)
            where, provenance = CorpusPlaces(index, chosen.position), index.provenance
        else:
            assert texts is not None  # `_made_of` saw to it
            told = ticket.share(0, 60, 100).progress
            found, acts = active_in_texts(engine, texts, wanted, dictionary.name, told)
            chosen, note = drawn(found, n, seed)
            where, provenance = TextPlaces(acts, chosen.position), engine.provenance(dictionary.name)
            said.extend(acts.notes)
        if len(chosen) < FEWEST:
            raise GeometryError(_too_few(wanted, len(found), found.tokens))
        notes = [*said, *filter(None, (found.note, note)), *_notes(chosen, dictionary)]
        return _pictured(chosen, where, dictionary, provenance, notes, seed, ticket.share(60, 100, 100))

    return engine.worker.run(compute, on_progress)


def _made_of(source: Engine | FeatureIndex, sae: str | None, texts: TextInput | None) -> tuple[Engine, Dictionary]:
    """Whose features they are: the engine that computes, and its dictionary."""
    if isinstance(source, FeatureIndex):
        if texts is None:
            must_be_ours(source)  # the others have no engine, and say what they are
        engine = source.must_have_engine("what its features write")
        if sae is not None and sae != source.sae:
            raise GeometryError(f"The index at {source.path} is of {source.sae!r}: leave out sae={sae!r}.")
        return engine, source.dictionary()
    if not hasattr(source, "worker"):
        raise TypeError(f"subspace takes an engine or an index, not {type(source).__name__}.")
    if texts is None:
        raise GeometryError("An engine has no corpus: pass texts=[...], or an index (sw.build_index) in its place.")
    return source, source.dictionary(sae)


def _pictured(
    found: Active,
    where: Places,
    dictionary: Dictionary,
    provenance: Mapping[str, str],
    notes: list[str],
    seed: int,
    ticket: Ticket,
) -> Subspace:
    shape = shape_of(found.values, dictionary.written(found.features), seed, ticket)
    inside = shape.principal
    if inside.explained[1] == 0:
        notes.append("All points lie on one line: there is nothing on the other components.")
    elif inside.explained[1] < LEAST:
        notes.append(f"Nearly all points lie on one line: it holds {inside.explained[0]:.2%} of their variance.")
    return Subspace(
        features=found.features,
        points=inside.points,
        explained=inside.explained,
        components=inside.components,
        mean=inside.mean,
        circularity=shape.circularity,
        pair=shape.pair,
        activations=found.values,
        token=where.tokens(),
        position=found.position,
        places=where,
        scores=shape.scores,
        dictionary=dictionary.name,
        labels=dictionary.labels,
        provenance={**provenance, "seed": str(seed)},
        notes=tuple(notes),
    )


def _too_few(features: Sequence[int], points: int, tokens: int) -> str:
    named = ", ".join(map(str, features[:8])) + (" ..." if len(features) > 8 else "")
    some = "none" if not points else f"only {points}"
    return (
        f"Of {tokens:,} counted tokens, {some} {'has' if points == 1 else 'have'} any of the features {named} active: a shape needs "
        f"at least {FEWEST}. Name features that fire more often, or pass texts on which they do."
    )


def _notes(found: Active, dictionary: Dictionary) -> list[str]:
    """What a reader of these points must know."""
    notes, fires = [], found.values != 0
    silent = found.features[~fires.any(0)]
    if len(silent):
        notes.append(f"Silent on these tokens, and no part of the picture: {', '.join(map(str, silent.tolist()))}.")
    if fires.sum(1).max() < 2:
        notes.append("No two of these features fire on one token: every point lies on the ray of one feature.")
    scaled = scaled_by_token(dictionary)
    if scaled:
        notes.append(scaled)
    return notes


def scaled_by_token(dictionary: Dictionary) -> str:
    """What to say of points where decoding multiplies by what depends on the token (`Dictionary.decoder_scale`); "" elsewhere."""
    import torch

    # Two tokens that differ in direction and in length.
    some = torch.stack([torch.linspace(-1, 2, dictionary.d_in), torch.linspace(5, -9, dictionary.d_in)])[None]
    scale = dictionary.decoder_scale(some if dictionary.device is None else some.to(dictionary.device))
    if not (scale != 1).any():
        return ""
    return (
        f"{dictionary.name!r} normalises its input, so that decoding scales what features write anew at every token. Points "
        "are without that scale, in the units that the activations are in."
    )

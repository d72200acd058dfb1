"""Two features beside each other: what `sw.beside` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...engine.ticket import Ticket
from ...errors import SaewidgetsError
from ...index.errors import IndexMismatchError
from ..errors import GeometryError
from .corpus import BesideCorpus
from .on_corpus import on_corpus
from .on_text import BesideText, on_text
from .side import Side, SideLike, called, decoder_row, provenance_of, sided

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from ...engine.text.given import TextInput
    from ...engine.ticket import Progress
    from ...index.store.feature import Feature

__all__ = ["REFUSALS", "Beside", "Cosine", "beside", "decoder_cosine"]

REFUSALS: tuple[type[SaewidgetsError], ...] = (GeometryError, IndexMismatchError)
"""Errors that say why a part of a comparison cannot be; the other parts are as good without it."""


@dataclass(frozen=True)
class Cosine:
    """The cosine of what the two features write (`Dictionary.contribution`).

    Attributes:
        value: None where there is none. missing: why.
        note: which directions they are, where these are not of one hook of one model.
    """

    value: float | None
    missing: str = ""
    note: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Beside:
    """Two features beside each other.

    Attributes:
        a, b: the sides, whole: with their engine, dictionary and name.
        text: both on a text; None without one, or where it is refused (`text_missing` says why).
        corpus: both on a corpus; None where it is refused (`corpus_missing` says why).
        decoder: the cosine of their decoder rows, or why there is none.
    """

    a: Side
    b: Side
    text: BesideText | None
    text_missing: str
    corpus: BesideCorpus | None
    corpus_missing: str
    decoder: Cosine

    @property
    def features(self) -> tuple[Feature | None, Feature | None]:
        """What the index of each side knows of its feature."""
        a, b = (None if side.index is None else side.index.feature(side.feature) for side in (self.a, self.b))
        return a, b

    @property
    def provenance(self) -> Mapping[str, str]:
        """Where the numbers come from, of both sides: "A model", "B model" ..."""
        return {
            f"{which} {key}": value
            for which, side in (("A", self.a), ("B", self.b))
            for key, value in provenance_of(side).items()
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader must know, and what was left out."""
        parts = [note for part in (self.text, self.corpus) if part is not None for note in part.notes]
        left_out = (self.text_missing, self.corpus_missing, self.decoder.missing, self.decoder.note)
        return tuple(dict.fromkeys(filter(None, (*parts, *left_out))))

    def to_pandas(self) -> pd.DataFrame:
        """One row for the text and one for the corpus, as far as they are there: the numbers of `Together`, all_tokens (False:
        of a biased sample), left_out, and decoder_cosine."""
        import pandas as pd

        rows: dict[str, dict[str, object]] = {}
        if self.text is not None:
            rows["text"] = {**self.text.together.to_dict(), "all_tokens": True, "left_out": 0}
        if self.corpus is not None:
            more = {"all_tokens": self.corpus.all, "left_out": self.corpus.left_out}
            rows["corpus"] = {**self.corpus.together.to_dict(), **more}
        table = pd.DataFrame.from_dict(rows, orient="index")
        table["decoder_cosine"] = self.decoder.value
        table.index.name = "of"
        return table

    def figure(self) -> Figure:
        """B's activation against A's on the corpus; without one, both on the text.

        Raises:
            GeometryError: where there is neither.
        """
        part = self.corpus or self.text
        if part is None:
            raise GeometryError(f"There is nothing to draw. {self.corpus_missing} {self.text_missing}".strip())
        return part.figure()

    def __repr__(self) -> str:
        sides = f"{self.a.feature} of {called(self.a, 'A')}, {self.b.feature} of {called(self.b, 'B')}"
        parts = [repr(part) for part in (self.text, self.corpus) if part is not None]
        cosine = [] if self.decoder.value is None else [f"decoder cosine {self.decoder.value:.3f}"]
        return f"Beside({'; '.join([sides, *parts, *cosine])})"


def beside(
    a: SideLike,
    b: SideLike,
    text: TextInput | None = None,
    *,
    read: int = 20_000,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Beside:
    """Two features beside each other: on a text token by token, and on the corpus of both indexes.

    Args:
        a, b: each a pair (engine, feature) or (index, feature), or a `sw.Side` with an engine and an index.
        text: a text, or the token ids of one. Two models must have one tokenizer for it.
        read: tokens that are read again at most where an index has not all activations (see `BesideCorpus.all`).
        seed: of what is drawn.
        on_progress: called with (tokens done, tokens in all).

    Returns:
        The parts that there can be. A part that cannot be (two corpora, two tokenizers, no engine, widths that differ) is left
        out, and `notes` say why.

    Raises:
        GeometryError: for what is no side. FeatureIndexError: for a feature outside the dictionary of its side, naming the side.

    Example:
        >>> found = sw.beside((index, 2717), (index, 11), "In the beginning, God created the heavens and the")
        >>> found.to_pandas()
        >>> found.corpus.top("only_b", 5)
    """
    first, second = sided(a, "A"), sided(b, "B")
    on_a_text: BesideText | None = None
    corpus: BesideCorpus | None = None
    text_missing = corpus_missing = ""
    if text is not None:
        try:
            on_a_text = on_text(first, second, text, on_progress)
        except REFUSALS as error:
            text_missing = str(error)
    try:
        corpus = on_corpus(first, second, read=read, seed=seed, ticket=Ticket(on_progress))
    except REFUSALS as error:
        corpus_missing = str(error)
    return Beside(first, second, on_a_text, text_missing, corpus, corpus_missing, decoder_cosine(first, second))


def decoder_cosine(a: Side, b: Side) -> Cosine:
    """The cosine of what one unit of each feature's activation adds, in float64; or why there is none."""
    try:
        (row_a, hook_a), (row_b, hook_b) = decoder_row(a, "A"), decoder_row(b, "B")
    except REFUSALS as error:
        return Cosine(None, f"No decoder cosine: {error}")
    if len(row_a) != len(row_b):
        return Cosine(
            None,
            f"No decoder cosine: {called(a, 'A')} writes {len(row_a)} numbers at {hook_a}, {called(b, 'B')} {len(row_b)} at {hook_b}.",
        )
    exact = [row.astype(np.float64) for row in (row_a, row_b)]
    norms = [float(np.linalg.norm(row)) for row in exact]
    if not all(norms):
        which = "A" if norms[0] == 0 else "B"
        return Cosine(None, f"No decoder cosine: the decoder row of side {which} is zero.")
    told = "" if hook_a == hook_b else f"The decoder rows are of two hooks, {hook_a} (A) and {hook_b} (B). "
    assert a.engine is not None
    assert b.engine is not None
    if a.engine.model.raw is not b.engine.model.raw:
        told += "The decoder rows are of two models, whose coordinates are taken for the same ones."
    return Cosine(float(exact[0] @ exact[1] / (norms[0] * norms[1])), note=told.strip())

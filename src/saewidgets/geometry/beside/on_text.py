"""Two features on one text: their activations, token by token."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ...engine.arrays import Bools, Floats, Ints
from ...engine.comparison.alignment import align
from ..errors import GeometryError
from .pair import Together, together
from .side import Side, called

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from plotly.graph_objects import Figure

    from ...engine.activations.result import FeatureActivations
    from ...engine.engine import Engine
    from ...engine.text.given import TextInput
    from ...engine.ticket import Progress

__all__ = ["BesideText", "on_text"]


@dataclass(frozen=True, eq=False, repr=False)
class BesideText:
    """Two features on one text.

    Where both sides read the same tokens, a column is a token. Where they do not (another BOS policy, added tokens), their
    tokens are aligned by a diff of token ids (`engine.comparison.alignment`), and only columns of the same token are compared.

    Attributes:
        a, b: the sides. activations_a, activations_b: of the feature of each, on its own tokens.
        columns: [n, 2] position of the token on each side, -1 where a side has none.
        notes: what the reader must know of this result.

    Example:
        >>> found = sw.beside((engine, 2717), (engine, 11), "In the beginning").text
        >>> found.to_pandas(), found.together.pearson
    """

    a: Side
    b: Side
    activations_a: FeatureActivations
    activations_b: FeatureActivations
    columns: Ints
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Columns."""
        return len(self.columns)

    @property
    def _sides(self) -> tuple[FeatureActivations, FeatureActivations]:
        return self.activations_a, self.activations_b

    @cached_property
    def same(self) -> Bools:
        """[n] whether both sides have the same token there."""
        there = (self.columns >= 0).all(1)
        found = np.zeros(len(self.columns), bool)
        a, b = (acts.token_ids[self.columns[there, k]] for k, acts in enumerate(self._sides))
        found[there] = a == b
        return found

    @cached_property
    def counted(self) -> Bools:
        """[n] whether it is the same token on both sides, and both count it: neither special nor a norm outlier."""
        found = self.same.copy()
        for k, acts in enumerate(self._sides):
            found[found] = acts.counted[self.columns[found, k]]
        return found

    @cached_property
    def values(self) -> Floats:
        """[n, 2] float32 activations; NaN where a side has no token."""
        found = np.full((len(self.columns), 2), np.nan, np.float32)
        for k, (acts, side) in enumerate(zip(self._sides, (self.a, self.b), strict=True)):
            there = self.columns[:, k] >= 0
            found[there, k] = acts[:, side.feature][self.columns[there, k]]
        return found

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """[n] display strings: A's, and where A has no token B's."""
        a, b = self._sides
        return tuple(a.tokens[i] if i >= 0 else b.tokens[j] for i, j in self.columns.tolist())

    @cached_property
    def together(self) -> Together:
        """Counts and correlations over the `counted` columns."""
        return together(self.values[self.counted], int(self.counted.sum()))

    @cached_property
    def scale(self) -> tuple[float, float]:
        """The largest |activation| of each side on the tokens that it counts: what colours go up to."""
        sizes = [
            np.abs(acts[:, side.feature])[acts.counted].max(initial=0.0)
            for acts, side in zip(self._sides, (self.a, self.b), strict=True)
        ]
        return float(sizes[0]), float(sizes[1])

    def to_pandas(self) -> pd.DataFrame:
        """One row a column: token, position_a, position_b (missing where a side has none), a, b (activations), same, counted."""
        import pandas as pd

        positions = [pd.array([None if p < 0 else int(p) for p in column], dtype="Int64") for column in self.columns.T]
        return pd.DataFrame(
            {
                "token": list(self.tokens),
                "position_a": positions[0],
                "position_b": positions[1],
                "a": self.values[:, 0],
                "b": self.values[:, 1],
                "same": self.same,
                "counted": self.counted,
            }
        )

    def figure(self) -> Figure:
        """A plotly heatmap of two rows; tokens that are not counted are left blank."""
        from ...engine.activations.figures import token_feature_figure

        shown = np.where(self.counted[:, None], self.values, np.nan).T
        names = [f"{which} {side.name} {side.feature}" for which, side in (("A", self.a), ("B", self.b))]
        units = dict.fromkeys(acts.activation_name for acts in self._sides)
        return token_feature_figure(shown, self.tokens, names, " / ".join(units), "Two features on one text")

    def __repr__(self) -> str:
        both = self.together
        return f"BesideText({both.tokens} tokens compared: both fire on {both.both}, A alone on {both.only_a}, B alone on {both.only_b})"


def on_text(a: Side, b: Side, text: TextInput, on_progress: Progress | None = None) -> BesideText:
    """The features of two (whole) sides on one text.

    Raises:
        GeometryError: if a side has no engine, if the two have different tokenizers, naming both, or for several texts. And as
            `Engine.activations`.
    """
    engines = [_engine(a, "A"), _engine(b, "B")]
    one = engines[0] is engines[1] and a.sae == b.sae
    wanted = [a.feature, b.feature]
    first = engines[0].activations(
        text, sae=a.sae, features=sorted({*wanted}) if one else wanted[:1], on_progress=on_progress
    )
    second = first if one else engines[1].activations(text, sae=b.sae, features=wanted[1:], on_progress=on_progress)
    if max(first.n_texts, second.n_texts) > 1:
        raise GeometryError("Two features are compared on one text: pass a string, or the token ids of one text.")
    ids = [first.token_ids.tolist(), second.token_ids.tolist()]
    if engines[0] is not engines[1]:
        _same_vocabulary(a, b, engines, sorted({*ids[0], *ids[1]}))
    columns = np.repeat(np.arange(len(ids[0]), dtype=np.int64)[:, None], 2, 1) if ids[0] == ids[1] else align(ids)
    made = BesideText(a, b, first, second, columns, _notes(a, b, first, second))
    if ids[0] == ids[1]:
        return made
    said = (
        f"The sides do not read the same tokens of this text (A {len(ids[0])}, B {len(ids[1])}): they are aligned by a diff, and "
        f"only the {int(made.same.sum())} of {len(made)} columns with the same token on both sides are compared."
    )
    return BesideText(a, b, first, second, columns, (said, *made.notes))


def _engine(side: Side, which: str) -> Engine:
    if side.engine is None:
        raise GeometryError(
            f"Side {which} ({side.name!r}) has no engine, so it cannot read a text: pass one, sw.Side(engine=engine, index=index, "
            "feature=...), or open the index with it, FeatureIndex.open(path, engine=engine)."
        )
    return side.engine


def _same_vocabulary(a: Side, b: Side, engines: Sequence[Engine], ids: Sequence[int]) -> None:
    """Raise unless the token ids of this text mean the same to both models, which a diff of ids takes for granted."""
    for token in ids:
        pieces = [
            engine.tokenizer.display([token]).strings[0] if token < engine.tokenizer.d_vocab else None
            for engine in engines
        ]
        if pieces[0] != pieces[1]:
            names = [_tokenizer_name(engine) for engine in engines]
            raise GeometryError(
                f"{called(a, 'A')} and {called(b, 'B')} have different tokenizers, {names[0]} and {names[1]}: token id {token} is "
                f"{pieces[0]!r} to A and {pieces[1]!r} to B, so their activations do not stand on the same tokens. Features of "
                "two models can be compared where both have one tokenizer."
            )


def _tokenizer_name(engine: Engine) -> str:
    tokenizer = engine.model.tokenizer
    name = getattr(tokenizer, "name_or_path", "") or "no name"
    return f"{name!r} of {engine.model.name}"


def _notes(a: Side, b: Side, first: FeatureActivations, second: FeatureActivations) -> tuple[str, ...]:
    """What either result says, once where both say the same."""
    shared = [note for note in first.notes if note in second.notes]
    own = [
        f"{which} ({side.name}): {note}"
        for which, side, acts in (("A", a, first), ("B", b, second))
        for note in acts.notes
        if note not in shared
    ]
    return (*shared, *own)

"""Two features on one corpus, as a result: every token where either fires, and each of them in its text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ...engine.arrays import Floats, Ints
from ..errors import GeometryError
from .pair import BOTH, KINDS, Together, kinds_of, together
from .scatter import Scatter, sampled
from .side import Side
from .windows import Window, cut

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from ...index.feature_index import FeatureIndex

__all__ = ["BesideCorpus", "Kind"]

Kind: TypeAlias = Literal["both", "only_a", "only_b"]


@dataclass(frozen=True, eq=False, repr=False)
class BesideCorpus:
    """Two features on the tokens of a corpus where at least one of them fires (activation != 0), and that both indexes count.

    Attributes:
        a, b: the sides.
        position: [n] the tokens, counted in the corpus, ascending.
        values: [n, 2] float32 activations of A and B, 0 where a feature is silent.
        tokens: how many tokens these were looked for on, that both sides count.
        left_out: tokens that only one of the sides counts, such as norm outliers of one model: not compared.
        read: None: that is the whole corpus. Else [m], the tokens that were looked at, ascending: of texts that the indexes keep
            as examples of the two features, where activations are larger than elsewhere. Counts and correlations are then of
            these texts, and no estimate for the corpus.
        notes: where they come from, if that is not all of the corpus, and what was left out.

    Example:
        >>> found = sw.beside((index, 2717), (other_index, 11)).corpus
        >>> found.together.pearson, found.together.only_a
        >>> found.top("only_a")                  # where A is strongest and B silent
    """

    a: Side
    b: Side
    position: Ints
    values: Floats
    tokens: int
    left_out: int
    read: Ints | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.position)

    @property
    def all(self) -> bool:
        """Whether these are all such tokens of the corpus; else they are a biased sample (`read`)."""
        return self.read is None

    @cached_property
    def together(self) -> Together:
        """Counts and correlations over the `tokens`."""
        return together(self.values, self.tokens)

    @cached_property
    def kinds(self) -> Ints:
        """[n] 0 where both fire, 1 where only A does, 2 where only B does."""
        return kinds_of(self.values)

    @cached_property
    def scale(self) -> tuple[float, float]:
        """The largest |activation| of each side among these."""
        sizes = np.abs(self.values).max(0, initial=0.0)
        return float(sizes[0]), float(sizes[1])

    @property
    def index(self) -> FeatureIndex:
        """The index that texts are shown from: A's; B's has the same ones."""
        assert self.a.index is not None
        return self.a.index

    # -- tokens in their texts

    def window(self, position: int, window: int = 10) -> Window:
        """A token of the corpus in its text, with both activations on each token.

        Args:
            position: of the token in the corpus. window: tokens before and after, clipped at the text's edges.

        Raises:
            GeometryError: for a position that the corpus does not have, or that is not among the texts that were compared.
        """
        texts = self.index.texts
        if not 0 <= position < len(texts):
            whose = "the texts that are kept, which have" if texts.missing else "the corpus, which has"
            raise GeometryError(f"There is no token {position} in {whose} {len(texts):,}.")
        if self.read is not None and not np.isin(position, self.read):
            raise GeometryError(
                f"Token {position} is not in the texts that were compared, which are a part of the corpus."
            )
        return cut(self._indexes, self.position, self.values, [position], window)[0]

    def top(self, kind: Kind, k: int = 10, window: int = 10) -> tuple[Window, ...]:
        """The strongest tokens of one kind, each in its text.

        Args:
            kind: "only_a" and "only_b": where one fires and the other is silent, by |activation|. "both": where both fire, by
                the smaller of the two as a share of each side's largest, so that neither's units decide.
            k: how many, at most. A token inside a window that is listed already is not listed again, and neither is a window of
                the same tokens.
            window: tokens before and after.
        """
        if kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(map(repr, KINDS))}, not {kind!r}.")
        wanted = KINDS.index(kind)
        rows = np.flatnonzero(self.kinds == wanted)
        size = np.abs(self.values[rows]) / np.maximum(self.scale, 1e-30)
        key = size.min(1) if wanted == BOTH else size.max(1)
        order = rows[np.argsort(-key, kind="stable")]
        return cut(self._indexes, self.position, self.values, self.position[order].tolist(), window, k=k)

    def scatter(self, n: int = 5000, seed: int = 0) -> Scatter:
        """At most `n` of the points, for a picture: all of them, or a seeded sample that says what it is."""
        return sampled(self.kinds, n, seed)

    @property
    def _indexes(self) -> tuple[FeatureIndex, FeatureIndex]:
        assert self.a.index is not None
        assert self.b.index is not None
        return self.a.index, self.b.index

    # -- tables and pictures

    def to_pandas(self) -> pd.DataFrame:
        """One row a token where at least one fires: position, document, token, a, b (activations), fires."""
        import pandas as pd

        texts = self.index.texts
        ids, which = np.unique(texts.tokens(self.position), return_inverse=True)
        strings = np.array([texts.string(int(token)) for token in ids], object)
        rows = texts.rows(texts.chunk(self.position)) if len(self) else np.zeros(0, np.int64)
        names = np.array(texts.documents["name"].to_pylist(), object)
        return pd.DataFrame(
            {
                "position": self.position,
                "document": names[rows],
                "token": strings[which],
                "a": self.values[:, 0],
                "b": self.values[:, 1],
                "fires": np.array(KINDS, object)[self.kinds],
            }
        )

    def figure(self, n: int = 5000) -> Figure:
        """A plotly scatter of B's activation against A's, of at most `n` tokens."""
        from .figures import scatter_figure

        rows, it = self.scatter(n).rows, self.together
        r = "r is not defined" if it.pearson is None else f"r = {it.pearson:.3f} over {self.tokens:,} tokens"
        sample = "" if self.all else ", a biased sample"
        names = [f"{which} {side.name} {side.feature}" for which, side in (("A", self.a), ("B", self.b))]
        counts = (it.both, it.only_a, it.only_b)
        title = f"Two features on one corpus: {r}{sample}"
        return scatter_figure(self.values[rows], self.kinds[rows], counts, names, title)

    def __repr__(self) -> str:
        it = self.together
        r = "not defined" if it.pearson is None else f"{it.pearson:.3f}"
        sample = "" if self.all else ", a biased sample (see .notes)"
        return (
            f"BesideCorpus({self.tokens:,} tokens{sample}: both fire on {it.both:,}, A alone on {it.only_a:,}, B alone on "
            f"{it.only_b:,}; Pearson r {r})"
        )

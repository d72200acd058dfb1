"""Comparison: the features of several texts beside each other, and their tokens aligned."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from ...errors import ComparisonError
from ..activations.ranking import FeatureRanking, summarise
from ..activations.result import FeatureActivations
from ..arrays import Bools, Floats, Ints
from ..labels import said
from .places import Place, places

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from .places import At

__all__ = ["Comparison", "Values"]


@dataclass(frozen=True, eq=False)
class Values:
    """What is compared, of every feature that is active there in at least one of the texts.

    Attributes:
        features: [k] ascending.
        values: [k, texts] the activation at the text's position; or over its counted tokens the one largest in magnitude,
            or the sum.
        active: [k, texts] whether the feature is active there: at the position, or on at least one counted token.
    """

    features: Ints
    values: Floats
    active: Bools


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Which features differ between texts.

    Texts are counted from 0. Special tokens and norm outliers are left out of "max" and "sum"; a position may be one of
    them, and `notes` say so.

    Attributes:
        activations: of all texts, one after another.
        alignment: [columns, texts] positions of the tokens that stand in one column, -1 where a text has none; aligned with
            the first text by a diff of token ids (`engine.comparison.alignment`).
        at: "max", "sum", or the position of each text.
        computed_as: [n] for each token, the one whose activations count for it: itself, or the same token of an earlier text
            that begins alike up to there.

    Example:
        >>> found = sw.compare(engine, ["God created the heavens and the", "God created the cat and the"])
        >>> found.differences(k=5)
        >>> found.read_at("max").active(all_of=[0], none_of=[1])
    """

    activations: FeatureActivations
    alignment: Ints
    at: Place
    computed_as: Ints

    # -- shape

    @property
    def n_texts(self) -> int:
        """Number of texts."""
        return self.activations.n_texts

    @property
    def lengths(self) -> list[int]:
        """Tokens of each text."""
        return [int(n) for n in np.diff(self.activations.text_ptr)]

    @cached_property
    def same(self) -> Bools:
        """[columns] whether all texts have the same token there."""
        ids = np.append(self.activations.token_ids, -1)
        here = np.where(self.alignment < 0, len(ids) - 1, self.alignment + self.activations.text_ptr[:-1])
        found: Bools = (ids[here] == ids[here[:, :1]]).all(1) & (self.alignment >= 0).all(1)
        return found

    def read_at(self, at: At) -> Comparison:
        """The same texts, compared elsewhere; `at` as in `sw.compare`. Nothing is computed by the model again."""
        return replace(self, at=places(at, self.lengths))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader must know of this result."""
        acts, notes = self.activations, list(self.activations.notes)
        texts = [tuple(acts.token_ids[self._tokens(i)].tolist()) for i in range(self.n_texts)]
        if len(set(texts)) < len(texts):
            which = "The texts" if len(set(texts)) == 1 else "Some of the texts"
            notes.append(f"{which} are the same, token by token: every difference between them is 0.")
        if isinstance(self.at, tuple):
            here = self._at_positions()
            aside = [token for token in here if not acts.counted[token]]
            if aside:
                named = ", ".join(dict.fromkeys(repr(acts.tokens[token]) for token in aside))
                notes.append(
                    f"Compared is a token that statistics leave out, being special or a norm outlier: {named}."
                    " What an SAE says of it may mean nothing."
                )
            if len(set(texts)) > 1 and len(set(self.computed_as[here].tolist())) == 1:
                notes.append("Up to this token the texts are the same: every difference is 0.")
        elif any(not acts.counted[self._tokens(i)].any() for i in range(self.n_texts)):
            notes.append("A text has no token that counts: there, nothing is active.")
        return tuple(notes)

    # -- what is compared

    @cached_property
    def values(self) -> Values:
        """The compared activations, of every feature that is active in at least one of the texts."""
        found = [self._of_text(i) for i in range(self.n_texts)]
        features = np.unique(np.concatenate([ids for ids, _ in found])).astype(np.int64)
        values = np.zeros((len(features), self.n_texts), np.float32)
        active = np.zeros((len(features), self.n_texts), bool)
        for i, (ids, numbers) in enumerate(found):
            rows = np.searchsorted(features, ids)
            values[rows, i], active[rows, i] = numbers, True
        return Values(features, values, active)

    def _of_text(self, text: int) -> tuple[Ints, Floats]:
        if isinstance(self.at, tuple):
            token = self.computed_as[self._at_positions()[text]]
            part = slice(self.activations.indptr[token], self.activations.indptr[token + 1])
            return self.activations.feature_ids[part], self.activations.values[part]
        ranking = self._summaries[text]
        return ranking.features, ranking.extreme if self.at == "max" else ranking.sum

    @cached_property
    def _summaries(self) -> list[FeatureRanking]:
        """Of each text over its counted tokens, features ascending."""
        acts, made = self.activations, []
        for i in range(self.n_texts):
            tokens = self.computed_as[self._tokens(i)]
            tokens = tokens[acts.counted[tokens]]
            counts = acts.l0[tokens]
            entries = np.arange(counts.sum()) + np.repeat(acts.indptr[tokens] - np.cumsum(counts) + counts, counts)
            row = np.repeat(tokens, counts)
            made.append(summarise(acts.feature_ids[entries], acts.values[entries], row, len(tokens), "max"))
        return made

    def _tokens(self, text: int) -> slice:
        return slice(self.activations.text_ptr[text], self.activations.text_ptr[text + 1])

    def _at_positions(self) -> Ints:
        return self.activations.text_ptr[:-1] + np.asarray(self.at, np.int64)

    def passing(self, all_of: Iterable[int] = (), none_of: Iterable[int] = ()) -> Bools:
        """[k] which features of `values` are active in every text of `all_of` and in none of `none_of`.

        Raises:
            ComparisonError: for a text that is not there, or in both.
        """
        wanted, refused = self._texts(all_of), self._texts(none_of)
        both = sorted({*wanted} & {*refused})
        if both:
            raise ComparisonError(f"Text {both[0]} is in all_of and in none_of: no feature is active and silent in it.")
        active = self.values.active
        return np.asarray(active[:, wanted].all(1) & ~active[:, refused].any(1))

    def _texts(self, texts: Iterable[int]) -> list[int]:
        found = [operator.index(text) for text in texts]
        for text in found:
            if not 0 <= text < self.n_texts:
                raise ComparisonError(f"There is no text {text}: the {self.n_texts} texts are counted from 0.")
        return found

    def difference(self, a: int = 0, b: int = 1) -> Floats:
        """[k] of the features of `values`: in text `a` less in text `b`."""
        a, b = self._texts([a, b])
        found: Floats = self.values.values[:, a] - self.values.values[:, b]
        return found

    # -- tables

    def differences(self, a: int = 0, b: int = 1, *, at: At | None = None, k: int | None = None) -> pd.DataFrame:
        """Features by how much they differ between two texts, most first (by magnitude; ties by index), indexed by feature.

        Columns: description; text_0, text_1 ... what is compared in each text; difference, text `a` less text `b`; and with
        more than two texts largest_difference, between whichever two.

        Args:
            a, b: which two.
            at: where, if not where the comparison is; as in `sw.compare`.
            k: how many features; None: all that are active in any text.

        Raises:
            ComparisonError: for a text or a position that is not there.
        """
        if at is not None:
            return self.read_at(at).differences(a, b, k=k)
        difference = self.difference(a, b)
        order = np.argsort(-np.abs(difference), kind="stable")[:k]
        table = self._table(order)
        table.insert(1 + self.n_texts, "difference", difference[order])
        return table

    def active(
        self, all_of: Iterable[int] = (), none_of: Iterable[int] = (), *, at: At | None = None, k: int | None = None
    ) -> pd.DataFrame:
        """Features that are active in every text of `all_of` and in no text of `none_of`, indexed by feature.

        Active at the position that is compared; or, of "max" and "sum", on at least one counted token. Without `all_of`, those
        that are active in any text. First the features whose weakest activation in `all_of` is the strongest.

        Raises:
            ComparisonError: for a text that is not there, or in both.

        Example:
            >>> found.active(all_of=[0, 1], none_of=[2], at="max")
        """
        if at is not None:
            return self.read_at(at).active(all_of, none_of, k=k)
        wanted = self._texts(all_of)
        rows = np.flatnonzero(self.passing(wanted, none_of))
        size = np.abs(self.values.values[rows])
        key = size[:, wanted].min(1) if wanted else size.max(1, initial=0.0)
        return self._table(rows[np.argsort(-key, kind="stable")][:k])

    def to_pandas(self) -> pd.DataFrame:
        """All features that are active in any text, by the largest difference between any two; columns as in `differences`."""
        order = np.argsort(-np.ptp(self.values.values, axis=1), kind="stable")
        return self._table(order, always=True)

    def aligned(self) -> pd.DataFrame:
        """One row a column of the alignment: position_0, token_0, position_1 ... (None where a text has none), and same."""
        import pandas as pd

        table: dict[str, object] = {}
        for i in range(self.n_texts):
            start, at = self.activations.text_ptr[i], self.alignment[:, i]
            table[f"position_{i}"] = pd.array([None if p < 0 else int(p) for p in at], dtype="Int64")
            table[f"token_{i}"] = [None if p < 0 else self.activations.tokens[start + p] for p in at]
        return pd.DataFrame({**table, "same": self.same})

    def _table(self, rows: Ints, always: bool = False) -> pd.DataFrame:
        import pandas as pd

        features, values = self.values.features[rows], self.values.values[rows]
        table: dict[str, object] = {"description": [said(self.activations.labels, int(f)) for f in features]}
        table |= {f"text_{i}": values[:, i] for i in range(self.n_texts)}
        if always or self.n_texts > 2:
            table["largest_difference"] = np.ptp(values, axis=1)
        return pd.DataFrame(table, index=pd.Index(features, name="feature"))

    def figure(self, k: int = 20) -> Figure:
        """A plotly heatmap, features x texts: the `k` features with the largest differences between any two texts."""
        from .figures import features_of_texts_figure

        acts, rows = self.activations, np.argsort(-np.ptp(self.values.values, axis=1), kind="stable")[:k]
        names = [f"{f} {said(self.activations.labels, int(f))[:40]}".rstrip() for f in self.values.features[rows]]
        texts = ["".join(acts.tokens[self._tokens(i)]) for i in range(self.n_texts)]
        title = f"{acts.activation_name} of {acts.dictionary}, {self.where}"
        return features_of_texts_figure(self.values.values[rows], texts, names, acts.activation_name, title)

    @property
    def where(self) -> str:
        """What is compared, in words."""
        if not isinstance(self.at, tuple):
            return f"{self.at} over the counted tokens of each text"
        named = dict.fromkeys(repr(self.activations.tokens[token]) for token in self._at_positions())
        return f"at {', '.join(named)}"

    def __repr__(self) -> str:
        where: Place | Literal["last"] = self.at
        if isinstance(where, tuple) and [n - 1 for n in self.lengths] == list(where):
            where = "last"
        return (
            f"Comparison({self.n_texts} texts of {self.activations.dictionary!r}, at={where!r}, "
            f"{len(self.values.features)} active features)"
        )

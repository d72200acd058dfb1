"""FeatureActivations, the sparse result that everything else consumes.

Stored as CSR over tokens: most features are silent on most tokens. An activation may be negative (AbsTopK, raw
directions), so "active" means not zero, and features are ranked by magnitude.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ...errors import FeatureIndexError
from ..arrays import Bools as Bools
from ..arrays import Floats, Ints
from ..labels import said
from .ranking import SORTS, FeatureRanking, Sort, summarise

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse
    from plotly.graph_objects import Figure

Index = int | slice | Sequence[int] | npt.NDArray[np.int64] | npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False, repr=False)
class FeatureActivations:
    """Which features fire on which tokens of one or more texts.

    Attributes:
        token_ids: [n] token ids of all texts, one after another.
        tokens: [n] display strings; a character spread over several tokens stands in the first, the others are "".
        parts: [n] bits: 1 a character goes on after the token, 2 one went on into it.
        text_ptr: [texts + 1] where each text starts and ends.
        special: [n] BOS, EOS, PAD, SEP.
        outlier: [n] norm outliers (attention sinks): see `engine.text.counted`; the rule stands in `provenance`.
        beyond_context: [n] positions that the SAE was not trained on: past the context size of its training, or outside
            the part of it that was used (`seqpos_slice`).
        indptr, feature_ids, values: CSR of the activations, features ascending within a token.
        n_features: size of the dictionary.
        columns: the encoded features if only some were asked for, else None.
        input_norm: [n] norm of what the dictionary read.
        reconstruction_error: [n] norm of (target - reconstruction) / norm of target, or None if not asked for or not
            an autoencoder. The target is the hook's value; for a transcoder, the value at the hook it writes to.
        signed: whether activations can be negative.
        activation_name: what the numbers are.
        dictionary: name of the dictionary.
        provenance: what was done, for whoever reads the numbers.
        labels: feature index to label, living: names are not part of the result.
        notes: what the reader must know of this result.

    Example:
        >>> acts = engine.activations("In the beginning, God created the heavens and the")
        >>> acts.top(5)
        >>> acts[:, 2717]          # activation of one feature on every token
    """

    token_ids: Ints
    tokens: tuple[str, ...]
    parts: npt.NDArray[np.uint8]
    text_ptr: Ints
    special: Bools
    outlier: Bools
    beyond_context: Bools
    indptr: Ints
    feature_ids: Ints
    values: Floats
    n_features: int
    columns: Ints | None
    input_norm: Floats
    reconstruction_error: Floats | None
    signed: bool
    activation_name: str
    dictionary: str
    provenance: Mapping[str, str]
    labels: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    # -- shape

    def __len__(self) -> int:
        """Number of tokens."""
        return len(self.token_ids)

    @property
    def n_texts(self) -> int:
        """Number of texts."""
        return len(self.text_ptr) - 1

    @cached_property
    def counted(self) -> Bools:
        """[n] tokens that statistics, rankings and colour scales count: neither special nor norm outliers."""
        return ~(self.special | self.outlier)

    @cached_property
    def l0(self) -> Ints:
        """[n] number of active features of each token (of the encoded columns, if only some were asked for)."""
        return np.diff(self.indptr)

    @cached_property
    def token_of(self) -> Ints:
        """[nnz] the token of each stored activation."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.l0)

    def __getitem__(self, key: tuple[Index, Index]) -> npt.NDArray[np.float32]:
        """Dense activations `acts[tokens, features]`; both NumPy-style, an integer drops its axis.

        Raises:
            FeatureIndexError: for a feature outside the dictionary, or not among the encoded columns.
            TypeError: for what is no index.
        """
        if not isinstance(key, tuple) or len(key) != 2:
            raise TypeError("Index with tokens and features: acts[:, 2717], acts[3, :], acts[3, [1, 2]].")
        tokens, features = key
        rows = np.asarray(np.arange(len(self))[tokens])
        wanted = self._feature_list(features)
        # Only what is asked for becomes dense: a row of a long text has as many zeros as the dictionary has features.
        some, row_of = np.unique(rows.ravel(), return_inverse=True)
        unique, column_of = np.unique(wanted.ravel(), return_inverse=True)
        counts = np.diff(self.indptr)[some]
        entries = np.arange(counts.sum()) + np.repeat(self.indptr[some] - np.cumsum(counts) + counts, counts)
        slot = np.full(self.n_features, -1)
        slot[unique] = np.arange(unique.size)
        columns = slot[self.feature_ids[entries]]
        hit = columns >= 0
        found = np.zeros((some.size, unique.size), np.float32)
        found[np.repeat(np.arange(some.size), counts)[hit], columns[hit]] = self.values[entries[hit]]
        for axis, (order, n) in enumerate(((row_of, some.size), (column_of, unique.size))):
            if not np.array_equal(order, np.arange(n)):
                found = np.take(found, order, axis)
        picked = found.reshape(*rows.shape, wanted.size)
        return picked[..., 0] if wanted.ndim == 0 else picked

    def to_scipy(self) -> scipy.sparse.csr_array:
        """The activations as a sparse matrix [tokens, features] of float32, as wide as the dictionary: a copy.

        Example:
            >>> acts.to_scipy().max(axis=0)
        """
        from scipy.sparse import csr_array

        return csr_array((self.values, self.feature_ids, self.indptr), shape=(len(self), self.n_features), copy=True)

    def _feature_list(self, features: Index) -> Ints:
        if isinstance(features, slice):
            everything = np.arange(self.n_features) if self.columns is None else self.columns
            return np.asarray(everything[features], dtype=np.int64)
        given = np.asarray(features)
        if given.dtype == bool:
            if given.shape != (self.n_features,):
                raise FeatureIndexError(
                    f"A mask of features has one value for each of the {self.n_features}, not {given.shape}."
                )
            given = np.flatnonzero(given)
        if given.size and given.dtype.kind not in "iu":
            raise TypeError(f"Features are integers, a slice or a mask, not {given.dtype}.")
        wanted = given.astype(np.int64)
        outside = (wanted < 0) | (wanted >= self.n_features)
        if outside.any():
            raise FeatureIndexError(
                f"Feature {wanted[outside].ravel()[0]} is outside {self.dictionary!r} (0 to {self.n_features - 1})."
            )
        if self.columns is not None and not np.isin(wanted, self.columns).all():
            raise FeatureIndexError("That feature was not encoded: only the features asked for are in this result.")
        return wanted

    def token(self, token: int) -> tuple[Ints, Floats]:
        """Active features of one token and their activations, strongest first."""
        part = slice(self.indptr[token], self.indptr[token + 1])
        order = np.argsort(-np.abs(self.values[part]), kind="stable")
        return self.feature_ids[part][order], self.values[part][order]

    # -- statistics

    def top(
        self,
        k: int | None = 10,
        *,
        sort: Sort = "max",
        tokens: Sequence[int] | None = None,
        include_special: bool = False,
        minimum: float = 0.0,
        label: str = "",
        among: Sequence[int] | None = None,
    ) -> FeatureRanking:
        """The `k` most active features.

        Args:
            k: how many; None for all.
            sort: "max" (max |activation|), "sum" or "mean" over the counted tokens, by magnitude; ties by feature index.
            tokens: count only these tokens.
            include_special: count special tokens and norm outliers too.
            minimum: only features whose largest activation is at least this, in magnitude.
            label: only features of which this text is said: in their label, or in what else is said where there is none
                (case does not matter).
            among: only these features (silent ones are left out).
        """
        if sort not in SORTS:
            raise ValueError(f"sort is one of {', '.join(SORTS)}, not {sort!r}.")
        counts = np.ones(len(self), bool) if include_special else self.counted.copy()
        if tokens is not None:
            chosen = np.zeros(len(self), bool)
            chosen[np.asarray(list(tokens), dtype=np.int64)] = True
            counts &= chosen
        keep = counts[self.token_of]
        if among is not None:
            keep &= np.isin(self.feature_ids, np.asarray(list(among), dtype=np.int64))
        ranking = summarise(self.feature_ids[keep], self.values[keep], self.token_of[keep], int(counts.sum()), sort)
        passes = np.abs(ranking.extreme) >= minimum
        if label:
            query = label.casefold()
            passes &= np.array([query in said(self.labels, f).casefold() for f in ranking], dtype=bool)
        chosen_rows = np.flatnonzero(passes)
        order = np.argsort(-np.abs(ranking.key()[chosen_rows].astype(np.float64)), kind="stable")
        rows = chosen_rows[order][:k]
        columns = {
            name: getattr(ranking, name)[rows]
            for name in ("features", "max", "min", "extreme", "sum", "mean", "n_active", "argmax")
        }
        return replace(
            ranking,
            **columns,
            total=len(chosen_rows),
            signed=self.signed,
            labels=self.labels,
            token_strings=self.tokens,
        )

    # -- other forms

    def to_pandas(self) -> pd.DataFrame:
        """One row an activation: text, token, its place, flags, feature, activation."""
        import pandas as pd

        token = self.token_of
        text = np.searchsorted(self.text_ptr, np.arange(len(self)), side="right") - 1
        strings = np.array(self.tokens, dtype=object)
        return pd.DataFrame(
            {
                "text": text[token],
                "position": token - self.text_ptr[text[token]],
                "token": strings[token] if len(self) else [],
                "token_id": self.token_ids[token],
                "special": self.special[token],
                "outlier": self.outlier[token],
                "feature": self.feature_ids,
                "label": [self.labels.get(int(f), "") for f in self.feature_ids],
                "activation": self.values,
            }
        )

    def figure(self, features: Sequence[int] | None = None, k: int = 20, *, include_special: bool = False) -> Figure:
        """A plotly heatmap, features x tokens: the given features, else the top `k`. Excluded tokens are left blank."""
        from .figures import token_feature_figure

        chosen = list(features) if features is not None else list(self.top(k, include_special=include_special))
        values = self[:, chosen].T.astype(float)
        if not include_special:
            values[:, ~self.counted] = np.nan
        names = [f"{f} {self.labels.get(f, '')}".rstrip() for f in chosen]
        title = f"{self.activation_name} of {self.dictionary}"
        return token_feature_figure(values, self.tokens, names, self.activation_name, title)

    def __repr__(self) -> str:
        of = f"{self.n_texts} texts, " if self.n_texts != 1 else ""
        columns = "" if self.columns is None else f" ({len(self.columns)} encoded)"
        return (
            f"FeatureActivations({of}{len(self)} tokens x {self.n_features} features{columns} of {self.dictionary!r}, "
            f"{len(self.values)} active)"
        )

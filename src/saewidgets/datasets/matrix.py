"""FeatureMatrix: one row a document, one column a feature."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..engine.arrays import Ints
from ..errors import FeatureIndexError
from .aggregate import AGGREGATES, Aggregate, Rows
from .errors import MatrixMismatchError
from .saved import Made, Saved

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse

__all__ = ["FeatureMatrix"]


@dataclass(frozen=True, eq=False, repr=False)
class FeatureMatrix:
    """What every feature does in every one of some documents, aggregated over their counted tokens.

    Attributes:
        matrix: [documents, features] sparse float32 (CSR), as wide as the dictionary. A stored value is a feature that is
            active in the document.
        tokens: [documents] counted tokens of each: neither special nor norm outliers.
        aggregate: "max" (the activation largest in magnitude), "sum", "mean" (silent tokens counting as 0), "count" or
            "share" (of tokens where the feature is active).
        columns: the encoded features if only some were asked for, else None.
        dictionary: name of the dictionary. activation_name: what its numbers are. signed: whether they can be negative.
        index: the documents' index, where the texts were a pandas Series or DataFrame.
        identity: SAE, model, dtype and rules that the numbers come from: what must agree where they are compared.
        provenance: what was done, for whoever reads the numbers.
        labels: feature index to label, living: names are not part of the result.
        notes: what the reader must know of this result.

    Example:
        >>> matrix = sw.feature_matrix(engine, frame["text"])
        >>> frame.join(matrix.to_pandas([2717, 20115]))
        >>> LogisticRegression().fit(matrix.matrix, frame["label"])
    """

    matrix: scipy.sparse.csr_array
    tokens: Ints
    aggregate: Aggregate
    columns: Ints | None
    dictionary: str
    activation_name: str
    signed: bool
    index: pd.Index | None
    identity: Mapping[str, object]
    provenance: Mapping[str, str]
    labels: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> FeatureMatrix:
        """A matrix that `feature_matrix(..., path=)` finished, without a model; its labels are not kept with it.

        Raises:
            MatrixMismatchError: if there is none, or it was not finished.
            IndexCorruptError: if a file of it is missing or was altered.

        Example:
            >>> matrix = sw.FeatureMatrix.open("my-matrix")
        """
        saved = Saved(Path(path))
        manifest = saved.manifest
        if manifest is None:
            done = sum(int(part.facts["documents"]) for part in saved.parts)
            what = f"was not finished: {done:,} texts are done. Make the same call to go on" if done else "is not there"
            raise MatrixMismatchError(f"The matrix at {saved.path} {what}: feature_matrix(engine, texts, path=...).")
        facts = manifest.facts
        columns = facts["made"]["columns"]
        made = Made(
            facts["made"]["identity"],
            facts["made"]["aggregate"],
            None if columns is None else np.array(columns, np.int64),
        )
        return cls.of(
            saved.rows(),
            made,
            dictionary=facts["dictionary"],
            activation_name=facts["activation_name"],
            signed=facts["signed"],
            provenance=facts["provenance"],
            notes=tuple(facts["notes"]),
        )

    @classmethod
    def of(
        cls,
        rows: Rows,
        made: Made,
        *,
        dictionary: str,
        activation_name: str,
        signed: bool,
        provenance: Mapping[str, str],
        notes: tuple[str, ...],
        labels: Mapping[int, str] | None = None,
        index: pd.Index | None = None,
    ) -> FeatureMatrix:
        """The matrix of some rows."""
        from scipy.sparse import csr_array

        pointers = np.concatenate([[0], np.cumsum(rows.counts)])
        # 32-bit indices where they suffice: what most of SciPy's and scikit-learn's solvers ask for.
        dtype = np.int32 if pointers[-1] < 2**31 else np.int64
        parts = (rows.values, rows.features.astype(dtype), pointers.astype(dtype))
        matrix = csr_array(parts, shape=(len(rows), int(str(made.identity["n_features"]))))
        return cls(
            matrix=matrix,
            tokens=rows.tokens,
            aggregate=made.aggregate,
            columns=made.columns,
            dictionary=dictionary,
            activation_name=activation_name,
            signed=signed or bool((rows.values < 0).any()),
            index=index,
            identity=made.identity,
            provenance=provenance,
            labels={} if labels is None else labels,
            notes=notes,
        )

    def __len__(self) -> int:
        """Number of documents."""
        return int(self.matrix.shape[0])

    @property
    def n_features(self) -> int:
        """Size of the dictionary."""
        return int(self.matrix.shape[1])

    @property
    def features(self) -> Ints:
        """The features that were encoded, ascending: all, or those that were asked for."""
        return np.arange(self.n_features) if self.columns is None else self.columns.copy()

    def to_pandas(self, features: Sequence[int] | None = None) -> pd.DataFrame:
        """One row a document, one column a feature, named by its index.

        Args:
            features: these, as dense columns; None: all that are active in any document, as sparse ones.

        Raises:
            FeatureIndexError: for a feature that is not in the dictionary, or was not encoded.
        """
        import pandas as pd

        by_column = self.matrix.tocsc()
        table: pd.DataFrame
        if features is None:
            # (pandas-stubs do not know this accessor of the class.)
            sparse: Callable[..., pd.DataFrame] = pd.DataFrame.sparse.from_spmatrix  # type: ignore[attr-defined]
            chosen = np.flatnonzero(np.diff(by_column.indptr))
            table = sparse(by_column[:, chosen], index=self.index, columns=chosen)
        else:
            chosen = np.array([self._encoded(f) for f in features], np.int64)
            table = pd.DataFrame(by_column[:, chosen].toarray(), index=self.index, columns=chosen)
        return table.rename_axis(columns="feature")

    def _encoded(self, feature: int) -> int:
        f = int(feature)
        if not 0 <= f < self.n_features:
            raise FeatureIndexError(f"Feature {f} is outside {self.dictionary!r} (0 to {self.n_features - 1}).")
        if self.columns is not None and f not in self.columns:
            raise FeatureIndexError(f"Feature {f} was not encoded: only those asked for are in this matrix.")
        return f

    def __repr__(self) -> str:
        columns = "" if self.columns is None else f" ({len(self.columns)} encoded)"
        return (
            f"FeatureMatrix({len(self):,} documents x {self.n_features:,} features{columns} of {self.dictionary!r}: "
            f"{AGGREGATES[self.aggregate]}, {self.tokens.sum():,} counted tokens, {self.matrix.nnz:,} active)"
        )

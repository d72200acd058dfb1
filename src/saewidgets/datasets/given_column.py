"""The column that features are associated with: what kind it is, and which documents have a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ..engine.arrays import Doubles, Ints
from ..engine.text.tokenizer import clean
from .errors import DatasetError

if TYPE_CHECKING:
    import pandas as pd

    from .matrix import FeatureMatrix

__all__ = ["GivenColumn", "Kind", "given_column"]

Kind: TypeAlias = Literal["category", "number"]

_MOST_CATEGORIES = 100
_SHOWN = 3


@dataclass(frozen=True, eq=False)
class GivenColumn:
    """A column beside documents.

    Attributes:
        name: what it is called.
        rows: [n] the documents that have a value.
        numbers: [n] their values, of a column of numbers.
        categories: what the values are, of a column of categories; codes: [n] the place of each value in them.
        notes: what the reader must know.
    """

    name: str
    rows: Ints
    numbers: Doubles | None
    categories: tuple[str, ...]
    codes: Ints
    notes: tuple[str, ...]


def given_column(matrix: FeatureMatrix, column: Iterable[object], kind: Kind | None) -> GivenColumn:
    """`column` as numbers or categories.

    Raises:
        DatasetError: for another length or index than the documents', values that cannot be used, or a column that is the same
            in all documents.
    """
    import pandas as pd

    is_series = isinstance(column, pd.Series)
    if isinstance(column, str) or not isinstance(column, Iterable):
        raise DatasetError(f"The column is a {type(column).__name__}: pass one value for each document.")
    series = column if isinstance(column, pd.Series) else pd.Series(list(column))
    if len(series) != len(matrix):
        raise DatasetError(
            f"The column has {len(series):,} values, and the matrix {len(matrix):,} documents: pass one value for each."
        )
    if is_series and matrix.index is not None and not series.index.equals(matrix.index):
        raise DatasetError(
            "The column's index is not that of the texts that the matrix was made of: the rows are not the same, or not in "
            "this order. Take both from one table, or pass column.to_numpy() if only the index differs."
        )
    name = "column" if series.name is None else clean(str(series.name))
    rows = np.flatnonzero(series.notna().to_numpy())
    notes = []
    if len(rows) < len(series):
        missing = np.flatnonzero(series.isna().to_numpy())
        which = ", ".join(map(str, missing[:_SHOWN].tolist())) + (", ..." if len(missing) > _SHOWN else "")
        notes.append(
            f"{len(missing):,} of {len(series):,} documents have no value of {name!r} and are left out ({which})."
        )
    if not len(rows):
        raise DatasetError(f"No document has a value of {name!r}: all of them are missing.")
    series = series.iloc[rows].infer_objects()
    if kind not in (None, "category", "number"):
        raise DatasetError(f"kind is 'category', 'number' or None to tell by the values; not {kind!r}.")
    if kind == "number" or (kind is None and _is_numeric(series)):
        numbers = _numbers(series, name)
        if kind is None and set(np.unique(numbers).tolist()) == {0, 1}:
            notes.append(f"{name!r} holds 0 and 1 and was taken as numbers: pass kind='category' to compare the two.")
        return GivenColumn(name, rows, numbers, (), np.zeros(0, np.int64), tuple(notes))
    categories, codes = _categories(series, name, kind)
    return GivenColumn(name, rows, None, categories, codes, tuple(notes))


def _is_numeric(series: pd.Series) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_bool_dtype(series.dtype))


def _numbers(series: pd.Series, name: str) -> Doubles:
    try:
        numbers = series.to_numpy(np.float64)
    except (TypeError, ValueError) as error:
        raise DatasetError(
            f"{name!r} holds what is no number ({error}): leave out kind='number', or convert it."
        ) from error
    infinite = np.flatnonzero(~np.isfinite(numbers))
    if len(infinite):
        raise DatasetError(f"{len(infinite):,} values of {name!r} are infinite: replace them, or set them to missing.")
    if (numbers == numbers[0]).all():
        raise DatasetError(f"{name!r} is {numbers[0]:g} in every document: nothing can go with what does not vary.")
    return numbers


def _categories(series: pd.Series, name: str, kind: Kind | None) -> tuple[tuple[str, ...], Ints]:
    import pandas as pd

    if kind is None and pd.api.types.is_datetime64_any_dtype(series.dtype):
        raise DatasetError(f"{name!r} holds dates: convert them to numbers, such as column.dt.year.")
    if pd.api.types.is_bool_dtype(series.dtype):
        values = [True, False]  # what is asked of is True, and compared with False
        codes = 1 - series.to_numpy(bool).astype(np.int64)
    else:
        codes, unique = pd.factorize(series.astype(object), sort=False)
        order = sorted(range(len(unique)), key=lambda i: _sorted_by(unique[i]))
        values = [unique[i] for i in order]
        codes = np.argsort(order)[codes]
    present = np.unique(codes)
    if len(present) < 2:
        raise DatasetError(
            f"{name!r} is {values[present[0]]!r} in every document: there is nothing to compare it with."
        )
    if len(values) > _MOST_CATEGORIES:
        raise DatasetError(
            f"{name!r} has {len(values):,} different values, more than the {_MOST_CATEGORIES} that are compared: join some, or "
            "pass numbers (kind='number')."
        )
    names = tuple(clean(str(value)) for value in values)
    if len(set(names)) < len(names):
        twice = next(one for one in names if names.count(one) > 1)
        raise DatasetError(f"Several values of {name!r} read {twice!r}: make them the same, or name them apart.")
    return names, codes.astype(np.int64)


def _sorted_by(value: object) -> tuple[bool, float, str]:
    """Numbers by size, everything else by what it reads."""
    return (False, float(value), "") if isinstance(value, Real) else (True, 0.0, str(value))

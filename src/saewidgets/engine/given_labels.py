"""Names of features as people bring them: taken where it is clear which feature is called what, refused by name where not."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

from ..errors import FeatureIndexError, LabelError
from .text.tokenizer import clean

if TYPE_CHECKING:
    import pandas as pd

    LabelsLike: TypeAlias = (
        Mapping[int, str | None]
        | Mapping[str, str | None]
        | Sequence[str | None]
        | Sequence[tuple[int, str | None]]
        | "pd.Series[str]"
        | pd.DataFrame
    )
    """Whatever says which feature is called what: see `labels_from`."""

_LABEL_COLUMNS = ("label", "labels", "name", "description", "explanation")
_FEATURE_COLUMNS = ("feature", "feature_index", "feature_id", "index")


def labels_from(
    given: object, n_features: int | None = None, whose: str = "the dictionary", what: str = "labels"
) -> dict[int, str]:
    """Feature to label, of whatever says so without a doubt; None, NaN and blank names are no label.

    Taken are mappings from index to name (the index may be a NumPy integer, a whole float, or a string of digits, as
    JSON has it), pairs of the two, a pandas Series (by its index), a table with a column of features and one of labels
    (as `FeatureIndex.features` or Neuronpedia's exports), and, with `n_features`, one name for each feature in order.

    Args:
        n_features: size of the dictionary; None: not known, then indices are not checked.
        whose, what: whose features and which argument, for errors.

    Raises:
        LabelError: for anything else, a number as a name, or a feature that is named twice.
        FeatureIndexError: for a feature outside the dictionary.
    """
    found: dict[int, str] = {}
    for key, value in _pairs(given, n_features, whose, what):
        feature, name = _feature(key, what), _name(value, key, what)
        if n_features is not None and not 0 <= feature < n_features:
            raise FeatureIndexError(
                f"{what} names feature {feature}, which is outside {whose!r} (0 to {n_features - 1})."
            )
        if found.get(feature, name) != name:
            raise LabelError(f"{what} calls feature {feature} both {found[feature]!r} and {name!r}.")
        found[feature] = name
    return {feature: name for feature, name in found.items() if name}


def _pairs(given: object, n_features: int | None, whose: str, what: str) -> Iterable[tuple[object, object]]:
    if given is None:
        return ()
    if isinstance(given, Mapping):
        return given.items()
    if hasattr(given, "columns"):
        return _table(given if hasattr(given, "iloc") else cast("pd.DataFrame", _pandas(given, what)), what)
    if hasattr(given, "iloc"):
        return cast("pd.Series[str]", given).items()
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise LabelError(
            f"{what} must say which feature is called what, such as {{3: 'cat'}}, not {type(given).__name__}."
            + (" JSON text is read with json.loads." if isinstance(given, str) else "")
        )
    if isinstance(given, (set, frozenset)):
        raise LabelError(f"{what} is a set, which has no order: pass a dict such as {{3: 'cat'}}.")
    several = list(given)
    if several and all(isinstance(item, (tuple, list)) and len(item) == 2 for item in several):
        return [(item[0], item[1]) for item in several]
    if n_features is not None and len(several) == n_features:
        return enumerate(several)
    features = "features" if n_features is None else f"{n_features} features"
    raise LabelError(
        f"{what} has {len(several)} names for the {features} of {whose!r}: pass one a feature, or a dict such as {{3: 'cat'}}."
    )


def _pandas(table: object, what: str) -> object:
    convert = getattr(table, "to_pandas", None)
    if convert is None:
        raise LabelError(f"{what} cannot be read from {type(table).__name__}: pass a dict such as {{3: 'cat'}}.")
    return convert()


def _table(given: object, what: str) -> Iterable[tuple[object, object]]:
    table = cast("pd.DataFrame", given)
    columns = {str(name).strip().lower(): name for name in table.columns}
    labels = [columns[name] for name in _LABEL_COLUMNS if name in columns]
    features = [columns[name] for name in _FEATURE_COLUMNS if name in columns]
    by_index = str(table.index.name).lower() in _FEATURE_COLUMNS
    if len(labels) != 1 or len(features) + by_index != 1:
        raise LabelError(
            f"{what}: of a table with the columns {', '.join(map(repr, table.columns))} it is not clear which are features and "
            "which labels. Pass dict(zip(table['feature'], table['label']))."
        )
    return zip(table.index if by_index else table[features[0]], table[labels[0]], strict=True)


def _feature(key: object, what: str) -> int:
    if isinstance(key, str) and key.strip().isascii() and key.strip().isdigit():
        return int(key)
    if type(key).__name__.startswith("float") and float(cast(float, key)).is_integer():
        return int(cast(float, key))
    try:
        if isinstance(key, bool) or "bool" in type(key).__name__:
            raise TypeError
        return operator.index(key)  # type: ignore[arg-type]
    except TypeError:
        raise LabelError(f"{what}: a feature is an integer from 0, not {key!r}.") from None


def _name(value: object, key: object, what: str) -> str:
    if isinstance(value, str):
        name = clean(value)
        return name if name.strip() else ""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return ""
    if type(value).__name__.startswith("float") and value != value:
        return ""
    raise LabelError(
        f"{what}: the label of feature {key} is {value!r}, which is no text. If it is meant, pass str({value!r})."
    )

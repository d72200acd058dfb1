"""What the formats call each field of a record, of what kind it is, and how a row becomes a record and back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

from .errors import FormatError
from .records import FeatureRecord, Json, Numbers, Window

__all__ = [
    "FIELDS",
    "NO_LOGIT",
    "Format",
    "cleaned",
    "feature_of",
    "index_of",
    "parsed",
    "window_of",
    "windows_in",
    "written",
]

NO_LOGIT = -10_000
"""Stands for a logit weight that is not there."""

Format: TypeAlias = Literal["neuronpedia", "saedashboard"]

Kind: TypeAlias = Literal["number", "share", "whole", "text", "numbers", "wholes", "texts", "logits"]


@dataclass(frozen=True)
class Field:
    """What a field is, and what the formats call it ("" where one does not have it)."""

    name: str
    kind: Kind
    neuronpedia: str
    saedashboard: str


def _same(name: str, kind: Kind, called: str) -> Field:
    return Field(name, kind, called, called)


FIELDS: tuple[Field, ...] = (
    _same("density", "share", "frac_nonzero"),
    Field("maximum", "number", "maxActApprox", ""),
    _same("hist_values", "numbers", "freq_hist_data_bar_values"),
    _same("hist_heights", "numbers", "freq_hist_data_bar_heights"),
    _same("logit_hist_values", "numbers", "logits_hist_data_bar_values"),
    _same("logit_hist_heights", "numbers", "logits_hist_data_bar_heights"),
    _same("top_tokens", "texts", "pos_str"),
    _same("top_values", "logits", "pos_values"),
    _same("bottom_tokens", "texts", "neg_str"),
    _same("bottom_values", "logits", "neg_values"),
    _same("aligned", "wholes", "neuron_alignment_indices"),
    _same("aligned_values", "numbers", "neuron_alignment_values"),
    _same("aligned_l1", "numbers", "neuron_alignment_l1"),
    _same("neurons", "wholes", "correlated_neurons_indices"),
    _same("neuron_pearson", "numbers", "correlated_neurons_pearson"),
    _same("neuron_cosine", "numbers", "correlated_neurons_l1"),
    _same("correlated", "wholes", "correlated_features_indices"),
    _same("correlated_pearson", "numbers", "correlated_features_pearson"),
    _same("correlated_cosine", "numbers", "correlated_features_l1"),
    Field("neighbours", "wholes", "topkCosSimIndices", ""),
    Field("neighbour_cosine", "numbers", "topkCosSimValues", ""),
    _same("heads", "numbers", "decoder_weights_dist"),
    _same("vector", "numbers", "vector"),
    Field("prompts", "whole", "", "n_prompts_total"),
    Field("tokens_per_prompt", "whole", "", "n_tokens_in_prompt"),
    Field("dataset", "text", "", "dataset"),
    Field("hook", "text", "hookName", ""),
)
"""Of `FeatureRecord`. What is not here and not read by the format's own module is `extra`."""

WINDOW_FIELDS: tuple[Field, ...] = (
    Field("low", "number", "binMin", "bin_min"),
    Field("high", "number", "binMax", "bin_max"),
    Field("contains", "number", "binContains", "bin_contains"),
    Field("at", "whole", "qualifyingTokenIndex", "qualifying_token_index"),
    Field("dfa_values", "numbers", "dfaValues", "dfa_values"),
    Field("dfa_max", "number", "dfaMaxValue", "dfa_maxValue"),
    Field("dfa_target", "whole", "dfaTargetIndex", "dfa_targetIndex"),
)
"""Of `Window`."""


def parsed(row: Mapping[str, Any], fields: Sequence[Field], form: Format) -> dict[str, Any]:
    """The fields of a row by our names.

    Raises:
        FormatError: naming the one that is of another type.
    """
    found: dict[str, Any] = {}
    for one in fields:
        called = getattr(one, form)
        if called and row.get(called) is not None:
            found[one.name] = _PARSE[one.kind](row[called], called)
    return found


def written(record: object, fields: Sequence[Field], form: Format) -> dict[str, Json]:
    """The fields of a record by the format's names; what is not known is left out, of arrays an empty one stays."""
    found: dict[str, Json] = {}
    for one in fields:
        called, value = getattr(one, form), getattr(record, one.name)
        if not called or value is None:
            continue
        if isinstance(value, tuple):
            missing = NO_LOGIT if one.kind == "logits" else 0.0
            found[called] = [missing if item is None else item for item in value]
        else:
            found[called] = value
    return found


def cleaned(value: object) -> Json:
    """JSON without NaN and infinity, which JSON does not have: None in their place."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): cleaned(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(inner) for inner in value]
    return cast("Json", value)


def window_of(row: Mapping[str, Any], form: Format, known: frozenset[str]) -> Window:
    """The window in a row of either format; `known` are further names that are not `extra`.

    Raises:
        FormatError: saying what is missing or wrong.
    """
    tokens, values = row.get("tokens"), row.get("values")
    if tokens is None or values is None:
        raise FormatError(f"it has no {'tokens' if tokens is None else 'values'}")
    texts, numbers = _texts(tokens, "tokens"), _numbers(values, "values")
    if len(texts) != len(numbers):
        raise FormatError(f"it has {len(texts)} tokens and {len(numbers)} values")
    if not texts:
        raise FormatError("it has no token")
    ours = known | {getattr(one, form) for one in WINDOW_FIELDS} | {"tokens", "values"}
    extra = {key: cleaned(value) for key, value in row.items() if key not in ours}
    return Window(texts, numbers, **parsed(row, WINDOW_FIELDS, form), extra=extra)


def windows_in(row: Mapping[str, Any], form: Format, known: frozenset[str]) -> Iterator[Window | str]:
    """The examples that a feature carries; in place of one that is wrong, which and what is wrong with it."""
    given = row.get("activations") or ()
    if not isinstance(given, (list, tuple)):
        yield f"its activations are {type(given).__name__}, not a list"
        return
    for number, one in enumerate(given, 1):
        try:
            if not isinstance(one, Mapping):
                raise FormatError(f"it is {type(one).__name__}, not an object")
            yield window_of(one, form, known)
        except FormatError as error:
            yield f"activation {number}: {error}"


def index_of(given: object) -> int:
    """A feature's index, which Neuronpedia writes as a string.

    Raises:
        FormatError: for anything but a whole number from 0.
    """
    if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) <= _DIGITS:
        return int(given)
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= _LARGEST:
        said = (
            "it does not say of which feature it is" if given is None else f"its feature is {_short(given)}, no index"
        )
        raise FormatError(said)
    return given


def feature_of(row: Mapping[str, Any], form: Format, known: frozenset[str], of: str) -> FeatureRecord:
    """The feature in a row of either format, without its examples; `known` are further names that are not `extra`.

    Raises:
        FormatError: saying what is wrong.
    """
    ours = known | {getattr(one, form) for one in FIELDS}
    extra = {key: cleaned(value) for key, value in row.items() if key not in ours}
    index = index_of(row.get("index" if form == "neuronpedia" else "feature_index"))
    found = FeatureRecord(index, of, **parsed(row, FIELDS, form), extra=extra)
    for first, second in _PAIRS:
        one, two = len(getattr(found, first)), len(getattr(found, second))
        if one != two:
            raise FormatError(f"it has {one} {first} and {two} {second}")
    return found


_PAIRS = (
    ("hist_values", "hist_heights"),
    ("logit_hist_values", "logit_hist_heights"),
    ("top_tokens", "top_values"),
    ("bottom_tokens", "bottom_values"),
    ("neighbours", "neighbour_cosine"),
)


# Of whole numbers: beyond, a float does not have each of them, and what is there is no index and no count.
_LARGEST = 2**53
_DIGITS = len(str(_LARGEST)) - 1


def _share(given: object, name: str) -> float | None:
    found = _number(given, name)
    if found is not None and not 0 <= found <= 1:
        raise FormatError(f"its {name} is {_short(given)}, not a share")
    return found


def _number(given: object, name: str) -> float | None:
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise FormatError(f"its {name} is {_short(given)}, not a number")
    return given if _finite(given) else None


def _finite(given: float) -> bool:
    try:
        return math.isfinite(given)
    except OverflowError:  # an integer of hundreds of digits
        return False


def _logit(given: object, name: str) -> float | None:
    found = _number(given, name)
    return None if found is not None and found <= NO_LOGIT else found


def _whole(given: object, name: str) -> int:
    if isinstance(given, str) and given.isascii() and given.removeprefix("-").isdigit() and len(given) <= _DIGITS:
        return int(given)
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not _finite(given) or given % 1:
        raise FormatError(f"its {name} is {_short(given)}, not a whole number")
    if abs(given) > _LARGEST:
        raise FormatError(f"its {name} is {_short(given)}, too large a number")
    return int(given)


def _text(given: object, name: str) -> str:
    if not isinstance(given, str):
        raise FormatError(f"its {name} is {_short(given)}, not a text")
    return given


def _list(given: object, name: str) -> list[Any]:
    if not isinstance(given, list):
        raise FormatError(f"its {name} is {_short(given)}, not a list")
    return given


def _numbers(given: object, name: str) -> Numbers:
    # Nearly all lists are of finite numbers; of a few million of them a look at each would take most of the time.
    if isinstance(given, list) and set(map(type, given)) <= {float, int} and _adds_up(given):
        return tuple(given)
    return tuple(None if item is None else _number(item, name) for item in _list(given, name))


def _adds_up(given: list[float]) -> bool:
    """Whether a sum says that all are finite."""
    try:
        return math.isfinite(sum(given))
    except OverflowError:  # an integer of hundreds of digits among them
        return False


def _logits(given: object, name: str) -> Numbers:
    return tuple(None if item is None else _logit(item, name) for item in _list(given, name))


def _wholes(given: object, name: str) -> tuple[int, ...]:
    return tuple(_whole(item, name) for item in _list(given, name))


def _texts(given: object, name: str) -> tuple[str, ...]:
    if isinstance(given, list) and set(map(type, given)) <= {str}:
        return tuple(given)
    return tuple(_text(item, name) for item in _list(given, name))


def _short(given: object) -> str:
    try:
        told = repr(given)
    except ValueError:  # an integer of thousands of digits
        return "a number of thousands of digits"
    return told if len(told) < 60 else f"{told[:57]}..."


_PARSE: dict[Kind, Any] = {
    "number": _number,
    "share": _share,
    "whole": _whole,
    "text": _text,
    "numbers": _numbers,
    "wholes": _wholes,
    "texts": _texts,
    "logits": _logits,
}

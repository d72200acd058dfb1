"""Labels: what features are called, in one living object that dictionary, indexes, results and widgets share.

A name is looked up where it is shown and copied nowhere, so a name that is given in one view is everywhere at once. It
is a name and not a result: a frozen result may hold the living object, and yesterday's ranking says today's names.
"""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias, cast

from ..errors import FeatureIndexError, LabelError
from .descriptions import Describer, Description
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
_tick = count(1)


class Names:
    """Names of one origin: an engine's, or those that an index keeps.

    Args:
        names: feature to name.
        read, keep: where names that are set are kept, if anywhere: reads all of them; writes one (feature, name, hides).
    """

    def __init__(
        self,
        names: Mapping[int, str] | None = None,
        read: Callable[[], Mapping[int, str]] | None = None,
        keep: Callable[[int, str, bool], None] | None = None,
    ) -> None:
        self._read, self._keep = read, keep
        self._lock = Lock()
        self._used_by: list[weakref.ref[Labels]] = []
        self.describers: tuple[Describer, ...] = ()
        """Who is asked of a feature without a name, in turn."""
        # Feature to (when it was named, name); "" hides another origin's. Replaced as a whole, so reading takes no lock.
        self.entries: dict[int, tuple[int, str]] = {f: (0, name) for f, name in (names or {}).items()}
        if read is not None:
            self.reload()

    def set(self, feature: int, name: str, hides: bool) -> None:
        """Name a feature, where names are kept first; with `hides`, an empty name is kept as one."""
        with self._lock:
            if self._keep is not None:
                self._keep(feature, name, hides)
            # Somebody else may have written there meanwhile.
            names = dict(self._read()) if self._read else {f: entry[1] for f, entry in self.entries.items()}
            if self._read is None:
                names.pop(feature, None)
                if name or hides:
                    names[feature] = name
            self._take(names, feature)
        self.tell()

    def reload(self) -> None:
        """Read again what is kept."""
        with self._lock:
            before = self.entries
            self._take(self._read() if self._read else {}, None)
            changed = self.entries != before
        if changed:
            self.tell()

    def _take(self, names: Mapping[int, str], named: int | None) -> None:
        now, known = next(_tick), self.entries
        self.entries = {
            f: known[f] if f != named and f in known and known[f][1] == name else (now, name)
            for f, name in names.items()
        }

    def use(self, labels: Labels) -> None:
        """Tell `labels` of every change."""
        with self._lock:
            others = [ref for ref in self._used_by if (known := ref()) is not None and known is not labels]
            self._used_by = [*others, weakref.ref(labels)]

    def tell(self) -> None:
        """Let whoever shows names ask again."""
        for ref in list(self._used_by):
            labels = ref()
            if labels is not None:
                labels._changed()


class Labels(Mapping[int, str]):
    """Feature to label, living: what is asked is what is true now. Names are cleaned of lone surrogates on the way in.

    A dictionary of an engine has one, with the names that it was made with. An index has one too, with the names that
    are kept beside it. `index.check(engine)` links the two: then both answer with the names of both origins, and where
    both name a feature the name that was given last counts, the index's counting as given when it was opened (so its
    own win over those the engine was made with). Two indexes of one dictionary keep their own names to themselves; the
    dictionary, which is what views of an engine ask, answers with those of all.

    A mapping of names that people gave. `describe` says more: of a feature without a name what is said in a linked index,
    such as an explanation.

    Args:
        given: names, in any of the forms of `labels_from`.
        names: where names that are set go instead.

    Example:
        >>> engine.dictionary().labels.set(2717, "in the beginning")
        >>> heatmap.activations.top(5)     # says so, also if it was computed before
    """

    def __init__(self, given: LabelsLike | Labels | None = None, names: Names | None = None) -> None:
        self._own = Names(labels_from(given)) if names is None else names
        self._layers: tuple[Names, ...] = (self._own,)
        self._watchers: list[weakref.WeakMethod[Callable[[], None]]] = []
        self._own.use(self)

    # -- looking up

    def __getitem__(self, feature: int) -> str:
        name = self._look(feature)
        if not name:
            raise KeyError(feature)
        return name

    def _look(self, feature: int) -> str:
        latest = (-1, "")
        for names in self._layers:
            entry = names.entries.get(feature)
            if entry is not None and entry[0] > latest[0]:
                latest = entry
        return latest[1]

    def describe(self, feature: int) -> Description | None:
        """What is said of a feature: its label, else what the first describer says that knows it.

        Example:
            >>> engine.dictionary().labels.describe(2717)
            Description(text='references to days of the week', kind='explanation', source='gpt-4o-mini', score=None)
        """
        name = self._look(feature)
        if name:
            return Description(name, "label")
        every = (one for names in self._layers for one in names.describers)
        return next((said for one in every if (said := one.describe(feature)) is not None), None)

    def to_dict(self) -> dict[int, str]:
        """All labels as they are now, by feature."""
        layers = [names.entries for names in self._layers]
        latest = dict(layers[0])
        for entries in layers[1:]:
            for feature, entry in entries.items():
                if feature not in latest or entry[0] > latest[feature][0]:
                    latest[feature] = entry
        return {feature: latest[feature][1] for feature in sorted(latest) if latest[feature][1]}

    def __iter__(self) -> Iterator[int]:
        return iter(self.to_dict())

    def __len__(self) -> int:
        return len(self.to_dict())

    def __bool__(self) -> bool:
        return any(name for names in self._layers for _, name in names.entries.values())

    def __repr__(self) -> str:
        return f"Labels({self.to_dict()!r})"

    # -- naming

    def set(self, feature: int, label: str | None) -> None:
        """Name a feature from now on, in every view; an empty label takes its name away, wherever it came from."""
        feature = operator.index(feature)
        others = any(feature in names.entries for names in self._layers if names is not self._own)
        self._own.set(feature, clean(label or "").strip(), others)

    def link(self, index: Labels) -> None:
        """Answer with the names of `index` too, and let it answer with those given here (see the class)."""
        if index._own not in self._layers:
            self._layers = (*self._layers, index._own)
            index._own.use(self)
            self._changed()
        if index._layers != (index._own, self._own):
            index._layers = (index._own, self._own)
            self._own.use(index)
            index._changed()

    def watch(self, method: Callable[[], None]) -> None:
        """Call the bound `method` after every change, on whatever thread it was made, for as long as its object lives."""
        alive = [ref for ref in self._watchers if ref() is not None]
        self._watchers = [*alive, weakref.WeakMethod(method)]

    def _changed(self) -> None:
        for ref in list(self._watchers):
            method = ref()
            if method is not None:
                method()


# -- what people bring


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
    if isinstance(given, Labels):
        return given.to_dict().items()
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

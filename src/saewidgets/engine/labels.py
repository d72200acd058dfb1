"""Labels: what features are called, in one living object that dictionary, indexes, results and widgets share.

A name is looked up where it is shown and copied nowhere, so a name that is given in one view is everywhere at once. It
is a name and not a result: a frozen result may hold the living object, and yesterday's ranking says today's names.
"""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable, ItemsView, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING

from .descriptions import Describer, Description
from .given_labels import labels_from
from .text.tokenizer import clean

if TYPE_CHECKING:
    from .given_labels import LabelsLike

_tick = count(1)


@dataclass(frozen=True)
class News:
    """What was named since somebody asked last.

    Attributes:
        names: feature to name; "" hides another origin's, None: it has none any more.
        whole: these are all names that there are.
    """

    names: Mapping[int, str | None]
    whole: bool = False


class Names:
    """Names of one origin: an engine's, or those that an index keeps.

    Args:
        names: feature to name.
        news: where names are kept, if anywhere: what was named since the last call (see `News`), at first everything.
        keep: keeps one there (feature, name, hides).
    """

    def __init__(
        self,
        names: Mapping[int, str] | None = None,
        news: Callable[[], News] | None = None,
        keep: Callable[[int, str, bool], None] | None = None,
    ) -> None:
        self._news, self._keep = news, keep
        self._lock = Lock()
        self._used_by: list[weakref.ref[Labels]] = []
        self.describers: tuple[Describer, ...] = ()
        """Who is asked of a feature without a name, in turn."""
        # Feature to (when it was named, name); "" hides another origin's. Replaced as a whole, so reading takes no lock.
        self.entries: dict[int, tuple[int, str]] = {f: (0, name) for f, name in (names or {}).items()}
        if news is not None:
            self.reload()

    def set(self, feature: int, name: str, hides: bool) -> None:
        """Name a feature, where names are kept first; with `hides`, an empty name is kept as one."""
        with self._lock:
            if self._keep is None:
                self._take(News({feature: name if name or hides else None}), feature)
            else:
                self._keep(feature, name, hides)
                # Somebody else may have written there meanwhile.
                assert self._news is not None
                self._take(self._news(), feature)
        self.tell()

    def reload(self) -> None:
        """Read what was kept since, by whomever."""
        with self._lock:
            changed = self._news is not None and self._take(self._news(), None)
        if changed:
            self.tell()

    def _take(self, news: News, named: int | None) -> bool:
        """Take over what changed; whether anything did. A name that is the same again is as old as it was, unless it was `named`
        just now."""
        known = self.entries
        changes = {f: name for f, name in news.names.items() if f == named or known.get(f, (0, None))[1] != name}
        gone = [f for f in known if f not in news.names] if news.whole else []
        if not changes and not gone:
            return False
        now, entries = next(_tick), known.copy()
        for feature in gone:
            del entries[feature]
        for feature, name in changes.items():
            if name is None:
                entries.pop(feature, None)
            else:
                entries[feature] = (now, name)
        self.entries = entries
        return True

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
        # What the names of all origins were made into, and of what: both are replaced and never changed.
        self._known: tuple[list[dict[int, tuple[int, str]]], dict[int, str]] | None = None
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

    @property
    def describes(self) -> bool:
        """Whether there is anybody to ask of features without a name."""
        return any(names.describers for names in self._layers)

    @property
    def now(self) -> Mapping[int, str]:
        """All labels as they are now, by feature, not to be changed: the same object until a label is given or taken away."""
        layers = [names.entries for names in self._layers]
        known = self._known
        if (
            known is None
            or len(known[0]) != len(layers)
            or any(a is not b for a, b in zip(known[0], layers, strict=True))
        ):
            known = self._known = layers, self._latest(layers)
        return known[1]

    def to_dict(self) -> dict[int, str]:
        """All labels as they are now, by feature."""
        return dict(self.now)

    @staticmethod
    def _latest(layers: list[dict[int, tuple[int, str]]]) -> dict[int, str]:
        latest = dict(layers[0])
        for entries in layers[1:]:
            for feature, entry in entries.items():
                if feature not in latest or entry[0] > latest[feature][0]:
                    latest[feature] = entry
        return {feature: latest[feature][1] for feature in sorted(latest) if latest[feature][1]}

    def __iter__(self) -> Iterator[int]:
        return iter(self.now)

    def __len__(self) -> int:
        return len(self.now)

    def items(self) -> ItemsView[int, str]:
        """All labels as they are at once: a name may be taken away between two look-ups."""
        return self.now.items()

    def __bool__(self) -> bool:
        return bool(self.now)

    def __repr__(self) -> str:
        return f"Labels({self.now!r})"

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

    def unlink(self, index: Labels) -> None:
        """Do without the names and descriptions of `index`: it is of other weights by now."""
        if index._own in self._layers and index is not self:
            self._layers = tuple(names for names in self._layers if names is not index._own)
            self._changed()

    def watch(self, method: Callable[[], None]) -> None:
        """Call the bound `method` after every change, on whatever thread it was made, for as long as its object lives."""
        alive = [ref for ref in self._watchers if ref() is not None]
        self._watchers = [*alive, weakref.WeakMethod(method)]

    def _changed(self) -> None:
        for ref in list(self._watchers):
            method = ref()
            if method is not None:
                method()


def said(labels: Mapping[int, str], feature: int) -> str:
    """What is said of a feature, in one text: its label, else what an index that is linked says of it; "" if nothing."""
    found = labels.describe(feature) if isinstance(labels, Labels) else None
    return labels.get(feature, "") if found is None else found.text

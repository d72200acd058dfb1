"""Which of an engine's dictionaries a view shows, chosen by layer, and what is known of each: the index that it was given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import traitlets

from ..attribution.order import by_layer
from ..index.feature_index import FeatureIndex
from .feature.card import card_reply
from .feature.corpus import Corpus
from .indexed import indexed, parted
from .wire import Reply

if TYPE_CHECKING:
    from ..engine.dictionary.base import Dictionary
    from ..engine.engine import Engine

__all__ = ["Indexes", "IndexesLike", "OfOneLayer"]

IndexesLike: TypeAlias = FeatureIndex | Iterable[FeatureIndex] | None


class Indexes:
    """The indexes that a view was given, one of a dictionary, as long as they are of what the engine has.

    Args:
        engine: whose dictionaries they are of.
        given: an index, or several of different dictionaries.
        sae: of which dictionary a single one has to be; None: of any.

    Raises:
        TypeError: for what is no index. IndexMismatchError: for one that is of no dictionary of the engine, or not of `sae`.
        ValueError: for two of the same dictionary.
    """

    def __init__(self, engine: Engine, given: IndexesLike, sae: str | None = None) -> None:
        alone = isinstance(given, FeatureIndex)
        self._given: dict[str, FeatureIndex] = {}
        self._parted: dict[str, str] = {}
        self._corpora: dict[str, Corpus] = {}
        for one in [given] if isinstance(given, FeatureIndex) else given or ():
            if not isinstance(one, FeatureIndex):
                raise TypeError(f"index is a FeatureIndex, or several in a list, not {type(one).__name__}.")
            name = indexed(engine, one, sae if alone else None)
            if name in self._given:
                raise ValueError(f"Two indexes are of {name!r}: give one of each dictionary.")
            self._given[name] = one

    @property
    def names(self) -> list[str]:
        """The dictionaries that there is an index of."""
        return [name for name in self._given if name not in self._parted]

    def of(self, sae: str) -> FeatureIndex | None:
        """The index of a dictionary; None if there is none, or none any more."""
        return None if sae in self._parted else self._given.get(sae)

    def corpus(self, sae: str) -> Corpus | None:
        """What the index of a dictionary counted."""
        index = self.of(sae)
        if index is None:
            return None
        if sae not in self._corpora:
            self._corpora[sae] = Corpus.of(index)
        return self._corpora[sae]

    def card(self, sae: str, feature: int, remedy: str) -> Reply:
        """The answer of "card" of a dictionary's feature.

        Raises:
            ValueError: if there is no index of it, saying why, or with `remedy` how to give one.
        """
        index = self.of(sae)
        if index is None:
            raise ValueError(
                f"A card of a feature needs an index. {self.parted(sae) or f'Make it with one: {remedy}.'}"
            )
        return card_reply(index, feature)

    def parted(self, sae: str) -> str:
        """Why the index of a dictionary is put aside; "" if it is not."""
        return self._parted.get(sae, "")

    def check(self, engine: Engine) -> None:
        """Put aside what is not of the engine's weights, or no longer."""
        why = {name: parted(engine, index, name) for name, index in self._given.items()}
        self._parted = {name: reason for name, reason in why.items() if reason}


class OfOneLayer(traitlets.HasTraits):
    """Base of widgets that show one dictionary of their engine at a time.

    A question names the dictionary that it is about: one that was asked before another was chosen is answered of its own.

    Traits:
        sae: the dictionary, by name ("" sets the engine's first). What is of its features (numbers!) goes with it.
        saes (read only): all that the engine has, in the model's order; of a page: none, it has the answers of one.
        default_sae (read only): the engine's first.
        indexed (read only): whether there is an index of it.
    """

    sae = traitlets.Unicode().tag(sync=True, page=True)
    saes = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)
    default_sae = traitlets.Unicode(read_only=True).tag(sync=True, page=True)
    indexed = traitlets.Bool(False, read_only=True).tag(sync=True, page=True)

    _indexes: Indexes
    _dictionaries: Mapping[str, Dictionary]
    _default: str

    def choose_first(self, engine: Engine, index: IndexesLike, sae: str | None) -> str:
        """What `sae` starts as; before the traits are set."""
        self._indexes = Indexes(engine, index, sae)
        self._dictionaries, self._default = engine.dictionaries, engine.default
        return engine.dictionary(sae or next(iter(self._indexes.names), None)).name

    def tell_all(self, engine: Engine) -> None:
        """Tell the view what can be chosen; once the traits are set."""
        several = len(engine.dictionaries) > 1
        self.set_trait("default_sae", engine.default)
        self.set_trait("saes", engine.worker.run(lambda _: by_layer(engine)) if several else [engine.default])
        self.set_trait("indexed", self._indexes.of(self._dictionary.name) is not None)

    @property
    def _dictionary(self) -> Dictionary:
        return self._of(self.sae)

    def _of(self, sae: str | None) -> Dictionary:
        """The dictionary that a question is about."""
        name = sae or self._default
        if name not in self._dictionaries:
            raise KeyError(f"The engine has no dictionary {name!r}; it has {', '.join(map(repr, self._dictionaries))}.")
        return self._dictionaries[name]

    @traitlets.validate("sae")
    def _valid_sae(self, proposal: Mapping[str, Any]) -> str:
        return self._of(proposal["value"]).name

    @traitlets.observe("sae")
    def _sae_changed(self, change: Mapping[str, Any]) -> None:
        if not self.saes or change["old"] == change["new"]:
            return  # the dictionary that a widget is made with comes with its features
        self._layer_changed()
        self.set_trait("indexed", self._indexes.of(self._dictionary.name) is not None)

    def _layer_changed(self) -> None:
        """Set back what was of the other dictionary."""
        raise NotImplementedError

"""What the widgets of all features of an index share: a table and a map, of which features are chosen, searched and collected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import traitlets

from ...index.feature_index import FeatureIndex
from .. import wire
from ..base import EngineWidget
from ..channel import channel
from ..constants import MAX_SELECTED
from ..traits import WholeNumber, WholeNumbers
from .card import AskedCard, card_reply
from .listed import AskedList, list_reply

if TYPE_CHECKING:
    from ...engine.ticket import Ticket

__all__ = ["OfAllFeatures"]


class OfAllFeatures(EngineWidget):
    """Base of `FeatureBrowser` and `FeatureMap`; their docstrings say what its traits are.

    Raises:
        TypeError: without an index, or for an unknown setting. FeatureIndexError: for a feature outside the index.
    """

    feature = WholeNumber(allow_none=True, default_value=None).tag(sync=True, page=True)
    selected_features = WholeNumbers().tag(sync=True, page=True)
    query = traitlets.Unicode("").tag(sync=True, page=True)
    by = traitlets.Enum(("words", "meaning"), "words").tag(sync=True, page=True)
    only = traitlets.Unicode("").tag(sync=True, page=True)

    def __init__(self, index: FeatureIndex, **traits: object) -> None:
        self._index = index
        super().__init__(None, **traits)
        self.names_of(index.labels)

    @classmethod
    def must_be_index(cls, index: object) -> None:
        """Raise `TypeError` unless it is an index."""
        if not isinstance(index, FeatureIndex):
            raise TypeError(f"{cls.__name__} needs an index: {cls.__name__}(index). sw.build_index makes one.")

    @traitlets.validate("feature")
    def _valid_feature(self, proposal: Mapping[str, Any]) -> int | None:
        value = cast("int | None", proposal["value"])
        return None if value is None else self._index.check_feature(value)

    @traitlets.validate("selected_features")
    def _valid_selected(self, proposal: Mapping[str, Any]) -> list[int]:
        features = list(dict.fromkeys(cast("list[int]", proposal["value"])))
        if len(features) > MAX_SELECTED:
            raise traitlets.TraitError(
                f"selected_features holds {MAX_SELECTED:,} features at most, for every view is sent all of them, not "
                f"{len(features):,}. Make a list of them, index.add_to_list('mine', features), and choose it with only='mine'."
            )
        return [self._index.check_feature(feature) for feature in features]

    @traitlets.validate("query")
    def _valid_query(self, proposal: Mapping[str, Any]) -> str:
        return wire.sendable(proposal["value"])

    @property
    def index(self) -> FeatureIndex:
        """The index that the features are of."""
        return self._index

    @channel("card", AskedCard)
    def _answer_card(self, asked: AskedCard, _ticket: Ticket) -> wire.Reply:
        return card_reply(self._index, asked.feature)

    @channel("list", AskedList)
    def _answer_list(self, asked: AskedList, _ticket: Ticket) -> wire.Reply:
        return list_reply(self._index, asked)

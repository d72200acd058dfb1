"""Features that a text is coloured by, and which of them was selected last: two traits that agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import traitlets

from ...errors import FeatureIndexError
from ..constants import MAX_FEATURES
from ..traits import Follows, WholeNumber, WholeNumbers

if TYPE_CHECKING:
    from ...engine.dictionary.base import Dictionary

__all__ = ["Coloured"]


class Coloured(Follows):
    """Base of widgets that colour by features of one dictionary, which stands in `_dictionary` before traits are set.

    Traits:
        feature: the one selected last, or None; always one of `features`.
        features: up to 6, each once; an array, a tensor or an index of a table becomes a list.
    """

    feature = WholeNumber(allow_none=True, default_value=None).tag(sync=True, page=True)
    features = WholeNumbers().tag(sync=True, page=True)

    linked = ("features", "feature")
    _dictionary: Dictionary

    def __init__(self, *args: Any, **options: Any) -> None:
        self._told = {"features": [], "feature": None}
        super().__init__(*args, **options)

    @traitlets.validate("feature", "features")
    def _valid_features(self, proposal: Mapping[str, Any]) -> int | list[int] | None:
        value = proposal["value"]
        given: list[int] = list(value) if isinstance(value, list) else [] if value is None else [value]
        self._dictionary.check_features(given)
        if not isinstance(value, list):
            return cast("int | None", value)
        unique = list(dict.fromkeys(given))
        if len(unique) > MAX_FEATURES:
            raise FeatureIndexError(
                f"At most {MAX_FEATURES} features can be told apart by colour; {len(unique)} were given."
            )
        return unique

    def _agree(self, name: str) -> None:
        if self.feature in self.features:
            return
        if name == "features":
            self.feature = self.features[-1] if self.features else None
        elif self.feature is not None:
            self.features = [self.feature]

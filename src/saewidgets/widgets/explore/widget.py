"""The workbench's bar: which of its views are in sight, which feature is looked at, and full screen.

It only arranges: its front-end finds the box that it stands in, and shows and hides the views beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import traitlets

from .. import wire
from ..base import EngineWidget
from ..channel import channel
from ..feature.said import said_of
from ..shot import Question, Shot
from ..traits import WholeNumber

if TYPE_CHECKING:
    from ...engine.ticket import Ticket
    from ...index.feature_index import FeatureIndex

__all__ = ["LEFT", "RIGHT", "WorkbenchBar"]

LEFT: Final = ("browser", "map", "heatmap", "comparison", "layers")
RIGHT: Final = ("dashboard", "steering", "attribution", "subspace", "beside")


@dataclass(frozen=True)
class AskedName:
    """What a feature is said to be."""

    feature: int = field(metadata={"wire": "f"})


class WorkbenchBar(EngineWidget, bundle="explore"):
    """Tabs of a workbench.

    Traits:
        left, right: the views in sight where there is room for two; front: the one where there is not.
        feature: the feature that is looked at.
    """

    left = traitlets.Enum(LEFT, "browser").tag(sync=True, page=True)
    right = traitlets.Enum(RIGHT, "dashboard").tag(sync=True, page=True)
    front = traitlets.Enum((*LEFT, *RIGHT), "browser").tag(sync=True, page=True)
    feature = WholeNumber(allow_none=True, default_value=None).tag(sync=True, page=True)

    def __init__(self, index: FeatureIndex, **traits: object) -> None:
        self._index = index
        super().__init__(None, **traits)
        self.names_of(index.labels)

    @channel("said", AskedName)
    def _answer_said(self, asked: AskedName, _ticket: Ticket) -> wire.Reply:
        return wire.Reply({"f": asked.feature, **said_of(self._index.labels, self._index.check_feature(asked.feature))})

    def fallback_html(self) -> str:
        return "<p>The workbench needs a running notebook.</p>"

    def shot(self, *, features: Sequence[int] = ()) -> Shot:
        """What stands above the views of a workbench's page.

        Args:
            features: of which it says what they are said to be.
        """
        named = dict.fromkeys([*([] if self.feature is None else [self.feature]), *features])
        return Shot(
            title="Workbench",
            state={},
            questions=[Question("said", AskedName(feature)) for feature in named],
            fallback=self.fallback_html(),
            provenance=list(self._index.provenance.items()),
        )

"""The workbench: browser, dashboard, heatmap and steering panel over one engine and index, looking at one feature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets

from ..browser.widget import FeatureBrowser
from ..dashboard.widget import FeatureDashboard
from ..heatmap.widget import TokenFeatureHeatmap
from ..steering.widget import SteeringPanel
from ..traits import WholeNumber
from .widget import WorkbenchBar

if TYPE_CHECKING:
    from ...engine.engine import Engine
    from ...index.feature_index import FeatureIndex

__all__ = ["Workbench", "explore"]


class Workbench(ipywidgets.Box):  # type: ignore[misc]
    """Four views of one dictionary, side by side where there is room for two and behind tabs where there is not.

    A feature that is selected in one of them is selected in all; only a recipe of several features stays as it is. The
    heatmap's text is the dashboard's own text, too. Each view is an attribute, with all its traits and pages.

    Args:
        engine: the model and SAE; index: of that SAE.
        feature: to look at first; default: the densest.
        text: for the heatmap and the dashboard. prompt: to steer; default: the same.
        sae: which dictionary of the engine; default: the one that the index is of.

    Attributes:
        browser, dashboard, heatmap, steering: the views. bar: which of them are in sight.

    Traits:
        feature: the feature that is looked at.
        theme: "auto", "light", "dark" or "contrast", for all of them.

    Raises:
        IndexMismatchError: if engine and index do not belong together. FeatureIndexError: for a feature outside the index.

    Example:
        >>> bench = sw.explore(sw.load_demo(), sw.load_demo_index(), text="My favourite day of the week is Monday.")
        >>> bench                              # in a notebook cell: shows it
        >>> bench.feature = 2717
        >>> bench.steering.value               # the recipe, in the next cell
    """

    feature = WholeNumber(allow_none=True, default_value=None)
    theme = traitlets.Enum(("auto", "light", "dark", "contrast"), "auto")

    def __init__(
        self,
        engine: Engine,
        index: FeatureIndex,
        *,
        feature: int | None = None,
        text: str = "",
        prompt: str = "",
        sae: str | None = None,
        theme: str = "auto",
    ) -> None:
        self._busy = False
        self.dashboard = FeatureDashboard(engine, index, feature=feature, text=text, sae=sae)
        first = self.dashboard.feature
        self.browser = FeatureBrowser(index, feature=first, card=False)
        self.heatmap = TokenFeatureHeatmap(engine, text, index=index, sae=sae)
        self.steering = SteeringPanel(engine, index, prompt=prompt or text)
        self.bar = WorkbenchBar(index, feature=first)
        self._views = {
            "bar": self.bar,
            "browser": self.browser,
            "heatmap": self.heatmap,
            "dashboard": self.dashboard,
            "steering": self.steering,
        }
        super().__init__(children=tuple(self._views.values()))
        self.add_class("saew-explore")
        self.feature, self.theme = first, theme
        for view in self._views.values():
            view.observe(self._selected, "feature")
            traitlets.link((self, "theme"), (view, "theme"))
        self.observe(self._selected, "feature")
        if feature is not None:  # else there is nothing that anybody chose to colour and to steer
            self.heatmap.feature = self.steering.feature = first
        self.heatmap.observe(self._typed, "text")
        self.dashboard.observe(self._typed, "text")

    @traitlets.validate("feature")
    def _valid_feature(self, proposal: Mapping[str, Any]) -> int | None:
        value: int | None = proposal["value"]
        return value if value is None else self.browser.index.check_feature(value)

    def _selected(self, change: Mapping[str, Any]) -> None:
        """One view's feature is everybody's. That one of them has none is its own matter: others go on showing theirs."""
        feature = change["new"]
        if feature is None or self._busy:
            return
        self._busy = True
        try:
            views: list[Any] = [self, *self._views.values()]
            for view in views:
                if view is not self.steering or self._follows():
                    view.feature = feature
        finally:
            self._busy = False

    def _follows(self) -> bool:
        """Whether the recipe is of one feature, or empty: one of several is the user's own work, and looking changes none of it."""
        rows = self.steering.recipe.get("interventions", [])
        return sum(max(1, len(row.get("features") or [])) for row in rows) <= 1 and not any(
            row.get("direction") for row in rows
        )

    def _typed(self, change: Mapping[str, Any]) -> None:
        text = change["new"]
        if isinstance(text, str):
            for view in (self.heatmap, self.dashboard):
                if view.text != text:
                    view.text = text

    def close(self) -> None:
        """Close all views."""
        for view in self.__dict__.get("_views", {}).values():
            view.close()
        super().close()

    def __repr__(self) -> str:
        return f"Workbench({self.browser.index!r}, feature={self.feature})"


explore = Workbench
"""As it is called: `sw.explore(engine, index)`."""

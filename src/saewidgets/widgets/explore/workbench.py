"""The workbench: the views of one dictionary over one engine and index, looking at one feature."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import ipywidgets
import traitlets

from ...errors import SaewidgetsError
from ..attribution.widget import AttributionPanel
from ..base import with_picture
from ..beside.widget import FeatureComparison
from ..browser.widget import FeatureBrowser
from ..comparison.widget import PromptComparison
from ..dashboard.widget import FeatureDashboard
from ..heatmap.widget import TokenFeatureHeatmap
from ..layers.widget import LayerLens
from ..map.widget import FeatureMap
from ..steering.asked import AskedPrompt
from ..steering.widget import SteeringPanel
from ..subspace.widget import FeatureSubspace
from ..traits import WholeNumber
from ..visitor import hang_up
from .page import WorkbenchPages
from .shapes import beside_its_nearest, is_group, nearest
from .widget import WorkbenchBar

if TYPE_CHECKING:
    from ...engine.engine import Engine
    from ...index.feature_index import FeatureIndex

__all__ = ["Workbench", "explore"]


class Workbench(WorkbenchPages, ipywidgets.Box):  # type: ignore[misc]
    """Views of one dictionary, side by side where there is room for two and behind tabs where there is not.

    A feature that is selected in one of them is selected in all; only a recipe of several features stays as it is, and a view
    in which another layer was chosen has features of its own. The heatmap's text is the dashboard's own text, too; what is
    steered is what is explained, with one recipe. Each view is an attribute, with all its traits and pages.

    Args:
        engine: the model and SAE; index: of that SAE.
        feature: to look at first; default: the densest.
        text: for the heatmap and the dashboard. prompt: to steer; default: the same.
        sae: which dictionary of the engine; default: the one that the index is of.

    Attributes:
        browser, dashboard, heatmap, steering: the views. bar: which of them are in sight.
        map, comparison, layers, attribution, subspace, beside: more, each made when it is first looked at or asked for: all
            features as a map, whose lasso ticks them in the browser; a comparison of the heatmap's text with itself, to change a
            word of; that text at every layer; why the model goes on from the prompt as it does; the space that the ticked
            features span (two to sixty; as long as none were ticked, what was selected first, with its nearest by decoder
            cosine); and the selected feature beside another.

    Traits:
        feature: the feature that is looked at.
        theme: "auto", "light", "dark" or "contrast"; encoding: "auto", "binary" or "base64"; for all of them.

    Raises:
        IndexMismatchError: if engine and index do not belong together. FeatureIndexError: for a feature outside the index.

    Example:
        >>> bench = sw.explore(sw.load_demo(), sw.load_demo_index(), text="My favourite day of the week is Monday.")
        >>> bench                              # in a notebook cell: shows it
        >>> bench.feature = 2717
        >>> bench.steering.value               # the recipe, in the next cell
        >>> bench.to_html("bench.html")        # its views, linked, in one file
    """

    feature = WholeNumber(allow_none=True, default_value=None)
    theme = traitlets.Enum(("auto", "light", "dark", "contrast"), "auto")
    encoding = traitlets.Enum(("auto", "binary", "base64"), "auto")

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
        encoding: str = "auto",
    ) -> None:
        self._busy = self._closed = False
        self._engine, self._index = engine, index
        self._followed: dict[str, Any] = {}
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
        self._late: dict[str, Callable[[], Any]] = {
            "map": self._mapped,
            "comparison": self._compared,
            "layers": self._layered,
            "attribution": self._explained,
            "subspace": self._spanned,
            "beside": self._paired,
        }
        self._sae = self.heatmap.sae
        super().__init__(children=tuple(self._views.values()))
        self.add_class("saew-explore")
        self.feature, self.theme, self.encoding = first, theme, encoding
        for view in self._views.values():
            self._join(view)
        self.observe(self._selected, "feature")
        self.bar.observe(self._in_sight, ("left", "right", "front"))
        self.steering.observe(self._in_sight, ("prompt", "chat", "messages"))
        self.heatmap.observe(self._in_sight, "text")
        self.browser.observe(self._in_sight, "selected_features")
        if feature is not None:  # else there is nothing that anybody chose to colour and to steer
            self.heatmap.feature = self.steering.feature = first
        self.heatmap.observe(self._typed, "text")
        self.dashboard.observe(self._typed, "text")

    # -- views that are made late

    @property
    def map(self) -> FeatureMap:
        """All features, near where their decoder rows are near."""
        return cast(FeatureMap, self._made("map"))

    @property
    def subspace(self) -> FeatureSubspace:
        """Tokens in the space that a few features span."""
        return cast(FeatureSubspace, self._made("subspace"))

    @property
    def beside(self) -> FeatureComparison:
        """Two features side by side."""
        return cast(FeatureComparison, self._made("beside"))

    @property
    def comparison(self) -> PromptComparison:
        """Two texts and the features that tell them apart."""
        return cast(PromptComparison, self._made("comparison"))

    @property
    def layers(self) -> LayerLens:
        """The heatmap's text at every layer."""
        return cast(LayerLens, self._made("layers"))

    @property
    def attribution(self) -> AttributionPanel:
        """Which features the prompt's prediction came from."""
        return cast(AttributionPanel, self._made("attribution"))

    def _made(self, name: str) -> Any:
        if self._closed:
            raise RuntimeError("This workbench was closed; make a new one.")
        if name not in self._views:
            view = self._views[name] = self._late[name]()
            self._join(view)
            self.set_trait("children", tuple(self._views.values()))
        return self._views[name]

    def _mapped(self) -> FeatureMap:
        features = FeatureMap(self._index, feature=self.feature)
        traitlets.link((self.browser, "selected_features"), (features, "selected_features"))
        return features

    def _spanned(self) -> FeatureSubspace:
        self._followed["subspace"] = ticked = self._ticked
        return FeatureSubspace(self._index, ticked or nearest(self._index, self.feature), feature=self.feature)

    @property
    def _ticked(self) -> list[int]:
        """The ticked features, if they are a group."""
        return self.browser.selected_features if is_group(self.browser.selected_features) else []

    def _paired(self) -> FeatureComparison:
        self._followed["beside"] = self._text
        return beside_its_nearest(self._engine, self._index, self._sae, self.feature, self._text)

    def _compared(self) -> PromptComparison:
        return PromptComparison(
            self._engine, self._index, [self._text, self._text], sae=self._sae, features=self._chosen()
        )

    def _layered(self) -> LayerLens:
        chosen = next(iter(self._chosen()), None)
        self._followed["layers"] = self._text
        layers = LayerLens(self._engine, self._text, index=self._index, sae=self._sae, feature=chosen)
        layers.observe(self._typed, "text")
        return layers

    @property
    def _text(self) -> str:
        """The text of heatmap and dashboard; the dashboard's, if the heatmap has several."""
        return self.heatmap.text if isinstance(self.heatmap.text, str) else self.dashboard.text

    def _explained(self) -> AttributionPanel:
        self._followed["attribution"] = self._steered
        panel = AttributionPanel(
            self._engine, self._index, self._steered, sae=self._sae, feature=next(iter(self._chosen()), None)
        )
        traitlets.link((self.steering, "recipe"), (panel, "recipe"))
        panel.observe(self._prompted, "prompt")
        return panel

    def _chosen(self) -> list[int]:
        return [] if self.feature is None or self.heatmap.feature is None else [self.feature]

    def _in_sight(self, _change: Mapping[str, Any]) -> None:
        """Make what is looked at. Layers follow the text, and an explanation the prompt, only then: nobody waits for what nobody sees."""
        shown = {self.bar.left, self.bar.right, self.bar.front}
        for name in shown & self._late.keys():
            self._made(name)
        followed = {
            "attribution": ("prompt", self._steered),
            "layers": ("text", self._text),
            "beside": ("text", self._text),
            "subspace": ("features", self._ticked),
        }
        for name, (trait, now) in followed.items():
            # What was set there otherwise, such as several wordings, stays until the text or prompt changes again.
            if name in shown and now != self._followed[name] and (now or name != "subspace"):
                self._followed[name] = now
                setattr(self._views[name], trait, now)

    def _prompted(self, change: Mapping[str, Any]) -> None:
        """A prompt that is typed into the explanation is steered, too; several wordings are its own matter, and a chat is."""
        if isinstance(change["new"], str) and not (self.steering.chat or self.steering.messages):
            self._followed["attribution"] = change["new"]
            self.steering.prompt = change["new"]

    @property
    def _steered(self) -> str | list[int]:
        """What is steered: the prompt, or of a chat its token ids, with the template's."""
        panel = self.steering
        if not (panel.chat or panel.messages):
            return cast("str | list[int]", panel.prompt)
        try:
            return list(AskedPrompt(panel.prompt, panel.chat, tuple(panel.messages)).read(self._engine).ids)
        except SaewidgetsError:
            return ""  # the steering panel says why

    # -- one feature

    def _join(self, view: Any) -> None:
        view.observe(self._selected, _feature_of(view))
        for name in ("theme", "encoding"):
            traitlets.link((self, name), (view, name))

    def _is_ours(self, view: Any) -> bool:
        """Whether a view's features are of the workbench's dictionary: some can show another's, whose numbers mean others."""
        return not hasattr(view, "sae") or view.sae == self._sae

    @traitlets.validate("feature")
    def _valid_feature(self, proposal: Mapping[str, Any]) -> int | None:
        value: int | None = proposal["value"]
        return value if value is None else self.browser.index.check_feature(value)

    def _selected(self, change: Mapping[str, Any]) -> None:
        """One view's feature is everybody's. That one of them has none is its own matter: others go on showing theirs."""
        feature = change["new"]
        if feature is None or self._busy or not self._is_ours(change["owner"]):
            return
        self._busy = True
        try:
            views: list[Any] = [self, *self._views.values()]
            for view in views:
                if self._is_ours(view) and (view is not self.steering or self._follows()):
                    setattr(view, _feature_of(view), feature)
        finally:
            self._busy = False

    def _follows(self) -> bool:
        """Whether the recipe is of one feature, or empty: looking changes none of the user's own work.

        That is a recipe of several features, one of another layer, and what was taken out (as the explanation's "+" does).
        """
        rows = self.steering.recipe.get("interventions", [])
        return sum(max(1, len(row.get("features") or [])) for row in rows) <= 1 and not any(
            row.get("direction") or row.get("kind") == "ablate" or (row.get("sae") or self._engine.default) != self._sae
            for row in rows
        )

    def _typed(self, change: Mapping[str, Any]) -> None:
        text = change["new"]
        if isinstance(text, str):
            for view in (self.heatmap, self.dashboard):
                if view.text != text:
                    view.text = text

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """With a picture of the views that are in sight, for places that show no widgets."""
        in_sight = [self._views[name] for name in (self.bar.left, self.bar.right) if name in self._views]
        return with_picture(
            super()._repr_mimebundle_(**kwargs), lambda: "".join(view.fallback_html() for view in in_sight)
        )

    def close(self) -> None:
        """Close all views."""
        self._closed = True
        for view in self.__dict__.get("_views", {}).values():
            view.close()
        hang_up(self, super().close)

    def __repr__(self) -> str:
        return f"Workbench({self.browser.index!r}, feature={self.feature})"


def _feature_of(view: Any) -> str:
    """The trait that says which feature a view looks at: of two beside each other the first."""
    return "feature_a" if isinstance(view, FeatureComparison) else "feature"


explore = Workbench
"""As it is called: `sw.explore(engine, index)`."""

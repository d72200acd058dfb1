"""A workbench as one page: its views with their recordings, linked as they are in the kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ...errors import SaewidgetsError
from ...snapshot.page import View
from ..assets import asset
from ..paged import Page, Paged, check_options
from ..traits import several_numbers, several_texts, wholes
from .widget import LEFT, RIGHT

if TYPE_CHECKING:
    from ...index.feature_index import FeatureIndex
    from ..browser.widget import FeatureBrowser
    from ..dashboard.widget import FeatureDashboard
    from ..steering.widget import SteeringPanel
    from .widget import WorkbenchBar

__all__ = ["WorkbenchPages"]

# Dashboards of so many rows of the browser, beside those that are looked at.
_FIRST = 20
_NOT_OPEN = "This view was not open when the page was made. explore(...).to_html(views=[{name!r}, ...]) makes it part of the page."
_NOT_RUN = "Steering needs a model that runs, and nothing was generated when this page was made. to_html(strengths=[0, 1, 2]) records runs."


class WorkbenchPages(Paged):
    """The pages of a workbench: base of `Workbench`.

    Example:
        >>> bench = sw.explore(engine, index, text="I saw a bird. It")
        >>> bench.to_html("bench.html", views=["browser", "dashboard", "heatmap", "map"])
    """

    bar: WorkbenchBar
    browser: FeatureBrowser
    dashboard: FeatureDashboard
    steering: SteeringPanel
    feature: int | None
    _views: dict[str, Any]
    _late: Mapping[str, Callable[[], Any]]
    _made: Callable[[str], Any]
    _is_ours: Callable[[Any], bool]

    bundle: ClassVar[str] = "explore"

    def shot(  # type: ignore[override]  # of several views
        self,
        *,
        views: Sequence[str] | None = None,
        features: Sequence[int] | None = None,
        prompts: Sequence[str] = (),
        strengths: Sequence[float] = (),
    ) -> list[View]:
        """The views of a page; each records what it would on a page of its own.

        Args:
            views: which; default: those that were made, by being looked at or asked for. What is not there says so in its place.
            features: of which it has dashboards and cards; default: the one that is looked at, those that are ticked, coloured
                or steered, and the first twenty of the browser's table.
            prompts: further texts of heatmap and steering. strengths: of the recipe's first row, to choose from. Without them
                a panel that was never run says that nothing was.

        Raises:
            SaewidgetsError: for a view that there is not, and for strengths that the panel cannot be run at.
        """
        known = [*LEFT, *RIGHT]
        wanted = [name for name in known if name in self._views] if views is None else several_texts(views, "views")
        for name in wanted:
            if name not in known:
                raise SaewidgetsError(f"There is no view {name!r}: choose from {', '.join(known)}.")
        chosen = self._chosen_for_page() if features is None else wholes(features)
        varied = several_numbers(strengths, "strengths")
        run = bool(varied or len(prompts) or self.steering.history)
        options: dict[str, dict[str, Any]] = {
            "browser": {"features": chosen},
            "dashboard": {"features": chosen},
            "heatmap": {"prompts": prompts},
            "steering": {"prompts": prompts, "strengths": varied},
        }
        found = [self.bar._as_view("bar", self.bar.shot(features=chosen))]
        for name in known:
            if name not in wanted:
                found.append(_missing(name, _NOT_OPEN.format(name=name)))
            elif name == "steering" and not run:
                found.append(_missing(name, _NOT_RUN))
            else:
                view = self._made(name)
                try:
                    found.append(view._as_view(name, view.shot(**options.get(name, {}))))
                except (SaewidgetsError, ValueError) as error:
                    if name == "steering" and varied:
                        raise
                    found.append(_missing(name, f"This view could not be recorded: {error}"))
        return found

    def _page(self, title: str | None, options: Mapping[str, Any]) -> Page:
        known = check_options("explore(...).to_html", self.shot, options)
        index: FeatureIndex = self.browser.index
        return Page(
            bundle=self.bundle,
            title=title or f"Features of {index.path.name}",
            views=self.shot(**options),
            links=list(self._links()),
            fallback=self.browser.fallback_html(),
            provenance=list(index.provenance.items()),
            called="explore(...).to_html",
            options=known,
            style=asset(f"{self.bundle}.snapshot.css"),
        )

    def _chosen_for_page(self) -> list[int]:
        """What is looked at, ticked, coloured and steered, and the first of the browser's table."""
        ours = {name: view for name, view in self._views.items() if self._is_ours(view)}
        looked = [self.feature, *(getattr(view, "feature", None) for view in ours.values())]
        together = [f for name in ("heatmap", "comparison", "subspace") if name in ours for f in ours[name].features]
        found = [*looked, *self.browser.selected_features, *together, *self.browser.features[:_FIRST].tolist()]
        return [f for f in dict.fromkeys(found) if f is not None]

    def _links(self) -> Iterator[Sequence[tuple[str, str]]]:
        """As the kernel links them; a view of another dictionary has features of its own."""
        mine = [
            name for name, view in self._views.items() if self._is_ours(view) and name not in ("steering", "beside")
        ]
        yield [(name, "feature") for name in mine]
        yield [("browser", "selected_features"), ("map", "selected_features")]
        yield [("steering", "recipe"), ("attribution", "recipe")]


def _missing(name: str, why: str) -> View:
    return View(name, name, {}, (), (), why)

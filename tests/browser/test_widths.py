"""Widgets of any width: nothing is cut off, whatever a notebook, a sidebar or a row leaves for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
from graph_view_made import graph_of
from lab import Lab, Watched, at_rest, new_context, place, run_all, sees, write_notebook
from playwright.sync_api import Browser, Page, expect

import saewidgets as sw

pytestmark = pytest.mark.browser

TEXT = "In the beginning God created the heaven and the earth. "
WIDTHS = range(600, 1301, 50)

# What is wider than a frame that hides what sticks out of it; a frame that scrolls hides nothing.
CUT_OFF = """() => {
    const wrong = [];
    for (const el of document.querySelectorAll('.saew svg, .saew table, .saew canvas, .saew figure, .saew [role=grid]')) {
        if (!el.getClientRects().length) continue;
        for (let frame = el.parentElement; frame; frame = frame.parentElement) {
            const overflow = getComputedStyle(frame).overflowX;
            if (overflow === 'auto' || overflow === 'scroll') break;
            const over = el.getBoundingClientRect().right - frame.getBoundingClientRect().right;
            if ((overflow === 'hidden' || frame.classList.contains('saew')) && over > 1)
                wrong.push(`${el.tagName} in ${frame.tagName}.${frame.className}: ${Math.round(over)} px`);
            if (frame.classList.contains('saew')) break;
        }
    }
    return wrong;
}"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        index = sw.build_index(engine, [TEXT * 6], folder / "index", progress=False, wait=True)
        best = int(index.features["count"].idxmax())
        panel = sw.SteeringPanel(
            engine, index, prompt=TEXT, recipe=sw.add(best, 1.0, unit="max"), n_tokens=4, answer=" the"
        )
        panel.save(folder / "steering.html", views=("text", "effect", "sweep", "answer"))
        sw.TokenFeatureHeatmap(engine, TEXT * 6, limit=40).save(folder / "heatmap.html")
        sw.TokenFeatureHeatmap(engine, TEXT * 6, index=index, features=[best]).save(folder / "indexed.html")
        related = [TEXT, TEXT.replace("heaven", "sea"), TEXT * 3]
        sw.PromptComparison(engine, index, related, features=[best], at="max").save(folder / "comparison.html")
        sw.LayerLens(engine, TEXT * 3, index=index, feature=best).save(folder / "layers.html")
        sw.FeatureBrowser(index, feature=best, filters={"density": [0.01, None]}).save(folder / "browser.html")
        prompts = ["In the beginning God", "God created the heaven"]
        sw.AttributionPanel(engine, index, prompts, " the", " and").save(folder / "attribution.html")
        sw.FeatureDashboard(engine, index, feature=best).to_html(folder / "dashboard.html", features=[best])
    graph = graph_of(60, 600)
    sw.AttributionGraphView(graph, pinned=[20, 21], selected=20).save(folder / "graph.html")
    return {path.stem: path for path in folder.glob("*.html")}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = new_context(browser, offline=True, viewport={"width": 1400, "height": 900})
    yield context.new_page()
    context.close()


def fits_at_every_width(page: Page) -> None:
    for width in WIDTHS:
        page.evaluate("width => { document.getElementById('saew-root').style.width = `${width}px`; }", width)
        # The view measures its box in a frame of its own.
        page.wait_for_function(f"() => !({CUT_OFF})().length")


@pytest.mark.parametrize(
    "name", ["heatmap", "indexed", "dashboard", "browser", "comparison", "layers", "attribution", "graph"]
)
def test_nothing_is_cut_off(name: str, pages: dict[str, Path], page: Page) -> None:
    page.goto(pages[name].as_uri())
    page.wait_for_selector(".saew svg, .saew table, .saew canvas, .saew [role=grid]")
    fits_at_every_width(page)


def test_no_chart_or_table_of_the_panel_is_cut_off(pages: dict[str, Path], page: Page) -> None:
    page.goto(pages["steering"].as_uri())
    for tab, shown in (("Dose-response", ".saew-figure svg"), ("Effect on this text", "table"), ("Answer", "table")):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_selector(f".saew {shown}")
        fits_at_every_width(page)


# -- heights


def test_the_examples_leave_the_wheel_to_the_page(pages: dict[str, Path], page: Page) -> None:
    page.goto(pages["dashboard"].as_uri())
    page.evaluate("() => { document.getElementById('saew-root').style.width = '800px'; }")
    examples = page.locator(".saew-examples")
    more = page.locator(".saew-more-examples")
    more.wait_for()
    page.wait_for_function("() => document.querySelector('.saew-examples').clientHeight < 600")
    box = place(examples)
    page.mouse.move(box["x"] + 50, min(box["y"] + 20, 880))
    page.mouse.wheel(0, 200)
    page.wait_for_function("() => scrollY > 100")
    sees(lambda: examples.evaluate("el => el.scrollTop"), 0)
    more.click()
    page.wait_for_function("() => document.querySelector('.saew-examples').clientHeight > 600")
    sees(lambda: examples.evaluate("el => el.scrollHeight - el.clientHeight <= 1"), True)
    more.click()
    page.wait_for_function("() => document.querySelector('.saew-examples').clientHeight < 600")
    # Keys that go beyond show all: nothing scrolls away inside.
    examples.focus()
    page.keyboard.press("End")
    page.wait_for_function("() => document.querySelector('.saew-examples').clientHeight > 600")
    sees(lambda: examples.evaluate("el => el.scrollTop"), 0)


@pytest.mark.parametrize("width", [500, 800, 1200])
def test_what_it_fires_on_is_seen_before_the_list_of_examples(width: int, pages: dict[str, Path], page: Page) -> None:
    page.goto(pages["dashboard"].as_uri())
    page.wait_for_selector(".saew-examples .saew-ex")
    page.evaluate("width => { document.getElementById('saew-root').style.width = `${width}px`; }", width)
    # The view measures its box in a frame of its own.
    page.wait_for_function(
        """wide => {
            const [charts, words, examples, related] = ['charts', 'words', 'examples-panel', 'related'].map(
                name => document.querySelector(`.saew-${name}`).getBoundingClientRect().top);
            return (wide || charts <= words + 1) && words < examples && examples < related;
        }""",
        arg=width == 1200,
    )
    if width == 1200:  # tables stand beside each other, not in a column of their own
        page.wait_for_function("() => document.querySelector('.saew-dashboard').offsetHeight < 1600")


def test_a_matrix_is_as_high_as_the_ranking_beside_it(pages: dict[str, Path], page: Page) -> None:
    page.goto(pages["heatmap"].as_uri())
    matrix = page.locator(".saew-matrix")
    matrix.wait_for()
    page.wait_for_function(
        "() => { const el = document.querySelector('.saew-matrix'); return el.scrollHeight > 508 && el.offsetHeight <= 509; }"
    )
    page.locator(".saew-matrix-scroll").focus()
    for _ in range(35):
        page.keyboard.press("ArrowDown")
    page.wait_for_function("() => document.querySelector('.saew-matrix').scrollTop > 0")
    for _ in range(35):
        page.keyboard.press("ArrowUp")
    page.wait_for_function("() => document.querySelector('.saew-matrix').scrollTop === 0")


# -- containers

BOXES = {
    "a row": "display: flex; width: 1000px",
    "a narrow row": "display: flex; width: 500px",
    "a row that fits": "display: inline-flex",
    "a grid": "display: grid; grid-template-columns: 1fr 1fr; width: 1000px",
    "a float": "float: left",
    "an inline block": "display: inline-block",
    "a box that fits": "width: fit-content",
    "a column": "display: flex; flex-direction: column; width: 900px",
    "a block": "width: 900px",
}


@pytest.mark.parametrize("name", ["heatmap", "dashboard", "steering"])
def test_it_has_a_width_in_every_box(name: str, pages: dict[str, Path], page: Page) -> None:
    page.goto(pages[name].as_uri())
    page.wait_for_selector(".saew button")
    page.evaluate(
        """() => {
            const root = document.getElementById('saew-root'), box = document.createElement('div');
            box.id = 'box';
            root.replaceWith(box);
            box.append(root, Object.assign(document.createElement('div'), { textContent: 'a neighbour' }));
        }"""
    )
    for box, style in BOXES.items():
        # The view measures its box in a frame of its own.
        page.evaluate("style => { document.getElementById('box').style.cssText = style; }", style)
        page.wait_for_function(
            """fills => {
                const [width, of] = ['.saew', '#box'].map(one => document.querySelector(one).getBoundingClientRect().width);
                return 400 <= width && width <= of && (!fills || width === of);
            }""",
            arg=box in ("a block", "a column"),
        )


CELLS = """import sys
sys.path[:0] = [{tests!r}]
import ipywidgets as W, tiny, saewidgets as sw
engine = sw.Engine(tiny.hooked(), tiny.sae())
heatmap = lambda **how: sw.TokenFeatureHeatmap(engine, "In the beginning God created", **how)
panel = lambda: sw.SteeringPanel(engine, prompt="In the beginning")
---
W.HBox([heatmap(), panel()])
---
W.HBox([heatmap()])
---
W.HBox([heatmap(), W.IntSlider()])
---
W.HBox([out := W.Output(), W.IntSlider()])
---
with out: display(heatmap())
---
W.GridBox([heatmap(), panel()], layout=W.Layout(grid_template_columns="1fr 1fr"))
---
W.TwoByTwoLayout(top_left=heatmap(), top_right=panel())
---
W.VBox([heatmap()])
---
W.AppLayout(center=heatmap())
---
heatmap(layout=W.Layout(width="50%"))
"""


def test_widgets_in_a_row_share_it(lab: Lab, notebooks: Path, watched: Watched) -> None:
    tests = str(Path(__file__).parents[1] / "unit")
    write_notebook(notebooks / "rows.ipynb", CELLS.format(tests=tests).split("---\n"))
    page = watched.page
    lab.open(page, "rows.ipynb")
    run_all(page)
    views = page.locator(".jp-Notebook .saew")
    expect(views).to_have_count(12)
    for i in range(12):
        expect(views.nth(i).locator("button").first).to_be_attached()
        at_rest(views.nth(i))
    found = page.evaluate(
        """() => [...document.querySelectorAll('.jp-Notebook .jp-CodeCell')].map(cell => {
            const output = cell.querySelector('.jp-OutputArea-output');
            const width = el => Math.round(el.getBoundingClientRect().width);
            return output && [width(output), ...[...cell.querySelectorAll('.saew')].map(width)];
        })"""
    )
    rows = [row for row in found if row and len(row) > 1]
    assert [len(row) - 1 for row in rows] == [2, 1, 1, 1, 2, 2, 1, 1, 1]
    for whole, *widths in rows:
        assert min(widths) >= 280 and sum(widths) <= whole, rows
    (two, one, slider, _, grid, four, box, app, half) = rows
    for whole, a, b in (two, grid, four):
        assert a + b > 0.85 * whole and abs(a - b) < 0.2 * whole, rows
    assert one[1] > 0.95 * one[0] and box[1] > 0.95 * box[0] and app[1] > 280
    assert slider[1] > slider[0] - 340
    assert half[1] == pytest.approx(half[0] / 2, rel=0.1)
    assert watched.errors == []

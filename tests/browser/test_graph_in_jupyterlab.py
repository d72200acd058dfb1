"""AttributionGraphView in a real JupyterLab: looked at, walked, pruned and marked by hand, and read back in Python."""

from __future__ import annotations

from pathlib import Path

import pytest
from graph_view_made import graph_of
from lab import Lab, Watched, becomes, place, python, run_all, run_code, write_notebook
from playwright.sync_api import Page, expect

import saewidgets as sw

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
SETUP = f"""
import json, sys
sys.path.insert(0, {str(ROOT / "tests" / "unit")!r})
import saewidgets as sw
from graph_view_made import graph_of
graph = graph_of(90, 1600)
view = sw.AttributionGraphView(graph, threshold=1)
view
"""
LEFT, RIGHT, TOP, BOTTOM = 38, 10, 14, 62  # as in picture.ts


class Picture:
    """The canvas of a graph that is wholly shown, by its nodes' rows."""

    def __init__(self, page: Page, graph: sw.AttributionGraph) -> None:
        self.page, self.graph, self.layout = page, graph, graph.layout()
        self.canvas = page.locator(".jp-OutputArea .saew-graph canvas")

    def at(self, row: int) -> tuple[float, float]:
        """Where a node is on screen, before anything moved."""
        box = place(self.canvas)
        node, layout = self.graph.nodes[row], self.layout
        column = max(node.position, 0)
        whole = layout.width + 0.5 * len(layout.widths)
        x = (layout.x[row] + 0.5 * column + 0.25) * (box["width"] - LEFT - RIGHT) / whole
        y = (len(layout.bands) - layout.y[row] - 0.5) * (box["height"] - TOP - BOTTOM) / len(layout.bands)
        return box["x"] + LEFT + x, box["y"] + TOP + y

    def click(self, row: int) -> None:
        self.page.mouse.click(*self.at(row))


def test_a_graph_is_looked_at_and_marked(lab: Lab, notebooks: Path, watched: Watched) -> None:
    page = watched.page
    page.set_viewport_size({"width": 1500, "height": 1100})
    write_notebook(notebooks / "graph.ipynb", [SETUP])
    lab.open(page, "graph.ipynb")
    run_all(page)
    graph = graph_of(90, 1600)
    picture = Picture(page, graph)
    box = page.locator(".jp-OutputArea .saew-graph")
    status = box.locator("[role=status]").first
    expect(status).to_have_text(f"{len(graph.nodes)} nodes, 1,600 links")
    picture.canvas.scroll_into_view_if_needed()
    first, second, third = [row for row, node in enumerate(graph.nodes) if node.kind == "feature"][-3:]
    ids = [node.node_id for node in graph.nodes]

    # A click selects; its inputs and outputs are walked by clicks.
    picture.click(first)
    becomes(page, "view.selected", ids[first])
    becomes(page, "[view.feature, view.layer]", [graph.nodes[first].index, graph.nodes[first].layer_number])
    inputs = graph.inputs(first)
    section = box.get_by_role("region", name="Selected node")
    expect(section).to_contain_text(f"Inputs ({len(inputs)})")
    section.locator(".saew-graph-node").first.click()
    becomes(page, "view.selected", inputs[0].node.node_id)

    # Panned away and zoomed, and back by a key.
    x, y = picture.at(second)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y + 90, steps=8)
    page.mouse.up()
    page.mouse.wheel(0, -300)
    page.mouse.click(x - 60, y + 90)  # what is under the pointer stays there
    becomes(page, "view.selected", ids[second])
    page.keyboard.press("Escape")
    becomes(page, "view.selected", None)
    page.keyboard.press("0")
    picture.click(second)
    becomes(page, "view.selected", ids[second])
    page.keyboard.press("Escape")
    becomes(page, "view.selected", None)

    # Pruned by keys.
    slider = box.get_by_role("slider")
    slider.focus()
    for _ in range(30):
        page.keyboard.press("ArrowLeft")
    becomes(page, "view.threshold", 0.7)
    shown = sum(not (c > 0.7) for c, given in zip(graph.cumulative, graph.roles.given, strict=True) if not given)
    shown += int(graph.roles.given.sum())
    expect(status).to_contain_text(f"{shown} of {len(graph.nodes)} nodes")
    run_code(page, "view.threshold = 1")
    expect(status).to_have_text(f"{len(graph.nodes)} nodes, 1,600 links")

    # Pinned, grouped with G held, renamed, labelled.
    page.keyboard.down("Control")
    picture.click(third)
    page.keyboard.up("Control")
    becomes(page, "view.pinned", [ids[third]])
    page.keyboard.down("g")
    picture.click(first)
    picture.click(second)
    page.keyboard.up("g")
    becomes(page, "list(view.groups.values())", [[ids[first], ids[second]]])
    becomes(page, "view.pinned", [ids[third], ids[first], ids[second]])
    group = box.locator(".saew-graph-group")
    group.locator(".saew-graph-label").click()
    page.get_by_label("Label of the group").fill("capitals")
    page.keyboard.press("Enter")
    becomes(page, "view.groups", {"capitals": [ids[first], ids[second]]})
    group.locator(".saew-graph-node").first.click()
    section.locator(".saew-graph-label").click()
    page.get_by_label("Label of the feature").fill("<b>called</b>")
    page.keyboard.press("Enter")
    becomes(page, f"view.graph.node({ids[first]!r}).label", "<b>called</b>")
    expect(section.locator("b")).to_have_count(0)
    becomes(page, "[n.node_id for n in view.graph.groups['capitals']]", [ids[first], ids[second]])
    assert python(page, "graph.groups") == {}  # the graph that was given is as it was
    assert python(page, "sw.AttributionGraph.open(view.graph.save('marked.json')).to_dict() == view.graph.to_dict()")

    # Undone by hand, and in Python.
    box.get_by_role("button", name="Undo").click()
    becomes(page, f"view.graph.node({ids[first]!r}).label == graph.node({ids[first]!r}).label", True)
    run_code(page, "view.undo(), view.undo()")
    becomes(page, "view.groups", {})
    expect(box.get_by_role("tab", name="Pinned (1)")).to_be_visible()
    run_code(page, f"view.graph = view.graph.group('from Python', [{ids[first]!r}])")
    box.get_by_role("tab", name="Pinned (2)").click()
    expect(group.locator(".saew-graph-label")).to_have_text("from Python")
    assert not watched.errors and not watched.outside

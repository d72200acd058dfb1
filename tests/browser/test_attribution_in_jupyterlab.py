"""AttributionPanel in a real JupyterLab on the demo model: a prediction explained, checked, and taken along; its page."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import Lab, Watched, at_rest, becomes, new_context, python, run_all, run_code, sees, write_notebook
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

SETUP = """
import json, traitlets
import saewidgets as sw
engine = sw.load_demo(device="cpu")
index = sw.load_demo_index(engine)
"""
PANEL = """
panel = sw.AttributionPanel(engine, index, "In the beginning, God created the heavens and the")
panel
"""
LINKED = """
dashboard = sw.FeatureDashboard(engine, index)
link = traitlets.link((panel, "feature"), (dashboard, "feature"))
dashboard
"""


def features(page: Page) -> list[int]:
    return [int(text) for text in page.locator(".saew-attribution .saew-feature").all_inner_texts()]


def test_a_prediction_is_explained_checked_and_taken_along(
    lab: Lab, notebooks: Path, watched: Watched, browser: Browser, tmp_path: Path
) -> None:
    page = watched.page
    write_notebook(notebooks / "attribution.ipynb", [SETUP, PANEL, LINKED])
    lab.open(page, "attribution.ipynb")
    run_all(page)
    panel = page.locator(".jp-Notebook .saew-attribution")

    # The target typed and taken, the foil from what the model says.
    expect(panel.locator(".saew-empty")).to_contain_text("Choose a target")
    target, foil = (panel.get_by_role("combobox", name=name) for name in ("target", "foil"))
    target.fill(" earth")
    target.press("Enter")
    becomes(page, "panel.target", " earth")
    expect(panel.locator(".saew-attribution-head")).to_contain_text("logit ' earth'")
    ours = panel.get_by_role("button", name="foil: ")
    said = python(page, "sw.predictions(engine, panel.prompt).to_pandas().query(\"model == 'clean'\")['token'][1]")
    ours.nth(1).click()
    becomes(page, "panel.foil", said)
    expect(foil).to_have_value(said)
    run_code(page, "panel.foil = ' sky'")
    expect(panel.locator(".saew-attribution-head")).to_contain_text("' earth' - ' sky'")

    # The ranking is the result's.
    rows = panel.locator(".saew-ranking tbody tr")
    expect(rows).to_have_count(20)
    top = python(page, "panel.attribution.by_feature()['feature'].head(20).tolist()")
    sees(lambda: features(page), top)

    # The true effects of the first 20 and of 20 others.
    panel.get_by_role("button", name="Check").click()
    expect(panel.locator(".saew-point")).to_have_count(40)
    expect(panel.locator("section[aria-label='True effects'] table")).to_contain_text("activation (with")
    panel.get_by_role("button", name="by true effect").click()
    becomes(page, "panel.sort", "effect")
    effects = python(
        page,
        "panel.checked.to_pandas().sort_values('effect', key=abs, ascending=False)['feature'].head(20).tolist()",
    )
    sees(lambda: features(page), effects)
    panel.get_by_role("button", name="by size").click()
    sees(lambda: features(page), top)

    # Rows that are pointed at stay where they are, however long the name is that stands above them.
    for width in (800, 1280):
        page.set_viewport_size({"width": width, "height": 1000})
        page.mouse.move(5, 5)
        expect(panel.locator(".saew-scale")).to_contain_text("all features")
        last = rows.nth(5)
        last.scroll_into_view_if_needed()
        last.locator(".saew-label").scroll_into_view_if_needed()  # sideways, where the table is wider than its box
        at_rest(last)
        before = last.bounding_box()
        last.locator(".saew-label").hover()
        expect(panel.locator(".saew-scale")).not_to_contain_text("all features")
        sees(last.bounding_box, before)
    page.mouse.move(5, 5)

    # A feature that is looked at is looked at in what is linked.
    chosen = features(page)[1]
    panel.locator(f".saew-feature[data-feature='{chosen}']").click()
    becomes(page, "[panel.feature, dashboard.feature]", [chosen, chosen])
    expect(page.locator(".jp-Notebook .saew-dashboard h2")).to_have_text(f"Feature {chosen}")
    expect(panel.locator(".saew-scale")).to_contain_text(f"feature {chosen}")

    # Taken out, and into a recipe.
    panel.get_by_label(f"Take feature {chosen} out").check()
    panel.get_by_role("button", name=f"Take out feature {chosen}").click()
    expect(panel.locator("section[aria-label='Without the ticked features']")).to_contain_text(f"Without {chosen}:")
    panel.get_by_label(f"Add feature {chosen} to the recipe").click()
    expect(panel.get_by_label(f"Feature {chosen} is in the recipe")).to_be_disabled()
    becomes(page, f"panel.value == sw.Recipe([sw.ablate({chosen})])", True)

    # Tokens.
    panel.locator(".saew-attributed .saew-t").nth(5).click()
    becomes(page, "panel.selected_tokens", [5])
    expect(panel.locator(".saew-ranking")).to_contain_text("over 1 selected token")
    panel.get_by_role("button", name="all tokens").click()
    becomes(page, "panel.selected_tokens", [])

    # Wrong, and on.
    target.fill(" earthworm farms")
    target.press("Enter")
    expect(panel.get_by_role("alert")).to_contain_text("tokens")
    target.fill(" earth")
    target.press("Enter")
    expect(panel.get_by_role("alert")).to_have_count(0)
    expect(panel.locator(".saew-attribution-head")).to_contain_text("' earth' - ' sky'")

    # As a page.
    file = tmp_path / "attribution.html"
    run_code(page, f"panel.to_html({str(file)!r})")
    assert not watched.errors and not watched.outside
    context = new_context(browser, offline=True, viewport={"width": 1200, "height": 1000})
    saved = Watched(context)
    saved.page.goto(file.as_uri())
    expect(saved.page.locator(".saew-ranking tbody tr")).to_have_count(20)
    sees(lambda: features(saved.page), top)
    expect(saved.page.locator(".saew-point")).to_have_count(40)
    saved.page.locator(".saew-attributed .saew-t").nth(5).click()
    expect(saved.page.locator(".saew-ranking")).to_contain_text("over 1 selected token")
    expect(saved.page.locator(".saew-banner")).to_have_count(0)
    assert not saved.errors and not saved.outside
    context.close()

"""LayerLens in a real JupyterLab: the demo model, its SAE, a random one, probes and neurons at other layers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, Watched, becomes, new_context, python, run_anew, run_code, sees, write_notebook
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

WIDGET = ".jp-OutputArea .saew-layers"
# Run anew, the notebook's first cell would load the model again.
SETUP = """
import torch
import saewidgets as sw
if "engine" not in globals():
    demo = sw.load_demo(device="cpu")
    torch.manual_seed(0)
    width = demo.model.cfg.d_model
    saes = {
        "demo": demo.dictionary().sae,
        "probes": sw.Directions(torch.randn(12, width), "blocks.28.hook_resid_post"),
        "neurons": sw.Neurons("blocks.3.mlp.hook_post"),
    }
    engine = sw.Engine(demo.model.raw, saes)
    index = sw.load_demo_index(engine)
"""
SHOW = """
layers = sw.LayerLens(engine, "In the beginning, God created the heavens and the", index=index)
layers
"""


@pytest.fixture(scope="module")
def opened(lab: Lab, notebooks: Path, browser: Browser) -> Iterator[Watched]:
    write_notebook(notebooks / "layers.ipynb", [SETUP, SHOW])
    with lab.opened(browser, "layers.ipynb") as watched:
        yield watched


@pytest.fixture
def notebook(opened: Watched) -> Watched:
    run_anew(opened, WIDGET)
    opened.page.wait_for_selector(f"{WIDGET} .saew-pick")
    opened.page.locator(WIDGET).scroll_into_view_if_needed()
    return opened


def shows(page: Page, position: int) -> None:
    """Wait until what is listed is what Python has; the screen has the last dictionary on top."""
    expect(page.locator(f"{WIDGET} .saew-ladder h3")).to_contain_text(f"(position {position})")
    wanted = python(page, "[[s, int(f)] for s, f in zip(layers.features['sae'], layers.features['feature'])]")
    last_first = [str(f) for name in ("probes", "demo", "neurons") for sae, f in wanted if sae == name]
    assert len(last_first) == len(wanted)
    expect(page.locator(f"{WIDGET} .saew-pick b")).to_have_text(last_first)


def test_the_grid_the_ladder_and_a_feature(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(WIDGET)
    hooks, n = python(page, "[len(layers.lens.hooks), len(layers.lens.tokens)]")
    names = widget.locator(".saew-lens [role=rowheader]")
    expect(names.first).to_have_text(f"{hooks - 2} resid_post")
    expect(names.nth(hooks - 1)).to_have_text("0 resid_pre")
    expect(widget.locator(".saew-lens-token.saew-lens-on")).to_contain_text("the")
    shows(page, n - 1)

    # A cell says what Python has.
    widget.locator(f'[data-cell="{hooks - 1} 4"]').hover()
    top = python(page, "[layers.lens.top_tokens[-1][4][0], float(layers.lens.top[-1, 4, 0])]")
    tip = widget.locator(".saew-tip")
    expect(tip).to_contain_text("position 4")
    expect(tip.locator("tr").first).to_contain_text(top[0].strip())
    number = tip.locator("tr .saew-num").first
    sees(lambda: float(number.inner_text().rstrip("%")), pytest.approx(top[1] * 100, rel=1e-2))

    # A click chooses the column.
    widget.locator(f'[data-cell="{hooks - 1} 4"]').click()
    becomes(page, "layers.position", 4)
    shows(page, 4)

    # Pointed at, a feature stands under the grid; clicked, it is Python's.
    pick = widget.locator(".saew-pick", has_text="demo, feature").first
    pick.hover()
    expect(page.locator(".saew-tip .saew-glance")).to_contain_text("Feature")
    pick.click()
    f = int(pick.locator("b").inner_text())
    becomes(page, "[layers.sae, layers.feature]", ["demo", f])
    page.mouse.move(2, 2)
    wanted = python(page, f"(lambda a: ((a[:, {f}] != 0) & a.counted).tolist())(layers.activations['demo'])")
    assert any(wanted)
    acts = widget.locator(".saew-lens-act")
    sees(lambda: acts.evaluate_all("els => els.map(e => e.style.background !== '')"), wanted)

    # A token of the ladder becomes what the grid is shaded by.
    says = widget.locator(".saew-says:not(:disabled)").first
    says.click()
    expect(widget.locator(".saew-layers-line").first).to_contain_text("probability of the target")
    becomes(page, "bool(layers.target)", True)
    p = python(page, "float(layers.lens.probability[-1, 4, 0])")
    assert p == pytest.approx(python(page, "float(layers.lens.top[-1, 4, 0])"), rel=1e-4)
    expect(widget.locator(f'[data-cell="{hooks - 1} 4"].saew-lens-hit')).to_be_visible()
    assert notebook.errors == [] and notebook.outside == []


def test_texts_targets_and_keys(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(WIDGET)
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    widget.get_by_label("Text", exact=True).fill("The capital of France is")
    becomes(page, "[layers.text, layers.position]", ["The capital of France is", None])
    n = python(page, "len(layers.lens.tokens)")
    expect(widget.locator(".saew-lens-token")).to_have_count(n)
    shows(page, n - 1)
    target = widget.locator(".saew-layers-tools input").first
    target.fill(" Paris is")
    target.press("Enter")
    expect(widget.locator(".saew-note[role=status]")).to_contain_text("Its first is ' Paris'")
    target.fill(" Paris")
    target.press("Enter")
    expect(widget.locator(".saew-note[role=status]")).to_have_count(0)
    becomes(page, "layers.target", " Paris")
    # By keyboard, from cell to cell; no key becomes a command of the notebook's.
    grid = widget.get_by_role("grid")
    grid.focus()
    page.keyboard.press("Home")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    becomes(page, "layers.position", 2)
    shows(page, 2)
    # To the ladder's buttons, and through them.
    page.keyboard.press("Escape")
    widget.locator(".saew-rungs button[tabindex='0']").focus()
    page.keyboard.press("End")
    expect(widget.locator(".saew-rungs button:not(:disabled)").last).to_be_focused()
    widget.locator(".saew-pick").nth(-2).focus()
    page.keyboard.press("ArrowDown")
    expect(widget.locator(".saew-pick").last).to_be_focused()
    page.keyboard.press("Enter")
    becomes(page, "[layers.sae, layers.feature is not None]", ["neurons", True])
    # From Python.
    run_code(page, "layers.position = 1; layers.feature = None; layers.top_features = 2; layers.k = 3")
    shows(page, 1)
    assert python(page, "len(layers.features)") == 6
    # A long text: what is chosen is brought into sight, and only what is in sight is drawn.
    run_code(page, "layers.text = 'the cat and the dog ' * 20; layers.position = 80")
    expect(widget.locator(".saew-lens-token.saew-lens-on")).to_be_visible()
    assert python(page, "len(layers.lens.tokens)") > 60
    sees(lambda: widget.locator(".saew-lens-token").count() < 60, True)
    run_code(page, "layers.text = 'word ' * 9000")
    expect(widget.locator(".saew-banner-error")).to_contain_text("more than the context")
    run_code(page, "layers.text = 'word'")
    expect(widget.locator(".saew-banner-error")).to_have_count(0)
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(cells)
    assert notebook.errors == [] and notebook.outside == []


def test_a_page_without_a_kernel(notebook: Watched, notebooks: Path, browser: Browser) -> None:
    """Every token of a short text can be clicked, and every listed feature."""
    path = notebooks / "layers.html"
    run_code(notebook.page, f"layers.text = 'God created the heavens'; _ = layers.save({str(path)!r})")
    becomes(notebook.page, f"__import__('pathlib').Path({str(path)!r}).exists()", True)
    context = new_context(browser, offline=True, viewport={"width": 1200, "height": 1400})
    try:
        page = context.new_page()
        page.goto(path.as_uri())
        tokens = page.locator(".saew-lens-token")
        expect(page.locator(".saew-pick").first).to_be_visible()
        expect(page.locator(".saew-lens-locked")).to_have_count(0)
        tokens.nth(2).click()
        expect(page.locator(".saew-ladder h3")).to_contain_text("(position 2)")
        pick = page.locator(".saew-pick").first
        pick.click()
        expect(page.locator(".saew-lens-strip b")).to_have_text(pick.locator("b").inner_text())
        expect(page.locator(".saew-lens-act").nth(2)).to_have_text(
            page.locator(".saew-pick .saew-nowrap").first.inner_text()
        )
        expect(page.locator(".saew-banner")).to_have_count(0)
    finally:
        context.close()

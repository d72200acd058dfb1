from pathlib import Path
import pytest
from lab import Lab, run_all, set_theme, write_notebook
from playwright.sync_api import Browser
pytestmark = pytest.mark.browser
SETUP = """
import torch
import saewidgets as sw
engine0 = sw.load_demo(device="cpu")
index = sw.load_demo_index(engine0)
sae = engine0.dictionary()
print(sae.name, sae.hook_name, engine0.model.cfg.n_layers)
torch.manual_seed(0)
d = engine0.model.cfg.d_model
engine = sw.Engine(engine0.model.raw, {"demo": sae.sae, "neurons 3": sw.Neurons("blocks.3.mlp.hook_post"),
  "probes": sw.Directions(torch.randn(12, d), "blocks.4.hook_resid_post", names=[f"probe {i}" for i in range(12)])})
index.check(engine, "demo")
T = "When Mary and John went to the store, John gave a drink to"
"""
CELLS = [
 'sw.LayerLens(engine, T, index=index)',
 'w = sw.LayerLens(engine, T*12, index=index, target=" Mary", position=150); f = int(w.features.query("sae==\'demo\'").iloc[0].feature); w.sae="demo"; w.feature=f; w',
]
def test_look(lab: Lab, notebooks: Path, browser: Browser) -> None:
    write_notebook(notebooks / "look.ipynb", [SETUP, *CELLS])
    with lab.opened(browser, "look.ipynb") as watched:
        page = watched.page
        run_all(page)
        page.wait_for_selector(".jp-OutputArea .saew-layers", timeout=200000, state="attached")
        page.wait_for_timeout(9000)
        print(page.locator(".jp-OutputArea").all_inner_texts()[0][:500])
        for theme in ("JupyterLab Light", "JupyterLab Dark"):
            set_theme(page, theme)
            for width in (1400, 700):
                page.set_viewport_size({"width": width, "height": 1700})
                page.wait_for_timeout(1500)
                for i in range(2):
                    box = page.locator(".jp-OutputArea .saew-layers").nth(i)
                    box.scroll_into_view_if_needed()
                    page.mouse.move(2, 2)
                    page.wait_for_timeout(900)
                    if i == 0 and theme.endswith("Light"):
                        box.locator(".saew-lens-cell").nth(60).hover()
                        page.wait_for_timeout(300)
                    if i == 0 and theme.endswith("Dark"):
                        box.locator(".saew-pick").nth(3).hover()
                        page.wait_for_timeout(1300)
                    name = f"/work/look/A-{i}-{theme[-5:].strip()}-{width}"
                    box.screenshot(path=name + ".png")
                    if width == 1400: page.evaluate("() => jupyterapp.shell.collapseLeft()")
        print(watched.errors)

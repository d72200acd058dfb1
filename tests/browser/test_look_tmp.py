from pathlib import Path
import pytest
from lab import Lab, run_all, run_code, set_theme, write_notebook
from playwright.sync_api import Browser
pytestmark = pytest.mark.browser
SETUP = """
import saewidgets as sw, numpy as np, dataclasses
from saewidgets.geometry.places import CorpusPlaces
e = sw.load_demo(device="cpu")
index = sw.load_demo_index(e)
"""
CELLS = [
 """a = sw.FeatureSubspace(index, [2717, 5666, 6015, 5363], read=3000)
s = a.result
rng = np.random.default_rng(0)
idx = np.sort(rng.integers(0, len(s.points), 20000))
ang = (np.array([hash(t) % 12 for t in s.token])[idx] + rng.normal(0, .12, 20000)) * np.pi / 6
pts = s.points[idx].copy(); pts[:, 1] = 10*np.cos(ang) + rng.normal(0,.6,20000); pts[:, 2] = 10*np.sin(ang) + rng.normal(0,.6,20000)
circ = s.circularity.copy(); circ[1,2]=circ[2,1]=.93
big = dataclasses.replace(s, points=pts, activations=s.activations[idx], token=tuple(s.token[i] for i in idx), position=s.position[idx], places=CorpusPlaces(index, s.position[idx]), pair=(1,2), circularity=circ)
a._results.forget(); a._results.of(str(list(a.features)), lambda: big)
a.selected = [100, 9000]
a""",
]
def test_look(lab: Lab, notebooks: Path, browser: Browser) -> None:
    write_notebook(notebooks / "look.ipynb", [SETUP, *CELLS])
    with lab.opened(browser, "look.ipynb") as watched:
        page = watched.page
        page.set_viewport_size({"width": 1400, "height": 1800})
        page.evaluate("() => jupyterapp.shell.collapseLeft()")
        run_all(page)
        page.wait_for_selector(".jp-OutputArea .saew-subspace .saew-plot", timeout=200000, state="attached")
        page.wait_for_timeout(3000)
        box = page.locator(".jp-OutputArea .saew-subspace").first
        for theme in ("JupyterLab Light", "JupyterLab Dark"):
            set_theme(page, theme)
            for width in (1100, 330):
                page.set_viewport_size({"width": width + 140, "height": 2200})
                page.evaluate("""w => document.querySelectorAll('.jp-OutputArea .saew-subspace').forEach(e => e.parentElement.style.width = w + 'px')""", width)
                page.wait_for_timeout(2500)
                box.scroll_into_view_if_needed()
                plot = box.locator(".saew-plot-box").bounding_box()
                page.mouse.move(plot["x"] + plot["width"] * .75, plot["y"] + plot["height"] * .3)
                page.wait_for_timeout(2500)
                box.screenshot(path=f"/work/look4/big-{theme[-5:].strip()}-{width}.png")
        set_theme(page, "JupyterLab Light")
        page.set_viewport_size({"width": 1240, "height": 1500})
        page.evaluate("""() => document.querySelectorAll('.jp-OutputArea .saew-subspace').forEach(e => e.parentElement.style.width = '1100px')""")
        page.wait_for_timeout(2000)
        print(page.evaluate("""async () => {
            const el = document.querySelector('.jp-OutputArea .saew-plot-box'); const b = el.getBoundingClientRect(); const times = [];
            for (let i = 0; i < 60; i++) {
                const t = performance.now();
                el.dispatchEvent(new PointerEvent('pointermove', {bubbles: true, clientX: b.x + 60 + i * 8, clientY: b.y + 100 + i * 4}));
                await new Promise(r => requestAnimationFrame(r)); times.push(performance.now() - t);
            }
            const zoom = [];
            for (let i = 0; i < 12; i++) {
                const t = performance.now();
                el.dispatchEvent(new WheelEvent('wheel', {bubbles: true, cancelable: true, ctrlKey: true, deltaY: -30, clientX: b.x + 300, clientY: b.y + 200}));
                await new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r))); zoom.push(performance.now() - t);
            }
            return [times.map(Math.round), zoom.map(Math.round)];
        }"""))
        page.wait_for_timeout(1500)
        box.screenshot(path="/work/look4/big-zoomed.png")
        page.get_by_role("button", name="All", exact=True).click()
        run_code(page, "a.colour = 'feature:5666'")
        page.wait_for_timeout(1500)
        box.screenshot(path="/work/look4/big-feature.png")
        run_code(page, "a.colour = 'document'")
        page.wait_for_timeout(1500)
        box.locator(".saew-group").nth(1).click()
        page.wait_for_timeout(1500)
        box.screenshot(path="/work/look4/big-document.png")
        print(watched.errors)

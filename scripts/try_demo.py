"""`saewidgets demo` of another environment, as a newcomer runs it: scripts/try_demo.py VENV/bin [PICTURE.png]

Starts it with nothing but that folder on the PATH (no Node.js, no compiler), opens the address it prints in Chromium, runs all
cells, and waits for the heatmap and for the dashboard below it. Run by an environment that has Playwright.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))
from lab import STARTED, Watched, chromium, new_context, run_all

HEATMAP, DASHBOARD = ".jp-OutputArea .saew-heatmap", ".jp-OutputArea .saew-dashboard"


def main() -> None:
    folder = Path(sys.argv[1]).absolute()
    root = ["--allow-root"] if getattr(os, "geteuid", lambda: -1)() == 0 else []
    with tempfile.TemporaryDirectory() as scratch:
        places = dict.fromkeys(("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"), scratch)
        process = subprocess.Popen(
            [folder / "saewidgets", "demo", "--", "--no-browser", "--LabApp.expose_app_in_browser=True", *root],
            cwd=scratch,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            | places
            | {"PATH": str(folder)},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            url = next((line.strip() for line in process.stdout if "http" in line), None)
            if url is None:
                raise SystemExit("saewidgets demo printed no address")
            see(url, Path(sys.argv[2]) if len(sys.argv) > 2 else None)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
            process.wait()


def see(url: str, picture: Path | None) -> None:
    """Run the notebook's cells and look at what they show."""
    with chromium() as browser:
        context = new_context(browser, viewport={"width": 1280, "height": 1600})
        watched = Watched(context)
        page = watched.page
        page.goto(url)
        page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        page.wait_for_function(STARTED)
        run_all(page)
        page.wait_for_selector(f"{HEATMAP} .saew-t")
        page.wait_for_selector(DASHBOARD)
        page.wait_for_function(STARTED)
        if picture:
            page.screenshot(path=picture)
        told = page.locator(
            ", ".join(f"[data-mime-type='application/vnd.jupyter.{kind}']" for kind in ("error", "stderr"))
        )
        errors = told.all_inner_texts()
        if errors or watched.errors:
            raise SystemExit("\n".join(["The demo's notebook did not run as it should:", *errors, *watched.errors]))
        print(page.locator(f"{HEATMAP} .saew-t").count(), "tokens in the demo's heatmap; no error")


if __name__ == "__main__":
    main()

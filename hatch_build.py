"""Build the front end with npm when a wheel, an sdist or an editable install is made.

Nothing is built when the bundles are newer than the sources in js/ (so an sdist that carries them installs without
node) or when SAEWIDGETS_SKIP_JS=1, which is an error if there are no bundles to ship.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WIDGETS = json.loads((Path(__file__).parent / "js" / "widgets.json").read_text("utf-8"))
BUNDLES = tuple(
    f"{widget}{end}"
    for widget, how in WIDGETS.items()
    for end in (".js", ".css", ".snapshot.js", *((".snapshot.css",) if how.get("page") else ()))
)
SOURCE_SUFFIXES = {".css", ".js", ".json", ".mjs", ".ts", ".tsx"}


class FrontEndHook(BuildHookInterface):
    PLUGIN_NAME = "custom"

    def initialize(self, version, build_data):
        root = Path(self.root)
        bundles = [root / "src" / "saewidgets" / "static" / name for name in BUNDLES]
        missing = [path.name for path in bundles if not path.exists()]
        if os.environ.get("SAEWIDGETS_SKIP_JS") == "1":
            if missing:
                raise RuntimeError(
                    f"SAEWIDGETS_SKIP_JS=1, but src/saewidgets/static lacks {', '.join(missing)}: "
                    "unset it, or run `npm ci && npm run build` first"
                )
            return
        if missing or is_stale(bundles, root):
            build_front_end(root)


def is_stale(bundles: list[Path], root: Path) -> bool:
    """Whether a source is newer than the oldest bundle. Whole seconds: archives keep no finer times."""
    sources = [path for path in (root / "js" / "src").rglob("*") if path.suffix in SOURCE_SUFFIXES]
    others = [
        root / "js" / "build.mjs",
        root / "js" / "widgets.json",
        root / "package.json",
        root / "package-lock.json",
    ]
    package = root / "src" / "saewidgets"  # both sides read these
    others += [package / "interventions" / "recipe" / "kinds.json", package / "widgets" / "constants.json"]
    sources += [path for path in others if path.exists()]
    oldest = min(int(path.stat().st_mtime) for path in bundles)
    return any(int(path.stat().st_mtime) > oldest for path in sources)


def build_front_end(root: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError(
            "saewidgets: the front end has to be built and npm was not found. "
            "Install Node.js 20 or newer, or install saewidgets from a wheel, which needs no node."
        )
    # A development tree has its packages installed, with the linters: `npm ci --omit=dev` would throw those away.
    if not (root / "node_modules" / "esbuild").exists():
        run([npm, "ci", "--omit=dev", "--no-audit", "--no-fund"], root)
    run([npm, "run", "build"], root)


def run(command: list[str], root: Path) -> None:
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        name = " ".join(["npm", *command[1:]])
        raise RuntimeError(f"saewidgets: `{name}` failed ({done.returncode}):\n{done.stdout}{done.stderr}")

"""The `saewidgets` command: the demo without writing a line, in JupyterLab or as one HTML file.

Nothing heavy is imported until a subcommand needs it: `saewidgets --help` should not wait for torch.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from . import __version__
from .engine.errors import SaewidgetsError

NOTEBOOK = "quickstart.ipynb"
TEXT = "In the beginning, God created the heavens and the earth. On Monday it rained; on Tuesday it did not."
_FAILED, _INTERRUPTED = 1, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    given, lab_options = _split(sys.argv[1:] if argv is None else argv)
    arguments = _parser().parse_args(given)
    if arguments.html is None and (arguments.text is not None or arguments.features is not None):
        _parser().error("--text and --features describe the page of --html: add --html OUT")
    if arguments.html is not None and lab_options:
        _parser().error("--html opens no JupyterLab that options after -- could go to")
    try:
        if arguments.html is None:
            return open_lab(Path.cwd(), lab_options)
        write_page(arguments.html, TEXT if arguments.text is None else arguments.text, arguments.features or [])
    except (SaewidgetsError, OSError) as error:
        print(f"saewidgets: {error}", file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


def write_page(out: Path, text: str, features: Sequence[int]) -> None:
    """Write the token heatmap of `text` on the demo SAE as one self-contained file."""
    # Before the model is loaded: half a minute is a long wait for a mistyped path.
    if not out.parent.is_dir():
        raise SaewidgetsError(f"There is no folder {out.parent}: make it first, or write somewhere else.")
    from . import TokenFeatureHeatmap, load_demo

    with load_demo() as engine:
        heatmap = TokenFeatureHeatmap(engine, text=text, features=features)
        heatmap.to_html(out)
    print(f"{out} ({out.stat().st_size / 1000:,.0f} kB)")


def open_lab(folder: Path, options: Sequence[str] = ()) -> int:
    """Open JupyterLab, with `options`, on a copy of the quickstart notebook; returns its exit status."""
    if find_spec("jupyterlab") is None:
        raise SaewidgetsError(
            "The demo opens in JupyterLab, which is not installed in this environment. "
            "Run: pip install 'saewidgets[demo]' (or write a page instead: saewidgets demo --html demo.html)"
        )
    notebook = copy_notebook(folder)
    print(f"Opening {notebook} in JupyterLab; Ctrl-C ends it")
    # Ctrl-C reaches JupyterLab as well, which asks before it shuts down; dying of it here would kill it meanwhile. A
    # handler that does nothing and not SIG_IGN, which JupyterLab would inherit.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        # As a module of this Python: the `jupyter` found on PATH may belong to another environment.
        status = subprocess.call([sys.executable, "-m", "jupyterlab", str(notebook), *options])
    finally:
        signal.signal(signal.SIGINT, before)
    if status and "--allow-root" not in options and getattr(os, "geteuid", lambda: -1)() == 0:
        print("saewidgets: JupyterLab runs as root only if told so: saewidgets demo -- --allow-root", file=sys.stderr)
    return status


def copy_notebook(folder: Path) -> Path:
    """The quickstart notebook in `folder`. One that is there already is kept: it may hold the user's work."""
    target = folder / NOTEBOOK
    if not target.exists():
        with (files("saewidgets.demo") / "assets" / NOTEBOOK).open("rb") as source, target.open("xb") as copy:
            shutil.copyfileobj(source, copy)
    return target


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our arguments, and those after "--". By hand: what argparse makes of "--" differs between Python versions."""
    end = argv.index("--") if "--" in argv else len(argv)
    return list(argv[:end]), list(argv[end + 1 :])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="saewidgets", description="Sparse autoencoder features beside your code.")
    parser.add_argument("--version", action="version", version=f"saewidgets {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    about = "a small model with a small SAE: opens the quickstart notebook in JupyterLab, or writes a page (--html)"
    more = "options after -- go to JupyterLab: saewidgets demo -- --no-browser --port 9000"
    demo = commands.add_parser("demo", help=about, description=about, epilog=more)
    demo.add_argument("--html", type=Path, metavar="OUT", help="write a token heatmap to this file; opens nothing")
    demo.add_argument("--text", help="the text of the page")
    demo.add_argument("--features", type=_features, metavar="N,N", help="features to colour by, e.g. 2717,3626")
    return parser


def _features(given: str) -> list[int]:
    try:
        return [int(part) for part in given.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{given!r} is no list of numbers like 2717,3626") from error


if __name__ == "__main__":
    sys.exit(main())

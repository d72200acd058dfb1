"""JupyterLab on a copy of the quickstart notebook, saying what its user needs and no more.

JupyterLab alone logs forty lines before the address, and, where a Node.js is on the PATH, runs it for the registry of an
extension manager that the demo has no use for; what that prints when it fails is a screenful of minified JavaScript.
Its errors are still shown; its warnings are, in an ordinary run, about itself (`saewidgets demo -- --debug` has them all).
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from ..errors import SaewidgetsError

NOTEBOOK = "quickstart.ipynb"
# Ours come first, so that an option after "--" can undo any of them.
_OPTIONS = ("--log-level=ERROR", "--LabApp.log_level=ERROR", "--ServerApp.answer_yes=True")
_LOOK_SECONDS = 0.2


def open_lab(folder: Path, options: Sequence[str] = ()) -> int:
    """Open JupyterLab, with `options`, on a copy of the quickstart notebook; returns its exit status.

    Raises:
        SaewidgetsError: if JupyterLab is not installed here.
    """
    if find_spec("jupyterlab") is None:
        raise SaewidgetsError(
            "The demo opens in JupyterLab, which is not installed in this environment. "
            "Run: pip install 'saewidgets[demo]' (or write a page instead: saewidgets demo --html demo.html)"
        )
    notebook = copy_notebook(folder)
    print(f"Starting JupyterLab on {notebook}", flush=True)
    # Ctrl-C reaches JupyterLab as well, which shuts its kernels down; dying of it here would kill it meanwhile. A
    # handler that does nothing and not SIG_IGN, which JupyterLab would inherit.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        status = _run(notebook, options)
    finally:
        signal.signal(signal.SIGINT, before)
    if status and "--allow-root" not in options and getattr(os, "geteuid", lambda: -1)() == 0:
        print("saewidgets: JupyterLab runs as root only if told so: saewidgets demo -- --allow-root", file=sys.stderr)
    return status


def _run(notebook: Path, options: Sequence[str]) -> int:
    environment = dict(os.environ)
    if not environment.keys() & {"JUPYTER_TOKEN", "JUPYTER_TOKEN_FILE"}:
        # A token that JupyterLab makes itself it also prints, with addresses that do not lead to the notebook.
        environment["JUPYTER_TOKEN"] = secrets.token_hex(24)
    # As a module of this Python: the `jupyter` found on PATH may belong to another environment.
    command = [sys.executable, "-m", "jupyterlab", str(notebook), *_OPTIONS, *options]
    process = subprocess.Popen(command, env=environment)
    while process.poll() is None:
        try:
            process.wait(_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            if url := _url(notebook, process.pid, environment.get("JUPYTER_TOKEN")):
                print(f"\n    {url}\n\nCtrl-C ends it", flush=True)
                break
    return process.wait()


def _url(notebook: Path, pid: int, token: str | None) -> str | None:
    """Where the server that was started shows the notebook, as soon as it says so in Jupyter's list of servers."""
    from jupyter_server.serverapp import list_running_servers

    for server in list_running_servers():
        # On Windows, the Python of a virtual environment starts another: the token is known, the process is not.
        if (server["pid"] == pid or (token and server["token"] == token)) and _answers(server["url"]):
            path = os.path.relpath(notebook, server["root_dir"]).replace(os.sep, "/")
            query = "?" + urlencode({"token": server["token"]}) if server["token"] else ""
            return f"{server['url']}lab/tree/{quote(path)}{query}"
    return None


def _answers(url: str) -> bool:
    """Whether somebody listens there: a server is in the list before it does."""
    address = urlsplit(url)
    try:
        with socket.create_connection((address.hostname or "localhost", address.port or 80), timeout=5):
            return True
    except OSError:
        return False


def copy_notebook(folder: Path) -> Path:
    """The quickstart notebook in `folder`. One that is there already is kept: it may hold the user's work."""
    target = folder / NOTEBOOK
    if not target.exists():
        with (files("saewidgets.demo") / "assets" / NOTEBOOK).open("rb") as source, target.open("xb") as copy:
            shutil.copyfileobj(source, copy)
    return target

"""The built front-ends: text of files in static/."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["asset", "live_asset"]

_STATIC = Path(__file__).parent.parent / "static"


def asset(name: str) -> str:
    """A built front-end file, as text: a `Path` would keep every instance of the widget alive (anywidget watches it).

    Raises:
        RuntimeError: if the front-end was not built.
    """
    path = _STATIC / name
    if not path.exists():
        raise RuntimeError(
            f"The front-end is not built: {name} is missing. Run `make js`, or install a released wheel."
        )
    return path.read_text("utf-8")


def live_asset(name: str) -> str | Path:
    """Like `asset`, but a watched path when developing with ANYWIDGET_HMR=1."""
    return _STATIC / name if os.environ.get("ANYWIDGET_HMR") == "1" else asset(name)

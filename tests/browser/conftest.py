"""One Chromium for all browser tests, and one JupyterLab over a folder of notebooks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, Watched, chromium, jupyterlab, watching
from playwright.sync_api import Browser

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart.ipynb"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that JupyterLab shows."""
    root = tmp_path_factory.mktemp("notebooks")
    shutil.copy(QUICKSTART, root / "quickstart.ipynb")
    return root


@pytest.fixture(scope="session")
def lab(notebooks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with jupyterlab(notebooks, tmp_path_factory.mktemp("jupyter")) as running:
        yield running


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    with watching(browser) as found:
        yield found

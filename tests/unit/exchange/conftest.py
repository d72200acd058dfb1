"""Fixtures of these tests."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept for the user is kept in the test's folder."""
    monkeypatch.setenv("SAEWIDGETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SAEWIDGETS_DATA", str(tmp_path / "data"))

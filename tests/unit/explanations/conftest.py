"""A tiny index to say things about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
from explanations_made import TEXTS

import saewidgets as sw


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept for the user is kept in the test's folder."""
    monkeypatch.setenv("SAEWIDGETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SAEWIDGETS_DATA", str(tmp_path / "data"))


@pytest.fixture
def engine() -> Iterator[sw.Engine]:
    with sw.Engine(tiny.hooked(), {"mine": tiny.sae("jumprelu")}, labels={3: "Genesis"}) as engine:
        yield engine


@pytest.fixture
def index(engine: sw.Engine, tmp_path: Path) -> sw.FeatureIndex:
    return sw.build_index(engine, TEXTS, tmp_path / "index", progress=False, wait=True)

"""Fixtures of these tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny

import saewidgets as sw


@pytest.fixture
def engine() -> sw.Engine:
    return sw.Engine(tiny.hooked(), {"mine": tiny.sae("jumprelu")}, labels={3: "Genesis"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("index") / "of"
    with sw.Engine(tiny.hooked(), {"mine": tiny.sae("jumprelu")}) as engine:
        texts = ["In the beginning God created the heaven and the earth. " * 3, "Zwölf Boxkämpfer 日本語"]
        sw.build_index(engine, texts, path, progress=False, wait=True)
    return path


@pytest.fixture
def index(folder: Path) -> sw.FeatureIndex:
    return sw.FeatureIndex.open(folder)

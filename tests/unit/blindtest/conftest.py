"""An index of one's own in every test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from blindtest_made import build

import saewidgets as sw


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("blindtest"))


@pytest.fixture
def index(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sw.FeatureIndex:
    monkeypatch.setenv("SAEWIDGETS_DATA", str(tmp_path / "data"))
    return sw.FeatureIndex.open(shutil.copytree(built, tmp_path / "index"))

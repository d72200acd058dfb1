"""Fixtures of these tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from dashboard_made import DEAD, SMALL, build, make_engine, with_dead

import saewidgets as sw


@pytest.fixture
def engine() -> sw.Engine:
    return with_dead(make_engine(labels={3: "Genesis"}), DEAD)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two indices of one corpus: whole, and with a sample of each feature."""
    folder = tmp_path_factory.mktemp("indices")
    with with_dead(make_engine(), DEAD) as engine:
        return build(engine, folder / "whole").path, build(engine, folder / "cut", keep=SMALL).path


@pytest.fixture
def index(built: tuple[Path, Path]) -> sw.FeatureIndex:
    return sw.FeatureIndex.open(built[0])


@pytest.fixture
def cut(built: tuple[Path, Path]) -> sw.FeatureIndex:
    return sw.FeatureIndex.open(built[1])

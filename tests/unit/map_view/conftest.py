"""Fixtures of these tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from dashboard_made import DEAD, ROWS, build, make_engine, with_dead

import saewidgets as sw


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index that nobody names or explains."""
    with with_dead(make_engine(), DEAD) as engine:
        return build(engine, tmp_path_factory.mktemp("mapped") / "index", ROWS).path


@pytest.fixture
def index(whole: Path) -> sw.FeatureIndex:
    return sw.FeatureIndex.open(whole)


@pytest.fixture
def own(tmp_path: Path) -> sw.FeatureIndex:
    """One to write into."""
    return build(make_engine(), tmp_path / "own", ROWS[-6:])

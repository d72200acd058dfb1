"""The index of planted shapes, built once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import planted_shapes
import pytest

import saewidgets as sw


@pytest.fixture(scope="session")
def planted_engine() -> Iterator[sw.Engine]:
    with planted_shapes.engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def planted(planted_engine: sw.Engine, tmp_path_factory: pytest.TempPathFactory) -> sw.FeatureIndex:
    path: Path = tmp_path_factory.mktemp("planted") / "index"
    return planted_shapes.index(path, planted_engine)

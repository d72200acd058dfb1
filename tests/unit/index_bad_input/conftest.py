"""Fixtures of these tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
from index_bad_made import TEXTS

import saewidgets as sw


@pytest.fixture(scope="module")
def engine() -> Iterator[sw.Engine]:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu")) as made:
        yield made


@pytest.fixture(scope="module")
def built(engine: sw.Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sw.build_index(engine, TEXTS, tmp_path_factory.mktemp("built") / "index", progress=False, wait=True).path


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "index"))

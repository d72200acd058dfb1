"""Fixtures of these tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny
from dose_response_made import model_of

import saewidgets as sw


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> tuple[sw.Engine, Any]:
    engine = sw.Engine(model_of("hooked"), tiny.sae("jumprelu"))
    path: Path = tmp_path_factory.mktemp("index")
    return engine, sw.build_index(engine, tiny.TEXTS * 3, path, progress=False, wait=True)

"""One world of engines and indexes for all of these tests; none of them changes it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from beside_made import World
from beside_made import world as made


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    found = made(tmp_path_factory.mktemp("beside"))
    yield found
    for engine in (found.base, found.tuned, found.strict):
        engine.close()

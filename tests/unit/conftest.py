"""What many unit tests stand on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from front_end import recording


@pytest.fixture
def fake_comm() -> Iterator[None]:
    """Widgets talk to a `RecordingComm`, which checks every message that leaves."""
    with recording():
        yield

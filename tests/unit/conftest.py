"""What many unit tests stand on."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from front_end import recording


@pytest.fixture(autouse=True)
def no_widget_left() -> Iterator[None]:
    """What a test makes ends with it: a widget that cannot be closed fails the test that made it, not the next one."""
    yield
    if "ipywidgets" in sys.modules:
        sys.modules["ipywidgets"].Widget.close_all()


@pytest.fixture
def fake_comm() -> Iterator[None]:
    """Widgets talk to a `RecordingComm`, which checks every message that leaves."""
    with recording():
        yield

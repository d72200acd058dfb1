"""Fixtures of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import tiny
from attribution_made import FOIL, PROMPT, TARGET

import saewidgets as sw


@pytest.fixture
def engine() -> Iterator[sw.Engine]:
    with sw.Engine(tiny.hooked(), tiny.sae(), labels={3: "<b>Genesis</b>", 5: "heaven"}) as made:
        yield made


@pytest.fixture
def panel(engine: sw.Engine) -> sw.AttributionPanel:
    return sw.AttributionPanel(engine, None, PROMPT, TARGET, FOIL)

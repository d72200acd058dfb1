"""A widget whose visitor has left."""

from __future__ import annotations

from typing import Any

import ipywidgets
import pytest
from front_end import RecordingComm

from saewidgets.widgets.base import EngineWidget


class Toy(EngineWidget, bundle="heatmap"):
    """A widget without an engine."""


class CutLine(RecordingComm):
    """Says goodbye to nobody, as Panel's does, while `cut`."""

    cut = True

    def close(self, *args: Any, **kwargs: Any) -> None:
        if not self.cut:
            super().close(*args, **kwargs)
            return
        raise AttributeError("'DocumentCallbackManager' object has no attribute '_change_callbacks'")


def test_a_widget_closes_though_its_line_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comm.create_comm", CutLine)
    toy = Toy(None)
    line, model = toy.comm, toy.model_id
    assert isinstance(line, CutLine)
    toy.close()
    assert toy.comm is None
    assert model not in ipywidgets.widgets.widget._instances
    line.handle_msg({"content": {"data": {"method": "custom", "content": {"t": "req"}}}})  # nobody listens
    with pytest.raises(RuntimeError, match="closed"):
        _ = toy.engine
    monkeypatch.setattr(CutLine, "cut", False)
    toy.layout.close()  # a widget of its own on the same line

"""The mechanism of widgets: what a question may hold, what a page records, and what both languages must agree on."""

from __future__ import annotations

import json
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
import tiny
import traitlets
from front_end import ask, good, recorded, recording

import saewidgets as sw
from saewidgets.engine.activations.ranking import SORTS
from saewidgets.engine.text import tokenizer
from saewidgets.engine.ticket import Ticket
from saewidgets.index.store.orders import ORDERS
from saewidgets.interventions.dose_response.sweep import SAMPLES
from saewidgets.interventions.generation.sampling import Sampling
from saewidgets.widgets import constants, wire
from saewidgets.widgets.base import EngineWidget
from saewidgets.widgets.channel import channel, parse, plain
from saewidgets.widgets.shot import Question, Shot

CONSTANTS = json.loads((Path(constants.__file__).parent / "constants.json").read_text("utf-8"))


@dataclass(frozen=True)
class Inner:
    name: str
    at: tuple[int, ...] = ()


@dataclass(frozen=True)
class Asked:
    feature: int = field(metadata={"wire": "f"})
    how: Literal["a", "b"] = "a"
    high: float | None = None
    on: bool = False
    inner: Inner | None = None
    anything: wire.Json = None


def test_what_is_asked_is_read_and_written_back_in_one_form() -> None:
    params: dict[str, wire.Json] = {
        "f": 3.0,
        "high": 1,
        "inner": {"name": "x", "at": [1, 2]},
        "anything": {"k": [None, 1.5, "s"]},
        "more": "a newer view may send more",
    }
    asked = parse(Asked, params)
    assert asked == Asked(3, "a", 1.0, False, Inner("x", (1, 2)), {"k": [None, 1.5, "s"]})
    assert isinstance(asked.feature, int) and isinstance(asked.high, float)
    written = plain(asked)
    assert written == {
        "f": 3,
        "how": "a",
        "high": 1.0,
        "on": False,
        "inner": {"name": "x", "at": [1, 2]},
        "anything": {"k": [None, 1.5, "s"]},
    }
    assert parse(Asked, written) == asked


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({}, "lacks.*f"),
        ({"f": "3"}, "f is int, not '3'"),
        ({"f": 1.5}, "f is int"),
        ({"f": True}, "f is int"),
        ({"f": None}, "f is int"),
        ({"f": 1, "how": "c"}, "how is 'a' or 'b'"),
        ({"f": 1, "on": 1}, "on is bool"),
        ({"f": 1, "high": "x"}, "high is float"),
        ({"f": 1, "inner": {}}, "lacks.*name"),
        ({"f": 1, "inner": {"name": "x", "at": [1, "y"]}}, "at is int, not 'y'"),
        ({"f": 1, "inner": 3}, "inner is Inner"),
    ],
)
def test_what_no_view_sends_is_refused_by_name(params: dict[str, wire.Json], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse(Asked, params)


@dataclass(frozen=True)
class Squares:
    n: int = 3


class Toy(EngineWidget, bundle="heatmap"):
    """A table of squares, in another's bundle."""

    n = traitlets.Int(3).tag(sync=True, page=True)
    untold = traitlets.Int(7).tag(sync=True)

    @channel("squares", Squares, remembered=True)
    def squares(self, asked: Squares, ticket: Ticket) -> wire.Reply:
        return wire.Reply({"rows": [i * i for i in range(asked.n)], "said": "half \ud800"})

    @channel("broken", Squares)
    def broken(self, asked: Squares, ticket: Ticket) -> wire.Reply:
        return wire.Reply({"deep": [{"mean": float("nan")}]})

    def fallback_html(self) -> str:
        return "<p>squares</p>"

    def shot(self, more: int = 0) -> Shot:
        questions = [Question("squares", Squares(self.n)), Question("squares", Squares(more), wire.Reply({"rows": []}))]
        return Shot("Squares", {"untold": 0}, questions, self.fallback_html(), [("of", "nothing")])


def test_a_widget_is_a_class_with_channels() -> None:
    with recording(), sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        toy = Toy(engine)
        assert good(toy, "squares", n=4) == {"rows": [0, 1, 4, 9], "said": "half \ufffd"}
        broken = ask(toy, "broken")
        assert not broken["ok"] and "mean is nan" in broken["e"]["message"]
        assert "no channel" in ask(toy, "nonsense")["e"]["message"]
        state, answers = recorded(toy.page(more=2))
        assert (state["n"], state["untold"], state["error"], state["revision"]) == (3, 0, None, 0)
        assert [(a["ch"], a["p"], a["r"]["rows"]) for a in answers] == [
            ("squares", {"n": 3}, [0, 1, 4]),
            ("squares", {"n": 2}, []),
        ]
        assert toy.to_html(more=2) == toy.page(more=2)
        with pytest.raises(TypeError, match="less"):
            toy.page(less=1)


def test_a_subclass_has_the_channels_of_its_base_and_may_change_one() -> None:
    class More(Toy):
        @channel("squares", Squares)
        def cubes(self, asked: Squares, ticket: Ticket) -> wire.Reply:
            return wire.Reply({"rows": [i**3 for i in range(asked.n)]})

    assert set(More.channels) == {"squares", "broken"}
    with recording(), sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        assert good(More(engine), "squares", n=3)["rows"] == [0, 1, 8]


def test_kernel_and_front_end_read_the_same_constants() -> None:
    assert CONSTANTS["SORTS"] == list(SORTS)
    assert CONSTANTS["SWEEP_SAMPLES"] == SAMPLES
    assert set(CONSTANTS["SETTINGS"]) <= set(typing.get_type_hints(Sampling))
    assert (CONSTANTS["FIRST_PIECE"] > CONSTANTS["OUTLIER"]) and tokenizer.FIRST_PIECE != tokenizer.LATER_PIECE
    bits = [CONSTANTS[name] for name in ("SPECIAL", "OUTLIER", "FIRST_PIECE", "LATER_PIECE", "BEYOND")]
    assert bits == [1 << i for i in range(len(bits))]
    assert typing.cast(traitlets.Enum, sw.FeatureDashboard.sort).values == ORDERS
    for name in vars(constants):
        if name.isupper() and not name.startswith("_"):
            assert name in CONSTANTS, name

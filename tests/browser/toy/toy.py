"""The smallest widget there can be: a table of three numbers. CONTRIBUTING.md counts its lines."""

from __future__ import annotations

from dataclasses import dataclass

import traitlets

from saewidgets.engine.ticket import Ticket
from saewidgets.widgets import wire
from saewidgets.widgets.base import EngineWidget
from saewidgets.widgets.channel import channel
from saewidgets.widgets.shot import Question, Shot


@dataclass(frozen=True)
class Powers:
    base: int = 2


class Toy(EngineWidget, bundle="toy"):
    base = traitlets.Int(2).tag(sync=True, page=True)

    @channel("powers", Powers)
    def powers(self, asked: Powers, ticket: Ticket) -> wire.Reply:
        return wire.Reply({"rows": [asked.base**n for n in (1, 2, 3)]})

    def fallback_html(self) -> str:
        return f"<p>{self.base}, {self.base**2}, {self.base**3}</p>"

    def shot(self) -> Shot:
        return Shot("Toy", {}, [Question("powers", Powers(self.base))], self.fallback_html(), [])

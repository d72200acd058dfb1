"""An attribution's forwards and backwards: batches of texts, and for integrated gradients a few of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..engine.activations.windows import Window, batches
from ..engine.arrays import Bools, Floats
from ..engine.memory import in_batches
from ..engine.model.site import Site
from .gradients import Passed, flows
from .parts import Parts, parts_of, rest_of

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from ..engine.ticket import Ticket
    from .metrics.base import Plan

__all__ = ["OfText", "Run"]

# Logits of one forward, in numbers: 64 MB of float32, and the backward holds some copies.
_LOGITS = 2**24
_MAX_TOKENS = 2048


@dataclass(frozen=True)
class OfText:
    """What was found on one text: the metric, parts and norm outliers by dictionary, the embedding's part [pos]."""

    value: float
    parts: dict[str, Parts]
    outliers: dict[str, Bools]
    embedded: Floats


class Run:
    """One attribution, on the worker.

    Args:
        plan: the metric on its texts. sites: of the dictionaries. names: of the freezes. steps: as in `attribute`.
    """

    def __init__(
        self, engine: Engine, plan: Plan, sites: Sequence[Site], names: tuple[str, ...], steps: int, ticket: Ticket
    ) -> None:
        self.engine, self.plan, self.sites, self.names, self.steps = engine, plan, sites, names, steps
        self.ticket = ticket
        self.max_tokens = max(1, min(_MAX_TOKENS, _LOGITS // int(engine.model.cfg.d_vocab)))
        self.streams = {s.dictionary.name: engine.roles.streams(s.dictionary, ticket) for s in sites}

    def all(self) -> list[OfText]:
        todo = [Window(i, 0, tuple(ids)) for i, ids in enumerate(self.plan.ids)]
        done, total = 0, sum(map(len, todo))
        self.ticket.expect(total)
        found: dict[int, OfText] = {}
        for batch in batches(todo, lambda: self.max_tokens, self.engine.model.causal):
            self.ticket.breathe()

            def some(part: slice, batch: list[Window] = batch) -> list[OfText]:
                nonlocal done
                with self.engine.lock:
                    made = self._batch(batch[part])
                found.update({window.text: one for window, one in zip(batch[part], made, strict=True)})
                done += sum(map(len, batch[part]))
                self.ticket.progress(done, total)
                return made

            in_batches(
                len(batch),
                len(batch),
                some,
                remedy=partial(_remedy, batch),
                shrunk=partial(self._shrink, len(batch[0])),
            )
        return [found[i] for i in range(len(todo))]

    def _shrink(self, longest: int, windows: int) -> None:
        self.max_tokens = max(longest * windows, 1)

    def _batch(self, batch: list[Window]) -> list[OfText]:
        streams = sorted({name for names in self.streams.values() for name in names})
        self.ticket.step(sum(map(len, batch)))
        first = flows(self.engine, batch, self.sites, self.plan, self.names, self.ticket, streams=streams)
        gradients = {name: flow.gradient for name, flow in first.flows.items()}
        if self.steps > 1:
            for site in self.sites:
                if site.dictionary.name in gradients:
                    gradients[site.dictionary.name] = self._integrated(batch, site, first)
        relative = {
            name: self.engine.roles.relative_norm(self.engine.dictionary(name), first.streams) if streams else None
            for name in first.flows
        }
        texts = []
        for i, window in enumerate(batch):
            n = len(window)
            parts, outliers = {}, {}
            for name, flow in first.flows.items():
                norms = relative[name]
                parts[name] = parts_of(
                    self.engine.dictionary(name), flow.x[i, :n], flow.y[i, :n], gradients[name][i, :n]
                )
                roles = self.engine.counting.roles(window.ids, None if norms is None else norms[i, :n])
                outliers[name] = roles.outlier
            texts.append(OfText(float(first.values[i]), parts, outliers, first.embedded[i, :n].numpy()))
        return texts

    def _integrated(self, batch: list[Window], site: Site, first: Passed) -> Tensor:
        """[batch, pos, d_out] the mean gradient from here towards no features and no error, what is left standing."""
        flow = first.flows[site.dictionary.name]
        with torch.no_grad():
            away = torch.zeros_like(flow.y)
            for i, window in enumerate(batch):
                part = slice(0, len(window))
                y = flow.y[i, part]
                away[i, part] = y - rest_of(site.dictionary, flow.x[i, part], y).to(y.device)
        total = flow.gradient.clone()
        for step in range(1, self.steps):
            self.ticket.check()
            change = partial(site.add, change=-(step / self.steps) * away)
            made = flows(self.engine, batch, [site], self.plan, self.names, self.ticket, changed=(site, change))
            total += made.flows[site.dictionary.name].gradient
        return total / self.steps


def _remedy(batch: Sequence[Window], row: int) -> str:
    return (
        f"A text of {len(batch[row])} tokens does not fit in memory. A gradient holds the values of every layer: use a shorter "
        "text, or a smaller dtype."
    )

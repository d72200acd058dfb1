"""A metric with features taken out of a text: what truly happens, however many are taken out together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..engine.arrays import Floats, Ints
from ..engine.memory import in_batches
from ..engine.model.model import Edit
from .freezes import merged

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from ..engine.ticket import Ticket
    from .metrics.base import Plan

__all__ = ["Removed", "logits_without", "metric_without"]

# Logits of one forward, in numbers: 64 MB of float32.
_LOGITS = 2**24
_ROWS = 64


@dataclass(frozen=True)
class Removed:
    """One feature that is taken out of a text: a · d at these positions, with the activations a of the text as it is."""

    dictionary: str
    feature: int
    positions: Ints
    activations: Floats


def metric_without(
    engine: Engine, plan: Plan, text: int, removals: Sequence[Sequence[Removed]], ticket: Ticket
) -> Iterator[list[float]]:
    """The metric of one text of the plan without each of `removals`, a batch at a time, in their order. On the worker.

    a · d is subtracted at the hook that the dictionary writes to, so its reconstruction error stays, and the rest of the model
    runs on. Activations of later features are not held.

    Raises:
        OutOfMemoryError: if the text does not fit.
    """
    n = len(plan.ids[text])
    step = max(1, min(_ROWS, _LOGITS // (n * int(engine.model.cfg.d_vocab))))
    scales = _scales(engine, plan.ids[text], removals, ticket)
    at = 0
    while at < len(removals):
        ticket.breathe()
        some = removals[at : at + step]

        def run(part: slice, some: Sequence[Sequence[Removed]] = some) -> list[float]:
            seen: dict[str, Tensor] = {}
            reads = {name: partial(seen.__setitem__, name) for name in plan.reads}
            with engine.lock, torch.no_grad():
                logits = _logits(engine, plan.ids[text], some[part], scales, ticket, reads)
                return [
                    float(plan.value(text, row.float(), {name: value[i : i + 1] for name, value in seen.items()}))
                    for i, row in enumerate(logits)
                ]

        def shrunk(size: int) -> None:
            nonlocal step
            step = size

        made, _ = in_batches(len(some), len(some), run, shrunk=shrunk)
        yield made
        at += len(some)


def logits_without(engine: Engine, ids: Sequence[int], removed: Sequence[Removed], ticket: Ticket) -> Tensor:
    """Logits [pos, d_vocab] of a text without all of `removed` at once. On the worker."""
    scales = _scales(engine, ids, [removed], ticket)
    with engine.lock, torch.no_grad():
        return _logits(engine, ids, [removed], scales, ticket, {})[0]


def _logits(
    engine: Engine,
    ids: Sequence[int],
    removals: Sequence[Sequence[Removed]],
    scales: Mapping[str, Tensor],
    ticket: Ticket,
    reads: Mapping[str, partial[None]],
) -> Tensor:
    tokens = torch.tensor([list(ids)] * len(removals), device=engine.model.input_device)
    edits: dict[str, Edit] = {}
    for name, scale in scales.items():
        dictionary = engine.dictionary(name)
        site = engine.site(dictionary)
        features = sorted({one.feature for row in removals for one in row if one.dictionary == name})
        if not features:
            continue
        rows = dictionary.contribution(torch.tensor(features)).to(scale.device)
        change = torch.zeros(len(removals), len(ids), rows.shape[1], device=scale.device)
        for i, row in enumerate(removals):
            for one in row:
                if one.dictionary == name:
                    where = torch.from_numpy(one.positions).to(scale.device)
                    amounts = torch.from_numpy(one.activations).to(scale.device) * scale[where]
                    change[i].index_add_(0, where, -amounts[:, None] * rows[features.index(one.feature)])
        edits = merged(edits, {engine.model.resolve(site.write_hook): partial(site.add, change=change)})
    return engine.model.logits(tokens, edits, reads, ticket)


def _scales(
    engine: Engine, ids: Sequence[int], removals: Sequence[Sequence[Removed]], ticket: Ticket
) -> dict[str, Tensor]:
    """[pos] by what each dictionary's decoding multiplies its rows on this text."""
    names = sorted({one.dictionary for row in removals for one in row})
    sites = {name: engine.site(engine.dictionary(name)) for name in names}
    if not names:
        return {}
    tokens = torch.tensor([list(ids)], device=engine.model.input_device)
    with engine.lock, torch.no_grad():
        values = engine.model.read(tokens, [site.read_hook for site in sites.values()], ticket)
        scales = {}
        for name, site in sites.items():
            x = site.flatten(values[site.read_hook])[0]
            device = site.dictionary.device
            scales[name] = site.dictionary.decoder_scale(x if device is None else x.to(device))[..., 0].float()
        return scales

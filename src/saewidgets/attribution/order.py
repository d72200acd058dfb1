"""Which dictionaries come before which, by the order in which a forward comes to their hooks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from ..engine.engine import Engine

__all__ = ["by_layer", "earlier", "last", "places"]


def earlier(engine: Engine) -> dict[str, tuple[str, ...]]:
    """Of each dictionary those that can be a cause of its features: they write before it reads. Nearest first. On the worker."""
    at = _places(engine)
    read = {name: at[engine.site(one).read_hook] for name, one in engine.dictionaries.items()}
    written = {name: at[engine.site(one).write_hook] for name, one in engine.dictionaries.items()}
    by_place = sorted(written, key=lambda name: -written[name])
    return {
        name: tuple(other for other in by_place if written[other] < read[name] and read[other] != read[name])
        for name in engine.dictionaries
    }


def by_layer(engine: Engine) -> list[str]:
    """The dictionaries in the order in which a forward comes to where they read. On the worker."""
    if len(engine.dictionaries) == 1:
        return [engine.default]
    at = _places(engine)
    return sorted(engine.dictionaries, key=lambda name: at[engine.site(engine.dictionaries[name]).read_hook])


def last(engine: Engine) -> str:
    """The dictionary that a forward comes to last. On the worker."""
    if len(engine.dictionaries) == 1:
        return engine.default
    at = _places(engine)
    return max(
        reversed(list(engine.dictionaries)), key=lambda name: at[engine.site(engine.dictionaries[name]).read_hook]
    )


def places(engine: Engine, hooks: Iterable[str]) -> dict[str, int]:
    """Of each of these hooks, its place in a forward; one hook has one place, whatever its name. On the worker.

    Raises:
        HookNotFoundError, HookDidNotFireError: for a hook that is not there, or not reached.
    """
    named = {name: engine.model.resolve(name) for name in hooks}
    token = torch.zeros((1, 1), dtype=torch.long, device=engine.model.input_device)
    with engine.lock, torch.no_grad():
        order = list(engine.model.read(token, sorted(set(named.values()))))
    return {name: order.index(canonical) for name, canonical in named.items()}


def _places(engine: Engine) -> dict[str, int]:
    """Of each hook at which a dictionary reads or writes, its place in a forward."""
    sites = [engine.site(one) for one in engine.dictionaries.values()]
    return places(engine, [name for site in sites for name in (site.read_hook, site.write_hook)])

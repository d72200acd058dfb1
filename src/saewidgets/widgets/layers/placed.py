"""Where the dictionaries of an engine stand among the hooks of a lens: at one of them, or between two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...attribution.order import places
from ...errors import HookNotFoundError

if TYPE_CHECKING:
    from ...engine.engine import Engine

__all__ = ["Placed", "placed"]


@dataclass(frozen=True)
class Placed:
    """A dictionary and its place.

    Attributes:
        name, hook: the dictionary, and where it reads.
        row: the hook of the lens that a forward comes to last before or where it reads, as a number; -1: none is before.
        between: whether it reads something else after that hook, such as what a block's MLP makes, and not the stream there.
    """

    name: str
    hook: str
    row: int
    between: bool


def placed(engine: Engine, hooks: Sequence[str]) -> list[Placed]:
    """The dictionaries of the engine in the order in which a forward comes to them, among `hooks` of the residual stream.

    What a block gives is what the next one is given: a dictionary at blocks.4.hook_resid_post stands at
    blocks.5.hook_resid_pre. On the worker.

    Args:
        hooks: in the order of a forward.
    """
    reads = {name: engine.site(one).read_hook for name, one in engine.dictionaries.items()}
    at = places(engine, [*hooks, *reads.values()])
    same = _same_stream(engine, hooks)
    found = []
    for name, hook in reads.items():
        row = max((i for i, other in enumerate(hooks) if at[other] <= at[hook]), default=-1)
        next_one = same.get(engine.model.resolve(hook))
        if next_one is not None:
            found.append(Placed(name, hook, next_one, False))
        else:
            found.append(Placed(name, hook, row, row < 0 or at[hooks[row]] != at[hook]))
    return sorted(found, key=lambda one: at[one.hook])


def _same_stream(engine: Engine, hooks: Sequence[str]) -> dict[str, int]:
    """Outputs of blocks by their canonical names, with the number of the hook that is the next one's input."""
    found = {}
    for row, hook in enumerate(hooks):
        block, _, rest = hook.removeprefix("blocks.").partition(".")
        if rest != "hook_resid_pre" or int(block) == 0:
            continue
        try:
            found[engine.model.resolve(f"blocks.{int(block) - 1}.hook_resid_post")] = row
        except HookNotFoundError:
            continue
    return found

"""How many actors a cluster has room for, and what each of them gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from ...engine.made import Made
from ..errors import ClusterError
from .cluster import Room

if TYPE_CHECKING:
    from ...engine.engine import Engine

__all__ = ["Crew", "crew_for"]


@dataclass(frozen=True)
class Crew:
    """How many actors, and what each has.

    Attributes:
        cpus, gpus: reserved for one actor; threads: of torch in it.
    """

    actors: int
    cpus: float
    gpus: float

    @property
    def threads(self) -> int:
        return max(1, int(self.cpus))

    def __str__(self) -> str:
        """For people."""
        has = f"{self.gpus:g} GPU" if self.gpus else f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"{self.actors} actor{'s' if self.actors > 1 else ''}, {has} each"


def crew_for(
    room: Room, make: Callable[[], Engine], actors: int | None, cpus: float | None, gpus: float | None
) -> Crew:
    """What was asked for; else an actor for every GPU, or on a cluster without GPUs one for every machine with all of its CPUs.

    Raises:
        ClusterError: if the cluster has no machine for a single one.
    """
    on_cpu = isinstance(make, Made) and make.arguments.get("device") == "cpu"
    if gpus is None:
        gpus = 1.0 if room.gpus and not on_cpu else 0.0
    machines = [has for has, _ in room.machines if has] or [1.0]
    if actors is None:
        actors = max(1, int(room.gpus // gpus)) if gpus else len(machines)
    if actors < 1:
        raise ClusterError(f"actors={actors}: at least one actor must do the work.")
    if cpus is None:
        share = min(machines) / ceil(actors / len(machines))
        cpus = float(int(share)) if share >= 1 else int(share * 100) / 100
    if not any(has >= cpus and accelerators >= gpus for has, accelerators in room.machines):
        largest = ", ".join(
            f"{has:g} CPUs and {accelerators:g} GPUs" for has, accelerators in sorted(set(room.machines))
        )
        raise ClusterError(
            f"No machine of the cluster has room for an actor with {cpus:g} CPUs and {gpus:g} GPUs: its machines have {largest}. Pass "
            "cpus_per_actor= and gpus_per_actor=."
        )
    return Crew(actors, cpus, gpus)

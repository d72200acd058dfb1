"""A build on a cluster as it is asked for: which cluster, how many actors, and how each comes to its engine and its documents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...storage.shelf import FolderShelf, Shelf, UrlShelf
from ..bounded.hands import Hands, Ranges
from ..corpus.ranges import numbered_rows
from ..errors import ClusterError
from .actor import SPOOL, Corpus, Orders, versions
from .cluster import Room
from .crew import crew_for
from .ray import RayHands

if TYPE_CHECKING:
    from ...engine.engine import Engine
    from ...engine.ticket import Ticket
    from ..bounded.shard import Reading
    from .scan import Plan

__all__ = ["OnCluster"]


@dataclass(frozen=True)
class OnCluster:
    """What `build_index` was asked for of a cluster; None: what `crew_for` and the engine say."""

    cluster: str
    actors: int | None
    cpus_per_actor: float | None
    gpus_per_actor: float | None
    make_engine: Callable[[], Engine] | None

    def maker(self, engine: Engine) -> Callable[[], Engine]:
        """What makes the engine in an actor.

        Raises:
            ClusterError: if the engine cannot be made by name, and no function that makes it was passed.
        """
        make = self.make_engine or engine.made
        if make is None:
            raise ClusterError(
                "How this engine was made is not known (it was given a model and an SAE), and its weights are not sent to actors: pass "
                "make_engine=, a function without arguments that makes the same engine, such as\n"
                "    def make_engine():\n"
                '        return sw.Engine.from_pretrained("gpt2-small", release=..., sae_id=...)'
            )
        return make

    def hands(
        self,
        room: Room,
        engine: Engine,
        plan: Plan,
        identity: dict[str, Any],
        shelf: Shelf,
        say: Callable[[str], None],
    ) -> Callable[[Reading, Ranges, Ticket], Hands]:
        """What makes the hands of a build, once it is known how the corpus is cut.

        Raises:
            ClusterError: if there is no room for an actor, or no way for it to its engine.
        """
        make = self.maker(engine)
        crew = crew_for(room, make, self.actors, self.cpus_per_actor, self.gpus_per_actor)
        source = plan.source
        rows = numbered_rows(source.corpus)
        where = f"{shelf.where}/{SPOOL}"
        spool: Shelf = UrlShelf(where) if isinstance(shelf, UrlShelf) else FolderShelf(where)

        def made(reading: Reading, ranges: Ranges, ticket: Ticket) -> Hands:
            corpus = Corpus(rows, spool, source.text, source.name, ranges.per_shard)
            orders = Orders(
                make=make,
                dictionary=plan.dictionary.name,
                threads=crew.threads,
                reading=reading,
                corpus=corpus,
                shelf=shelf,
                identity=identity,
                versions=versions(),
                mark=b"",
            )
            say(
                str(crew)
                + ("" if rows is not None else "; the corpus is read here, and sent to them a shard at a time")
            )
            return RayHands(room, orders, crew, ranges, ticket, say=say)

        return made

"""`sw.feature_map`: all features of a dictionary in the plane, made once and kept with the index."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ...engine.arrays import Floats, Ints
from ...engine.ticket import Progress, Ticket
from ...errors import CancelledError
from ...index.errors import IndexMismatchError
from ..errors import GeometryError
from .clusters import clusters
from .embed import Embedded, Graph, embed
from .kept import K, neighbours_kept, neighbours_of_rows
from .layout import FeatureLayout
from .store import MapStore, Stored

if TYPE_CHECKING:
    from ...engine.engine import Engine
    from ...index.feature_index import FeatureIndex

__all__ = ["MOST", "STAGES", "feature_map"]

T = TypeVar("T")

STAGES: Mapping[int, str] = {0: "comparing decoder rows", 30: "laying the features out", 95: "grouping them"}
"""What is done from which percent of the progress on."""

MOST = 131_072
"""Features that a map is made of. What it is made of grows with the square of their number, and a view draws so many points at 30
frames a second."""

_LAY_OUT, _GROUP = 30, 95
_FEWEST = 5
# Between two looks, while a layout is being made, at whether somebody still waits for it.
_LOOK_SECONDS = 0.1


def feature_map(
    index: FeatureIndex,
    *,
    n_neighbors: int = 15,
    min_dist: float = 0.05,
    seed: int = 0,
    fresh: bool = False,
    on_progress: Progress | None = None,
) -> FeatureLayout:
    """All features in the plane: UMAP of the decoder rows, by cosine (the extra `map`: fastumap, or else umap-learn).

    Features lie together whose decoder rows point the same way; how many of each one's nearest neighbours lie near it on the
    map is counted and stands in the result (`kept`; about a tenth for the demo's SAE, and UMAP promises no more). Features whose
    decoder row is zero have no direction, and so no place.

    The first time 6,144 features take some 10 s, nearly all of it UMAP's; of 131,072 the exact neighbours alone take minutes
    without a GPU, for they grow with the square of the number. They are looked for on the engine's worker, where others are let
    in; the layout, which cannot be interrupted, is made on a thread of its own, so that every widget goes on answering. Then the
    map is kept with the index and opened in milliseconds, without engine or UMAP. The same seed gives the same map (bit for bit on one
    machine).

    Args:
        index: opened with its engine, the first time.
        n_neighbors: how many neighbours UMAP looks at, each feature itself among them: more show the large, fewer the small.
        min_dist: how close points may lie: 0 to 1.
        seed: of the layout.
        fresh: make it again, in place of the one that is kept.
        on_progress: called with (percent done, 100); what is done then: `STAGES`.

    Returns:
        The map.

    Raises:
        GeometryError: without the extra; if both libraries fail; for more than 131,072 features (`MOST`), for fewer than five that
            have a place, for neurons,
            whose rows are the basis itself, rows that are not finite or all the same, and settings out of range.
        IndexMismatchError: if no map is kept and the index was opened without its engine, or is of another tool's files.
        CancelledError: if it was cancelled, where it runs in a job of the engine's.

    Example:
        >>> layout = sw.feature_map(index)
        >>> layout.kept, layout.figure()
    """
    asked = _checked(n_neighbors, min_dist, seed)
    if index.imported is not None:
        raise IndexMismatchError(
            f"The index at {index.path} was made of {index.imported.format}'s files, which hold no decoder rows to make a map of: "
            "build an index of your own (sw.build_index)."
        )
    store = MapStore(index.path, str(index.made_with["dictionary"]), asked)
    there = None if fresh else store.load()
    if there is None:
        made = _made(index, int(n_neighbors), float(min_dist), int(seed), on_progress or (lambda done, total: None))
        stored, path, said = store.save(made, replace=fresh)
    else:
        stored, path, said = there
    return FeatureLayout(
        features=stored.features,
        x=stored.x,
        y=stored.y,
        kept=stored.kept,
        k=stored.k,
        cluster=stored.cluster,
        method=stored.method,
        settings=stored.settings,
        n_features=stored.n_features,
        provenance={**index.provenance, "map": _described(stored)},
        notes=(*stored.notes, *([said] if said else [])),
        path=path,
        neighbours=stored.neighbours,
        cosines=stored.cosines,
        index=index,
    )


def _described(stored: Stored) -> str:
    told = ", ".join(f"{name} {value}" for name, value in stored.settings.items())
    return f"{stored.method} of decoder rows, {told}"


def _checked(n_neighbors: int, min_dist: float, seed: int) -> dict[str, int | float | str]:
    if int(n_neighbors) != n_neighbors or not 2 <= n_neighbors <= 1000:
        raise GeometryError(f"n_neighbors={n_neighbors!r}: UMAP looks at 2 to 1000 neighbours, usually at 15.")
    if not 0 <= min_dist <= 1:
        raise GeometryError(f"min_dist={min_dist!r} is none: choose 0 (points may coincide) to 1 (spread evenly).")
    if int(seed) != seed or not 0 <= seed < 2**32:
        raise GeometryError(f"seed={seed!r} is none: choose a whole number from 0 to 4294967295.")
    return {"n_neighbors": int(n_neighbors), "min_dist": float(min_dist), "metric": "cosine", "seed": int(seed)}


@dataclass(frozen=True)
class _Near:
    """The rows that have a place, and their neighbours."""

    features: Ints
    rows: Floats
    neighbours: Ints
    cosines: Floats
    n_features: int


def _made(index: FeatureIndex, n_neighbors: int, min_dist: float, seed: int, tell: Progress) -> Stored:
    if len(index) > MOST:
        raise GeometryError(
            f"A map is of {MOST:,} features at most, and the index at {index.path} has {len(index):,}: each would be compared with "
            "each, and so many points could not be told apart. sw.FeatureBrowser(index) has all of them, to search, sort and "
            "filter; sw.FeatureSubspace(index, features) shows a few together."
        )
    engine = index.must_have_engine("the decoder rows that a map is made of")
    near = engine.worker.run(
        lambda ticket: _near(index, engine, max(K, n_neighbors - 1), ticket),
        lambda done, total: tell(_LAY_OUT * done // max(total, 1), 100),
    )
    m = len(near.features)
    used = min(n_neighbors, m)
    tell(_LAY_OUT, 100)
    graph = Graph(near.rows, near.neighbours, near.cosines, used)
    found = _beside(engine, lambda _: embed(graph, min_dist, seed))
    tell(_GROUP, 100)
    notes = [*_left_out(near), *found.notes]
    if used < n_neighbors:
        notes.append(f"There are {m} features, so UMAP looks at {used} neighbours and not at {n_neighbors}.")
    x, y = _scaled(found)
    k = min(K, m - 1)
    neighbours, cosines = near.neighbours[:, :k], near.cosines[:, :k]
    groups = _beside(engine, lambda check: clusters(neighbours, cosines, check))
    made = Stored(
        features=near.features,
        x=x,
        y=y,
        cluster=groups,
        neighbours=near.features[neighbours],
        cosines=cosines,
        kept=neighbours_kept(neighbours, x, y),
        n_features=near.n_features,
        method=found.method,
        settings={**_checked(used, min_dist, seed), "init": found.init},
        notes=tuple(notes),
    )
    tell(100, 100)
    return made


def _near(index: FeatureIndex, engine: Engine, k: int, ticket: Ticket) -> _Near:
    """On the engine's worker: the rows, on the device of the weights, and their nearest."""
    import torch  # a map that is kept needs none

    index.must_be_unchanged(engine, fresh=True)  # a map is kept
    dictionary = index.dictionary()
    if not dictionary.has_decoder:
        raise GeometryError(
            f"The features of {dictionary.name!r} are neurons, whose rows are the basis itself: all are equally far from each "
            "other, so there is no map of them."
        )
    with torch.no_grad():
        rows = dictionary.decoder()
        if not torch.isfinite(rows).all():
            raise GeometryError(
                f"Decoder rows of {dictionary.name!r} hold NaN or infinity: the training run probably diverged; load an earlier "
                "checkpoint."
            )
        norms = rows.norm(dim=1)
        there = (norms > 0).nonzero()[:, 0]
        if len(there) < _FEWEST:
            raise GeometryError(
                f"A map needs at least {_FEWEST} features; of {dictionary.name!r} {len(there)} have a decoder row that is not zero."
            )
        unit = rows[there] / norms[there, None]
        if torch.equal(unit, unit[:1].expand_as(unit)):
            raise GeometryError(f"All decoder rows of {dictionary.name!r} point the same way: there is no map of them.")
        neighbours, cosines = neighbours_of_rows(unit, min(k, len(there) - 1), ticket)
        features = there.cpu().numpy().astype(np.int64)
        return _Near(features, unit.cpu().numpy(), neighbours, cosines, dictionary.n_features)


def _left_out(near: _Near) -> list[str]:
    zero = near.n_features - len(near.features)
    return [f"{zero:,} of {near.n_features:,} features have a decoder row of zeros, and so no place."] if zero else []


def _scaled(found: Embedded) -> tuple[Floats, Floats]:
    """Places around the middle of the picture, whose longer side spans [-1, 1]."""
    low, high = found.places.min(0), found.places.max(0)
    places = (found.places - (low + high) / 2) / (float((high - low).max()) / 2)
    return places[:, 0].astype(np.float32), places[:, 1].astype(np.float32)


def _beside(engine: Engine, work: Callable[[Callable[[], None]], T]) -> T:
    """What `work` gives, on a thread of its own: whoever waits for it can be interrupted, and in a job of the engine's lets
    others in meanwhile.

    Args:
        work: called with a function that raises once nobody waits any more. What does not ask it ends by itself, for nobody.
    """
    outcome: list[T] = []
    failed: list[BaseException] = []
    left = threading.Event()

    def check() -> None:
        if left.is_set():
            raise CancelledError("Nobody waits for this map any more.")

    def run() -> None:
        try:
            outcome.append(work(check))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="saewidgets-map", daemon=True)

    def wait(breathe: Callable[[], None]) -> None:
        try:
            while thread.is_alive():
                breathe()
                thread.join(_LOOK_SECONDS)
        finally:
            left.set()

    thread.start()
    if engine.worker.is_current_thread:
        engine.worker.run(lambda ticket: wait(ticket.breathe))
    else:
        wait(lambda: None)
    if failed:
        raise failed[0]
    return outcome[0]

"""UMAP, by whichever library is there: the one place that knows fastumap and umap-learn.

fastumap (MIT) comes first: it loads in milliseconds and compiles nothing. umap-learn, of the method's authors (McInnes, Healy
and Melville, "UMAP: Uniform Manifold Approximation and Projection for Dimension Reduction", 2018), compiles itself for a minute
when it first runs, and steps in where fastumap is not installed or fails. Both are given the exact neighbours, so they differ
in the layout alone. Nothing here needs torch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from threading import Lock

import numpy as np

from ...engine.arrays import Doubles, Floats, Ints
from ..errors import GeometryError

__all__ = ["Embedded", "Graph", "embed"]

_MISSING = "A map needs UMAP: pip install 'saewidgets[map]'"
# Cosines that differ by less are equal up to the rounding of float32: what is closer lies at no distance.
_EQUAL = 1e-6
# umap-learn's warnings are caught by a filter that is the process's own.
_warned = Lock()


@dataclass(frozen=True)
class Graph:
    """What a layout is made of.

    Attributes:
        rows: [m, d] unit vectors.
        neighbours: [m, k] the nearest others of each, the nearest first; cosines: [m, k] with these.
        n_neighbors: as UMAP counts them, each point itself among them: at most k + 1.
    """

    rows: Floats
    neighbours: Ints
    cosines: Floats
    n_neighbors: int

    def with_itself(self) -> tuple[Ints, Doubles]:
        """Neighbours and distances (1 - cosine) [m, n_neighbors], each row beginning with the point itself."""
        m, others = len(self.rows), self.n_neighbors - 1
        near = np.concatenate([np.arange(m)[:, None], self.neighbours[:, :others]], 1)
        far = 1 - self.cosines[:, :others].astype(np.float64)
        far[far < _EQUAL] = 0
        return np.ascontiguousarray(near), np.concatenate([np.zeros((m, 1)), far], 1)


@dataclass(frozen=True)
class Embedded:
    """Where points lie.

    Attributes:
        places: [m, 2].
        method: the library and its version. init: where it started from, "spectral" (its own choice) or "principal components".
        notes: what did not work before.
    """

    places: Doubles
    method: str
    init: str
    notes: tuple[str, ...]


def embed(graph: Graph, min_dist: float, seed: int) -> Embedded:
    """The plane layout of a graph: the first that succeeds of fastumap from its own start, fastumap from principal components,
    and umap-learn.

    Raises:
        GeometryError: if neither library is installed, or none could do it, with what each said.
    """
    failed: list[str] = []
    missing = 0
    for library, init, lay_out in _WAYS:
        try:
            module = _imported(library)
        except ImportError as error:
            # Once for both starts of one library.
            said = f"{library} cannot be loaded ({_told(error)})"
            if said not in failed:
                failed.append(said)
                missing += isinstance(error, ModuleNotFoundError)
            continue
        try:
            places, notes = lay_out(module, graph, min_dist, seed)
            _must_be_places(places, len(graph.rows))
        except Exception as error:
            failed.append(f"{_method(library)} started from {init} failed ({_told(error)})")
            continue
        # That the first of the two is not installed explains the method; it is no failure.
        return Embedded(places, _method(library), init, (*(f"{what}." for what in failed), *notes))
    if missing == len({library for library, _, _ in _WAYS}):
        raise GeometryError(f"{_MISSING}.")
    raise GeometryError(f"No map could be made: {'; '.join(failed)}. {_MISSING} brings both libraries.")


def _imported(library: str) -> object:
    with _warned, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # umap-learn says that it has no tensorflow
        return import_module(_MODULES[library])


def _by_fastumap(module: object, graph: Graph, min_dist: float, seed: int, init: Doubles | None) -> Doubles:
    project = module.umap_project  # type: ignore[attr-defined]
    with np.errstate(all="ignore"):  # what is not finite is told by its result
        found = project(
            graph.rows,
            2,
            n_neighbors=graph.n_neighbors,
            min_dist=min_dist,
            metric="cosine",
            random_state=seed,
            precomputed_knn=graph.with_itself(),
            init=init,
        )
    return np.asarray(found, np.float64)


def _fastumap(module: object, graph: Graph, min_dist: float, seed: int) -> tuple[Doubles, tuple[str, ...]]:
    return _by_fastumap(module, graph, min_dist, seed, None), ()


def _fastumap_from_components(
    module: object, graph: Graph, min_dist: float, seed: int
) -> tuple[Doubles, tuple[str, ...]]:
    return _by_fastumap(module, graph, min_dist, seed, _components(graph.rows, seed)), ()


def _umap_learn(module: object, graph: Graph, min_dist: float, seed: int) -> tuple[Doubles, tuple[str, ...]]:
    with _warned, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = module.UMAP(  # type: ignore[attr-defined]
            n_components=2,
            n_neighbors=graph.n_neighbors,
            min_dist=min_dist,
            metric="cosine",
            random_state=seed,
            n_jobs=1,  # what a seed makes of it anyway, with a warning
            precomputed_knn=graph.with_itself(),
        )
        found = fitted.fit_transform(graph.rows)
    # That no further points can be added later is no concern of a map.
    said = dict.fromkeys(str(one.message) for one in caught if issubclass(one.category, UserWarning))
    return np.asarray(found, np.float64), tuple(
        f"umap-learn: {text}" for text in said if "precomputed_knn[2]" not in text
    )


_MODULES = {"fastumap": "fastumap", "umap-learn": "umap"}
_WAYS: tuple[tuple[str, str, Callable[[object, Graph, float, int], tuple[Doubles, tuple[str, ...]]]], ...] = (
    ("fastumap", "spectral", _fastumap),
    ("fastumap", "principal components", _fastumap_from_components),
    ("umap-learn", "spectral", _umap_learn),
)


def _components(rows: Floats, seed: int) -> Doubles:
    """The first two principal components [m, 2], as large as a spectral start is scaled to, with its noise."""
    centred = rows - rows.mean(0)
    _, vectors = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    places = centred @ vectors[:, -2:]
    places *= 10 / max(float(np.abs(places).max()), 1e-12)
    return np.asarray(places + np.random.default_rng(seed).normal(0, 1e-4, places.shape), np.float64)


def _must_be_places(places: Doubles, m: int) -> None:
    if places.shape != (m, 2):
        raise ValueError(f"it gave an array of {'x'.join(map(str, places.shape))}")
    if not np.isfinite(places).all():
        raise ValueError("it gave places that are not finite")
    if float(np.ptp(places, axis=0).max()) == 0:
        raise ValueError("it put all at one place")


def _method(library: str) -> str:
    try:
        return f"{library} {version(library)}"
    except PackageNotFoundError:
        return library


def _told(error: BaseException) -> str:
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__

"""UMAP, by whichever library is there: the one place that knows fastumap and umap-learn.

fastumap (MIT) comes first: it loads in milliseconds and compiles nothing. umap-learn, of the method's authors (McInnes, Healy
and Melville, "UMAP: Uniform Manifold Approximation and Projection for Dimension Reduction", 2018), compiles itself for a minute
when it first runs, and steps in where fastumap is not installed or fails. Both are given the exact neighbours and the same
start, so they differ in the layout alone. Nothing here needs torch.

The start is not the spectral one that is usual. Its eigenvectors need not converge where features form many tight families:
fastumap then raises ArpackNoConvergence, of 1,000 rows after 20 s, and of more so much later that it seems to hang. Principal
components always exist, serve as well (Kobak and Linderman, "Initialization is critical for preserving global data structure
in both t-SNE and UMAP", 2021), and on the demo's SAE the map keeps as many neighbours from either.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from threading import Lock

import numpy as np
from scipy.linalg import eigh

from ...engine.arrays import Doubles, Floats, Ints
from ..errors import GeometryError

__all__ = ["Embedded", "Graph", "embed"]

_INSTALL = "A map needs UMAP: pip install 'saewidgets[map]'"
# Cosines that differ by less are equal up to the rounding of float32: what is closer lies at no distance.
_EQUAL = 1e-6
# UMAP scales the starts that it makes to [-10, 10].
_SPAN = 10.0
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
        method: the library and its version. init: where it started from, "principal components" or "random places".
        notes: what did not work before.
    """

    places: Doubles
    method: str
    init: str
    notes: tuple[str, ...]


def embed(graph: Graph, min_dist: float, seed: int) -> Embedded:
    """The plane layout of a graph, by the first that succeeds: fastumap from principal components, fastumap from random places,
    umap-learn from principal components.

    On a thread that does nothing else: what umap-learn is made of (numba) sets how many threads OpenMP takes in the one that calls it,
    and torch would no longer compute there, bit for bit, what it computes elsewhere.

    Raises:
        GeometryError: if neither library is installed, or none could do it, with what each said.
    """
    failed: list[str] = []
    missing: set[str] = set()
    for library, init in _WAYS:
        if library in missing:
            continue
        try:
            module = _imported(library)
        except ImportError as error:
            missing.add(library)
            failed.append(f"{library} cannot be loaded ({_told(error)})")
            continue
        try:
            places, notes = _LAY_OUT[library](module, graph, min_dist, seed, _START[init](graph.rows, seed))
            _must_be_places(places, len(graph.rows))
        except Exception as error:
            failed.append(f"{_method(library)} failed, started from {init} ({_told(error)})")
            continue
        return Embedded(places, _method(library), init, (*(f"{what}." for what in failed), *notes))
    if missing == set(_MODULES):
        raise GeometryError(f"{_INSTALL}: {'; '.join(failed)}.")
    raise GeometryError(f"No map could be made: {'; '.join(failed)}. {_INSTALL}, which brings both libraries.")


def _imported(library: str) -> object:
    with _warned, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # umap-learn says that it has no tensorflow
        return import_module(_MODULES[library])


def _fastumap(
    module: object, graph: Graph, min_dist: float, seed: int, init: Doubles
) -> tuple[Doubles, tuple[str, ...]]:
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
    return np.asarray(found, np.float64), ()


def _umap_learn(
    module: object, graph: Graph, min_dist: float, seed: int, init: Doubles
) -> tuple[Doubles, tuple[str, ...]]:
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
            init=init.astype(np.float32),
        )
        found = fitted.fit_transform(graph.rows)
    # That no further points can be added later is no concern of a map.
    said = dict.fromkeys(str(one.message) for one in caught if issubclass(one.category, UserWarning))
    return np.asarray(found, np.float64), tuple(
        f"umap-learn: {text}" for text in said if "precomputed_knn[2]" not in text
    )


def _components(rows: Floats, seed: int) -> Doubles:
    """The first two principal components [m, 2], each with a standard deviation of a third of what UMAP's own start spans.

    What lies beyond three of these stands at the edge: one tight family far out would else press all others together.
    """
    centred = rows - rows.mean(0)
    last = rows.shape[1] - 1
    _, vectors = eigh((centred.T @ centred).astype(np.float64), subset_by_index=(max(last - 1, 0), last))
    places: Doubles = np.zeros((len(rows), 2))
    places[:, : vectors.shape[1]] = centred @ vectors[:, ::-1]
    inside: Doubles = np.clip(places / np.maximum(places.std(0), 1e-12) * (_SPAN / 3), -_SPAN, _SPAN)
    return inside + np.random.default_rng(seed).normal(0, 1e-4, places.shape)


def _anywhere(rows: Floats, seed: int) -> Doubles:
    """Random places [m, 2] of the same size."""
    return np.random.default_rng(seed).uniform(-_SPAN, _SPAN, (len(rows), 2))


_MODULES = {"fastumap": "fastumap", "umap-learn": "umap"}
_START: dict[str, Callable[[Floats, int], Doubles]] = {"principal components": _components, "random places": _anywhere}
_LAY_OUT: dict[str, Callable[[object, Graph, float, int, Doubles], tuple[Doubles, tuple[str, ...]]]] = {
    "fastumap": _fastumap,
    "umap-learn": _umap_learn,
}
_WAYS = (
    ("fastumap", "principal components"),
    ("fastumap", "random places"),
    ("umap-learn", "principal components"),
)


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

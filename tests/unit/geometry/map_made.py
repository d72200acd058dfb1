"""Dictionaries to make maps of, their indexes, and libraries that stand in for UMAP's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import tiny
import torch

import saewidgets as sw
from saewidgets.geometry.map.embed import Graph

HOOK = "blocks.1.hook_resid_pre"
TEXTS = ["In the beginning God created the heaven" * 3, "Zwölf Boxkämpfer 日本語 jagen Viktor quer"]


@contextmanager
def indexed(dictionary: object, folder: Path) -> Iterator[sw.FeatureIndex]:
    """An index of it, with its engine."""
    with sw.Engine(tiny.hooked(), {"mine": dictionary}) as engine:
        yield sw.build_index(engine, TEXTS, folder / "index", progress=False, wait=True)


def directions(n: int, seed: int = 0) -> sw.Directions:
    vectors = torch.randn(n, tiny.D_MODEL, generator=torch.Generator().manual_seed(seed))
    return sw.Directions(vectors, HOOK)


def families(n: int, families: int, width: int, spread: float, seed: int) -> npt.NDArray[np.float32]:
    """Unit vectors around so many others."""
    dice = np.random.default_rng(seed)
    middles = dice.normal(size=(families, width))
    vectors = middles[dice.integers(0, families, n)] + spread * dice.normal(size=(n, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def graph_of(rows: npt.NDArray[np.float32], k: int = 15, n_neighbors: int = 15) -> Graph:
    """Rows with their nearest, by a matrix of all cosines."""
    cosines = rows.astype(np.float64) @ rows.T.astype(np.float64)
    np.fill_diagonal(cosines, -np.inf)
    near = np.argsort(-cosines, axis=1, kind="stable")[:, : min(k, len(rows) - 1)]
    values = np.clip(np.take_along_axis(cosines, near, 1), -1, 1).astype(np.float32)
    return Graph(rows, near, values, min(n_neighbors, len(rows)))


class StandIn:
    """Both libraries, by what they are called: `project` answers for fastumap, `learn` for umap-learn; None: not installed."""

    def __init__(self, project: Callable[..., object] | None, learn: Callable[..., object] | None = None) -> None:
        self.calls: list[dict[str, object]] = []
        self._project, self._learn = project, learn

    def __call__(self, library: str) -> object:
        answer = self._project if library == "fastumap" else self._learn
        if answer is None:
            raise ModuleNotFoundError(f"No module named {library!r}")

        def project(rows: object, *_: object, **given: object) -> object:
            self.calls.append({"library": library, **given})
            return answer(rows)

        def umap(**given: object) -> object:
            return SimpleNamespace(fit_transform=lambda rows: project(rows, **given))

        return SimpleNamespace(umap_project=project, UMAP=umap)


def first_two(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """A layout that is quick, and as good as none."""
    return rows[:, :2].astype(np.float64)


def fails(error: Exception) -> Callable[..., object]:
    def project(rows: object) -> object:
        raise error

    return project

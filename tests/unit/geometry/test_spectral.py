"""Spectral clusters of decoder rows: planted families, the affinity by definition, and a solver that gives up."""

from __future__ import annotations

import math

import numpy as np
import planted_shapes as shapes
import pytest
from scipy.sparse.linalg import ArpackNoConvergence

import saewidgets as sw
from saewidgets.engine.ticket import Ticket
from saewidgets.geometry.errors import GeometryError
from saewidgets.geometry.groups import spectral
from saewidgets.geometry.groups.spectral import affinity_of, spectral_clusters

DICE = np.random.default_rng(0)
FAMILY = DICE.permutation(np.repeat(np.arange(6), 20))
ROWS = (DICE.normal(size=(6, 32))[FAMILY] + 0.3 * DICE.normal(size=(120, 32))).astype(np.float32)


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    return len(set(zip(a.tolist(), b.tolist(), strict=True))) == len(set(a.tolist())) == len(set(b.tolist()))


def test_planted_families_are_found_and_the_same_each_time() -> None:
    labels, note = spectral_clusters(ROWS, 6, 3, Ticket())
    assert same_partition(labels, FAMILY) and note == ""
    assert (spectral_clusters(ROWS, 6, 3, Ticket())[0] == labels).all()
    assert same_partition(spectral_clusters(ROWS * 5, 6, 4, Ticket())[0], FAMILY)


def test_affinity_by_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectral, "_ROWS", 7)
    rows = np.vstack([ROWS[:19], np.zeros((1, 32), np.float32)])
    found = affinity_of(rows, Ticket())
    assert found.dtype == np.float32
    for i in range(20):
        for j in range(20):
            size = np.linalg.norm(rows[i]) * np.linalg.norm(rows[j])
            cosine = float(rows[i] @ rows[j]) / size if size else 0.0
            wanted = 1.0 if i == j else 1 - math.acos(max(-1.0, min(1.0, cosine))) / math.pi
            assert found[i, j] == pytest.approx(wanted, abs=1e-3)


def test_a_solver_that_gives_up_is_replaced_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def gives_up(*args: object, **how: object) -> None:
        raise ArpackNoConvergence("No convergence (61 iterations)", np.zeros(0), np.zeros((0, 0)))

    monkeypatch.setattr(spectral, "eigsh", gives_up)
    labels, note = spectral_clusters(ROWS, 6, 3, Ticket())
    assert same_partition(labels, FAMILY)
    assert "gave up" in note and "No convergence" in note


def test_duplicates_and_rows_of_zeros_break_nothing() -> None:
    rows = np.repeat(np.eye(4, 8, dtype=np.float32), 10, axis=0)
    rows[:2] = 0
    labels, _ = spectral_clusters(rows, 5, 0, Ticket())
    for k in range(1, 4):
        assert len(set(labels[10 * k : 10 * k + 10].tolist())) == 1
    assert len(spectral_clusters(np.ones((9, 3), np.float32), 4, 0, Ticket())[0]) == 9


def test_too_many_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectral, "MOST_FEATURES", 100)
    with pytest.raises(GeometryError, match="120 features are more than 100.*graph"):
        spectral_clusters(ROWS, 6, 0, Ticket())


@pytest.mark.slow
def test_as_a_method_of_candidate_groups(planted: sw.FeatureIndex) -> None:
    found = sw.candidate_groups(planted, method="spectral", clusters=5, sizes=(4, 30))
    assert found.cut is None and len(found.cuts) == 0 and found.provenance["groups"] == "spectral clusters"
    assert {tuple(shapes.NOISE), tuple(shapes.LINE)} <= {tuple(g.features.tolist()) for g in found.groups}
    assert any("clusters" in note and "left out" in note for note in found.notes)

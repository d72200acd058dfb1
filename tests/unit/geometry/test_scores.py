"""Circularity, separability and mixture, against loops over their definitions; and what they say of planted shapes."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from saewidgets.engine.ticket import Ticket
from saewidgets.geometry.errors import GeometryError
from saewidgets.geometry.subspace import irreducibility
from saewidgets.geometry.subspace.circularity import circularity, circularity_of_pairs, most_circular
from saewidgets.geometry.subspace.irreducibility import mixture, separability
from saewidgets.geometry.subspace.principal import principal
from saewidgets.geometry.subspace.scores import shape_of

Points = npt.NDArray[np.float64]
DICE = np.random.default_rng


def around(angles: Points, radius: float | Points = 1.0) -> Points:
    return np.asarray(radius)[..., None] * np.column_stack([np.cos(angles), np.sin(angles)])


def noise(n: int, size: float, seed: int = 1) -> Points:
    return size * DICE(seed).standard_normal((n, 2))


N = 800
TURN = DICE(0).uniform(0, 2 * np.pi, N)
SHAPES: dict[str, Points] = {
    "circle": around(TURN),
    "circle elsewhere": around(TURN) * 3 + [40, -7],
    "seven points": around(2 * np.pi * DICE(2).integers(0, 7, N) / 7) + noise(N, 0.05),
    "thick circle": around(TURN) + noise(N, 0.1),
    "line": np.column_stack([TURN, 0.5 * TURN]) + noise(N, 0.05),
    "exact line": np.column_stack([TURN, 0.5 * TURN]),
    "blob": noise(N, 1.0),
    "disc": around(TURN, np.sqrt(DICE(3).uniform(0, 1, N))),
    "two clusters": np.column_stack([np.sign(TURN - np.pi), 0 * TURN]) + noise(N, 0.1),
    "three points": around(2 * np.pi * DICE(2).integers(0, 3, N) / 3),
    "half moon": around(TURN / 2) + noise(N, 0.05),
    "cross": noise(N, 1.0, 4) * np.eye(2)[DICE(5).integers(0, 2, N)],
}


# -- circularity


def slow_circularity(points: Points) -> float:
    """The formula of the docstring: the circle by normal equations, means by loops."""
    rows = np.column_stack([2 * points, np.ones(len(points))])
    a, b, _ = np.linalg.solve(rows.T @ rows, rows.T @ (points**2).sum(1))
    steps = [complex(x - a, y - b) for x, y in points]
    radii = [abs(step) for step in steps]
    mean = sum(radii) / len(radii)
    deviation = math.sqrt(sum((r - mean) ** 2 for r in radii) / len(radii))
    found = 2 ** -((deviation / mean / 0.25) ** 2)
    for m in (1, 2, 3):
        found *= 1 - abs(sum(cmath.exp(1j * m * cmath.phase(step)) for step in steps) / len(steps))
    return found


@pytest.mark.parametrize("name", [name for name in SHAPES if name != "exact line"])
def test_circularity_by_definition(name: str) -> None:
    assert circularity(SHAPES[name]) == pytest.approx(slow_circularity(SHAPES[name]), abs=1e-8)


def test_a_circle_is_circular_and_nothing_else_is() -> None:
    found = {name: circularity(points) for name, points in SHAPES.items()}
    assert min(found["circle"], found["seven points"]) > 0.85 and found["thick circle"] > 0.7
    assert found["circle elsewhere"] == pytest.approx(found["circle"])
    assert max(found[name] for name in ("line", "exact line", "blob", "two clusters", "three points", "cross")) < 0.1
    assert max(found["disc"], found["half moon"]) < 0.3


@pytest.mark.parametrize("points", [np.zeros((0, 2)), np.ones((2, 2)), np.ones((50, 2))], ids=["none", "two", "equal"])
def test_what_is_no_shape_is_no_circle(points: Points) -> None:
    assert circularity(points) == 0.0


def test_the_most_circular_pair_is_of_components_that_matter() -> None:
    found = circularity_of_pairs(np.column_stack([noise(N, 3.0)[:, 0], SHAPES["thick circle"], SHAPES["circle"]]))
    assert (found == found.T).all() and not found.diagonal().any()
    assert most_circular(found, np.array([0.6, 0.1, 0.1, 0.1, 0.1])) == (3, 4)
    assert most_circular(found, np.array([0.7, 0.145, 0.145, 0.005, 0.005])) == (1, 2)
    assert most_circular(found, np.array([0.999, 0.001, 0, 0, 0])) == (0, 1)
    assert most_circular(np.zeros((3, 3)), np.array([0.4, 0.3, 0.3])) == (0, 1)


# -- separability


def slow_separability(points: Points) -> float:
    """As the paper's code: 100 angles of a full turn, numpy's histogram of 10 x 10 bins, the sum of p log2 p/(p p)."""
    found = []
    for angle in np.linspace(0, 2 * np.pi, 100):
        turned = points @ np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        joint = np.histogram2d(turned[:, 0], turned[:, 1], bins=10)[0] / len(points)
        bits = 0.0
        for i in range(10):
            for j in range(10):
                if joint[i, j] > 0:
                    bits += joint[i, j] * math.log2(joint[i, j] / (joint[i].sum() * joint[:, j].sum()))
        found.append(bits)
    return min(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["circle", "thick circle", "line", "blob", "disc", "half moon", "cross"])
def test_separability_by_definition(name: str) -> None:
    # Where a point falls on the edge of a bin, rounding decides: a turn by a right angle is not exactly the same bins.
    assert separability(SHAPES[name]) == pytest.approx(slow_separability(SHAPES[name]), abs=2e-3)


def test_separability_many_points_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = separability(SHAPES["thick circle"]), mixture(SHAPES["thick circle"])
    monkeypatch.setattr(irreducibility, "_AT_ONCE", 3 * N)
    assert (separability(SHAPES["thick circle"]), mixture(SHAPES["thick circle"])) == whole


# -- mixture


def slow_mixture(points: Points, directions: int = 360, offsets: int = 400) -> float:
    """The definition on a grid: the largest share with |w.x + c| < .1 rms(w.x + c)."""
    best = 0.0
    for angle in np.arange(directions) * np.pi / directions:
        along = points @ np.array([math.cos(angle), math.sin(angle)])
        moved = along - np.linspace(along.min(), along.max(), offsets)[:, None]
        best = max(best, float((np.abs(moved) < 0.1 * np.sqrt((moved**2).mean(1, keepdims=True))).mean(1).max()))
    return best


@pytest.mark.slow
@pytest.mark.parametrize("name", ["seven points", "thick circle", "line", "blob", "two clusters", "cross"])
def test_mixture_is_the_largest_share_that_a_grid_finds(name: str) -> None:
    points = SHAPES[name][:150]
    found, grid = mixture(points), slow_mixture(points)
    assert found >= grid - 1e-12, "a search that misses what a coarse grid sees"
    assert found <= grid + 0.02, "more than any line holds"


def test_the_best_offset_of_a_direction_is_exact() -> None:
    """All offsets at which the points in the strip can change, tried one by one."""
    points = noise(30, 1.0) - noise(30, 1.0).mean(0)
    for angle in (0.0, 0.4, 1.3):
        along = points @ np.array([math.cos(angle), math.sin(angle)])
        variance, best = (along**2).mean(), 0
        tried = []
        for p in along:  # |p - t| = .1 sqrt(v + t²)
            root = 0.1 * math.sqrt(p**2 + 0.99 * variance)
            tried += [(p + root) / 0.99, (p - root) / 0.99]
        for t in (*np.array(tried) - 1e-9, *np.array(tried) + 1e-9):
            best = max(best, int((np.abs(along - t) < 0.1 * np.sqrt(variance + t**2)).sum()))
        assert irreducibility._most_on_a_line(points, np.array([angle]), 0.1)[0] == pytest.approx(best / 30)


# -- what they say of shapes


@pytest.mark.slow
def test_reducible_shapes_have_low_separability_or_high_mixture() -> None:
    s = {name: separability(points) for name, points in SHAPES.items()}
    m = {name: mixture(points) for name, points in SHAPES.items()}
    product = {name: (1 - m[name]) * s[name] for name in SHAPES}
    assert min(s["circle"], s["seven points"]) > 1.0 and max(m["circle"], m["seven points"]) < 0.4
    assert max(s["blob"], s["line"], s["two clusters"]) < 0.2
    assert m["cross"] > 0.5
    assert (s["exact line"], m["exact line"]) == (0.0, 1.0)
    reducible = ("line", "exact line", "blob", "two clusters", "cross", "disc")
    assert min(product["circle"], product["seven points"]) > 3 * max(product[name] for name in reducible)


def ring(n: int, seed: int = 0) -> tuple[Points, Points]:
    """Seven features, one of which fires at each token, with decoder rows on a circle."""
    dice = DICE(seed)
    activations = np.zeros((n, 7))
    activations[np.arange(n), dice.integers(0, 7, n)] = dice.uniform(0.7, 1.3, n)
    rows = np.zeros((7, 10))
    rows[:, :2] = around(2 * np.pi * np.arange(7) / 7)
    return activations, rows


@pytest.mark.slow
def test_a_circle_is_more_than_its_features_shuffled_and_independent_features_are_not() -> None:
    activations, rows = ring(600)
    circle = shape_of(activations.astype(np.float32), rows.astype(np.float32), 0, Ticket()).scores
    assert circle.pair == (0, 1) and circle.rank > 0.4
    assert circle.separability > circle.shuffled.high.separability + 0.3
    free = np.maximum(DICE(1).normal(0.3, 1, (600, 7)), 0).astype(np.float32)
    independent = shape_of(free, np.eye(7, 10, dtype=np.float32), 0, Ticket()).scores
    assert independent.rank < 0.1
    assert independent.separability == pytest.approx(independent.shuffled.mean.separability, abs=0.15)


def test_shuffling_keeps_each_feature_and_breaks_them_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    activations, rows = ring(200)
    seen = []
    monkeypatch.setattr("saewidgets.geometry.subspace.scores.principal", lambda a, d: seen.append(a) or principal(a, d))
    shape = shape_of(activations.astype(np.float32), rows.astype(np.float32), 4, Ticket(), repeats=3)
    assert len(seen) == 4 and len(shape.scores.shuffled.separability) == 3
    for others in seen[1:]:
        np.testing.assert_array_equal(np.sort(others, axis=0), np.sort(activations.astype(np.float32), axis=0))
        assert ((others != 0).sum(1) > 1).any()
    assert not np.array_equal(seen[1], seen[2])
    mean = shape.scores.shuffled.mean
    assert mean.mixture == pytest.approx(sum(shape.scores.shuffled.mixture) / 3)
    assert shape.scores.shuffled.low.separability <= mean.separability <= shape.scores.shuffled.high.separability
    excess = max(0.0, shape.scores.separability - mean.separability)
    assert shape.scores.rank == pytest.approx((1 - shape.scores.mixture) * excess)
    again = shape_of(activations.astype(np.float32), rows.astype(np.float32), 4, Ticket(), repeats=3)
    np.testing.assert_array_equal(again.scores.shuffled.separability, shape.scores.shuffled.separability)


def test_a_bent_line_ranks_nowhere() -> None:
    """What is left of points beside a line has a shape, however small it is."""
    strength = DICE(0).uniform(0, 3, 400)
    activations = np.maximum(strength[:, None] - [0.0, 0.5, 1.0], 0).astype(np.float32)
    rows = np.eye(3, 5, dtype=np.float32) * 0.02 + np.eye(1, 5, k=4, dtype=np.float32)
    scores = shape_of(activations, rows, 0, Ticket(), repeats=2).scores
    assert scores.separability > 0.5 and scores.least < 0.01 and scores.rank == 0


# -- components


@pytest.mark.parametrize(("n", "k", "d"), [(50, 4, 30), (50, 9, 6), (4, 9, 30), (40, 2, 2)])
def test_components_are_those_of_the_full_matrix(n: int, k: int, d: int) -> None:
    dice = DICE(n + k)
    activations, rows = np.maximum(dice.normal(size=(n, k)), 0), dice.normal(size=(k, d))
    found = principal(activations, rows)
    full = activations @ rows
    left, singular, right = np.linalg.svd(full - full.mean(0), full_matrices=False)
    c = min(5, n, k, d)
    rank = min(c, n - 1)
    assert found.points.shape == (n, c) and found.components.shape == (c, d)
    np.testing.assert_allclose(found.mean, full.mean(0), atol=1e-12)
    np.testing.assert_allclose(found.explained, (singular**2 / (singular**2).sum())[:c], atol=1e-12)
    for i in range(rank):
        sign = 1 if right[i][np.abs(right[i]).argmax()] > 0 else -1
        np.testing.assert_allclose(found.components[i], sign * right[i], atol=1e-9)
        np.testing.assert_allclose(found.points[:, i], sign * left[:, i] * singular[i], atol=1e-9)
    np.testing.assert_allclose(found.components @ found.components.T, np.eye(c), atol=1e-9)


def test_no_components_without_variance_and_none_of_rounding() -> None:
    same = np.full((20, 3), 0.1, np.float32)
    with pytest.raises(GeometryError, match="All 20 points are the same"):
        principal(same, DICE(0).normal(size=(3, 8)))
    flat = principal(np.outer(DICE(1).uniform(size=30), [1.0, 2.0, 3.0]), DICE(0).normal(size=(3, 8)))
    assert flat.explained[0] == pytest.approx(1) and not flat.explained[1:].any() and not flat.points[:, 1:].any()
    with pytest.raises(GeometryError, match="NaN or infinity"):
        principal(np.full((5, 2), np.nan), np.eye(2))


FUNCTIONS: list[Callable[[Points], float]] = [circularity, separability, mixture]


@pytest.mark.parametrize("of", FUNCTIONS)
def test_the_order_and_place_of_points_do_not_matter(of: Callable[[Points], float]) -> None:
    points = SHAPES["half moon"]
    other = points[DICE(0).permutation(N)] + [3.0, -1.0]
    assert of(other) == pytest.approx(of(points), abs=5e-3)


def test_a_shuffle_after_which_all_points_are_equal_is_a_line() -> None:
    """Three points of two features with one decoder row: where 1 meets 3, 2 meets 2 and 3 meets 1, all are the same."""
    activations = np.array([[1, 1], [2, 2], [3, 3]], np.float32)
    rows = np.array([[1, 0, 0], [1, 0, 0]], np.float32)
    shapes = [shape_of(activations, rows, seed, Ticket()).scores.shuffled for seed in range(20)]
    assert all(shape.separability.tolist() == [0.0] * 5 and shape.mixture.tolist() == [1.0] * 5 for shape in shapes)

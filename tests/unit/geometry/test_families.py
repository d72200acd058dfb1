"""Families of best partners: against a search through the graph by hand, of random partners; trees, roots and orders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from saewidgets.geometry.splitting.families import Family, Forest, forest_of


def random_forest(seed: int, n_a: int = 30, n_b: int = 50) -> tuple[Forest, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Best partners by a table of r, of which some are links."""
    rng = np.random.default_rng(seed)
    r = np.round(rng.random((n_a, n_b)), 2)  # with ties
    best_a, best_b = r.argmax(1), r.argmax(0)
    is_a, is_b = rng.random(n_a) < 0.6, rng.random(n_b) < 0.6
    count_a, count_b = rng.integers(1, 9, n_a), rng.integers(1, 9, n_b)
    forest = forest_of(best_a, is_a, count_a, best_b, is_b, count_b)
    return forest, np.where(is_a, best_a, -1), np.where(is_b, best_b, -1)


def reached(
    parent_a: np.ndarray[Any, Any], parent_b: np.ndarray[Any, Any], start: tuple[str, int]
) -> set[tuple[str, int]]:
    """All that can be reached over links, in either direction."""
    found, waiting = {start}, [start]
    while waiting:
        side, feature = waiting.pop()
        up, across, other = (parent_a, parent_b, "b") if side == "a" else (parent_b, parent_a, "a")
        near = {(other, int(f)) for f in np.flatnonzero(across == feature)}
        near |= {(other, int(up[feature]))} if up[feature] >= 0 else set()
        waiting += near - found
        found |= near
    return found


def nodes(family: Family) -> set[tuple[str, int]]:
    return {("a", f) for f in family.a} | {("b", g) for g in family.b}


@pytest.mark.parametrize("seed", range(5))
def test_families_are_what_links_reach(seed: int) -> None:
    forest, parent_a, parent_b = random_forest(seed)
    wanted = {frozenset(reached(parent_a, parent_b, ("a", f))) for f in range(len(parent_a))}
    wanted |= {frozenset(reached(parent_a, parent_b, ("b", g))) for g in range(len(parent_b))}
    families = forest.families()
    assert {frozenset(nodes(family)) for family in families} == {one for one in wanted if len(one) > 1}
    assert [len(family) for family in families] == sorted(map(len, families), reverse=True)
    assert families == [forest.family(i) for i in range(forest.n)]
    assert [family.kind for family in families] == forest.kinds()


@pytest.mark.parametrize("seed", range(5))
def test_every_family_is_a_tree_with_each_child_after_its_parent(seed: int) -> None:
    forest, parent_a, parent_b = random_forest(seed)
    for family in forest.families():
        assert len(family.links) == len(family) - 1
        seen = {family.root}
        for link in family.links:
            ends = {("a", link.a), ("b", link.b)}
            assert len(ends & seen) == 1
            seen |= ends
            assert (parent_a[link.a] == link.b) == (link.child in ("a", "both"))
            assert (parent_b[link.b] == link.a) == (link.child in ("b", "both"))
        assert seen == nodes(family)
        below = [child for side, feature in nodes(family) for child in family.children(side, feature)]  # type: ignore[arg-type]
        assert sorted(below) == sorted(nodes(family) - {family.root})
        assert len(str(family).splitlines()) == len(family)


@pytest.mark.parametrize("seed", range(5))
def test_a_root_has_no_parent_or_is_the_more_frequent_of_two_that_are_each_other_s(seed: int) -> None:
    forest, parent_a, parent_b = random_forest(seed)
    for family in forest.families():
        side, feature = family.root
        parent = (parent_a if side == "a" else parent_b)[feature]
        if parent >= 0:
            own, other = (forest.count_a, forest.count_b) if side == "a" else (forest.count_b, forest.count_a)
            assert (parent_b if side == "a" else parent_a)[parent] == feature
            assert own[feature] > other[parent] or (own[feature] == other[parent] and side == "a")


@pytest.mark.parametrize("seed", range(5))
def test_links_are_those_of_all_families(seed: int) -> None:
    forest, *_ = random_forest(seed)
    f, g, child = forest.links()
    wanted = [(i, link.a, link.b, link.child) for i, family in enumerate(forest.families()) for link in family.links]
    assert sorted(wanted) == list(zip(forest.family_a[f].tolist(), f.tolist(), g.tolist(), child, strict=True))


def test_no_links_are_no_families() -> None:
    none = np.full(3, -1)
    forest = forest_of(none, none >= 0, none + 1, none, none >= 0, none + 1)
    assert forest.n == 0 and forest.families() == [] and forest.kinds() == []
    assert forest.links()[2] == []

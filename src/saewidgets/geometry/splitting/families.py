"""From best partners to families: which feature goes with which, as trees.

Every feature has at most one parent, its best partner on the other side, if that follows it closely enough. Then features and
links make a forest: a cycle can only be a pair of features that are each other's best partner, as r is the same from both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ...engine.arrays import Bools, Ints

__all__ = ["KINDS", "Family", "Forest", "Kind", "Link", "SideName", "forest_of"]

SideName: TypeAlias = Literal["a", "b"]
Kind: TypeAlias = Literal["one_to_one", "one_to_many", "many_to_one", "many_to_many", "unmatched", "rare", "silent"]
KINDS: tuple[Kind, ...] = ("one_to_one", "one_to_many", "many_to_one", "many_to_many")
"""Of families; the others are of features without one."""


@dataclass(frozen=True)
class Link:
    """A feature of "a" and one of "b" that go together.

    Attributes:
        child: "a" or "b": whose parent the other is; "both": each is the other's.
    """

    a: int
    b: int
    child: Literal["a", "b", "both"]


@dataclass(frozen=True)
class Family:
    """Features that are linked, directly or through others.

    Attributes:
        kind: by how many there are on either side; "unmatched", "rare" or "silent" of one feature alone.
        a, b: the features of either side, ascending.
        root: the side and the feature that the tree begins with: the one without a parent, or of two that are each other's
            parents the one that fires on more tokens (of equal ones that of "a").
        links: from the root on; each child after its parent.
    """

    kind: Kind
    a: tuple[int, ...]
    b: tuple[int, ...]
    root: tuple[SideName, int]
    links: tuple[Link, ...] = ()

    def __len__(self) -> int:
        """Features."""
        return len(self.a) + len(self.b)

    def children(self, side: SideName, feature: int) -> tuple[tuple[SideName, int], ...]:
        """The features next to this one in the tree, away from the root."""
        seen, below = {self.root}, {self.root: list[tuple[SideName, int]]()}
        for link in self.links:
            ends: tuple[tuple[SideName, int], tuple[SideName, int]] = (("a", link.a), ("b", link.b))
            parent, child = ends if ends[0] in seen else ends[::-1]
            seen.add(child)
            below.setdefault(parent, []).append(child)
        return tuple(below.get((side, feature), ()))

    def __str__(self) -> str:
        return "\n".join(self._lines(*self.root, ""))

    def _lines(self, side: SideName, feature: int, indent: str) -> list[str]:
        found = [f"{indent}{side} {feature}"]
        for child in self.children(side, feature):
            found += self._lines(*child, indent + "  ")
        return found


@dataclass(frozen=True, eq=False)
class Forest:
    """All families of two sides.

    Attributes:
        parent_a: [F_a] the parent in "b" of each feature of "a", -1 without one; parent_b: [F_b] the other way round.
        family_a, family_b: [F] the number of each feature's family, -1 without one. The largest come first, of equal ones that
            with the first feature of "a".
        count_a, count_b: [F] tokens where each fires.
        n: families.
    """

    parent_a: Ints
    parent_b: Ints
    family_a: Ints
    family_b: Ints
    count_a: Ints
    count_b: Ints
    n: int

    def sizes(self) -> tuple[Ints, Ints]:
        """[n] features of "a" and of "b" in each family."""
        return (
            np.bincount(self.family_a[self.family_a >= 0], minlength=self.n),
            np.bincount(self.family_b[self.family_b >= 0], minlength=self.n),
        )

    def kinds(self) -> list[Kind]:
        """[n] of each family."""
        return [_kind(x, y) for x, y in zip(*(size.tolist() for size in self.sizes()), strict=True)]

    def families(self) -> list[Family]:
        """All of them."""
        members = [_members(numbers, self.n) for numbers in (self.family_a, self.family_b)]
        return [self._tree(a, b) for a, b in zip(*members, strict=True)]

    def family(self, number: int) -> Family:
        """One of them."""
        return self._tree(np.flatnonzero(self.family_a == number), np.flatnonzero(self.family_b == number))

    def links(self) -> tuple[Ints, Ints, list[Literal["a", "b", "both"]]]:
        """Of all families: features of "a", of "b", and whose the parent is; by family, then by feature."""
        of_a, of_b = np.flatnonzero(self.parent_a >= 0), np.flatnonzero(self.parent_b >= 0)
        f, g = np.concatenate([of_a, self.parent_b[of_b]]), np.concatenate([self.parent_a[of_a], of_b])
        pairs, which = np.unique(np.stack([self.family_a[f], f, g]), axis=1, return_inverse=True)
        by_a, by_b = (np.zeros(pairs.shape[1], bool) for _ in range(2))
        which = which.reshape(-1)
        by_a[which[: len(of_a)]], by_b[which[len(of_a) :]] = True, True
        return pairs[1], pairs[2], [_child(x, y) for x, y in zip(by_a.tolist(), by_b.tolist(), strict=True)]

    def _tree(self, a: Ints, b: Ints) -> Family:
        edges: dict[tuple[SideName, int], list[tuple[SideName, int]]] = {}
        found: dict[tuple[int, int], tuple[bool, bool]] = {}
        roots: list[tuple[SideName, int]] = []
        for f in a.tolist():
            g = int(self.parent_a[f])
            if g < 0:
                roots.append(("a", f))
            else:
                found[f, g] = (True, False)
        for g in b.tolist():
            f = int(self.parent_b[g])
            if f < 0:
                roots.append(("b", g))
            else:
                found[f, g] = (found.get((f, g), (False, False))[0], True)
        for f, g in found:
            edges.setdefault(("a", f), []).append(("b", g))
            edges.setdefault(("b", g), []).append(("a", f))
        if not roots:  # two that are each other's
            f, g = next(pair for pair, both in found.items() if all(both))
            roots = [("b", g) if self.count_b[g] > self.count_a[f] else ("a", f)]
        links: list[Link] = []
        waiting, seen = [roots[0]], {roots[0]}
        while waiting:
            here = waiting.pop(0)
            for other in sorted(edges.get(here, ())):
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
                    f, g = (here[1], other[1]) if here[0] == "a" else (other[1], here[1])
                    links.append(Link(f, g, _child(*found[f, g])))
        return Family(_kind(len(a), len(b)), tuple(a.tolist()), tuple(b.tolist()), roots[0], tuple(links))


def forest_of(best_a: Ints, linked_a: Bools, count_a: Ints, best_b: Ints, linked_b: Bools, count_b: Ints) -> Forest:
    """Families of features by their best partners ([F] each, on the other side) and whether these are their parents."""
    n_a, n_b = len(best_a), len(best_b)
    parent_a, parent_b = np.where(linked_a, best_a, -1), np.where(linked_b, best_b, -1)
    of_a, of_b = np.flatnonzero(parent_a >= 0), np.flatnonzero(parent_b >= 0)
    rows = np.concatenate([of_a, n_a + of_b])
    columns = np.concatenate([n_a + parent_a[of_a], parent_b[of_b]])
    graph = sparse.coo_array((np.ones(len(rows)), (rows, columns)), (n_a + n_b, n_a + n_b))
    _, number = connected_components(graph, directed=False)
    size = np.bincount(number, minlength=1)
    # Numbered anew: the largest first, then by the first feature; features alone have none.
    whole, first = np.unique(number, return_index=True)
    order = np.lexsort((first, -size[whole]))
    order = order[size[whole[order]] > 1]
    new = np.full(len(size), -1, np.int64)
    new[whole[order]] = np.arange(len(order))
    family = new[number]
    return Forest(parent_a, parent_b, family[:n_a], family[n_a:], count_a, count_b, len(order))


def _members(family: Ints, n: int) -> Sequence[Ints]:
    """The features of each family."""
    inside = np.flatnonzero(family >= 0)
    order = inside[np.argsort(family[inside], kind="stable")]
    return np.split(order, np.searchsorted(family[order], np.arange(1, n))) if n else []


def _kind(a: int, b: int) -> Kind:
    if a == 1:
        return "one_to_one" if b == 1 else "one_to_many"
    return "many_to_one" if b == 1 else "many_to_many"


def _child(by_a: bool, by_b: bool) -> Literal["a", "b", "both"]:
    return "both" if by_a and by_b else "a" if by_a else "b"

"""`candidate_groups`: groups of features that may draw a shape together, found by their decoder rows and ranked by the shape."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

import numpy as np

from ...engine.arrays import Bools, Floats, Ints
from ...engine.ticket import Ticket
from ...index.feature_index import FeatureIndex
from ..active import drawn, is_stored, must_be_ours, stored
from ..errors import GeometryError
from ..read_again import Reread, read_draw
from ..subspace.scores import shape_of
from ..subspace.subspace import FEWEST, scaled_by_token
from .candidates import CandidateGroups, Group, Method
from .similar import Cut, Edges, chosen_cut, components, edges_of, mean_cosine, members
from .spectral import PER_CLUSTER, spectral_clusters

if TYPE_CHECKING:
    from ...engine.ticket import Progress

__all__ = ["candidate_groups"]

FEWEST_SCORED = 30
"""Points that a group is scored with at least."""
_NEIGHBOURS = 20
_TOKENS = 8
# A cosine this near to 1 is of two rows that are the same but for rounding.
_SAME = 1 - 1e-5


def candidate_groups(
    index: FeatureIndex,
    *,
    method: Method = "graph",
    cut: float | None = None,
    top: int = 2,
    clusters: int | None = None,
    sizes: tuple[int, int] = (3, 30),
    n: int = 5_000,
    seed: int = 0,
    score: bool = True,
    limit: int = 300,
    read: int = 20_000,
    on_progress: Progress | None = None,
) -> CandidateGroups:
    """Groups of features that may draw a shape together (days of the week do), ranked by how irreducible what they draw is.

    Both ways of Engels et al. 2024 (arXiv 2405.14860). Features that never fire on the corpus are left out of groups.

    Args:
        index: opened with its engine; without one there are neither scores nor cosines, and only method="graph".
        method: "graph", connected components of the nearest neighbours by decoder cosine; or "spectral", spectral clusters.
        cut: of the graph, the cosine that an edge must exceed; default: of .2, .25, ... .95 that which gives most groups of an
            allowed size on this SAE, among those at which no component holds over a hundredth of its features (`.cuts` shows
            all). The paper takes .5.
        top: of the graph, nearest neighbours of each feature, itself not counted, at most 20.
        clusters: of the spectral clusters; default: one for 25 features that fire, about as many as the paper's.
        sizes: the smallest and the largest number of features of a group.
        n: points that a group is scored on, at most: tokens where any of its features fires, drawn with `seed`.
        score: False for the groups alone, by mean cosine.
        limit: groups that are scored, at most: those with the largest mean cosine.
        read: tokens that are read again, once for all groups, if the index has not all activations: whole texts, drawn from the
            corpus with `seed`.
        on_progress: called with (done, total) on the worker's thread.

    Raises:
        GeometryError: for an unknown method or sizes, cut, top, clusters that cannot be; more features than spectral clusters take;
            neurons, whose rows are the basis itself.
        IndexMismatchError: for an index without its engine where one is needed, or one made of another tool's files.

    Example:
        >>> found = sw.candidate_groups(index)
        >>> found.cut, found.cuts
        >>> found.to_pandas()[["score", "tokens"]].head(20)
    """
    _check(method, cut, top, sizes, n, limit)
    must_be_ours(index)
    why = index.folder.facts.get("decoder_missing")
    if why is not None:
        raise GeometryError(f"There are no groups by cosine: {why}")
    fires: Bools = np.asarray(index.column("count")) > 0
    task = _Search(index, fires, sizes, n, seed)
    needs = score or method == "spectral"
    if not needs and index.engine is None:
        return task.found(Ticket(), method, cut, top, clusters, False, limit, read)
    engine = index.must_have_engine(
        "decoder rows, which spectral clusters and scores need (method='graph', score=False does not)"
    )
    return engine.worker.run(lambda t: task.found(t, method, cut, top, clusters, score, limit, read), on_progress)


def _check(method: Method, cut: float | None, top: int, sizes: tuple[int, int], n: int, limit: int) -> None:
    if method not in get_args(Method):
        raise GeometryError(f"method is 'graph' or 'spectral', not {method!r}.")
    if cut is not None and not -1 <= cut < 1:
        raise GeometryError(f"cut is a cosine, from -1 to below 1, not {cut}.")
    if not 1 <= top <= _NEIGHBOURS:
        raise GeometryError(f"top is between 1 and {_NEIGHBOURS} neighbours, not {top}.")
    if len(sizes) != 2 or not 2 <= sizes[0] <= sizes[1]:
        raise GeometryError(f"sizes is (smallest, largest) with 2 <= smallest <= largest, not {sizes}.")
    if n < FEWEST_SCORED or limit < 0:
        raise GeometryError(f"n is at least {FEWEST_SCORED} points, and limit at least 0, not {n} and {limit}.")


@dataclass(frozen=True, eq=False)
class _Search:
    """One search through an index."""

    index: FeatureIndex
    fires: Bools
    sizes: tuple[int, int]
    n: int
    seed: int

    def found(
        self,
        ticket: Ticket,
        method: Method,
        cut: float | None,
        top: int,
        clusters: int | None,
        score: bool,
        limit: int,
        read: int,
    ) -> CandidateGroups:
        ticket.progress(0, 100)
        notes: list[str] = []
        tried: tuple[Cut, ...] = ()
        if method == "graph":
            edges = edges_of(*self._neighbours(ticket), top)
            best, tried = chosen_cut(edges, self.fires, self.sizes)
            cut = best if cut is None else cut
            lists = members(components(edges, cut), self.fires, self.sizes)
            notes += _duplicates(edges)
        else:
            cut, lists = None, self._clusters(clusters, notes, ticket.share(0, 40, 100))
        silent = int((~self.fires).sum())
        if silent:
            notes.append(f"{silent:,} features never fire on this corpus and are in no group.")
        if not lists:
            notes.append(
                f"There is no group of {self.sizes[0]} to {self.sizes[1]} features: try other sizes, or another cut."
            )
        groups = self._groups(lists, notes)
        if score:
            notes += filter(None, [scaled_by_token(self.index.dictionary())])
            groups = self._scored(groups, limit, read, notes, ticket.share(40, 100, 100))
        order = np.lexsort(
            [
                [-np.nan_to_num(g.mean_cosine, nan=-2) for g in groups],
                [-np.nan_to_num(g.score, nan=-1) for g in groups],
            ]
        )
        ranked = tuple(groups[i] for i in order.tolist())
        return CandidateGroups(ranked, method, cut, tried, self.n, self.seed, self.index, tuple(notes))

    def _neighbours(self, ticket: Ticket) -> tuple[Ints, Floats]:
        """The nearest of each feature [F, k] and their cosines: of the index, or computed where it has not got there yet."""
        if "neighbour" in self.index.folder or self.index.engine is None:
            return self.index.column("neighbour").astype(np.int64), self.index.column("neighbour_cosine")
        import torch

        from ...index.statistics.neighbours import neighbours

        rows = torch.from_numpy(self._rows(np.arange(len(self.index))))
        norms = rows.norm(dim=1).clamp(min=1e-12)
        return neighbours(rows, norms, 0, len(rows), _NEIGHBOURS, ticket.breathe)

    def _clusters(self, clusters: int | None, notes: list[str], ticket: Ticket) -> list[Ints]:
        some = np.flatnonzero(self.fires)
        if len(some) < FEWEST:
            return []
        many = max(2, round(len(some) / PER_CLUSTER)) if clusters is None else clusters
        labels, note = spectral_clusters(self._rows(some), many, self.seed, ticket)
        size = np.bincount(labels, minlength=many)
        small, large = int((size < self.sizes[0]).sum()), int((size > self.sizes[1]).sum())
        if small + large:
            notes.append(
                f"Of {many:,} clusters, {small:,} with fewer than {self.sizes[0]} and {large:,} with more than "
                f"{self.sizes[1]} features are left out."
            )
        notes += [note] if note else []
        everywhere = np.full(len(self.fires), -1)
        everywhere[some] = labels
        return members(everywhere, self.fires, self.sizes)

    def _rows(self, features: Ints) -> Floats:
        return self.index.dictionary().written(features)

    def _groups(self, lists: list[Ints], notes: list[str]) -> list[Group]:
        token, total = self.index.column("token").astype(np.int64), self.index.column("token_total")
        if self.index.engine is None and lists:
            notes.append("Without an engine there are no decoder rows: mean cosines and scores are NaN.")
        if self.index.kept is not None and lists:
            notes.append(f"The tokens that groups fire on are {self.index.kept.of_top_token}.")
        known = self.index.engine is not None
        return [
            Group(f, mean_cosine(self._rows(f)) if known else np.nan, self._tokens(token[f], total[f])) for f in lists
        ]

    def _tokens(self, ids: Ints, totals: Floats) -> tuple[str, ...]:
        """What features fire on most, by the sum of the activations there."""
        there = (totals.ravel() != 0) & (ids.ravel() < self.index.column("occurrences").shape[0])
        names, which = np.unique(ids.ravel()[there], return_inverse=True)
        weight = np.bincount(which, np.abs(totals.ravel()[there]), minlength=len(names))
        best = names[np.argsort(-weight, kind="stable")[:_TOKENS]]
        return tuple(self.index.texts.string(token) for token in best.tolist())

    # -- scores

    def _scored(self, groups: list[Group], limit: int, read: int, notes: list[str], ticket: Ticket) -> list[Group]:
        by_cosine = sorted(range(len(groups)), key=lambda i: -groups[i].mean_cosine)
        chosen = sorted(by_cosine[:limit])
        if len(chosen) < len(groups):
            notes.append(
                f"Only the {limit:,} of {len(groups):,} groups with the largest mean cosine were scored (limit)."
            )
        rest = self._not_stored(groups, chosen, ticket)
        again: Reread | None = None
        if rest:
            wanted = np.unique(np.concatenate([groups[i].features for i in sorted(rest)]))
            again = read_draw(self.index, wanted, read, self.seed, ticket.share(0, 50, 100))
            notes.append(
                f"The index does not keep all activations: {len(rest):,} groups are scored on {again.tokens:,} counted tokens "
                f"{again.note}."
            )
        begun = 50 if rest else 0
        found, few = list(groups), 0
        for done, i in enumerate(chosen):
            ticket.breathe()
            step = (100 - begun) / len(chosen)
            part = ticket.share(begun + step * done, begun + step * (done + 1), 100)
            # One group's at a time: of frequent features they are as long as the corpus.
            here = groups[i].features
            at = again.of(here) if again is not None and i in rest else stored(self.index, here.tolist())
            assert at is not None
            points, _ = drawn(at, self.n, self.seed)
            if len(points) < FEWEST_SCORED:
                few += 1
                continue
            try:
                shape = shape_of(points.values, self._rows(points.features), self.seed, part)
            except GeometryError as error:
                notes.append(f"No score of {groups[i].features.tolist()}: {error}")
                continue
            found[i] = replace(
                groups[i],
                n_points=len(points),
                circularity=float(shape.circularity[shape.pair]),
                scores=shape.scores,
            )
        if few:
            notes.append(
                f"Without a score, for fewer than {FEWEST_SCORED} tokens where any feature fires: {few:,} of the groups."
            )
        return found

    def _not_stored(self, groups: list[Group], chosen: list[int], ticket: Ticket) -> set[int]:
        """Which of them have features whose activations the index does not have all of."""
        if self.index.every is not None:
            return set()
        missing = set()
        for i in chosen:
            ticket.breathe()
            if not is_stored(self.index, groups[i].features.tolist()):
                missing.add(i)
        return missing


def _duplicates(edges: Edges) -> list[str]:
    """What to say of features that are the same."""
    same = edges.cosine >= _SAME
    if not same.any():
        return []
    many = len(np.unique(np.concatenate([edges.one[same], edges.other[same]])))
    return [
        f"{many:,} features are duplicates: another one has the same decoder row (cosine 1). They draw a line together."
    ]

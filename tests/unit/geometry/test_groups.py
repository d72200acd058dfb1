"""`candidate_groups`: the planted circle comes first; the graph against a search by hand; cuts, cosines, bad input."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import planted_shapes as shapes
import pytest
import tiny

import saewidgets as sw
from saewidgets.errors import CancelledError
from saewidgets.geometry.errors import GeometryError
from saewidgets.geometry.groups import groups as module
from saewidgets.geometry.groups.candidates import CandidateGroups
from saewidgets.geometry.groups.similar import CUTS, chosen_cut, components, edges_of, mean_cosine, members
from saewidgets.index.errors import IndexMismatchError


@pytest.fixture(scope="module")
def found(planted: sw.FeatureIndex) -> CandidateGroups:
    return sw.candidate_groups(planted, sizes=(2, 30))


def test_the_circle_comes_first(found: CandidateGroups) -> None:
    assert [g.features.tolist() for g in found.groups] == [shapes.CIRCLE, shapes.NOISE, shapes.TWINS, shapes.LINE]
    circle, noise, twins, line = found.groups
    assert circle.score > 5 * noise.score and twins.score == line.score == 0
    assert circle.circularity > 0.5 > max(noise.circularity, line.circularity, twins.circularity)
    assert circle.separability > 1 and circle.mixture < 0.4 and circle.pair == (0, 1)
    assert line.separability < 0.2 and (twins.separability, twins.mixture) == (0, 1)
    assert circle.size == 7 and circle.n_points == circle_tokens()
    assert found.provenance["groups"] == f"connected components, cosine > {found.cut}"


def circle_tokens() -> int:
    days = {shapes.DAYS[0] + i for i in range(7)}
    return sum(token in days for ids in shapes.corpus() for token in ids)


def test_tokens_are_those_the_features_fire_on_most(found: CandidateGroups, planted: sw.FeatureIndex) -> None:
    group = found.groups[0]
    total: dict[str, float] = {}
    for f in group.features.tolist():
        position, value = planted.every.of(f)  # type: ignore[union-attr]
        for at, strength in zip(position.tolist(), value.tolist(), strict=True):
            word = planted.texts.string(int(planted.texts.tokens(np.array([at]))[0]))
            total[word] = total.get(word, 0.0) + strength
    assert list(group.tokens) == sorted(total, key=lambda word: -total[word])[:8]


def test_the_subspace_of_a_group_is_of_the_points_that_were_scored(found: CandidateGroups) -> None:
    shown = found.subspace(0)
    assert len(shown) == found.groups[0].n_points and shown.pair == found.groups[0].pair
    assert shown.scores.separability == found.groups[0].separability
    assert shown.scores.rank == found.groups[0].score
    with pytest.raises(GeometryError, match="no group 4"):
        found.subspace(4)


def test_mean_cosine_by_definition(found: CandidateGroups) -> None:
    rows = shapes.directions()

    def cosine(a: int, b: int) -> float:
        return float(rows[a] @ rows[b] / (np.linalg.norm(rows[a]) * np.linalg.norm(rows[b])))

    for group in found.groups:
        pairs = list(itertools.combinations(group.features.tolist(), 2))
        assert group.mean_cosine == pytest.approx(sum(cosine(a, b) for a, b in pairs) / len(pairs), abs=1e-6)
    assert mean_cosine(np.array([[1.0, 0], [0, 0], [3.0, 0]])) == pytest.approx(1 / 3)


@pytest.mark.slow
def test_as_a_table_and_as_a_picture(found: CandidateGroups) -> None:
    table = found.to_pandas()
    assert table["score"].tolist() == [g.score for g in found.groups]
    assert table["pair"].tolist()[0] == "1, 2" and table["features"].tolist()[0] == shapes.CIRCLE
    assert table["separability_shuffled"].tolist()[0] == found.groups[0].scores.shuffled.mean.separability  # type: ignore[union-attr]
    figure = found.figure()
    assert figure.layout.xaxis.autorange == "reversed"
    assert (
        list(figure.data[0].x) == table["mixture"].tolist() and list(figure.data[0].y) == table["separability"].tolist()
    )
    assert "4 groups" in repr(found) and len(repr(found)) < 200


# -- the graph


def slow_groups(
    neighbour: npt.NDArray[np.int64], cosine: npt.NDArray[np.float64], top: int, cut: float
) -> set[frozenset[int]]:
    """Walk from each feature along edges in either direction."""
    linked: dict[int, set[int]] = {i: set() for i in range(len(neighbour))}
    for i in range(len(neighbour)):
        for j, value in list(zip(neighbour[i].tolist(), cosine[i].tolist(), strict=True))[:top]:
            if value > cut and 0 <= j < len(neighbour) and j != i:
                linked[i].add(j)
                linked[j].add(i)
    groups = set()
    for i in linked:
        seen, todo = {i}, [i]
        while todo:
            for j in linked[todo.pop()] - seen:
                seen.add(j)
                todo.append(j)
        groups.add(frozenset(seen))
    return groups


@pytest.mark.parametrize("seed", range(3))
def test_groups_of_a_random_graph(seed: int) -> None:
    dice = np.random.default_rng(seed)
    n, k = 120, 5
    neighbour = np.array([dice.permutation(n)[:k] for _ in range(n)])
    neighbour[dice.random((n, k)) < 0.1] = 2**32 - 1  # no neighbour
    cosine = -np.sort(-dice.uniform(0.1, 1, (n, k)), axis=1)
    fires = dice.random(n) < 0.8
    edges = edges_of(neighbour, cosine.astype(np.float32), 2)
    by_hand = {}
    for cut in CUTS:
        whole = slow_groups(neighbour, cosine.astype(np.float32).astype(float), 2, float(np.float32(cut)))
        alive = [sorted(i for i in g if fires[i]) for g in whole]
        wanted = sorted(g for g in alive if 3 <= len(g) <= 9)
        assert [g.tolist() for g in members(components(edges, cut), fires, (3, 9))] == wanted
        by_hand[cut] = (len(wanted), sum(map(len, wanted)), max(map(len, alive)))
    best, tried = chosen_cut(edges, fires, (3, 9))
    assert {one.cut: (one.groups, one.features, one.largest) for one in tried} == by_hand
    apart = [cut for cut in CUTS if by_hand[cut][2] <= max(9, 0.01 * fires.sum())]
    assert best == max(apart or CUTS[-1:], key=lambda cut: (*by_hand[cut][:2], cut))


def test_a_cut_at_which_the_graph_hangs_together_is_not_chosen() -> None:
    """Twenty groups hold together at .6; forty more do at .4, where half of all features are one component."""
    n = 400
    neighbour = np.full((n, 1), -1)
    cosine = np.zeros((n, 1), np.float32)
    for i in range(0, 80, 4):  # groups of four: two chains of a high and one of a low cosine
        neighbour[i : i + 3, 0], cosine[i : i + 3, 0] = np.arange(i + 1, i + 4), 0.62
    for i in range(80, 200, 3):  # forty groups that hold at .41 only, beside
        neighbour[i : i + 2, 0], cosine[i : i + 2, 0] = np.arange(i + 1, i + 3), 0.42
    neighbour[200:399, 0], cosine[200:399, 0] = np.arange(201, 400), 0.44  # one of two hundred
    best, tried = chosen_cut(edges_of(neighbour, cosine, 1), np.ones(n, bool), (3, 30))
    assert max(tried, key=lambda one: one.groups).cut <= 0.4
    assert (best, {one.cut: one.groups for one in tried}[best]) == (0.6, 20)


def test_the_cut_is_shown_and_can_be_given(found: CandidateGroups, planted: sw.FeatureIndex) -> None:
    assert found.cut in CUTS and found.cuts["groups"].max() == found.cuts["groups"][found.cut] == 4
    high = sw.candidate_groups(planted, cut=0.9, sizes=(2, 30), score=False)
    assert {tuple(g.features.tolist()) for g in high.groups} == {tuple(shapes.LINE), tuple(shapes.TWINS)}
    none = sw.candidate_groups(planted, cut=0.999999, sizes=(3, 30))
    assert len(none) == 0 and any("no group of 3 to 30" in note for note in none.notes)
    assert len(none.to_pandas()) == 0 and none.figure() is not None


def test_silent_features_and_duplicates_are_said(found: CandidateGroups, planted: sw.FeatureIndex) -> None:
    alive = int((planted.column("count") > 0).sum())
    assert any(f"{48 - alive:,} features never fire" in note for note in found.notes)
    assert any("2 features are duplicates" in note for note in found.notes)
    assert not {18, 19, 20} & {f for g in found.groups for f in g.features.tolist()}


def test_neighbours_are_computed_where_the_index_has_none_yet(planted: sw.FeatureIndex, found: CandidateGroups) -> None:
    class Without(type(planted.folder)):  # type: ignore[misc]
        def __contains__(self, name: object) -> bool:
            return name != "neighbour" and super().__contains__(name)

    folder = planted.folder
    kind = type(folder)
    folder.__class__ = Without
    try:
        again = sw.candidate_groups(planted, sizes=(2, 30), score=False)
    finally:
        folder.__class__ = kind
    assert {tuple(g.features.tolist()) for g in again.groups} == {tuple(g.features.tolist()) for g in found.groups}
    assert again.cuts.equals(found.cuts)


# -- what is scored, and on what


def test_without_an_engine_there_are_groups_and_no_scores(planted: sw.FeatureIndex, found: CandidateGroups) -> None:
    bare = sw.FeatureIndex.open(planted.path)
    plain = sw.candidate_groups(bare, sizes=(2, 30), score=False)
    assert {tuple(g.features.tolist()) for g in plain.groups} == {tuple(g.features.tolist()) for g in found.groups}
    assert all(np.isnan(g.mean_cosine) and np.isnan(g.score) and g.n_points == 0 for g in plain.groups)
    assert any("Without an engine" in note for note in plain.notes)
    for how in ({}, {"method": "spectral", "score": False}):
        with pytest.raises(IndexMismatchError, match="score=False.*engine=engine"):
            sw.candidate_groups(bare, **how)  # type: ignore[arg-type]


@pytest.mark.slow
def test_groups_with_few_points_are_kept_without_a_score(
    planted: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FEWEST_SCORED", 500)
    few = sw.candidate_groups(planted, sizes=(2, 30))
    assert few.groups[-1].features.tolist() == shapes.TWINS and few.groups[-1].scores is None
    assert np.isnan(few.groups[-1].score) and few.groups[-1].pair is None
    assert any("fewer than 500 tokens where any feature fires: 1 of the groups" in note for note in few.notes)
    assert len(few.figure().data[0].x) == 3


def test_only_so_many_are_scored(planted: sw.FeatureIndex) -> None:
    one = sw.candidate_groups(planted, sizes=(2, 30), limit=1)
    assert [g.scores is not None for g in one.groups] == [True, False, False, False]
    assert one.groups[0].features.tolist() == shapes.TWINS  # the largest mean cosine
    assert any("Only the 1 of 4" in note for note in one.notes)


@pytest.mark.slow
def test_at_most_n_points_a_group(planted: sw.FeatureIndex) -> None:
    some = sw.candidate_groups(planted, sizes=(3, 30), n=100, seed=2)
    assert {g.n_points for g in some.groups} == {100}
    assert len(some.subspace(0)) == 100 and some.subspace(0).scores.rank == some.groups[0].score
    again = sw.candidate_groups(planted, sizes=(3, 30), n=100, seed=2)
    assert again.to_pandas().equals(some.to_pandas())


@pytest.mark.slow
def test_without_the_scan_one_draw_of_texts_is_read(planted: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sw.FeatureIndex, "every", None)
    whole = sw.FeatureIndex.activations
    monkeypatch.setattr(
        sw.FeatureIndex, "activations", lambda self, f: tuple(a[: 99 if f > 6 else None] for a in whole(self, f))
    )
    drawn = sw.candidate_groups(planted, sizes=(3, 30), read=800)
    assert drawn.groups[0].features.tolist() == shapes.CIRCLE
    assert drawn.groups[0].n_points == circle_tokens()  # these are kept whole
    assert all(g.n_points < 420 for g in drawn.groups[1:])
    assert any(
        "2 groups are scored on 800 counted tokens of 20 of the corpus' 60 texts" in note for note in drawn.notes
    )


def test_what_cannot_be_asked(planted: sw.FeatureIndex) -> None:
    for how, match in (
        ({"method": "kmeans"}, "graph.*spectral"),
        ({"cut": 1.0}, "cosine"),
        ({"top": 0}, "top is between"),
        ({"top": 21}, "top is between"),
        ({"sizes": (1, 3)}, "smallest"),
        ({"sizes": (4, 3)}, "smallest"),
        ({"n": 3}, "at least 30"),
        ({"method": "spectral", "clusters": 1}, "clusters is between 2 and 17"),
        ({"method": "spectral", "clusters": 18}, "clusters is between 2 and 17"),
    ):
        with pytest.raises(GeometryError, match=match):
            sw.candidate_groups(planted, **how)  # type: ignore[arg-type]


def test_it_can_be_cancelled(planted: sw.FeatureIndex) -> None:
    def stop(done: int, total: int) -> None:
        raise CancelledError("enough")

    with pytest.raises(CancelledError):
        sw.candidate_groups(planted, on_progress=stop)


@pytest.mark.slow
def test_progress_grows(planted: sw.FeatureIndex) -> None:
    seen: list[float] = []
    sw.candidate_groups(planted, on_progress=lambda done, total: seen.append(done / total))
    assert seen == sorted(seen) and seen[0] == 0 and seen[-1] == 1


# -- the parts of one list


def test_members_of_nothing() -> None:
    assert members(np.zeros(4, np.int64), np.zeros(4, bool), (1, 9)) == []


@pytest.fixture
def loud() -> Iterator[None]:
    with np.errstate(all="raise"):
        yield


def test_no_division_by_nothing(loud: None) -> None:
    assert mean_cosine(np.zeros((3, 4))) == 0


@pytest.mark.slow
def test_the_activations_of_one_group_are_held_at_a_time(
    planted: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: weakref.WeakSet[object] = weakref.WeakSet()
    most = 0

    def counted(index: sw.FeatureIndex, features: list[int]) -> object:
        nonlocal most
        made = whole(index, features)
        if made is not None:
            alive.add(made)
        most = max(most, len(alive))
        return made

    whole = module.stored
    monkeypatch.setattr(module, "stored", counted)
    sw.candidate_groups(planted, sizes=(2, 30))
    assert most <= 2  # the next one, and the one before until that is there


@pytest.mark.slow
def test_progress_has_no_part_for_what_is_not_read(planted: sw.FeatureIndex) -> None:
    seen: list[float] = []
    sw.candidate_groups(planted, sizes=(2, 30), on_progress=lambda done, total: seen.append(done / total))
    # Four groups, from 40 percent on: the first of them is a quarter of what is left.
    assert any(0.4 < share <= 0.56 for share in seen)


def test_neurons_have_no_groups(planted: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(planted.folder.facts, "decoder_missing", "Neurons are the basis itself.")
    for method in ("graph", "spectral"):
        with pytest.raises(GeometryError, match="no groups by cosine: Neurons are the basis"):
            sw.candidate_groups(planted, method=method)  # type: ignore[arg-type]


@pytest.mark.slow
def test_groups_of_an_sae_that_scales_what_it_decodes_say_so(tmp_path: Path) -> None:
    with sw.Engine(tiny.hooked(), tiny.sae("layer_norm")) as engine:
        index = sw.build_index(engine, tiny.TEXTS, tmp_path / "index", progress=False, wait=True)
        assert any("anew at every token" in note for note in sw.candidate_groups(index, sizes=(2, 30)).notes)

"""`sw.neighbours`: cosines, correlations and co-activation, each against NumPy on dense activations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import planted_shapes as shapes
import pytest
import tiny
import torch
from pairs_made import build, dense, documents

import saewidgets as sw
from saewidgets.errors import FeatureIndexError
from saewidgets.geometry.errors import GeometryError
from saewidgets.index.bounded import job
from saewidgets.index.errors import IndexMismatchError
from saewidgets.index.scan.shards import SAMPLE, Shard

HOOK = "blocks.1.hook_resid_pre"


@pytest.fixture(scope="module", params=["topk", "abstopk"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[sw.FeatureIndex, Any, Any]:
    corpus, sae = documents(10), tiny.sae(request.param, HOOK)
    engine = sw.Engine(tiny.hooked(), sae, outlier_factor=None, labels={1: "one"})
    index = build(engine, corpus, tmp_path_factory.mktemp("near") / "index", block=60)
    found = dense(tiny.hooked(), tiny.sae(request.param, HOOK), corpus, None)
    return index, found.acts[found.counted], sae.W_dec.detach().double().numpy()


def by_hand(a: Any, f: int, g: int) -> dict[str, float]:
    """What is told of a pair, from the definitions."""
    x, y = a[:, f] != 0, a[:, g] != 0
    both, n = int((x & y).sum()), len(a)
    return {
        "together": both,
        "p_other": both / x.sum(),
        "p_this": both / y.sum() if y.any() else np.nan,
        "jaccard": both / (x | y).sum(),
        "lift": both / (x.sum() * y.sum() / n) if y.any() else np.nan,
        "count": y.sum(),
    }


def alive(a: Any) -> list[int]:
    return [f for f in range(a.shape[1]) if (a[:, f] != 0).any()]


def ranked(values: dict[int, float], k: int) -> list[float]:
    return sorted((v for v in values.values() if not np.isnan(v)), reverse=True)[:k]


@pytest.mark.slow
@pytest.mark.parametrize("k", [5, 30])
def test_decoder_cosines(case: tuple[sw.FeatureIndex, Any, Any], k: int) -> None:
    index, a, rows = case
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for f in alive(a)[:12]:
        table = sw.neighbours(index, f, k=k)
        wanted = {g: float(unit[f] @ unit[g]) for g in range(len(rows)) if g != f}
        np.testing.assert_allclose(table["cosine"], ranked(wanted, k), atol=1e-5)
        for g, row in table.iterrows():
            assert row["cosine"] == pytest.approx(wanted[g], abs=1e-5)
            told = by_hand(a, f, g)
            assert row[list(told)].astype(float).to_dict() == pytest.approx(told, nan_ok=True)


@pytest.mark.slow
@pytest.mark.parametrize("k", [5, 40])
def test_correlations(case: tuple[sw.FeatureIndex, Any, Any], k: int) -> None:
    index, a, _ = case
    for f in alive(a)[:12]:
        table = sw.neighbours(index, f, by="correlation", k=k)
        near = [g for g in alive(a) if g != f and ((a[:, f] != 0) & (a[:, g] != 0)).any()]
        wanted = {g: float(np.corrcoef(a[:, f], a[:, g])[0, 1]) for g in near}
        np.testing.assert_allclose(table["r"], ranked(wanted, k), atol=1e-4)
        for g, row in table.iterrows():
            assert row["r"] == pytest.approx(wanted[g], abs=1e-4)
            assert row["together"] == by_hand(a, f, g)["together"]


@pytest.mark.slow
def test_coactivation(case: tuple[sw.FeatureIndex, Any, Any]) -> None:
    index, a, _ = case
    for f in alive(a):
        table = sw.neighbours(index, f, by="coactivation", k=6)
        near = [g for g in alive(a) if g != f and ((a[:, f] != 0) & (a[:, g] != 0)).any()]
        np.testing.assert_allclose(table["jaccard"], ranked({g: by_hand(a, f, g)["jaccard"] for g in near}, 6))
        for g, row in table.iterrows():
            told = by_hand(a, f, g)
            assert row[list(told)].astype(float).to_dict() == pytest.approx(told)


def test_what_is_said_of_them_is_there(case: tuple[sw.FeatureIndex, Any, Any]) -> None:
    index, a, _ = case
    whoever = next(f for f in alive(a) if f != 1)
    table = sw.neighbours(index, whoever, k=47)
    assert table["description"][1] == "one" and table.index.name == "feature" and len(table) == 47
    assert list(table) == [*("description", "cosine", "together", "p_other", "p_this", "jaccard", "lift", "count")]


def test_a_silent_feature_fires_with_nobody(case: tuple[sw.FeatureIndex, Any, Any]) -> None:
    index, a, _ = case
    silent = next(f for f in range(tiny.D_SAE) if f not in alive(a))
    assert len(sw.neighbours(index, silent, by="coactivation")) == 0
    assert len(sw.neighbours(index, silent, by="correlation")) == 0
    assert len(sw.neighbours(index, silent)) == 10  # its decoder row points somewhere all the same


@pytest.mark.slow
def test_without_a_scan_what_is_stored_is_there_and_more_says_what_it_needs(tmp_path: Path) -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae("topk", HOOK))
    made = build(engine, documents(6), tmp_path / "index", keep_activations="until finished")
    index, f = sw.FeatureIndex.open(made.path), int(np.argmax(made.column("count")))
    assert list(sw.neighbours(index, f)) == ["description", "cosine", "count"]
    assert len(sw.neighbours(index, f, by="correlation", k=3)) == 3
    for how, k, needs in (
        ("coactivation", 5, "keep_activations"),
        ("correlation", 40, "keep_activations"),
        ("cosine", 40, "engine"),
    ):
        with pytest.raises(IndexMismatchError, match=needs):
            sw.neighbours(index, f, by=how, k=k)  # type: ignore[arg-type]
    assert len(sw.neighbours(made, f, k=40)) == 40


def test_bad_input(case: tuple[sw.FeatureIndex, Any, Any]) -> None:
    index = case[0]
    with pytest.raises(FeatureIndexError):
        sw.neighbours(index, tiny.D_SAE)
    with pytest.raises(GeometryError, match="'cosine', 'correlation' or 'coactivation'"):
        sw.neighbours(index, 0, by="dot")  # type: ignore[arg-type]
    with pytest.raises(GeometryError, match="at least one"):
        sw.neighbours(index, 0, k=0)


@pytest.mark.slow
def test_neurons_have_no_neighbours_by_decoder(tmp_path: Path) -> None:
    engine = sw.Engine(tiny.hooked(), sw.Neurons("blocks.0.hook_mlp_out"))
    index = build(engine, documents(4), tmp_path / "index")
    with pytest.raises(GeometryError, match="Neurons are the basis"):
        sw.neighbours(index, 0)
    assert len(sw.neighbours(index, 0, by="correlation", k=3)) == 3


@pytest.mark.slow
def test_without_a_scan_those_that_go_with_it_less_than_what_never_fires_with_it_are_left_out_and_it_is_said(
    tmp_path: Path,
) -> None:
    """The circle's first feature has a token of its own, and fires with four by chance alone."""
    with shapes.engine() as engine:
        alone, line = shapes.CIRCLE[0], shapes.LINE[0]
        exact = shapes.index(tmp_path / "exact", engine)
        assert len(sw.neighbours(exact, alone, by="correlation")) == 4
        assert (sw.neighbours(exact, alone, by="correlation")["r"] < 0).all()
        assert len(sw.neighbours(exact, line, by="correlation")) == 7
        for how in (False, "until finished"):
            index = shapes.index(tmp_path / str(how), engine, keep_activations=how)
            for feature, stored in ((alone, 0), (line, 3)):
                table = sw.neighbours(index, feature, by="correlation")
                assert len(table) == stored and "never fire with it" in table.attrs["left_out"]
            assert "left_out" not in sw.neighbours(index, line, by="correlation", k=3).attrs


@pytest.mark.slow
def test_of_drawn_chunks_it_is_not_said_that_nothing_fires_with_it_where_something_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "_DRAWN_TOKENS", 1)  # the fewest chunks that there are drawn
    alone = shapes.CIRCLE[0]
    with shapes.engine() as engine:
        index = shapes.index(tmp_path / "index", engine, keep_activations=False)
    ptr, position, _ = Shard(index.path / SAMPLE, 0).entries(0, tiny.D_SAE)
    own, *others = (set(some.tolist()) for some in np.split(position, ptr[1:-1].astype(np.int64)))
    assert any(own & other for other in others)
    said = index.feature(alone).correlated_missing
    assert said is not None and said.startswith("None of the features with the largest r fires with it on the ")


@pytest.mark.parametrize("given", [2.5, -0.5, float("nan"), float("inf"), "2", None])
def test_what_is_no_whole_number_is_no_feature(case: tuple[sw.FeatureIndex, Any, Any], given: Any) -> None:
    index, engine = case[0], case[0].engine
    assert engine is not None
    for ask in (
        lambda: sw.neighbours(index, given),
        lambda: sw.cooccurrence(index, [3, given]),
        lambda: sw.subspace(index, [3, given]),
        lambda: sw.splitting(index, index).family(given),
        lambda: engine.activations("In the beginning", features=[given]),
    ):
        with pytest.raises(FeatureIndexError, match="whole numbers"):
            ask()


def test_whole_numbers_of_any_kind_are_features(case: tuple[sw.FeatureIndex, Any, Any]) -> None:
    index, f = case[0], alive(case[1])[0]
    for given in (np.int32(f), np.uint8(f), float(f), np.float32(f), torch.tensor(f)):
        assert sw.neighbours(index, given).equals(sw.neighbours(index, f))  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_row_of_zeros_has_no_neighbours_and_is_nobody_s(tmp_path: Path) -> None:
    sae, zero = tiny.sae("topk", HOOK), [3, 40]
    with torch.no_grad():
        sae.W_dec[zero] = 0
    index = build(sw.Engine(tiny.hooked(), sae), documents(4), tmp_path / "index")
    for k in (5, 20, 47):  # what is stored, and more than that
        assert len(sw.neighbours(index, 3, k=k)) == 0
        for f in (0, 7):
            assert not set(zero) & set(sw.neighbours(index, f, k=k).index)
    assert len(sw.neighbours(index, 0, k=47)) == 45  # all others but the two
    alone = sw.FeatureIndex.open(index.path)
    assert len(sw.neighbours(alone, 3)) == 0 and len(sw.neighbours(alone, 3, k=40)) == 0
    assert alone.features["neighbour"].isna().to_numpy().nonzero()[0].tolist() == zero
    assert alone.features["neighbour_cosine"].isna().to_numpy().nonzero()[0].tolist() == zero
    assert not any(set(zero) & set(group.features) for group in sw.candidate_groups(index, cut=-1, top=20).groups)

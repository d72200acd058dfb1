"""Activations of a few features together, against forwards of single texts."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import planted_shapes as shapes
import pytest
import tiny

import saewidgets as sw
from saewidgets.engine.ticket import Ticket
from saewidgets.geometry.active import active_in_texts, drawn
from saewidgets.geometry.read_again import active, read_again, read_draw
from saewidgets.index.errors import IndexMismatchError

FEATURES = [12, 0, 8, 13]


def slow(features: list[int], texts: list[list[int]] | None = None) -> tuple[list[int], npt.NDArray[np.float32]]:
    """ReLU of encoder and bias at each token: embedding plus position, text by text (token ids 0 and 1 are special)."""
    model, sae = shapes.model(), shapes.sae()
    embedding, place = model.W_E.detach().numpy(), model.W_pos.detach().numpy()  # type: ignore[attr-defined]
    encoder, bias = sae.W_enc.detach().numpy(), sae.b_enc.detach().numpy()  # type: ignore[attr-defined]
    positions, values, at = [], [], 0
    for ids in shapes.corpus() if texts is None else texts:
        for p, token in enumerate(ids):
            acts = np.maximum((embedding[token] + place[p]) @ encoder + bias, 0)[features]
            if token > 1 and (acts != 0).any():
                positions.append(at)
                values.append(acts)
            at += 1
    return positions, np.array(values)


def no_scan(monkeypatch: pytest.MonkeyPatch, kept: int | None = None) -> None:
    """As if the index had been shipped without its scan, with so many activations of each feature."""
    monkeypatch.setattr(sw.FeatureIndex, "every", None)
    if kept is not None:
        whole = sw.FeatureIndex.activations
        monkeypatch.setattr(sw.FeatureIndex, "activations", lambda self, f: tuple(a[:kept] for a in whole(self, f)))


@pytest.mark.parametrize("scanned", [True, False], ids=["from the scan", "kept whole"])
def test_all_tokens_where_any_fires(planted: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch, scanned: bool) -> None:
    if not scanned:
        no_scan(monkeypatch)
    found = active(planted, FEATURES)
    positions, values = slow(FEATURES)
    assert found.position.tolist() == positions and found.all and not found.note
    np.testing.assert_allclose(found.values, values, rtol=1e-5, atol=1e-5)
    assert found.features.tolist() == FEATURES and found.tokens == planted.counted


@pytest.mark.slow
def test_what_is_not_kept_is_read_again(planted: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    no_scan(monkeypatch, kept=5)
    found = active(planted, FEATURES, read=200, seed=1)
    positions, values = slow(FEATURES)
    at = dict(zip(positions, values, strict=True))
    texts = sorted({p // 40 for p in found.position.tolist()})
    # Every such token of the texts that were read, and no other: at most 200 tokens are 5 texts.
    assert 1 <= len(texts) <= 5 and not found.all
    assert found.position.tolist() == [p for p in positions if p // 40 in texts]
    np.testing.assert_allclose(found.values, np.array([at[p] for p in found.position.tolist()]), rtol=1e-5, atol=1e-5)
    assert "read again" in found.note and "over-represented" in found.note
    assert active(planted, FEATURES, read=200, seed=1).position.tolist() == found.position.tolist()
    monkeypatch.undo()
    again = planted.engine.worker.run(lambda t: read_again(planted, FEATURES, 200, 1, t))  # type: ignore[union-attr]
    assert again.tokens % 40 == 0


@pytest.mark.slow
def test_a_draw_of_texts_for_many_features_at_once(planted: sw.FeatureIndex) -> None:
    features = np.array([0, 3, 8, 12, 16])
    read = read_draw(planted, features, 400, 5, Ticket())
    positions, values = slow([12, 3])
    texts = {p // 40 for p in read.position.tolist()}
    assert len(texts) == 10 and read.tokens == 400
    found = read.of(np.array([12, 3]))
    chosen = [i for i, p in enumerate(positions) if p // 40 in texts]
    assert found.position.tolist() == [positions[i] for i in chosen] and not found.all
    np.testing.assert_allclose(found.values, values[chosen], rtol=1e-5, atol=1e-5)


def test_own_texts(planted_engine: sw.Engine) -> None:
    texts = [[0, *shapes.DAYS, 70], [60, 61, 10, 62, 63]]
    found, acts = active_in_texts(planted_engine, texts, FEATURES, planted_engine.default)
    positions, values = slow(FEATURES, texts)
    assert found.position.tolist() == positions and found.tokens == 13 and len(acts) == 14
    np.testing.assert_allclose(found.values, values, rtol=1e-5, atol=1e-5)


def test_a_draw_of_points_is_uniform_seeded_and_said(planted: sw.FeatureIndex) -> None:
    found = active(planted, shapes.CIRCLE)
    some, note = drawn(found, 100, 3)
    where = np.searchsorted(found.position, some.position)
    assert len(some) == 100 and (np.diff(some.position) > 0).all()
    assert (found.values[where] == some.values).all()
    assert f"100 of {len(found):,}" in note and "seed 3" in note
    assert drawn(found, len(found), 0) == (found, "")
    counts = np.zeros(len(found))
    for seed in range(300):
        counts[np.searchsorted(found.position, drawn(found, 100, seed)[0].position)] += 1
    expected = 300 * 100 / len(found)
    assert abs(counts.mean() - expected) < 1e-9 and counts.std() < 1.5 * np.sqrt(expected)


def test_an_index_of_files_says_what_to_do(planted: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    class Imported:
        format = "Neuronpedia"

    monkeypatch.setattr(sw.FeatureIndex, "imported", Imported())
    for call in (
        lambda: active(planted, [0, 1]),
        lambda: sw.subspace(planted, [0, 1]),
        lambda: sw.candidate_groups(planted),
    ):
        with pytest.raises(IndexMismatchError, match="Neuronpedia.*build_index"):
            call()


def test_progress_of_texts_that_are_read_again_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in several steps, each of which counts its own tokens inside."""
    monkeypatch.setattr("saewidgets.geometry.read_again._AT_ONCE", 60)
    engine = sw.Engine(tiny.hooked(), tiny.sae("standard"))
    path = tmp_path / "index"
    sw.build_index(
        engine, ["In the beginning God created the heaven"] * 300, path, keep=sw.Keeping(complete=2, top=20, interval=2)
    ).wait(progress=False)
    for shard in path.glob("shard-*"):
        shutil.rmtree(shard)
    index = sw.FeatureIndex.open(path, engine=engine)
    told: list[tuple[int, int]] = []
    feature = int(np.argmax(index.column("count")))
    active(index, [feature, 0], read=20_000, on_progress=lambda *p: told.append(p))
    shares = [done / of for done, of in told]
    assert len(told) > 1 and shares == sorted(shares) and shares[-1] == 1

"""`sw.splitting`: every number against NumPy on dense activations; planted families; bad input."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from pairs_made import Dense, build, dense, documents, documents_of_tokens, model_of_tokens, sae_of_tokens

import saewidgets as sw
from saewidgets.errors import CancelledError, FeatureIndexError
from saewidgets.geometry.errors import GeometryError
from saewidgets.geometry.splitting import pairs
from saewidgets.index.errors import IndexMismatchError, IndexWriteError

K = 4
LOW, HIGH = "blocks.0.hook_resid_pre", "blocks.1.hook_resid_post"
# Architecture and hook of either side, and from how many times the usual norm on a token is left out.
CASES = {
    "two layers": (("jumprelu", LOW), ("standard", HIGH), 1.15),
    "topk and signed": (("topk", HIGH), ("abstopk", HIGH), None),
    "signed at two layers": (("abstopk", LOW), ("abstopk", HIGH), 1.15),
    "gated and matching pursuit": (("gated", LOW), ("matching_pursuit", LOW), 1.3),
}


@pytest.fixture(scope="module", params=CASES)
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[sw.Splitting, Dense, Dense, Any, Any]:
    (kind_a, hook_a), (kind_b, hook_b), factor = CASES[request.param]
    corpus, folder = documents(14), tmp_path_factory.mktemp("two")
    a, b = tiny.sae(kind_a, hook_a, seed=1), tiny.sae(kind_b, hook_b, seed=2)
    found = []
    for name, sae, block in (("a", a, 37), ("b", b, 120)):
        engine = sw.Engine(tiny.hooked(), sae, outlier_factor=factor)
        found.append(build(engine, corpus, folder / name, block=block))
    one, two = (
        dense(tiny.hooked(), tiny.sae(kind_a, hook_a, seed=1), corpus, factor),
        dense(tiny.hooked(), tiny.sae(kind_b, hook_b, seed=2), corpus, factor),
    )
    assert len(found[0].every.shards) > len(found[1].every.shards) > 1
    return sw.splitting(*found, k=K), one, two, a, b


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    """From its definition; 0 if one of them never varies."""
    x, y = x - x.mean(), y - y.mean()
    size = np.sqrt((x**2).sum() * (y**2).sum())
    return float((x * y).sum() / size) if size > 1e-9 else 0.0


@pytest.mark.slow
def test_every_correlation_is_the_one_of_the_dense_activations(
    case: tuple[sw.Splitting, Dense, Dense, Any, Any],
) -> None:
    found, one, two, *_ = case
    both = one.counted & two.counted
    x, y = one.acts[both], two.acts[both]
    assert found.tokens == both.sum()
    assert (found.only_a, found.only_b) == ((one.counted & ~two.counted).sum(), (two.counted & ~one.counted).sum())
    np.testing.assert_array_equal(found.a.count, (x != 0).sum(0))
    np.testing.assert_array_equal(found.b.count, (y != 0).sum(0))
    for side, own, other in ((found.a, x, y), (found.b, y, x)):
        for f in range(tiny.D_SAE):
            together = ((own[:, f] != 0)[:, None] & (other != 0)).sum(0)
            r = np.array([pearson(own[:, f], other[:, g]) for g in range(tiny.D_SAE)])
            wanted = np.sort(r[(together > 0) & (r > 1e-6)])[::-1][:K]
            n = int((side.partner[f] >= 0).sum())
            assert n == len(wanted)
            np.testing.assert_allclose(side.r[f, :n], wanted, atol=1e-4)
            assert np.isnan(side.r[f, n:]).all() and (side.together[f, n:] == 0).all()
            for place, g in enumerate(side.partner[f, :n].tolist()):
                assert side.r[f, place] == pytest.approx(r[g], abs=1e-4)
                assert side.together[f, place] == together[g]


@pytest.mark.slow
def test_every_cosine_is_the_one_of_its_definition(case: tuple[sw.Splitting, Dense, Dense, Any, Any]) -> None:
    found, one, two, a, b = case
    both = one.counted & two.counted
    x, y = one.acts[both], two.acts[both]
    rows = [sae.W_dec.detach().double().numpy() for sae in (a, b)]
    for side, own, other, mine, theirs in ((found.a, x, y, *rows), (found.b, y, x, *rows[::-1])):
        assert side.cosine is not None and (side.partner >= 0).sum() > tiny.D_SAE
        for f, place in zip(*np.nonzero(side.partner >= 0), strict=True):
            g = side.partner[f, place]
            for table, mask in ((side.masked, own[:, f] != 0), (side.masked_partner, other[:, g] != 0)):
                p, q = own[mask, f], other[mask, g]
                assert table[f, place] == pytest.approx(p @ q / np.linalg.norm(p) / np.linalg.norm(q), abs=1e-4)
            u, v = mine[f], theirs[g]
            assert side.cosine[f, place] == pytest.approx(u @ v / np.linalg.norm(u) / np.linalg.norm(v), abs=1e-5)


def test_tokens_that_only_one_counts_are_told(case: tuple[sw.Splitting, Dense, Dense, Any, Any]) -> None:
    found = case[0]
    left = [note for note in found.notes if note.startswith("Left out")]
    assert bool(left) == bool(found.only_a or found.only_b)
    if left:
        assert f"{found.only_a:,} tokens that only a" in left[0] and f"{found.only_b:,} that only b" in left[0]


@pytest.mark.slow
def test_blocks_of_any_size_and_dense_products_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = documents(12)
    engine = sw.Engine(tiny.hooked(), {"a": tiny.sae("topk", LOW), "b": tiny.sae("abstopk", HIGH)})
    a, b = (build(engine, corpus, tmp_path / name, sae=name) for name in "ab")
    wanted = sw.splitting(a, b, k=3)
    for name, value in (("_PRODUCTS", 40), ("_DENSE", 0.0)):
        monkeypatch.setattr(pairs, name, value)
        monkeypatch.setattr(pairs, "_NUMBERS", 200)
        monkeypatch.setattr(pairs, "_TOKENS", 16)
        found = sw.splitting(a, b, k=3)
        for side in "ab":
            np.testing.assert_array_equal(getattr(found, side).partner, getattr(wanted, side).partner)
            np.testing.assert_allclose(getattr(found, side).r, getattr(wanted, side).r, atol=1e-6)


# -- families

# What fires on which tokens. 0: split into three; 1, 2: merged; 3: the same; 4: only here; 5: silent; 6: everywhere; 7, 8: with
# parts on either side; 9: rare.
A = ["xyz", "u", "v", "w", "p", "", "", "mn", "n", "s"]
B = ["x", "y", "z", "uv", "w", "q", "", "m", "mn", ""]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> sw.Splitting:
    folder = tmp_path_factory.mktemp("planted")
    model, corpus = model_of_tokens(), documents_of_tokens()
    saes = {"small": sae_of_tokens(A, bias={6: 1.0}), "large": sae_of_tokens(B, d_sae=14)}
    engine = sw.Engine(model, saes, outlier_factor=None, labels={"small": {0: "x, y or z"}})
    return sw.splitting(*(build(engine, corpus, folder / name, sae=name) for name in saes))


def test_a_split_feature_is_the_root_of_its_parts(planted: sw.Splitting) -> None:
    family = planted.family(0)
    assert (family.kind, family.a, family.b, family.root) == ("one_to_many", (0,), (0, 1, 2), ("a", 0))
    assert [(link.a, link.b, link.child) for link in family.links] == [(0, 0, "b"), (0, 1, "b"), (0, 2, "b")]
    assert str(family) == "a 0\n  b 0\n  b 1\n  b 2"
    assert planted.family(1, side="b") == family


def test_merged_features_and_one_that_stayed(planted: sw.Splitting) -> None:
    merged, same = planted.family(3, side="b"), planted.family(3)
    assert (merged.kind, merged.a, merged.b, merged.root) == ("many_to_one", (1, 2), (3,), ("b", 3))
    assert (same.kind, same.a, same.b) == ("one_to_one", (3,), (4,))
    assert same.links[0].child == "both"


def test_parts_on_both_sides_are_one_tree(planted: sw.Splitting) -> None:
    family = planted.family(7)
    assert (family.kind, family.a, family.b) == ("many_to_many", (7, 8), (7, 8))
    assert family.root == ("a", 7)  # as frequent as b 8, and of "a"
    assert family.children("a", 7) == (("b", 7), ("b", 8)) and family.children("b", 8) == (("a", 8),)


def test_what_has_no_partner_is_told_apart(planted: sw.Splitting) -> None:
    assert planted.without_family("unmatched", "a").tolist() == [4, 6]  # 6 fires everywhere
    assert planted.without_family("rare", "a").tolist() == [9]
    assert planted.without_family("silent", "a").tolist() == [5]
    assert planted.without_family("unmatched", "b").tolist() == [5]
    assert planted.without_family("silent", "b").tolist() == [6, 9, 10, 11, 12, 13]
    assert [planted.family(f).kind for f in (4, 9, 5)] == ["unmatched", "rare", "silent"]


def test_counts_are_those_that_were_planted(planted: sw.Splitting) -> None:
    assert planted.counts == {
        "one_to_one": 1,
        "one_to_many": 1,
        "many_to_one": 1,
        "many_to_many": 1,
        "unmatched_a": 2,
        "unmatched_b": 1,
        "rare_a": 1,
        "rare_b": 0,
        "silent_a": 1,
        "silent_b": 6,
    }
    assert [len(family) for family in planted.families] == [4, 4, 3, 2]
    assert "1 one to many" in repr(planted)


def test_another_rule_links_anew(planted: sw.Splitting) -> None:
    assert planted.linked(least_r=0.95).counts["one_to_many"] == 0
    assert planted.linked(least_r=0.95).counts["one_to_one"] == 2
    assert planted.linked(least_together=1000).counts["rare_a"] == 9
    for wrong in ({"cut": 1.5}, {"least_r": -0.1}, {"least_together": 0}):
        with pytest.raises(GeometryError, match=next(iter(wrong))):
            planted.linked(**wrong)  # type: ignore[arg-type]


def test_a_row_a_link(planted: sw.Splitting) -> None:
    table = planted.to_pandas()
    assert list(zip(table["a"], table["b"], strict=True)) == [
        *((0, 0), (0, 1), (0, 2), (7, 7), (7, 8), (8, 8), (1, 3), (2, 3), (3, 4)),
    ]
    assert table["family"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 3]
    assert table["child"].tolist() == ["b", "b", "b", "b", "both", "a", "a", "a", "both"]
    assert (table["together"] == np.minimum(table["count_a"], table["count_b"])).all()
    child = np.where(table["child"] == "a", table["masked_a"], table["masked_b"])
    np.testing.assert_allclose(child, 1, atol=1e-5)
    assert table["description_a"][0] == "x, y or z"
    for row in table.itertuples():
        partner = planted.partners(row.a).loc[row.b] if row.b in planted.partners(row.a).index else None
        if partner is not None:
            assert (partner["r"], partner["masked"]) == pytest.approx((row.r, row.masked_a))


def test_pictures_show_a_family_and_one_without(planted: sw.Splitting) -> None:
    whole = planted.figure(0).data[0]
    assert next(iter(whole.node.label)) == "a 0 x, y or z" and len(whole.link.value) == 3
    assert sum(whole.link.value) == planted.a.count[0]
    assert "unmatched" in planted.figure(4).layout.title.text
    bars = planted.figure().data
    assert sum(bars[0].y) == (~np.isnan(planted.a.r[:, 0])).sum()
    with pytest.raises(GeometryError, match="never fires"):
        planted.figure(5)


def test_a_feature_or_a_side_that_is_not_there(planted: sw.Splitting) -> None:
    with pytest.raises(FeatureIndexError, match="features 0 to 9"):
        planted.family(10)
    with pytest.raises(GeometryError, match="'a' or 'b'"):
        planted.partners(0, side="c")  # type: ignore[arg-type]


# -- which indexes can be compared


@pytest.mark.slow
def test_the_same_index_twice_has_every_feature_as_its_own(tmp_path: Path) -> None:
    engine = sw.Engine(model_of_tokens(), sae_of_tokens(A, bias={6: 1.0}), outlier_factor=None)
    index = build(engine, documents_of_tokens(rare=6), tmp_path / "index")
    found = sw.splitting(index, index)
    alive = index.column("count") > 0
    assert found.counts["one_to_one"] >= 6 and found.counts["unmatched_a"] == 0
    np.testing.assert_array_equal(found.a.partner[alive, 0], np.flatnonzero(alive))
    np.testing.assert_allclose(found.a.r[alive, 0], 1, atol=1e-6)
    assert any("same index" in note for note in found.notes)


@pytest.mark.slow
def test_of_features_that_always_fire_alike_the_first_is_the_partner_of_all_and_it_is_said(tmp_path: Path) -> None:
    sae = sae_of_tokens(["x", "y", "z"])
    with torch.no_grad():  # the third fires as the first does, twice as strongly
        sae.W_enc[:, 2], sae.b_enc[2] = 2 * sae.W_enc[:, 0], 2 * sae.b_enc[0]
    index = build(sw.Engine(model_of_tokens(), sae, outlier_factor=None), documents_of_tokens(), tmp_path / "index")
    found = sw.splitting(index, index)
    assert found.a.partner[:, 0].tolist() == [0, 1, 0]
    assert "the first of those with r = 1" in next(note for note in found.notes if "same index" in note)


@pytest.mark.slow
def test_two_models_with_one_tokenizer(tmp_path: Path) -> None:
    corpus = documents(8)
    sides = []
    for seed in (0, 1):
        engine = sw.Engine(tiny.hooked(seed), tiny.sae("topk", HIGH), outlier_factor=None)
        sides.append(build(engine, corpus, tmp_path / str(seed)))
    found = sw.splitting(*sides)
    assert found.tokens == sum(len(ids) - 1 for ids in corpus) and found.a.cosine is not None


@pytest.mark.slow
def test_another_corpus_is_refused_and_both_are_named(tmp_path: Path) -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae("topk", HIGH))
    a, b = build(engine, documents(4), tmp_path / "one"), build(engine, documents(5), tmp_path / "other")
    with pytest.raises(IndexMismatchError, match=r"4 documents.*5 documents") as caught:
        sw.splitting(a, b)
    assert str(a.path) in str(caught.value) and str(b.path) in str(caught.value)


@pytest.mark.slow
def test_an_index_without_its_scan_is_refused(tmp_path: Path) -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae("topk", HIGH))
    a = build(engine, documents(4), tmp_path / "a")
    b = build(engine, documents(4), tmp_path / "b", keep_activations="until finished")
    with pytest.raises(IndexMismatchError, match=re.escape(str(b.path)) + r".*keep_activations=True"):
        sw.splitting(a, b)


@pytest.mark.slow
def test_widths_that_differ_and_missing_engines_leave_the_decoder_out(tmp_path: Path) -> None:
    corpus = documents(4)
    wide = sw.Engine(tiny.hooked(), tiny.sae("topk", "blocks.1.mlp.hook_post", d_in=tiny.D_MLP))
    a = build(sw.Engine(tiny.hooked(), tiny.sae("topk", HIGH)), corpus, tmp_path / "a")
    b = build(wide, corpus, tmp_path / "b")
    found = sw.splitting(a, b)
    assert found.a.cosine is None and any("16 numbers, those of b 32" in note for note in found.notes)
    assert found.partners(int(np.argmax(found.a.count)))["decoder_cosine"].isna().all()
    alone = sw.splitting(sw.FeatureIndex.open(a.path), b)
    assert alone.a.cosine is None and any(f"{a.path} was opened without" in note for note in alone.notes)
    np.testing.assert_array_equal(alone.a.partner, found.a.partner)
    neither = sw.splitting(sw.FeatureIndex.open(a.path), sw.FeatureIndex.open(b.path))
    assert any(f"{a.path} and {b.path} were opened without their engines" in note for note in neither.notes)


@pytest.mark.slow
def test_all_silent_is_no_error(tmp_path: Path) -> None:
    corpus = documents_of_tokens()
    a, b = (
        build(sw.Engine(model_of_tokens(), sae_of_tokens(features), outlier_factor=None), corpus, tmp_path / str(i))
        for i, features in enumerate((["", ""], ["x", "y", "z"]))
    )
    for first, second in ((a, b), (b, a), (a, a)):
        found = sw.splitting(first, second)
        assert found.families == [] and len(found.to_pandas()) == 0
        assert found.counts["silent_a"] == (2 if first is a else 0)
        assert np.isnan(found.a.r).all()


@pytest.mark.slow
def test_nothing_that_both_count(tmp_path: Path) -> None:
    corpus = documents_of_tokens()
    sides = []
    for name, sae in (("a", sae_of_tokens(["x", ""])), ("b", sae_of_tokens(["y", ""]))):
        engine = sw.Engine(model_of_tokens(), sae, outlier_factor=None)
        sides.append(build(engine, corpus, tmp_path / name))
    flags = sides[1].folder.read("flags")
    a, b = sides
    b.folder.read = lambda name, *_: 1 - flags if name == "flags" else flags  # type: ignore[method-assign, assignment]
    with pytest.raises(GeometryError, match="no token that both"):
        sw.splitting(a, b)


@pytest.mark.slow
def test_settings_that_mean_nothing(tmp_path: Path) -> None:
    index = build(sw.Engine(tiny.hooked(), tiny.sae("topk", HIGH)), documents(3), tmp_path / "index")
    for wrong in ({"k": 0}, {"cut": 2.0}, {"least_together": 0}):
        with pytest.raises(GeometryError, match=next(iter(wrong))):
            sw.splitting(index, index, **wrong)  # type: ignore[arg-type]


@pytest.mark.slow
def test_progress_is_told_and_a_cancelled_run_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    engine = sw.Engine(tiny.hooked(), tiny.sae("topk", HIGH))
    index = build(engine, documents(4), tmp_path / "index")
    told: list[tuple[int, int]] = []
    sw.splitting(index, index, on_progress=lambda *far: told.append(far))
    assert told[-1][0] == told[-1][1] > 0
    monkeypatch.setattr(pairs, "_PRODUCTS", 10)
    job = engine.worker.submit(lambda ticket: (ticket.cancel(), sw.splitting(index, index)))
    job.finished.wait()
    assert isinstance(job.error, CancelledError)
    assert list(scratch.iterdir()) == []


@pytest.mark.slow
def test_a_full_disk_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = build(sw.Engine(tiny.hooked(), tiny.sae("topk", HIGH)), documents(3), tmp_path / "index")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(IndexWriteError, match="TMPDIR"):
        sw.splitting(index, index)

"""Two features beside each other: every number against sae-lens' activations and numpy, and what cannot be compared."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import tokenizers_made
import torch
from beside_made import EARLIER, HOOK, ROWS, TEXT, World, build, ids_of, on_corpus

import saewidgets as sw
from saewidgets.errors import FeatureIndexError
from saewidgets.geometry.beside.pair import Together, together
from saewidgets.geometry.beside.scatter import sampled
from saewidgets.geometry.errors import GeometryError
from saewidgets.index.errors import IndexMismatchError
from saewidgets.index.statistics.kept_examples import Keeping

PAIRS = [("one", "one"), ("one", "two"), ("two", "other"), ("one", "other")]
SMALL = Keeping(complete=2, top=2, interval=1)


def r(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> float | None:
    """Pearson by numpy, where it is defined."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x.astype(np.float64), y.astype(np.float64))[0, 1])


def check(found: Together, values: np.ndarray[Any, Any]) -> None:
    """All numbers of tokens [n, 2] that both sides count."""
    x, y = values.T.astype(np.float64)
    either, both = (x != 0) | (y != 0), (x != 0) & (y != 0)
    assert found.tokens == len(values)
    assert found.both == both.sum() and found.neither == (~either).sum()
    assert found.only_a == ((x != 0) & (y == 0)).sum() and found.only_b == ((x == 0) & (y != 0)).sum()
    assert found.jaccard == (both.sum() / either.sum() if either.any() else None)
    for got, wanted in (
        (found.pearson, r(x, y)),
        (found.pearson_either, r(x[either], y[either])),
        (found.pearson_both, r(x[both], y[both])),
    ):
        assert (got is None) == (wanted is None)
        assert got is None or got == pytest.approx(wanted, abs=1e-6)
    assert found.cosine == (
        None if not (x.any() and y.any()) else pytest.approx(x @ y / np.sqrt(x @ x * (y @ y)), abs=1e-6)
    )


# -- on a text


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_a_text_has_the_activations_of_sae_lens(world: World, a: str, b: str) -> None:
    f, g = world.dense(a), world.dense(b, 1)
    first, second = world.pair(a, b)
    found = sw.beside(world.side(a, f), world.side(b, g), TEXT).text
    assert found is not None
    ids = ids_of(TEXT)
    wanted = np.stack([first.encoded(ids)[:, f], second.encoded(ids)[:, g]], 1)
    np.testing.assert_allclose(found.values, wanted, atol=1e-4)
    counts = first.counted(ids) & second.counted(ids)
    np.testing.assert_array_equal(found.counted, counts)
    assert found.same.all() and not found.counted[0]
    check(found.together, wanted[counts])
    table = found.to_pandas()
    assert "".join(table["token"]) == f"<|bos|>{TEXT}"
    np.testing.assert_array_equal(table[["a", "b"]].to_numpy(), found.values)
    assert found.scale == pytest.approx(
        [
            np.abs(first.encoded(ids)[first.counted(ids), f]).max(),
            np.abs(second.encoded(ids)[second.counted(ids), g]).max(),
        ],
        abs=1e-4,
    )


def test_a_signed_feature_fires_below_zero_too(world: World) -> None:
    below = int(np.nanargmin(world.indexes["two"].column("low")))
    found = sw.beside(world.side("two", below), world.side("two", world.dense("two")))
    assert found.corpus is not None
    values, counts = on_corpus(*world.pair("two", "two"), below, world.dense("two"))
    assert (values[counts.all(1), 0] < 0).any()
    check(found.corpus.together, values[counts.all(1)])


def test_sides_with_another_bos_are_aligned_and_only_the_same_tokens_compared(world: World) -> None:
    source = world.sources["one"]
    with sw.Engine(source.model, source.sae, prepend_bos=False) as bare:
        f, g = world.dense("one"), world.dense("one", 1)
        found = sw.beside((world.base, f), (bare, g), "the beginning").text
        assert found is not None
        ids, without = ids_of("the beginning"), ids_of("the beginning", bos=False)
        assert found.columns.tolist() == [[0, -1], *([i + 1, i] for i in range(len(without)))]
        assert found.same.tolist() == [False, *[True] * len(without)]
        wanted = np.stack([source.encoded(ids)[1:, f], source.encoded(without)[:, g]], 1)
        np.testing.assert_allclose(found.values[1:], wanted, atol=1e-4)
        assert np.isnan(found.values[0, 1])
        assert f"only the {len(without)} of {len(without) + 1} columns" in found.notes[0]
        counts = source.counted(ids)[1:] & source.counted(without)
        check(found.together, wanted[counts])


def test_two_tokenizers_are_refused_by_name_and_the_rest_stands(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = tokenizers_made.llama_2(name_or_path="another", add_bos_token=True)
    monkeypatch.setattr(tiny, "tokenizer", lambda: tokenizer)
    with sw.Engine(tiny.hooked(), {"far": tiny.sae(prepend_bos=False)}) as far:
        found = sw.beside(world.side("one", 3), (far, 5), "the cat")
        assert found.text is None
        assert "have different tokenizers, 'tiny' of" in found.text_missing and "'another' of" in found.text_missing
        assert "A ('one') and B ('far')" in found.text_missing
        assert found.text_missing in found.notes
        assert found.decoder.value is not None
        assert "two models" in found.decoder.note


def test_several_texts_are_no_text(world: World) -> None:
    found = sw.beside((world.base, 1), (world.base, 2), ["a", "b"])
    assert found.text is None and "one text" in found.text_missing


# -- on a corpus


@pytest.mark.slow
@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_a_corpus_has_every_token_where_either_fires(world: World, a: str, b: str) -> None:
    f, g = world.dense(a, 2), world.dense(b, 3)
    found = sw.beside(world.side(a, f), world.side(b, g)).corpus
    assert found is not None and found.all and found.notes == ()
    values, counts = on_corpus(*world.pair(a, b), f, g)
    both = counts.all(1)
    where = np.flatnonzero(both & (values != 0).any(1))
    np.testing.assert_array_equal(found.position, where)
    np.testing.assert_allclose(found.values, values[where], atol=1e-4)
    check(found.together, values[both])
    table = found.to_pandas()
    assert table["fires"].value_counts().get("only_a", 0) == found.together.only_a
    assert len(table) == len(where) and found.figure().data


@pytest.mark.slow
def test_only_tokens_that_both_count_are_compared(world: World) -> None:
    f, g = world.dense("one"), world.dense("strict", 1)
    found = sw.beside(world.side("one", f), world.side("strict", g)).corpus
    assert found is not None
    values, counts = on_corpus(*world.pair("one", "strict"), f, g)
    left_out = int((counts[:, 0] != counts[:, 1]).sum())
    assert left_out > 0 and found.left_out == left_out
    assert found.notes == (
        f"{left_out:,} tokens are counted by one side only (norm outliers or special tokens of the other) and are left out.",
    )
    check(found.together, values[counts.all(1)])
    np.testing.assert_array_equal(found.position, np.flatnonzero(counts.all(1) & (values != 0).any(1)))


def shipped(world: World, name: str, path: Path) -> sw.FeatureIndex:
    """An index that keeps a part of each feature, and no scan."""
    engine = {"one": world.base, "two": world.base, "other": world.tuned}[name]
    return build(engine, path, sae=name, keep=SMALL, keep_activations="until finished")


@pytest.mark.slow
@pytest.mark.parametrize("mixed", [False, True])
def test_without_a_scan_texts_are_read_again_and_the_sample_says_so(world: World, tmp_path: Path, mixed: bool) -> None:
    f, g = world.dense("one"), world.dense("other", 1)
    part = shipped(world, "other", tmp_path / "other")
    whole = world.indexes["one"] if mixed else shipped(world, "one", tmp_path / "one")
    progress: list[tuple[int, int]] = []
    found = sw.beside((whole, f), (part, g), read=40, on_progress=lambda *step: progress.append(step)).corpus
    assert found is not None and not found.all
    assert found.read is not None and 0 < len(found.read) <= 40
    values, counts = on_corpus(*world.pair("one", "other"), f, g)
    # Every one of the texts that were read is there whole.
    ends = np.cumsum([len(ids_of(row["text"])) for row in ROWS])
    chunk = np.searchsorted(ends, np.arange(len(values)), side="right")
    np.testing.assert_array_equal(found.read, np.flatnonzero(np.isin(chunk, np.unique(chunk[found.read]))))
    kept = found.read[counts.all(1)[found.read]]
    check(found.together, values[kept])
    np.testing.assert_array_equal(found.position, kept[(values[kept] != 0).any(1)])
    np.testing.assert_allclose(found.values, values[found.position], atol=1e-4)
    assert found.notes[0].startswith("A biased sample")
    assert ("A ('one') and B ('other')" in found.notes[0]) is not mixed and "B ('other')" in found.notes[0]
    assert progress and progress[-1][0] == progress[-1][1]
    assert "biased sample" in repr(found)
    outside = np.setdiff1d(np.arange(len(values)), found.read)
    with pytest.raises(GeometryError, match="not in the texts that were compared"):
        found.window(int(outside[0]))


@pytest.mark.slow
def test_two_features_of_one_such_index_are_read_together(world: World, tmp_path: Path) -> None:
    f, g = world.dense("two"), world.dense("two", 1)
    part = shipped(world, "two", tmp_path / "two")
    found = sw.beside((part, f), (part, g)).corpus
    assert found is not None and found.read is not None
    values, counts = on_corpus(*world.pair("two", "two"), f, g)
    check(found.together, values[found.read[counts.all(1)[found.read]]])


@pytest.mark.slow
def test_without_a_scan_and_an_engine_the_corpus_is_left_out(world: World, tmp_path: Path) -> None:
    path = shipped(world, "one", tmp_path / "one").path
    found = sw.beside((sw.FeatureIndex.open(path), world.dense("one")), (sw.FeatureIndex.open(path), 3), "a text")
    assert found.corpus is None and "open it with its engine" in found.corpus_missing
    assert found.text is None and "has no engine, so it cannot read a text" in found.text_missing
    assert found.decoder.value is None and "No decoder cosine: Side A ('one') has no engine" in found.decoder.missing
    assert found.a.name == "one" and found.features[0] is not None
    with pytest.raises(GeometryError, match="nothing to draw"):
        found.figure()


@pytest.mark.slow
def test_other_corpora_are_refused_with_both_named(world: World, tmp_path: Path) -> None:
    elsewhere = build(world.tuned, tmp_path / "elsewhere", ROWS[:5])
    found = sw.beside(world.side("one", 1), (elsewhere, 2), TEXT)
    assert found.corpus is None and found.text is not None
    for part in (
        "different corpora",
        str(world.indexes["one"].path),
        str(elsewhere.path),
        "13 documents",
        "5 documents",
    ):
        assert part in found.corpus_missing
    assert found.corpus_missing in found.notes
    assert list(found.to_pandas().index) == ["text"]


def test_an_index_on_one_side_leaves_the_corpus_out(world: World) -> None:
    found = sw.beside(world.side("one", 1), (world.tuned, 2), TEXT)
    assert found.corpus is None and found.corpus_missing.startswith("Side B ('other') has no index")
    assert found.text is not None and found.features[1] is None


# -- windows, lists and points


def test_a_window_is_the_text_around_a_token(world: World) -> None:
    f, g = world.dense("one"), world.dense("other")
    found = sw.beside(world.side("one", f), world.side("other", g)).corpus
    assert found is not None
    values, counts = on_corpus(*world.pair("one", "other"), f, g)
    values[~counts.all(1)] = np.nan
    starts = np.cumsum([0, *(len(ids_of(row["text"])) for row in ROWS)])
    for position in (0, int(starts[1]) - 1, int(starts[5]) + 3):
        window = found.window(position, 4)
        document = int(np.searchsorted(starts, position, side="right")) - 1
        low, high = max(starts[document], position - 4), min(starts[document + 1], position + 5)
        assert (window.start, window.focus, window.document) == (low, position - low, ROWS[document]["id"])
        assert (
            list(window.token_ids) == ids_of(ROWS[document]["text"])[low - starts[document] : high - starts[document]]
        )
        np.testing.assert_allclose(window.values, values[low:high], atol=1e-4)
        assert (window.before, window.after) == (low > starts[document], high < starts[document + 1])
        assert window.at == position - starts[document]
    with pytest.raises(GeometryError, match="no token 100000"):
        found.window(100_000)


@pytest.mark.parametrize("kind", ["only_a", "only_b", "both"])
def test_lists_begin_with_the_strongest(world: World, kind: Any) -> None:
    f, g = world.dense("one", 4), world.dense("other", 4)
    found = sw.beside(world.side("one", f), world.side("other", g)).corpus
    assert found is not None
    values, counts = on_corpus(*world.pair("one", "other"), f, g)
    values = np.where(counts.all(1)[:, None], values, 0.0)
    a, b = values.T
    mine = {"only_a": (a != 0) & (b == 0), "only_b": (a == 0) & (b != 0), "both": (a != 0) & (b != 0)}[kind]
    share = np.abs(values) / np.abs(values).max(0)
    key = np.where(mine, share.min(1) if kind == "both" else share.max(1), -1)
    listed = found.top(kind, k=5, window=2)
    assert listed and all(mine[one.position] for one in listed)
    sizes = [key[one.position] for one in listed]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] == pytest.approx(key.max())
    at = [one.position for one in listed]
    assert all(abs(p - q) > 2 for i, p in enumerate(at) for q in at[:i])
    assert len({one.token_ids for one in listed}) == len(listed)
    with pytest.raises(ValueError, match="kind is one of"):
        found.top("neither")  # type: ignore[arg-type]


def test_lists_pass_over_what_is_inside_a_window_and_nothing_of_the_text_beside_it(
    world: World, tmp_path: Path
) -> None:
    # Texts of a few tokens: a window of ten tokens would reach over several of them, were it not clipped.
    words = "God created heaven earth night day beginning without form".split()
    rows = [{"text": f"{a} {b}"} for a in words for b in words]
    index = build(world.base, tmp_path / "short", rows, sae="two")
    f, g = (int(index.order("density")[k]) for k in (0, 3))
    found = sw.beside((index, f), (index, g)).corpus
    assert found is not None
    ends = np.cumsum([len(ids_of(row["text"])) for row in rows])
    text_of = np.searchsorted(ends, found.position, side="right")
    for kind in ("only_a", "only_b", "both"):
        here = np.array([name == kind for name in found.to_pandas()["fires"]])
        # A window holds the whole of these texts, so that each that is not another's copy is listed once.
        listed = found.top(kind, k=10_000)  # type: ignore[arg-type]
        assert len(listed) + sum(one.repeats for one in listed) >= len(set(text_of[here].tolist())) > 0


def test_a_sample_of_points_keeps_what_is_rare() -> None:
    kinds = np.repeat([0, 1, 2], [20_000, 9_000, 30])
    drawn = sampled(kinds, 3000)
    of_kind = np.bincount(kinds[drawn.rows], minlength=3)
    assert of_kind[2] == 30 and 2900 <= of_kind.sum() <= 3000
    # Beyond the 500 of each kind, in proportion.
    assert (of_kind[0] - 500) / (of_kind[1] - 500) == pytest.approx(19_500 / 8_500, rel=0.01)
    assert len(np.unique(drawn.rows)) == len(drawn.rows)
    np.testing.assert_array_equal(drawn.rows, sampled(kinds, 3000).rows)
    assert "30 of 30 where only B fires" in drawn.note
    assert len(sampled(kinds, 50_000).rows) == len(kinds) and sampled(kinds, 50_000).note == ""


# -- numbers at their edges


def test_what_is_not_defined_is_none() -> None:
    nothing = together(np.zeros((0, 2), np.float32), 5)
    assert (nothing.pearson, nothing.cosine, nothing.jaccard, nothing.neither) == (None, None, None, 5)
    constant = together(np.array([[1, 2], [1, 3]], np.float32), 2)
    assert constant.pearson is None and constant.cosine == pytest.approx(5 / np.sqrt(2 * 13))
    assert together(np.array([[1, 2], [1, 3]], np.float32), 4).pearson == pytest.approx(
        r(np.array([1, 1, 0, 0]), np.array([2, 3, 0, 0]))
    )
    assert together(np.ones((1, 2), np.float32), 1).pearson is None
    large = np.array([[1e4 + i % 2, 1e4 + (i * i) % 3] for i in range(12)], np.float32)
    assert together(large, 12).pearson == pytest.approx(r(*large.T), abs=1e-9)


# -- decoder rows


def test_the_decoder_cosine_is_that_of_the_rows(world: World) -> None:
    found = sw.beside(world.side("one", 5), world.side("two", 7)).decoder
    x, y = (world.sources[name].sae.W_dec[f].detach().double().numpy() for name, f in (("one", 5), ("two", 7)))
    assert found.value == pytest.approx(x @ y / np.sqrt((x @ x) * (y @ y)))
    assert HOOK in found.note and EARLIER in found.note
    assert sw.beside(world.side("one", 5), world.side("one", 7)).decoder.note == ""


def test_decoders_of_two_widths_have_no_cosine(world: World) -> None:
    torch.manual_seed(0)
    wide = sw.Directions(torch.randn(5, tiny.D_MLP), "blocks.0.mlp.hook_post")
    with sw.Engine(world.sources["one"].model, {"wide": wide}) as engine:
        found = sw.beside((world.base, 1), (engine, 4), TEXT)
        assert found.decoder.value is None
        assert f"A ('one') writes {tiny.D_MODEL} numbers" in found.decoder.missing
        assert f"B ('wide') {tiny.D_MLP} at blocks.0.mlp.hook_post" in found.decoder.missing
        assert found.text is not None and found.decoder.missing in found.notes


# -- what is no side


def test_a_feature_outside_its_side_names_the_side(world: World) -> None:
    with pytest.raises(FeatureIndexError, match="Feature 99 is outside side B, 'tuned', .* 48 features .*mixed up"):
        sw.beside(world.side("one", 1), sw.Side(index=world.indexes["other"], feature=99, name="tuned"))
    with pytest.raises(FeatureIndexError, match="Feature -1 is outside side A"):
        sw.beside(world.side("one", -1), world.side("one", 1))


def test_bad_sides_are_errors_with_the_remedy(world: World) -> None:
    good = world.side("one", 1)
    for bad, says in (
        (7, "Side A is int. A side is a pair"),
        ((world.base,), "Side A is tuple"),
        (("an index", 3), "Side A is of str, which is no engine and no index"),
        (sw.Side(feature=3), "Side A has neither an engine nor an index"),
        (sw.Side(engine=world.indexes["one"], feature=3), "The engine of side A is FeatureIndex, not Engine"),  # type: ignore[arg-type]
        ((world.base, "x"), "The feature of side A is an integer, not 'x'"),
        ((world.base, 1.5), "The feature of side A is an integer, not 1.5"),
    ):
        with pytest.raises(GeometryError, match=says):
            sw.beside(bad, good)  # type: ignore[arg-type]
    with pytest.raises(IndexMismatchError, match="Side B: The index at"):
        sw.beside(good, sw.Side(engine=world.tuned, index=world.indexes["one"], feature=1))
    with pytest.raises(KeyError, match="no dictionary 'absent'"):
        sw.beside(good, sw.Side(engine=world.base, sae="absent", feature=1))


def test_an_index_finds_its_dictionary_among_several(world: World, tmp_path: Path) -> None:
    copy = shutil.copytree(world.indexes["two"].path, tmp_path / "two")
    found = sw.beside(sw.Side(engine=world.base, index=sw.FeatureIndex.open(copy), feature=3), (world.base, 4))
    assert found.a.sae == "two" and found.b.sae == "one"


def test_the_table_has_a_row_for_each_part(world: World) -> None:
    found = sw.beside(world.side("one", 5), world.side("two", 7), TEXT)
    table = found.to_pandas()
    assert found.corpus is not None and found.text is not None
    assert list(table.index) == ["text", "corpus"]
    assert table.loc["corpus", "pearson"] == found.corpus.together.pearson
    assert table.loc["text", "both"] == found.text.together.both
    assert (table["decoder_cosine"] == found.decoder.value).all()
    assert found.provenance["A SAE"] == "one" and "B corpus" in found.provenance
    assert "both fire on" in repr(found) and found.figure().data and found.text.figure().data

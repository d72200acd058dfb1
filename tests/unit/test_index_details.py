"""Statistics where they are easily wrong: norm outliers, special tokens in a text, many shards, signs, other dictionaries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import norms
import numpy as np
import pytest
import tiny
import torch

import saewidgets as sw
from saewidgets.engine.activations import portion
from saewidgets.index.scan.shards import shards_in

HOOK = "blocks.1.hook_resid_pre"
ROWS = [
    {"text": text, "id": f"doc {i}", "third": i % 3}
    for i, text in enumerate(
        [
            "In the beginning God created the heaven and the earth. " * 12,
            "the earth<|eos|>and the heaven<|eos|>Zwölf Boxkämpfer",
            "日本語のテキスト 😀 and the earth",
            "",
            "heaven and earth",
            "heaven and earth",
            *(f"God created {i} heaven and the earth, the beginning" for i in range(12)),
        ]
    )
]
LOUD = 15  # "."


def loud_model() -> Any:
    """A model in which one token is a norm outlier."""
    model = tiny.hooked()
    model.W_E.data[LOUD] *= 80
    return model


def negative_sae() -> Any:
    """AbsTopK, with a feature that is only ever negative."""
    sae = tiny.sae("abstopk")
    sae.W_enc.data[:, 7] *= 0.1
    sae.b_enc.data[7] = -9
    return sae


class Truth:
    """The corpus, one row a token, by the definitions: each chunk alone through the model."""

    def __init__(self, model: Any, encode: Any, size: int = tiny.N_CTX) -> None:
        ids, chunk, document, counted, xs = [], [], [], [], []
        chunks = 0
        for number, row in enumerate(ROWS):
            own = tiny.tokenizer()(row["text"], add_special_tokens=False)["input_ids"]
            for start in range(0, len(own), size - 1):
                part = [0, *own[start : start + size - 1]]
                with torch.no_grad():
                    x = model.run_with_cache(torch.tensor([part]))[1][HOOK][0].numpy()
                far = norms.outliers(model, [HOOK], part)
                counted += [i > 1 and not out for i, out in zip(part, far, strict=True)]
                ids += part
                chunk += [chunks] * len(part)
                document += [number] * len(part)
                xs.append(x)
                chunks += 1
        self.ids, self.chunk, self.document = np.array(ids), np.array(chunk), np.array(document)
        self.counted, self.x = np.array(counted), np.concatenate(xs)
        with torch.no_grad():
            dense = encode(torch.from_numpy(self.x)).numpy()
        self.acts = np.where(self.counted[:, None], dense, 0)


CASES = {"standard": lambda: tiny.sae("standard"), "abstopk": negative_sae}


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portion, "TOKENS", 64)
        yield


def build(model: Any, dictionary: Any, path: Path, **how: Any) -> sw.FeatureIndex:
    with sw.Engine(model, dictionary) as engine:
        return sw.build_index(engine, ROWS, path, shard_tokens=100, progress=False, wait=True, **how)


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[sw.FeatureIndex, Truth]:
    model, sae = loud_model(), CASES[request.param]()
    index = build(model, sae, tmp_path_factory.mktemp(request.param) / "index")
    assert len(shards_in(index.path)) >= 3
    return index, Truth(model, sae.encode)


def close(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-4)


def test_special_tokens_and_norm_outliers_are_not_counted(case: tuple[sw.FeatureIndex, Truth]) -> None:
    index, truth = case
    special = truth.ids <= 1
    outliers = ~special & ~truth.counted
    assert outliers.sum() >= 10 and (truth.ids[outliers] == LOUD).all() and (truth.ids == 1).sum() == 2
    assert index.counted == truth.counted.sum() and index.tokens == len(truth.ids)
    flags = index.texts.flags(0, index.tokens)
    np.testing.assert_array_equal(flags, special + 2 * outliers)
    assert f"{outliers.sum()} norm outliers" in index.provenance["left out"]
    for f in range(len(index)):
        positions, _ = index.activations(f)
        assert truth.counted[positions].all()


def test_all_statistics_over_several_shards(case: tuple[sw.FeatureIndex, Truth]) -> None:
    index, truth = case
    n = truth.counted.sum()
    with np.errstate(invalid="ignore"):
        together = np.nan_to_num(np.corrcoef(truth.acts[truth.counted].T.astype(np.float64)))
    table = index.features
    for f in range(len(index)):
        column, feature = truth.acts[:, f].astype(np.float64), index.feature(f)
        positions, values = index.activations(f)
        np.testing.assert_array_equal(positions, np.flatnonzero(column))
        close(values, column[positions])
        exact = values.astype(np.float64)  # from here on to the last bit: nothing may be borderline
        assert feature.count == len(exact) == table.loc[f, "count"]
        assert feature.density == len(exact) / n == table.loc[f, "density"]
        if not len(exact):
            continue
        assert (feature.maximum, feature.minimum) == (exact.max(), exact.min())
        np.testing.assert_allclose(
            [feature.mean, feature.std, table.loc[f, "mean"], table.loc[f, "std"]],
            [exact.mean(), exact.std()] * 2,
            rtol=1e-6,
            atol=1e-7,
        )
        wanted = np.histogram(exact, 50)[0] if exact.min() < exact.max() else [len(exact)] + [0] * 49
        assert feature.histogram is not None
        assert np.abs(feature.histogram.counts - wanted).sum() <= 2, "NumPy decides values on an edge by division"
        np.testing.assert_allclose(feature.histogram.sums.sum(), exact.sum(), rtol=1e-5, atol=1e-5)
        both = [((column != 0) & (truth.acts[:, c.feature] != 0)).sum() for c in feature.correlated]
        assert [c.together for c in feature.correlated] == both
        close([c.pearson for c in feature.correlated], [together[f, c.feature] for c in feature.correlated])


def test_neurons_are_correlated_over_counted_tokens_only(case: tuple[sw.FeatureIndex, Truth]) -> None:
    index, truth = case
    a, x = truth.acts[truth.counted].astype(np.float64), truth.x[truth.counted].astype(np.float64)
    for f in np.flatnonzero(a.std(0) > 1e-6).tolist():
        r = np.array([np.corrcoef(a[:, f], x[:, j])[0, 1] for j in range(x.shape[1])])
        found = index.feature(f).neurons
        close([abs(n.pearson) for n in found], np.sort(np.abs(r))[::-1][:10])
        close([n.pearson for n in found], r[[n.neuron for n in found]])


@pytest.mark.slow
def test_the_listed_tokens_are_those_with_the_largest_sums(case: tuple[sw.FeatureIndex, Truth]) -> None:
    index, truth = case
    for f in range(len(index)):
        column = truth.acts[:, f].astype(np.float64)
        sums = {int(i): np.abs(column[truth.ids == i]).sum() for i in np.unique(truth.ids[column != 0])}
        found = index.feature(f).tokens
        close([sums[t.id] for t in found], sorted(sums.values(), reverse=True)[:20])
        for t in found:
            here = (truth.ids == t.id) & truth.counted
            assert t.count == (column[here] != 0).sum() and t.share == t.count / here.sum()
            close(t.mean, column[here & (column != 0)].mean())


@pytest.mark.slow
def test_a_bar_of_the_histogram_and_its_examples_agree(case: tuple[sw.FeatureIndex, Truth]) -> None:
    index, _ = case
    for f in index.order("density")[:6].tolist():
        histogram = index.feature(f).histogram
        assert histogram is not None
        if histogram.low == histogram.high:
            continue
        edges = histogram.edges
        for i in range(50):
            group = index.examples(f, low=edges[i], high=edges[i + 1], top=10**6, fold=False)["range"]
            assert group.count == len(group.examples) == histogram.counts[i]
            np.testing.assert_allclose(
                sum(e.activation for e in group.examples), histogram.sums[i], rtol=1e-5, atol=1e-5
            )
        assert index.examples(f, low=edges[0], fold=False, top=10**6)["range"].count == index.feature(f).count


@pytest.mark.slow
def test_examples_of_documents_that_go_over_shards(case: tuple[sw.FeatureIndex, Truth]) -> None:
    index, truth = case
    own = {i: [0, *tiny.tokenizer()(row["text"], add_special_tokens=False)["input_ids"]] for i, row in enumerate(ROWS)}
    f = int((truth.acts > 0).sum(0).argmax())
    seen = set()
    for e in index.examples(f, group="top", top=10**6, window=3, fold=False):
        number = int(truth.document[e.position])
        seen.add(number)
        assert e.document == f"doc {number}" and e.columns == {"third": number % 3}
        assert own[number][e.at] == truth.ids[e.position] == e.token_ids[e.focus]
        rows = truth.chunk == truth.chunk[e.position]
        assert e.before == (
            e.start > np.flatnonzero(rows)[0] or rows.nonzero()[0][0] != np.argmax(truth.document == number)
        )
        assert e.after == (own[number][e.at :] != list(e.token_ids[e.focus :]))
        assert all((flag != 0) == np.isnan(a) for flag, a in zip(e.flags, e.activations, strict=True))
    assert len(seen) > 10
    for wanted in (0, "0", 2):
        some = index.examples(f, group="top", where={"third": wanted}, top=10**6, fold=False)
        positions = np.flatnonzero((truth.acts[:, f] > 0) & (truth.document % 3 == int(wanted)))
        assert sorted(e.position for e in some["top"].examples) == positions.tolist()
    named = index.examples(f, group="top", where={"name": "doc 0"}, top=10**6, fold=False)["top"]
    assert {e.document for e in named.examples} == {"doc 0"}


@pytest.mark.slow
def test_a_feature_that_is_only_negative(tmp_path: Path) -> None:
    index = build(tiny.hooked(), negative_sae(), tmp_path / "index")
    feature = index.feature(7)
    _, values = index.activations(7)
    assert feature.density == 1 and feature.intervals == ()
    assert feature.minimum == values.min() < feature.maximum == values.max() < 0
    examples = index.examples(7, fold=False)
    assert [group.key for group in examples.groups] == ["top", "bottom", "near", "silent"]
    assert not examples["top"].examples
    assert [e.activation for e in examples["bottom"].examples] == np.sort(values)[:20].tolist()
    assert index.order("mean")[index.alive - 1] == 7 and index.features.loc[7, "max"] == values.max()
    cut = build(tiny.hooked(), negative_sae(), tmp_path / "cut", keep=sw.Keeping(complete=5, top=3, interval=2))
    assert cut.feature(7).count == feature.count and not cut.feature(7).complete
    some = cut.examples(7, fold=False, top=3)["bottom"].examples
    assert [e.position for e in some] == [e.position for e in examples["bottom"].examples[:3]]
    assert cut.examples(7, high=0)["range"].count is None


@pytest.mark.slow
def test_filters_of_a_feature_that_was_cut_down_say_that_they_come_from_a_sample(tmp_path: Path) -> None:
    keep = sw.Keeping(complete=5, top=3, interval=2)
    index = build(tiny.hooked(), tiny.sae("standard"), tmp_path / "index", keep=keep)
    f = int(index.order("density")[0])
    feature = index.feature(f)
    assert not feature.complete and feature.kept <= 3 + 10 * 2 < feature.count
    some = index.examples(f, fold=False)
    assert not some["top"].sampled, "a list of the largest is not a sample, and holds nothing else"
    assert any(g.sampled for g in some.groups if g.key.isdigit())
    assert all(g.sampled == (g.held < (g.count or 0)) for g in some.groups if g.key.isdigit())
    filtered = index.examples(f, where={"third": 1})
    assert all(g.sampled == (g.count is None) for g in filtered.groups if g.key.isdigit())
    assert len(index.examples(f, group="top", top=50, fold=False)["top"].examples) <= feature.kept


@pytest.mark.slow
def test_stored_logit_weights_belong_to_their_feature(tmp_path: Path) -> None:
    model, sae = tiny.hooked(), tiny.sae("standard")
    index = build(model, sae, tmp_path / "index")
    weights = (sae.W_dec @ model.W_U).detach().numpy().astype(np.float64)
    for f in (0, 13, 47):
        found, row = index.feature(f).logits, weights[f]
        assert found is not None
        order = np.argsort(-row)
        assert [t.id for t in found.top] == order[: len(found.top)].tolist()
        assert [t.id for t in found.bottom] == order[::-1][: len(found.bottom)].tolist()
        close([t.value for t in found.top + found.bottom], row[[t.id for t in found.top + found.bottom]])
        z = (row - row.mean()) / row.std()
        close(
            [found.mean, found.std, found.skew, found.kurtosis, found.histogram.low, found.histogram.high],
            [row.mean(), row.std(), (z**3).mean(), (z**4).mean(), row.min(), row.max()],
        )
        assert found.histogram.counts.sum() == len(row)


@pytest.mark.slow
def test_what_was_not_computed_says_so(tmp_path: Path) -> None:
    index = build(tiny.hooked(), tiny.sae(), tmp_path / "index", neuron_correlations=False, feature_correlations=False)
    f = int(index.order("density")[0])
    feature = index.feature(f)
    assert feature.neurons == feature.correlated == ()
    assert "neuron_correlations=True" in str(feature.neurons_missing)
    assert "feature_correlations=False" in str(feature.correlated_missing)
    assert not list(index.path.glob("sums-*"))
    index.features  # noqa: B018


@pytest.mark.slow
def test_directions(tmp_path: Path) -> None:
    vectors = torch.randn(5, tiny.D_MODEL, generator=torch.Generator().manual_seed(3))
    model = loud_model()
    index = build(model, sw.Directions(vectors, HOOK, list("abcde")), tmp_path / "index")
    truth = Truth(model, lambda x: x @ vectors.T)
    assert len(index) == 5
    for f in range(5):
        column = truth.acts[truth.counted, f].astype(np.float64)
        feature = index.feature(f)
        assert feature.count == index.counted and feature.density == 1
        close([feature.mean, feature.std, feature.minimum], [column.mean(), column.std(), column.min()])
    assert index.label(1) == "b" and len(index.feature(0).neighbours) == len(index.feature(0).correlated) == 4


@pytest.mark.slow
@pytest.mark.parametrize("width", [None, tiny.D_MLP])
def test_neurons_as_features(width: int | None, tmp_path: Path) -> None:
    model = tiny.hooked()
    index = build(model, sw.Neurons("blocks.0.mlp.hook_post", width), tmp_path / "index")
    assert len(index) == tiny.D_MLP
    with torch.no_grad():
        x = model.run_with_cache(
            torch.tensor([[0, *tiny.tokenizer()("heaven and earth", add_special_tokens=False)["input_ids"]]])
        )
    values = x[1]["blocks.0.mlp.hook_post"][0, 1:]
    at = index.texts.documents["name"].to_pylist().index("doc 4")
    start = int(np.searchsorted(index.folder.read("chunk_document"), 4))
    first = int(index.texts.chunk_ptr[start]) + 1
    assert at == 3
    for f in (0, 5, 31):
        positions, found = index.activations(f)
        here = (positions >= first) & (positions < first + len(values))
        close(found[here], values[:, f])
        assert index.feature(f).neighbours == () and index.feature(f).alignment == ()
    again = build(tiny.hooked(), sw.Neurons("blocks.0.mlp.hook_post", width), tmp_path / "index")
    assert again.tokens == index.tokens


@pytest.mark.slow
def test_without_bos_and_with_a_smaller_context(tmp_path: Path) -> None:
    index = build(tiny.hooked(), tiny.sae("standard", prepend_bos=False), tmp_path / "index", context_size=10)
    lengths = np.diff(index.texts.chunk_ptr)
    assert lengths.max() == 10
    long = tiny.tokenizer()(ROWS[0]["text"], add_special_tokens=False)["input_ids"]
    assert index.texts.ids(0, len(long)) == tuple(long), "no token is repeated between chunks"
    f = int(index.order("density")[0])
    for e in index.examples(f, where={"name": "doc 0"}, window=None, fold=False):
        assert long[e.at] == e.token_ids[e.focus] and e.at == e.position and len(e.tokens) <= 10


@pytest.mark.slow
def test_tokens_that_the_sae_was_not_trained_on_are_not_counted(tmp_path: Path) -> None:
    sae = tiny.sae("standard", exclude_special_tokens=[LOUD])
    index = build(tiny.hooked(), sae, tmp_path / "index")
    ids = np.array(index.texts.ids(0, index.tokens))
    np.testing.assert_array_equal(index.texts.flags(0, index.tokens) != 0, (ids <= 1) | (ids == LOUD))
    assert not any(t.id == LOUD for f in range(len(index)) for t in index.feature(f).tokens)

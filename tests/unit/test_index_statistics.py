"""Every statistic of an index against its definition, over dense activations of sae-lens, for every architecture."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from test_activations_equal_sae_lens import _state, reference

import saewidgets as sw
from saewidgets.interventions.effects.ablation import ablate

TEXTS = [
    "In the beginning God created the heaven and the earth. " * 9,  # several chunks
    "日本語のテキスト 😀 Zwölf Boxkämpfer",
    "the earth",
    "",
    "And the earth was without form, and void.",
    "the earth",  # a repeat
    "heaven and earth and heaven",
    *(f"God created the {word} {i}" for i, word in enumerate("heaven earth night day".split() * 2)),
]
CASES = [
    *(("hooked", a, "blocks.1.hook_resid_pre", None) for a in tiny.SAES),
    *(("hooked", a, "blocks.1.mlp.hook_in", "blocks.1.hook_mlp_out") for a in tiny.TRANSCODERS),
    ("hooked", "jumprelu", "blocks.1.attn.hook_z", None),
    ("bridge", "jumprelu", "blocks.1.hook_resid_pre", None),
    ("bridge", "abstopk", "blocks.1.hook_resid_pre", None),
    ("bridge", "transcoder", "blocks.1.mlp.hook_in", "blocks.1.hook_mlp_out"),
]


@dataclass
class Dense:
    """The corpus, dense: one row a token."""

    ids: np.ndarray
    chunk: np.ndarray
    document: np.ndarray
    counted: np.ndarray
    acts: np.ndarray
    x: np.ndarray

    @property
    def a(self) -> np.ndarray:
        """Activations of counted tokens, float64."""
        return self.acts[self.counted].astype(np.float64)


def dense(wrapper: str, architecture: str, hook: str, out: str | None) -> Dense:
    model, sae = tiny.MODELS[wrapper](), tiny.sae(architecture, hook, hook_out=out)
    parts: list[tuple[np.ndarray, ...]] = []
    bos = tiny.tokenizer().bos_token_id
    special = {tiny.tokenizer().bos_token_id, tiny.tokenizer().eos_token_id}
    chunks = 0
    for document, text in enumerate(TEXTS):
        own = tiny.tokenizer()(text, add_special_tokens=False)["input_ids"]
        for start in range(0, len(own), tiny.N_CTX - 1):
            ids = [bos, *own[start : start + tiny.N_CTX - 1]]
            tokens = torch.tensor([ids])
            with torch.no_grad():
                acts = reference(model, sae, tokens)
                name = model._resolve_hook_name(hook) if hasattr(model, "_resolve_hook_name") else hook
                x = model.run_with_cache(tokens)[1][name][0].flatten(1).numpy()
            norm = np.linalg.norm(x, axis=1)
            usual = sorted(n for n, i in zip(norm, ids, strict=True) if i not in special)
            lower_median = usual[(len(usual) - 1) // 2]
            counted = [i not in special and n <= 10 * lower_median for i, n in zip(ids, norm, strict=True)]
            n = len(ids)
            parts.append((np.array(ids), np.full(n, chunks), np.full(n, document), np.array(counted), acts, x))
            chunks += 1
    return Dense(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def engine_of(wrapper: str, architecture: str, hook: str, out: str | None) -> sw.Engine:
    return sw.Engine(tiny.MODELS[wrapper](), tiny.sae(architecture, hook, hook_out=out))


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{case[1]}-{case[2]}")
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[sw.FeatureIndex, Dense]:
    rows = [{"text": text, "id": f"doc {i}", "even": i % 2 == 0} for i, text in enumerate(TEXTS)]
    with engine_of(*request.param) as engine:
        index = sw.build_index(engine, rows, tmp_path_factory.mktemp("index") / "index", progress=False, wait=True)
    return index, dense(*request.param)


def close(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_numbers_of_every_feature(case: tuple[sw.FeatureIndex, Dense]) -> None:
    index, d = case
    a = d.a
    assert index.tokens == len(d.ids) and index.counted == d.counted.sum()
    assert (a != 0).any(), "the case tests nothing"
    for f in range(tiny.D_SAE):
        feature, active = index.feature(f), a[:, f][a[:, f] != 0]
        assert feature.count == len(active) and feature.complete
        assert feature.density == pytest.approx(len(active) / len(a))
        if not len(active):
            assert feature.dead and feature.maximum is None and feature.histogram is None
            continue
        close([feature.maximum, feature.minimum, feature.mean], [active.max(), active.min(), active.mean()])
        close(feature.std, active.std())
        close(index.column("total")[f], active.sum())
        close(index.column("squares")[f], (active**2).sum())


def test_histograms_and_intervals(case: tuple[sw.FeatureIndex, Dense]) -> None:
    index, _ = case
    for f in range(tiny.D_SAE):
        feature = index.feature(f)
        if feature.histogram is None:
            assert not feature.intervals
            continue
        _, values = index.activations(f)
        assert len(values) == feature.count == feature.histogram.counts.sum()
        low, high = float(values.min()), float(values.max())
        counts, sums = [0] * 50, [0.0] * 50
        for v in values.astype(float).tolist():
            place = (
                0 if low == high else next(i for i in range(50) if v < low + (i + 1) * ((high - low) / 50) or i == 49)
            )
            counts[place] += 1
            sums[place] += v
        assert feature.histogram.counts.tolist() == counts
        close(feature.histogram.sums, sums)
        if high <= 0:
            assert not feature.intervals
            continue
        assert len(feature.intervals) == 10 and feature.intervals[0].high == feature.maximum
        for i, interval in enumerate(reversed(feature.intervals)):
            inside = [v for v in values.astype(float) if interval.low < v <= interval.high]
            assert interval.count == len(inside) and interval.share == pytest.approx(len(inside) / feature.count)
            assert interval.low == pytest.approx(high * i / 10)
        assert sum(i.count for i in feature.intervals) == (values > 0).sum()


def test_tokens_it_fires_on(case: tuple[sw.FeatureIndex, Dense]) -> None:
    index, d = case
    ids, occurrences = d.ids[d.counted], Counter(d.ids[d.counted].tolist())
    for f in range(0, tiny.D_SAE, 5):
        column = d.a[:, f]
        found = index.feature(f).tokens
        assert len(found) == min(20, len(set(ids[column != 0].tolist())))
        for fired in found:
            values = column[(ids == fired.id) & (column != 0)]
            assert fired.count == len(values) and fired.share == len(values) / occurrences[fired.id]
            close(fired.mean, values.mean())
        sizes = [fired.count * abs(fired.mean) for fired in found]
        if (column >= 0).all():
            assert all(a >= b - 1e-6 for a, b in pairwise(sizes))


@pytest.mark.slow
def test_top_examples_are_a_full_sort(case: tuple[sw.FeatureIndex, Dense]) -> None:
    index, d = case
    for f in range(tiny.D_SAE):
        column = np.where(d.counted, d.acts[:, f], 0)
        top = index.examples(f, group="top", top=15, fold=False)
        found = top["top"].examples
        wanted = np.sort(column[column > 0])[::-1][:15]
        close([e.activation for e in found], wanted)
        for e in found:
            close(column[e.position], e.activation)
        if found:
            assert found[0].activation == index.feature(f).maximum
        if (column < 0).any():
            close([e.activation for e in top["bottom"].examples], np.sort(column[column < 0])[:15])


def test_what_an_example_shows(case: tuple[sw.FeatureIndex, Dense]) -> None:
    index, d = case
    for f in (1, 17, 40):
        for window in (4, None):
            for e in index.examples(f, window=window, fold=False):
                rows = np.flatnonzero(d.chunk == d.chunk[e.position])
                if window is not None:
                    rows = rows[np.abs(rows - e.position) <= window]
                assert e.start == rows[0] and e.token_ids == tuple(d.ids[rows].tolist())
                assert e.start + e.focus == e.position and len(e.tokens) == len(rows)
                close(e.activations, np.where(d.counted[rows], d.acts[rows, f], np.nan))
                assert e.document == f"doc {d.document[e.position]}"
                assert e.columns == {"even": bool(d.document[e.position] % 2 == 0)}
                text = TEXTS[d.document[e.position]]
                assert "".join(t for t, flag in zip(e.tokens, e.flags, strict=True) if flag == 0) in text


@pytest.mark.slow
def test_interval_and_silent_examples(case: tuple[sw.FeatureIndex, Dense]) -> None:
    index, d = case
    for f in range(0, tiny.D_SAE, 3):
        column = np.where(d.counted, d.acts[:, f], 0)
        usual = [t.id for t in index.feature(f).tokens[:3]]
        for group in index.examples(f, per_interval=4, fold=False).groups:
            for e in group.examples:
                assert d.counted[e.position]
                if group.key.isdigit():
                    assert group.low is not None and group.high is not None
                    assert group.low < e.activation <= group.high
                if group.key in ("near", "silent"):
                    around = (d.chunk == d.chunk[e.position]) & (np.abs(np.arange(len(d.ids)) - e.position) <= 10)
                    assert not column[around].any()
                if group.key == "near":
                    assert d.ids[e.position] in usual
            if group.key.isdigit():
                assert len(group.examples) == min(4, group.count or 0)


@pytest.mark.slow
def test_correlations_with_neurons_and_features(case: tuple[sw.FeatureIndex, Dense]) -> None:
    index, d = case
    a, x = d.a, d.x[d.counted].astype(np.float64)
    varied = a.std(0) > 1e-9
    with np.errstate(invalid="ignore", divide="ignore"):
        features = np.nan_to_num(np.corrcoef(a.T))
        neurons = np.nan_to_num(np.corrcoef(a.T, x.T)[: a.shape[1], a.shape[1] :])
    for f in np.flatnonzero(varied).tolist():
        found = index.feature(f)
        wanted = sorted((abs(r) for r in neurons[f]), reverse=True)
        close([abs(n.pearson) for n in found.neurons], wanted[: len(found.neurons)])
        for n in found.neurons:
            close(n.pearson, neurons[f, n.neuron])
            close(n.cosine, a[:, f] @ x[:, n.neuron] / np.linalg.norm(a[:, f]) / np.linalg.norm(x[:, n.neuron]))
        others = np.delete(np.where(varied, features[f], 0), f)
        listed = index.column("correlated_r")[f]
        close(listed, np.sort(others)[::-1][: len(listed)])
        for c in found.correlated:
            assert c.feature != f and c.together == ((a[:, f] != 0) & (a[:, c.feature] != 0)).sum()
            close(c.pearson, features[f, c.feature])


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["jumprelu", "topk_rescaled"])
def test_neighbours_and_alignment(architecture: str, tmp_path: Path) -> None:
    sae = tiny.sae(architecture)
    with sw.Engine(tiny.hooked(), sae) as engine:
        index = sw.build_index(engine, TEXTS, tmp_path / "index", progress=False, wait=True)
    rows = sae.W_dec.detach().numpy().astype(np.float64)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    if architecture == "topk_rescaled":  # decodes with unit rows
        rows = unit
    for f in range(tiny.D_SAE):
        cosines = np.delete(unit @ unit[f], f)
        close([n.cosine for n in index.feature(f).neighbours], np.sort(cosines)[::-1][:20])
        order = np.argsort(-np.abs(rows[f]))[:10]
        assert [n.neuron for n in index.feature(f).alignment] == order.tolist()
        close([n.value for n in index.feature(f).alignment], rows[f, order])
        close([n.share for n in index.feature(f).alignment], np.abs(rows[f, order]) / np.abs(rows[f]).sum())


@pytest.mark.slow
def test_folding_and_filters(tmp_path: Path) -> None:
    rows = [{"text": text, "kind": "even" if i % 2 == 0 else "odd"} for i, text in enumerate(TEXTS)]
    with sw.Engine(tiny.hooked(), tiny.sae("standard")) as engine:
        index = sw.build_index(engine, rows, tmp_path / "index", progress=False, wait=True)
    f = int(index.order("density")[0])
    every = list(index.examples(f, group="top", top=10**6, window=5, fold=False)["top"].examples)
    folded = list(index.examples(f, group="top", top=10**6, window=5)["top"].examples)
    snippets = Counter((e.focus, e.token_ids) for e in every)
    assert {(e.focus, e.token_ids): e.repeats + 1 for e in folded} == dict(snippets)
    assert max(snippets.values()) > 1, "nothing was folded"
    for e in index.examples(f, token="earth", fold=False):
        assert e.tokens[e.focus].strip() == "earth"
    assert len(index.examples(f, group="top", token="earth", top=10**6, fold=False)) == sum(
        e.tokens[e.focus].strip() == "earth" for e in every
    )
    odd = index.examples(f, group="top", where={"kind": "odd"}, top=10**6, fold=False)
    assert len(odd) == sum(e.columns["kind"] == "odd" for e in every) > 0
    with pytest.raises(KeyError, match="no column"):
        index.examples(f, where={"colour": "red"})
    low, high = (float(np.quantile([e.activation for e in every], q)) for q in (0.3, 0.6))
    ranged = index.examples(f, low=low, high=high, top=10**6, fold=False)["range"]
    assert len(ranged.examples) == ranged.count == sum(low <= e.activation < high for e in every)


@pytest.mark.slow
def test_a_cut_down_index_tells_the_same(tmp_path: Path) -> None:
    keep = sw.Keeping(complete=20, top=6, interval=3)
    with sw.Engine(tiny.hooked(), tiny.sae("abstopk")) as engine:
        whole = sw.build_index(engine, TEXTS, tmp_path / "whole", progress=False, wait=True)
        cut = sw.build_index(engine, TEXTS, tmp_path / "cut", keep=keep, progress=False, wait=True)
    dropped = 0
    for f in range(tiny.D_SAE):
        a, b = whole.feature(f), cut.feature(f)
        assert b.complete == (b.count <= 20 or len(cut.activations(f)[0]) == b.count)
        # Complete is what can all be an example; then nothing is called a sample.
        assert b.complete == (b.kept == b.count)
        if b.complete:
            assert not any(g.sampled for g in cut.examples(f).groups if g.key not in ("near", "silent"))
            assert cut.examples(f, low=-np.inf)["range"].count == b.count
        dropped += not b.complete
        assert (a.count, a.maximum, a.intervals, a.tokens, a.correlated) == (
            b.count,
            b.maximum,
            b.intervals,
            b.tokens,
            b.correlated,
        )
        how: dict[str, Any] = {"top": 6, "per_interval": 3, "fold": False, "window": 8}
        for one, other in zip(whole.examples(f, **how).groups, cut.examples(f, **how).groups, strict=True):
            assert [e.position for e in one.examples] == [e.position for e in other.examples]
            assert one.count == other.count
            for e, g in zip(one.examples, other.examples, strict=True):
                np.testing.assert_array_equal(e.activations, g.activations)  # no false zeros beside an example
        if not b.complete:
            assert all(g.sampled == (g.held < (g.count or 0)) for g in cut.examples(f).groups if g.key.isdigit())
    assert dropped > 10


@pytest.mark.slow
def test_samples_are_seeded_and_uniform() -> None:
    from saewidgets.index.statistics.kept_examples import drawn

    positions = np.arange(200)
    assert drawn(0, 3, positions, 5).tolist() == drawn(0, 3, positions, 5).tolist()
    assert drawn(0, 3, positions, 5).tolist() != drawn(1, 3, positions, 5).tolist()
    shuffled = np.random.default_rng(0).permutation(positions)
    assert set(shuffled[drawn(0, 3, shuffled, 5)]) == set(positions[drawn(0, 3, positions, 5)])
    counts = np.bincount(np.concatenate([drawn(0, f, positions, 10) for f in range(4000)]), minlength=200)
    # 200 binomial counts of mean 200 and standard deviation 13.8: chi-squared has mean 199 and standard deviation 20.
    assert 100 < ((counts - 200) ** 2 / 200).sum() < 300


@pytest.mark.slow
def test_the_table_of_features(case: tuple[sw.FeatureIndex, Dense]) -> None:
    index, d = case
    table, ids = index.features, d.ids[d.counted]
    assert list(table.index) == list(range(tiny.D_SAE))
    for f in range(tiny.D_SAE):
        active = d.a[:, f] != 0
        row, values = table.loc[f], d.a[active, f]
        assert row["count"] == len(values) and row["density"] == len(values) / len(d.a)
        if not len(values):
            assert row[["max", "min", "mean", "std", "top_token", "neuron", "neuron_r"]].isna().all()
            continue
        close(
            [row["max"], row["min"], row["mean"], row["std"]], [values.max(), values.min(), values.mean(), values.std()]
        )
        sizes = Counter[int]()
        for token, value in zip(ids[active].tolist(), values, strict=True):
            sizes[token] += abs(value)
        strongest = index.feature(f).tokens[0]
        close(sizes[strongest.id], max(sizes.values()))
        assert row["top_token"] == strongest.token
        assert row["top_logits"] == [w.token for w in index.feature(f).logits.top[:5]]  # type: ignore[union-attr]
        assert (row["neuron"], row["neighbour"]) == (
            index.feature(f).neurons[0].neuron,
            index.feature(f).neighbours[0].feature,
        )
        assert index.neighbours(f, 3)["cosine"].tolist() == [n.cosine for n in index.feature(f).neighbours[:3]]


@pytest.mark.slow
def test_the_manifest_names_the_corpus_however_it_was_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saewidgets.engine.activations.portion.TOKENS", 64)
    told = []
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        for i, (texts, size) in enumerate(((TEXTS, 10**6), (TEXTS, 64), (TEXTS[::-1], 10**6))):
            index = sw.build_index(
                engine,
                texts,
                tmp_path / str(i),
                shard_tokens=size,
                keep_activations=True if i != 1 else "until finished",
                progress=False,
                wait=True,
            )
            told.append(json.loads((tmp_path / str(i) / "manifest.json").read_text())["corpus"])
            assert (told[-1]["tokens"], told[-1]["counted"]) == (index.tokens, index.counted)
            assert told[-1]["documents"] == sum(map(bool, texts))
    assert told[0] == told[1] and told[0]["hash"] != told[2]["hash"]


@pytest.mark.slow
def test_an_index_alone_knows_what_its_numbers_are(tmp_path: Path) -> None:
    directions = sw.Directions(
        torch.randn(3, tiny.D_MODEL, generator=torch.Generator().manual_seed(0)), "blocks.1.hook_resid_pre"
    )
    with sw.Engine(tiny.hooked(), directions) as engine:
        sw.build_index(engine, TEXTS, tmp_path / "index", progress=False, wait=True)
    alone = sw.FeatureIndex.open(tmp_path / "index")
    assert alone.feature(0).activation_name == "dot product"
    assert alone.feature(0).logits is not None and alone.feature(0).logits.label.startswith("direction @ W_U")


@pytest.mark.slow
@pytest.mark.parametrize("wrapper", tiny.MODELS)
@pytest.mark.parametrize("architecture", ["jumprelu", "layer_norm", "temporal"])
def test_building_and_ablating_change_nothing_of_the_user(wrapper: str, architecture: str, tmp_path: Path) -> None:
    model, sae = tiny.MODELS[wrapper](), tiny.sae(architecture)
    model(model.to_tokens("the"))  # a bridge hooks up its own blocks on the first forward
    before = _state(model, sae)
    with sw.Engine(model, sae) as engine:
        index = sw.build_index(engine, TEXTS[:4], tmp_path / "index", progress=False, wait=True)
        ablate(engine, "In the beginning", int(index.order("density")[0]))
    assert _state(model, sae) == before


def test_an_index_of_one_direction_has_no_others_to_go_with(tmp_path: Path) -> None:
    direction = sw.Directions(torch.ones(1, tiny.D_MODEL), "blocks.1.hook_resid_pre")
    with sw.Engine(tiny.hooked(), direction) as engine:
        found = sw.build_index(engine, TEXTS, tmp_path / "one", progress=False, wait=True).feature(0)
    assert found.count and (found.correlated, found.neighbours) == ((), ())

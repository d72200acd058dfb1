"""A bounded index beside the index of all activations: what is exact is equal, what is estimated is within its bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

import saewidgets as sw
from saewidgets.index.statistics.kept_examples import Keeping

TEXTS = [tiny.TEXTS[i % 2][i % 9 :] + str(i) for i in range(24)] + ["", "x"]
SMALL = Keeping(complete=20, top=5, interval=3)


def build(path: Path, sae: str = "jumprelu", corpus: Any = TEXTS, **settings: Any) -> sw.FeatureIndex:
    with sw.Engine(tiny.hooked(), tiny.sae(sae)) as engine:
        index = sw.build_index(engine, corpus, path, progress=False, wait=True, **settings)
    return sw.FeatureIndex.open(index.path)


EXACT = ("count", "low", "high", "occurrences")


@pytest.fixture(scope="module", params=["jumprelu", "abstopk"])
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[sw.FeatureIndex, sw.FeatureIndex]:
    """The full index and the bounded one; of some features few activations, of others many, and negative ones."""
    path = tmp_path_factory.mktemp(request.param)
    full = build(path / "full", request.param, context_size=6)
    keep = Keeping(complete=int(np.median(full.column("count"))) // 8, top=5)
    # In one shard: the same tokens in the same forwards, so that activations are the same to the last bit.
    bounded = build(path / "bounded", request.param, keep_activations=False, keep=keep, context_size=6)
    return full, bounded


def test_exact_statistics_are_those_of_all_activations(both: tuple[sw.FeatureIndex, sw.FeatureIndex]) -> None:
    full, bounded = both
    assert (bounded.tokens, bounded.counted, len(bounded)) == (full.tokens, full.counted, len(full))
    for name in ("documents", "tokens", "counted"):
        assert bounded._manifest.corpus[name] == full._manifest.corpus[name]
    assert bounded.provenance["left out"] == full.provenance["left out"]
    for name in EXACT:
        np.testing.assert_array_equal(bounded.column(name), full.column(name), err_msg=name)
    for name in ("total", "squares"):
        np.testing.assert_allclose(bounded.column(name), full.column(name), rtol=1e-12)
    table, wanted = bounded.features, full.features
    for name in ("density", "count", "max", "min", "mean", "std"):
        np.testing.assert_allclose(table[name], wanted[name], rtol=1e-12, atol=1e-12)


def _many(index: sw.FeatureIndex) -> Any:
    found = index.column("count") > np.diff(index.column("kept_ptr").astype(np.int64))
    assert found.any() and not found.all()
    return found


def test_estimates_are_within_their_bounds(both: tuple[sw.FeatureIndex, sw.FeatureIndex]) -> None:
    full, bounded = both
    many = _many(bounded)
    for name in ("bins", "intervals", "bin_sums"):
        off = np.abs(bounded.column(name).astype(np.float64) - full.column(name))
        bound = bounded.column(f"{name}_bound").astype(np.float64)
        assert (off <= bound * (1 + 1e-6) + 1e-6).all(), name
        assert (bound[~many] == 0).all()
        assert bound[many].max() > 0
    np.testing.assert_array_equal(bounded.column("bins").sum(1), full.column("count"))


def test_a_feature_with_few_activations_is_what_it_is_in_the_full_index(
    both: tuple[sw.FeatureIndex, sw.FeatureIndex],
) -> None:
    full, bounded = both
    few = np.flatnonzero(~_many(bounded) & (full.column("count") > 0))
    for name in ("bins", "bin_sums", "intervals", "token", "token_count", "token_total"):
        np.testing.assert_array_equal(bounded.column(name)[few], full.column(name)[few], err_msg=name)
    for feature in few[:5].tolist():
        here, there = bounded.feature(feature), full.feature(feature)
        assert here.complete and here.histogram is not None and there.histogram is not None
        assert [vars(t) for t in here.tokens] == [vars(t) for t in there.tokens]
        np.testing.assert_array_equal(bounded.activations(feature)[1], full.activations(feature)[1])


def test_examples_are_of_the_corpus(both: tuple[sw.FeatureIndex, sw.FeatureIndex]) -> None:
    full, bounded = both
    assert full.every is not None and bounded.every is None
    busy = int(np.argmax(full.column("count")))
    values = full.every.of(busy)[1]
    top = [e.activation for e in bounded.examples(busy, group="top", fold=False)["top"].examples]
    assert top == sorted(values[values > 0].tolist(), reverse=True)[: bounded._manifest.settings.keep.top]
    wanted = {(e.document, e.at): e for e in full.examples(busy, group="top", top=10**6, fold=False, window=None)}
    seen = 0
    for example in bounded.examples(busy, fold=False, window=None):
        same = wanted.get((example.document, example.at))
        if same is not None:
            seen += 1
            assert (example.tokens, example.columns) == (same.tokens, same.columns)
            np.testing.assert_array_equal(example.activations, same.activations)
        else:
            assert example.activation == 0
    assert seen > 5
    for group in ("near", "silent"):
        for example in bounded.examples(busy, group="silent", fold=False, window=None)[group].examples:
            assert example.activations[example.focus] == 0

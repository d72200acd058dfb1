"""What geometry asks an index for: every activation of its scan, the engine it was checked with, decoder rows."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from test_index_statistics import TEXTS, dense

import saewidgets as sw
from saewidgets.index.errors import IndexMismatchError

HOOK = "blocks.1.hook_resid_pre"


@pytest.fixture
def engine() -> sw.Engine:
    return sw.Engine(tiny.hooked(), tiny.sae("jumprelu", HOOK))


@pytest.fixture
def index(engine: sw.Engine, tmp_path: Path) -> sw.FeatureIndex:
    return sw.build_index(engine, TEXTS, tmp_path / "index", keep=sw.Keeping(complete=3, top=2, interval=1))


def test_every_activation_of_the_scan_is_there_where_an_index_itself_keeps_a_few(index: sw.FeatureIndex) -> None:
    truth = dense("hooked", "jumprelu", HOOK, None)
    acts = np.where(truth.counted[:, None], truth.acts, 0)
    every = index.every
    assert every is not None and len(every) == len(truth.ids) == index.tokens
    for feature in range(tiny.D_SAE):
        position, value = every.of(feature)
        np.testing.assert_array_equal(position, np.flatnonzero(acts[:, feature]))
        np.testing.assert_allclose(value, acts[position, feature], rtol=1e-5)
    assert any(len(index.activations(f)[0]) < len(every.of(f)[0]) for f in range(tiny.D_SAE))


def test_without_its_scan_there_is_none(index: sw.FeatureIndex) -> None:
    index.wait(progress=False)
    for shard in index.path.glob("shard-*"):
        shutil.rmtree(shard)
    assert sw.FeatureIndex.open(index.path).every is None


def test_decoder_rows_are_what_a_feature_adds(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    sae = tiny.sae("jumprelu", HOOK)
    np.testing.assert_array_equal(index.decoder([5, 0, 5]), sae.W_dec.detach().numpy()[[5, 0, 5]])
    assert index.decoder().shape == (tiny.D_SAE, tiny.D_MODEL) and index.sae == HOOK and index.engine is engine


def test_an_index_without_its_engine_says_how_to_give_one(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    alone = sw.FeatureIndex.open(index.path)
    assert alone.engine is None and alone.sae == ""
    with pytest.raises(IndexMismatchError, match=r"FeatureIndex.open\(.*engine=engine\)"):
        alone.decoder()
    alone.check(engine)
    assert alone.decoder().shape[0] == len(alone)
    engine.close()
    assert alone.engine is None


def test_an_engine_whose_weights_changed_is_the_index_s_no_more(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    with torch.no_grad():
        next(iter(engine.dictionary().weights().values())).mul_(2)
    with pytest.raises(IndexMismatchError):
        index.check(engine)
    assert index.engine is None


def test_copies_of_a_corpus_are_told_by_its_tokens(engine: sw.Engine, index: sw.FeatureIndex, tmp_path: Path) -> None:
    other = sw.Engine(tiny.hooked(1), tiny.sae("topk", HOOK))
    same = sw.build_index(other, TEXTS, tmp_path / "same")
    another = sw.build_index(other, TEXTS[:-1], tmp_path / "another")
    assert same.corpus_hash == index.corpus_hash != another.corpus_hash

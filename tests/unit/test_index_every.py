"""What geometry asks an index for: every activation of its scan, the engine it was checked with, decoder rows."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from test_index_statistics import TEXTS, dense

import saewidgets as sw
from saewidgets.index import job
from saewidgets.index.errors import IndexCorruptError, IndexMismatchError

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


@pytest.mark.slow
@pytest.mark.parametrize("ended", [True, False], ids=["grown", "while it grows"])
def test_of_an_index_that_has_grown_since_it_was_opened_it_is_of_the_corpus_that_was_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: bool
) -> None:
    with sw.Engine(tiny.hooked(), tiny.sae("topk"), outlier_factor=None) as engine:
        whole = sw.build_index(engine, TEXTS, tmp_path / "whole", progress=False, wait=True)
        index = sw.build_index(engine, TEXTS, tmp_path / "index", progress=False)
        more, f = [text[::-1] for text in TEXTS], int(np.argmax(whole.column("count")))
        if ended:
            _near(index.wait(), f)
            unread = sw.FeatureIndex.open(index.path)
            assert len(sw.extend_index(engine, more, index.path, progress=False, wait=True)) == len(index)
            for ask in (lambda: unread.column("count"), lambda: unread.documents):
                with pytest.raises(IndexCorruptError, match="open the index again"):  # its files are gone
                    ask()
        else:
            monkeypatch.setattr(job, "write_store", _killed)
            with pytest.raises(KeyboardInterrupt):
                sw.extend_index(engine, more, index.path, progress=False)
            index = sw.FeatureIndex.open(index.path, engine=engine)
        assert index.every is not None and len(index.every) == index.tokens == whole.tokens
        for ours, theirs in zip(_near(index, f), _near(whole, f), strict=True):
            assert ours.equals(theirs)
        assert index.feature(f).correlated == whole.feature(f).correlated
        if not ended:
            index.wait()
            np.testing.assert_array_equal(index.column("correlated_r"), whole.column("correlated_r"))


def _near(index: sw.FeatureIndex, feature: int) -> list[pd.DataFrame]:
    # Not what is said of them: that is shared by the indexes of an engine.
    tables = (sw.neighbours(index, feature, by=by, k=40) for by in ("correlation", "coactivation"))  # type: ignore[arg-type]
    return [table.drop(columns="description") for table in tables]


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt
